"""``policy.replay``: recorded decisions made again under a candidate configuration. Reads only.

The deciders and the matcher are those that decide in earnest; this file finds the entries and says what differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fleet.config.loader import LoadedConfig, parse_config
from fleet.control.context import Context, Handlers
from fleet.control.queries import archived_to
from fleet.core.decision import Verdict
from fleet.core.errors import NotFound
from fleet.core.journal import Entry
from fleet.core.principal import Principal
from fleet.core.work import LIVE_RUNS, RunState
from fleet.fabric.match import match
from fleet.fabric.subscription import subscriptions
from fleet.policy.record import NotReplayable, read_record
from fleet.policy.replay import Replayed, decide, decide_under
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

# Entries that record a verdict with its facts, and what another verdict means there.
_TYPES = (
    "delivery.dispatched",
    "delivery.held",
    "delivery.denied",
    "merge.allowed",
    "merge.refused",
    "review.refused",
)
_EFFECTS = {
    "delivery": {Verdict.ALLOW: "starts", Verdict.HOLD: "holds", Verdict.DENY: "denies"},
    "merge": {Verdict.ALLOW: "merges", Verdict.HOLD: "merge waits", Verdict.DENY: "merge refused"},
    "review": {Verdict.ALLOW: "review counts", Verdict.HOLD: "review waits", Verdict.DENY: "review refused"},
}
_PAGE = 200
_SHOWN = 20  # entries named for one reason
_LIMITS = (RunState.OVER_BUDGET, RunState.TIMED_OUT)
NOTES = (
    "Each decision is made again by itself, on the facts that were recorded with it. What would have followed is not"
    " simulated: a start that did not happen is still in the facts of later decisions.",
    "What people said (approvals, waivers, reviews) is taken as said.",
)


@dataclass(slots=True)
class _Report:
    """What was found so far."""

    decisions: int = 0
    differs: list[dict[str, Any]] = field(default_factory=list)
    program: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, list[int]] = field(default_factory=dict)

    def leave_out(self, entry: Entry, why: str) -> None:
        """An entry that cannot be decided again."""
        self.left_out.setdefault(why, []).append(entry.seq)


def replay(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Decide again what was decided since ``since``. Raises ConfigError FLT-CFG-010 for a faulty candidate."""
    candidate = parse_config(args["text"].encode(), name=args["name"], roles=ctx.loaded.roles)
    report = _Report()
    for kind in (*_TYPES, "event.routed"):
        for entry in _entries(ctx, kind, args["since"]):
            try:
                if kind == "event.routed":
                    _route(ctx, entry, candidate, report)
                else:
                    _decide(ctx, entry, candidate, report)
            except NotReplayable as why:
                report.leave_out(entry, str(why))
    report.differs.sort(key=lambda row: (row["seq"], row["effect"]))
    shown = report.differs[: args["limit"]]
    return {
        "since": args["since"],
        "candidate": {"name": args["name"], "hash": candidate.digest},
        "in_force": ctx.loaded.digest,
        "decisions": report.decisions,
        "differs": shown,
        "counts": dict(sorted(Counter(row["effect"] for row in report.differs).items())),
        "more": len(report.differs) - len(shown),
        "program_differs": report.program[: args["limit"]],
        "not_replayable": [
            {"why": why, "count": len(seqs), "entries": seqs[:_SHOWN]} for why, seqs in sorted(report.left_out.items())
        ],
        "archived_to": ctx.db.read(archived_to),
        "warnings": list(candidate.warnings[:50]),
        "notes": list(NOTES),
    }


def _entries(ctx: Context, kind: str, since: int) -> Iterator[Entry]:
    """Entries of a type in journal order, read in pages so that nobody waits for the store."""
    after = 0
    while True:
        page = ctx.db.read(partial(journal.select, wanted=Filter(type=kind, since=since, after=after), limit=_PAGE))
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq


def _payload(entry: Entry) -> dict[str, Any]:
    if entry.payload is None:
        raise NotReplayable("its payload was erased")
    return dict(entry.payload)


