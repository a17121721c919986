"""Verbs about risk: how agents stand, why, how it came, what people said of it, and a fit on that."""

from __future__ import annotations

from typing import Any

from fleet.assess import fit
from fleet.assess.fit import Row
from fleet.assess.outlook import ways_down
from fleet.assess.reading import HOUR, clean_since, read
from fleet.assess.risk import PRIOR, WORTH, Model, Part, level_of, score, thresholds
from fleet.assess.signals import BY_KEY, SIGNALS, WINDOW_HOURS
from fleet.assess.standing import Standing, model_in_force, stand
from fleet.control.context import Context, Handlers
from fleet.control.members import known
from fleet.core.agent import AgentState
from fleet.core.errors import Refused, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.store import agents as agent_rows
from fleet.store import journal, risk, riskfacts, runs
from fleet.store.agents import AgentRow
from fleet.store.db import Tx
from fleet.store.risk import Label


def show(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Every agent that is not retired, or one: level, probability, quarantine, probation, frozen runs.

    Raises NotFound FLT-AGT-001.
    """

    def gather(tx: Tx) -> list[dict[str, Any]]:
        rows = [row for row in agent_rows.every(tx) if row.state is not AgentState.RETIRED]
        if args["name"]:
            rows = [known(agent_rows.every(tx), args["name"])]
        return [standing_dict(tx, row) for row in rows]

    return {"agents": ctx.db.read(gather)}


def standing_dict(tx: Tx, row: AgentRow) -> dict[str, Any]:
    """How one agent stands, in a few fields."""
    found = stand(tx, row.name)
    held = risk.quarantine_of(tx, row.name)
    return {
        "agent": row.name,
        "state": str(row.state),
        "level": str(_level(found, row)),
        "probability": round(found.score.probability, 4),
        "model": found.score.model,
        "since": found.since,
        "heaviest": [part.key for part in found.score.parts if part.contribution >= WORTH][:3],
        "quarantine": None
        if held is None
        else {"actor": held.actor, "reason": held.reason, "at": held.at, "entry": held.entry_id},
        "probation": _probation(found),
        "frozen": [
            {"run": one.run_id, "error": one.error, "since": one.since, "let_go": one.let_go}
            for one in risk.frozen(tx, row.name)
        ],
    }


def _level(found: Standing, row: AgentRow) -> str:
    """The level; an agent in quarantine stays at the one it went in with until a person releases it."""
    if row.state is AgentState.QUARANTINED and found.last is not None:
        return str(found.last.level)
    return str(found.level)


def _probation(found: Standing) -> dict[str, Any] | None:
    if found.watched is None or found.watched.ended is not None:
        return None
    watched = found.watched
    clean = clean_since(found.facts.runs, watched.since)
    return {
        "since": watched.since,
        "needed": watched.needed,
        "clean": clean,
        "by": watched.actor,
        "why": watched.reason,
    }


def explain(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One agent: each signal with its value, coefficient, contribution and evidence; and what leads down from there.

    Raises NotFound FLT-AGT-001.
    """

    def gather(tx: Tx) -> dict[str, Any]:
        row = known(agent_rows.every(tx), args["name"])
        found = stand(tx, row.name)
        steps = ways_down(found.facts, found.now, found.before, found.level, found.model, probation=found.probation)
        return {
            **standing_dict(tx, row),
            "intercept": found.model.intercept,
            "whole": found.facts.whole,
            "signals": [_part(part) for part in found.score.parts],
            "thresholds": [
                {"level": str(one.level), "enter": one.enter, "leave": one.leave}
                for one in thresholds(probation=found.probation)
            ],
            "ways_down": [
                {"text": step.text, "probability": round(step.probability, 4), "level": str(step.level)}
                for step in steps
            ],
        }

    return ctx.db.read(gather)


def _part(part: Part) -> dict[str, Any]:
    signal = BY_KEY[part.key]
    return {
        "signal": part.key,
        "value": part.value if part.value is None else round(part.value, 4),
        "used": round(part.used, 4),
        "cap": signal.cap,
        "unit": signal.unit,
        "coefficient": part.coefficient,
        "contribution": round(part.contribution, 4),
        "carried": part.carried,
        "evidence": [{"seq": one.seq, "entry": one.entry, "text": one.text, "at": one.at} for one in part.evidence],
    }


def history(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The stored assessments of an agent, oldest first. Raises NotFound FLT-AGT-001."""

    def gather(tx: Tx) -> list[dict[str, Any]]:
        known(agent_rows.every(tx), args["name"])
        return [
            {
                "number": one.number,
                "at": one.at,
                "level": str(one.level),
                "probability": round(one.probability, 4),
                "model": one.model,
                "signals": {key: record["used"] for key, record in one.readings.items() if record["used"]},
            }
            for one in reversed(risk.scores(tx, args["name"], limit=args["limit"]))
        ]

    return {"agent": args["name"], "scores": ctx.db.read(gather)}


# -- labels and fit --------------------------------------------------------------------------------


def label(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Say whether an agent was to be held back: at the end of a run, or at a moment of it (now by default).

    The signals are read as they were then. Raises NotFound FLT-RUN-001, FLT-AGT-001; UsageError FLT-RSK-004 for a run
    that has not ended, or a moment that is still to come.
    """
    ref, bad = args["ref"], args["verdict"] == "bad"

    def transaction(tx: Tx) -> dict[str, Any]:
        agent, as_of, about = _moment(tx, ref, args["at"])
        since = as_of - WINDOW_HOURS * HOUR
        found = score(read(riskfacts.facts(tx, agent, since, as_of), as_of), {}, PRIOR)
        values = {part.key: round(part.used, 4) for part in found.parts}
        values["silent_hours"] = 0.0 if as_of < tx.now else values["silent_hours"]  # of the past nobody knows it
        number = risk.put_label(
            tx, about, agent, bad=bad, readings=values, actor=str(principal), reason=args["reason"], as_of=as_of
        )
        word = "was to be held back" if bad else "did as it should"
        draft = Draft(
            Stream.DECISION,
            "risk.labelled",
            str(principal),
            subject=f"agent/{agent}",
            agent=agent,
            summary=f"{agent} {word}: {args['reason'] or about}",
            payload={"about": about, "agent": agent, "bad": bad, "reason": args["reason"], "readings": values},
        )
        journal.append(tx, draft)
        return {"label": number, "about": about, "agent": agent, "bad": bad, "as_of": as_of, "signals": values}

    return ctx.db.write(transaction)


def _moment(tx: Tx, ref: str, at: int) -> tuple[str, int, str]:
    """Agent, instant and name of what is labelled."""
    if any(row.name == ref for row in agent_rows.every(tx)):
        instant = at or tx.now
        if instant > tx.now:
            raise UsageError("FLT-RSK-004", "this moment is still to come", where=ref)
        return ref, instant, f"agent/{ref}@{instant}"
    run = runs.get(tx, ref)
    if run.finished_at is None:
        raise UsageError("FLT-RSK-004", "the run has not ended yet", where=ref, hint="Label its agent, or wait.")
    return run.agent, run.finished_at, f"run/{run.id}"


def labels(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What people said so far."""
    found = ctx.db.read(risk.labels)
    return {
        "labels": [
            {"label": one.number, "about": one.about, "agent": one.agent, "bad": one.bad, "by": one.actor,
             "reason": one.reason, "as_of": one.as_of, "at": one.at, "signals": one.readings}
            for one in found
        ]
    }  # fmt: skip


def fitted(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Fit on the labels and tell what would change; changes nothing. Raises Refused FLT-RSK-005 for too few labels."""
    return ctx.db.read(lambda tx: _fit(tx)[1])


def apply(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Fit, and let the coefficients hold from now on, as a new version on record. Raises Refused FLT-RSK-005."""

    def transaction(tx: Tx) -> dict[str, Any]:
        model, report = _fit(tx)
        weights = {"intercept": model.intercept, **model.coefficients}
        before = model_in_force(tx)
        draft = Draft(
            Stream.DECISION,
            "risk.model_applied",
            str(principal),
            summary=f"{principal} let coefficients hold that were fitted on {report['labels']} labels",
            payload={"weights": weights, "before": before.version, "reason": args["reason"], "report": report},
        )
        made = journal.append(tx, draft)
        version = risk.put_model(tx, weights, report, actor=str(principal), entry_id=made.id)
        return {**report, "applied": True, "version": f"fitted-{version}"}

    return ctx.db.write(transaction)


def _fit(tx: Tx) -> tuple[Model, dict[str, Any]]:
    """The fit on all labels around the shipped coefficients, and a report that compares it with what holds now."""
    told = risk.labels(tx)
    rows = [Row(one.readings, one.bad) for one in told]
    missing = fit.too_few(rows)
    if missing:
        hint = "fleet risk label RUN ok|bad adds one; so does fleet agent release NAME --verdict confirmed|unjust."
        raise Refused("FLT-RSK-005", missing, hint=hint)
    present, model = model_in_force(tx), fit.map_fit(rows, PRIOR)
    now, then = fit.judge_of(present), fit.judge_of(model)
    report = {
        "labels": len(rows),
        "bad": sum(row.bad for row in rows),
        "applied": False,
        "version": "",
        "in_force": present.version,
        "intercept": {"shipped": PRIOR.intercept, "now": present.intercept, "fitted": model.intercept},
        "coefficients": [
            {
                "signal": signal.key,
                "shipped": PRIOR.coefficients[signal.key],
                "now": present.coefficients[signal.key],
                "fitted": model.coefficients[signal.key],
                "held_at_zero": model.coefficients[signal.key] == 0.0,
            }
            for signal in SIGNALS
        ],
        "brier": {
            "now": fit.brier(rows, now),
            "fitted": fit.brier(rows, then),
            "held_out": fit.held_out_brier(rows, PRIOR),
        },
        "calibration": {
            "now": [_bin(one) for one in fit.calibration(rows, now)],
            "fitted": [_bin(one) for one in fit.calibration(rows, then)],
        },
        "changes": [*_changes(told, now, then), *_agents(tx, present, model)],
    }
    return model, report


def _bin(one: fit.Bin) -> dict[str, Any]:
    return {"low": one.low, "high": one.high, "count": one.count, "predicted": one.predicted, "observed": one.observed}


def _changes(told: list[Label], now: fit.Judge, then: fit.Judge) -> list[dict[str, Any]]:
    """Labelled moments at which the level would have been another one."""
    found = []
    for one in told:
        row = Row(one.readings, one.bad)
        before, after = level_of(now(row)), level_of(then(row))
        if before is not after:
            found.append(
                {"about": one.about, "agent": one.agent, "now": str(before), "fitted": str(after), "bad": one.bad}
            )
    return found


def _agents(tx: Tx, present: Model, model: Model) -> list[dict[str, Any]]:
    """Agents whose level would be another one at this moment."""
    found = []
    for row in agent_rows.every(tx):
        if row.state is AgentState.RETIRED:
            continue
        before, after = stand(tx, row.name, present).level, stand(tx, row.name, model).level
        if before is not after:
            change = {"about": f"agent/{row.name}", "agent": row.name, "now": str(before), "fitted": str(after)}
            found.append({**change, "bad": None})
    return found


HANDLERS: Handlers = {
    "risk.show": show,
    "risk.explain": explain,
    "risk.history": history,
    "risk.label": label,
    "risk.labels": labels,
    "risk.fit": fitted,
    "risk.apply": apply,
}
