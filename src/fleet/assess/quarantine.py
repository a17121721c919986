"""The transactions of a quarantine: into it by the assessor or a person, out of it by a person only. Plain functions.

``enter`` is one transaction: the state, the revoked capabilities, the runs that are asked to end, and the entries.
What follows is the runner's: freeze, save, end. Whatever dies in between finds the request in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.agent import AgentState
from fleet.core.journal import Draft, Stream
from fleet.core.probe import probe
from fleet.core.risk import AGENT_QUARANTINED
from fleet.store import agents, capabilities, journal, risk, runs
from fleet.store.db import Tx
from fleet.store.risk import Quarantine

CLEAN_RUNS = 5  # what an agent that was released has to show, in a row, before it is like any other
_MAY_ENTER = (AgentState.ACTIVE, AgentState.PAUSED)


@dataclass(frozen=True, slots=True)
class Entered:
    """What a quarantine came to: its entry, and the runs that were asked to end."""

    entry_id: str
    stopping: tuple[str, ...]


def enter(
    tx: Tx, name: str, *, actor: str, reason: str, evidence: dict[str, object], score: int, inside: tuple[str, ...] = ()
) -> Entered | None:
    """Take an agent out of service; None when it is not in it.

    ``inside`` names what it was doing outside the store and could not be waited for any longer.
    """
    row = agents.get(tx, name)
    moved = row.state in _MAY_ENTER and agents.move(
        tx, name, expected=row.state, state=AgentState.QUARANTINED, reason=f"quarantined by {actor}: {reason}"
    )
    if not moved:
        return None
    stopping, revoked = [], 0
    for run in runs.live(tx):
        if run.agent == name:
            revoked += capabilities.revoke_run(tx, run.id)
            stopping += [run.id] if runs.ask_cancel(tx, run.id, f"{AGENT_QUARANTINED} by {actor}: {reason}") else []
    facts: dict[str, object] = {
        "agent": name,
        "reason": reason,
        "before": str(row.state),
        "runs": stopping,
        "capabilities_revoked": revoked,
        "still_inside": list(inside),
        **evidence,
    }
    made = journal.append(tx, _draft("agent.quarantined", Stream.DECISION, name, actor, reason, facts))
    said: dict[str, object] = {"agent": name, "reason": reason, "decision": made.id}
    journal.append(tx, _draft("agent_quarantined", Stream.EVENT, name, actor, reason, said, cause=made.id))
    risk.put_quarantine(tx, Quarantine(name, made.id, actor, reason, str(row.state), score, tx.now))
    probe("quarantine.before_commit")
    return Entered(made.id, tuple(stopping))


def leave(tx: Tx, name: str, *, actor: str, reason: str, facts: dict[str, object]) -> AgentState | None:
    """Let an agent back, into probation; the state it is in now, None when it was not quarantined."""
    held = risk.quarantine_of(tx, name)
    state = AgentState(held.before) if held is not None else AgentState.ACTIVE
    why = f"paused before its quarantine; released by {actor}" if state is AgentState.PAUSED else ""
    if not agents.move(tx, name, expected=AgentState.QUARANTINED, state=state, reason=why):
        return None
    risk.end_quarantine(tx, name)
    risk.put_probation(tx, name, needed=CLEAN_RUNS, actor=actor, reason=reason)
    said: dict[str, object] = {
        "agent": name,
        "reason": reason,
        "state": str(state),
        "clean_runs_needed": CLEAN_RUNS,
        "quarantine": held.entry_id if held is not None else "",
        **facts,
    }
    journal.append(tx, _draft("agent.released", Stream.DECISION, name, actor, reason, said))
    return state


def end_probation(tx: Tx, name: str, *, actor: str, clean: int) -> bool:
    """An agent has shown what it had to; False when it was not watched."""
    if not risk.end_probation(tx, name):
        return False
    text = f"{clean} runs in a row went well"
    facts: dict[str, object] = {"agent": name, "clean_runs": clean}
    journal.append(tx, _draft("agent.probation_ended", Stream.DECISION, name, actor, text, facts))
    return True


_WORDS = {
    "agent.quarantined": "{name} was quarantined by {actor}: {reason}",
    "agent_quarantined": "{name} was quarantined by {actor}: {reason}",
    "agent.released": "{name} was released into probation by {actor}: {reason}",
    "agent.probation_ended": "{name} is on probation no longer: {reason}",
}


def _draft(
    kind: str, stream: Stream, name: str, actor: str, reason: str, facts: dict[str, object], *, cause: str = ""
) -> Draft:
    return Draft(
        stream,
        kind,
        actor,
        subject=f"agent/{name}",
        agent="" if stream is Stream.EVENT else name,
        summary=_WORDS[kind].format(name=name, actor=actor, reason=reason),
        payload=facts,
        kind="status" if stream is Stream.EVENT else "",
        cause_id=cause,
    )