def _decide(ctx: Context, entry: Entry, candidate: LoadedConfig, report: _Report) -> None:
    """One verdict of policy; what a person or git decided is none."""
    payload = _payload(entry)
    decision = payload.get("decision")
    if not isinstance(decision, dict):
        return
    facts = read_record(payload.get("facts"))
    was = Verdict(decision["verdict"])
    today = decide(facts)
    found = decide_under(facts, candidate.config, candidate.roles)
    report.decisions += 1
    if today.decision.verdict is not was:
        report.program.append({**_row(entry, str(was), str(today.decision.verdict)), "why": today.decision.text})
    if found.decision.verdict is not was:
        because = _changed_reasons(today, found)
        effect = _EFFECTS[entry.type.partition(".")[0]][found.decision.verdict]
        report.differs.append(
            {
                **_row(entry, str(was), str(found.decision.verdict)),
                "effect": effect,
                "why": "; ".join(because) or found.decision.text,
                "codes": [reason.code for reason in found.decision.binding],
                "because": because,
            }
        )
    elif found.seconds is not None:
        _stop(ctx, entry, payload, found, report)


def _changed_reasons(today: Replayed, found: Replayed) -> list[str]:
    """The checks whose answer is another one under the candidate, with what they say there."""
    before = {one.check: one.verdict for one in today.decision.reasons}
    return [one.text for one in found.decision.reasons if before.get(one.check, Verdict.ALLOW) is not one.verdict]


def _stop(ctx: Context, entry: Entry, payload: dict[str, Any], found: Replayed, report: _Report) -> None:
    """A start that is allowed either way: would its run have been stopped at another moment?"""
    assert found.seconds is not None
    was, now = float(payload.get("allowance_seconds", 0.0)), found.seconds.seconds
    if not entry.run_id or abs(was - now) < 0.001:
        return
    try:
        run = ctx.db.read(lambda tx: runs.get(tx, entry.run_id))
    except NotFound:
        return
    bound = found.seconds.of or "its time limit"
    if run.state not in LIVE_RUNS and run.used_seconds > now:
        text = f"it ran for {run.used_seconds:.1f} s and would be stopped after {now:.1f} s ({bound})"
    elif run.state in _LIMITS and now > was:
        text = f"it was stopped after {was:.1f} s and would be given {now:.1f} s ({bound})"
    else:
        return
    row = _row(entry, f"{was:.1f} s", f"{now:.1f} s")
    report.differs.append({**row, "effect": "stops", "why": text, "codes": [], "because": []})


def _route(ctx: Context, entry: Entry, candidate: LoadedConfig, report: _Report) -> None:
    """Which agents an event would have reached."""
    payload = _payload(entry)

    def event_of(tx: Tx) -> Entry:
        try:
            return journal.get(tx, entry.cause_id)
        except NotFound:
            raise NotReplayable("the event that was routed is in an archive") from None

    event = ctx.db.read(event_of)
    was, others = set(payload.get("to", {})), payload.get("not", {})
    retired = payload.get("retired", [name for name, why in others.items() if why == "is retired"])
    found = match(event, subscriptions(candidate.config.agents), frozenset(retired) - _back(candidate, retired))
    answers = {one.agent: one for one in found}
    report.decisions += 1
    now = {name for name, one in answers.items() if one.reached}
    for name in sorted(now - was):
        row = {**_row(entry, "not reached", "reached"), "agent": name}
        report.differs.append(
            {**row, "effect": "reaches", "why": f"{name} {answers[name].why} {event.type}", "codes": [], "because": []}
        )
    for name in sorted(was - now):
        why = answers[name].why if name in answers else "is not in the candidate"
        row = {**_row(entry, "reached", "not reached"), "agent": name}
        report.differs.append(
            {**row, "effect": "no longer reaches", "why": f"{name} {why}", "codes": [], "because": []}
        )


def _back(candidate: LoadedConfig, retired: list[str]) -> frozenset[str]:
    """Retired agents that the candidate names: they would be members again."""
    return frozenset(name for name in retired if candidate.config.agent(name) is not None)


def _row(entry: Entry, was: str, now: str) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "entry": entry.id,
        "at": entry.at,
        "type": entry.type,
        "subject": entry.subject,
        "agent": entry.agent or entry.actor.removeprefix("agent:"),
        "was": was,
        "now": now,
    }


HANDLERS: Handlers = {"policy.replay": replay}
