"""Verbs by which a person takes an agent out of service, lets it back, and ends what stands frozen."""

from __future__ import annotations

from typing import Any

from fleet.assess import quarantine, scores
from fleet.assess.assessor import INSIDE_SECONDS
from fleet.assess.quarantine import Entered
from fleet.assess.standing import stand
from fleet.control.context import Context, Handlers
from fleet.control.members import known
from fleet.core.agent import AgentState
from fleet.core.errors import Conflict
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.store import agents as agent_rows
from fleet.store import journal, risk
from fleet.store.db import Tx

_LOOK_SECONDS = 0.05


def enter(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Take an agent out of service now: nothing of it starts, and its runs are frozen, saved and ended.

    Raises NotFound FLT-AGT-001, Conflict FLT-RSK-002 for one that is not in service.
    """
    name, why = args["name"], args["reason"]
    ctx.db.read(lambda tx: _in_service(tx, name))
    inside = _wait_inside(ctx, name)

    def transaction(tx: Tx) -> Entered:
        _in_service(tx, name)
        found = stand(tx, name)
        number = scores.keep(tx, found, str(principal))
        done = quarantine.enter(
            tx,
            name,
            actor=str(principal),
            reason=why,
            evidence=scores.evidence(found, number),
            score=number,
            inside=inside,
        )
        assert done is not None  # it was in service a line above, in this transaction
        return done

    try:
        done = ctx.db.write(transaction)
    except Conflict:
        if ctx.db.read(lambda tx: agent_rows.get(tx, name)).state is not AgentState.QUARANTINED:
            ctx.doorway.open(name)
        raise
    probe("quarantine.after_commit")
    return {
        "agent": name,
        "state": str(AgentState.QUARANTINED),
        "stopping": list(done.stopping),
        "still_inside": list(inside),
        "entry": done.entry_id,
    }


def _in_service(tx: Tx, name: str) -> None:
    row = known(agent_rows.every(tx), name)
    if row.state not in (AgentState.ACTIVE, AgentState.PAUSED):
        raise Conflict("FLT-RSK-002", f"{name} is {row.state}", where=f"agent/{name}", hint=row.reason)


def _wait_inside(ctx: Context, name: str) -> tuple[str, ...]:
    """Shut the door and wait a moment for what the agent does inside; what is still under way then."""
    waited, inside = 0.0, ctx.doorway.shut(name)
    while inside and waited < INSIDE_SECONDS and not ctx.switch.wait(_LOOK_SECONDS):
        waited += _LOOK_SECONDS
        inside = ctx.doorway.shut(name)
    return inside


def release(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Let a quarantined agent back, on probation; what waited for it is judged at once.

    ``verdict`` says in hindsight whether the quarantine was right; that is a label for the model. Raises NotFound
    FLT-AGT-001, Conflict FLT-RSK-002 for one that is not quarantined, FLT-RSK-003 while a run of it stands frozen.
    """
    name, why, verdict = args["name"], args["reason"], args["verdict"]

    def transaction(tx: Tx) -> dict[str, Any]:
        row = known(agent_rows.every(tx), name)
        if row.state is not AgentState.QUARANTINED:
            raise Conflict("FLT-RSK-002", f"{name} is {row.state}, not quarantined", where=f"agent/{name}")
        still = risk.frozen(tx, name)
        if still:
            raise Conflict(
                "FLT-RSK-003",
                f"run {still[0].run_id} stands frozen: its work could not be saved ({still[0].error})",
                where=f"agent/{name}",
                hint=f"Make it possible to save (it is tried again), or: fleet agent stop {name} --even-unsaved",
            )
        labelled = _label(tx, principal, name, verdict, why) if verdict else False
        state = quarantine.leave(tx, name, actor=str(principal), reason=why, facts={"verdict": verdict})
        watched = risk.probation_of(tx, name)
        return {
            "agent": name,
            "state": str(state),
            "probation": {"needed": watched.needed, "since": watched.since} if watched is not None else {},
            "labelled": labelled,
        }

    done = ctx.db.write(transaction)
    ctx.doorway.open(name)
    return done


def _label(tx: Tx, principal: Principal, name: str, verdict: str, why: str) -> bool:
    """A label on the moment of the quarantine; False when its signals are not on record any more."""
    held = risk.quarantine_of(tx, name)
    row = risk.score_at(tx, held.score) if held is not None else None
    if held is None or row is None:
        return False
    values = {key: float(record["used"]) for key, record in row.readings.items()}
    bad = verdict == "confirmed"
    about = f"quarantine/{held.entry_id}"
    risk.put_label(tx, about, name, bad=bad, readings=values, actor=str(principal), reason=why, as_of=held.at)
    draft = Draft(
        Stream.DECISION,
        "risk.labelled",
        str(principal),
        subject=f"agent/{name}",
        agent=name,
        summary=f"the quarantine of {name} was {verdict}: {why}",
        payload={"about": about, "agent": name, "bad": bad, "reason": why, "readings": values},
        cause_id=held.entry_id,
    )
    journal.append(tx, draft)
    return True


def end_unsaved(tx: Tx, principal: Principal, name: str, why: str) -> list[str]:
    """Let an agent's frozen sessions end although their work is not saved; their clones stay. The runs it is about."""
    found = [one.run_id for one in risk.frozen(tx, name) if risk.let_go(tx, one.run_id, str(principal))]
    if found:
        draft = Draft(
            Stream.DECISION,
            "agent.end_unsaved",
            str(principal),
            subject=f"agent/{name}",
            agent=name,
            summary=f"{principal} ends frozen runs of {name} whose work could not be saved: {', '.join(found)}",
            payload={"agent": name, "runs": found, "reason": why},
        )
        journal.append(tx, draft)
    return found


HANDLERS: Handlers = {
    "agent.quarantine": enter,
    "agent.release": release,
}
