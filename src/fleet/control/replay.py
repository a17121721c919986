"""``policy.replay``: recorded decisions made again under a candidate configuration. Reads only.

The deciders and the matcher are those that decide in earnest; this file says what differs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fleet.assess.recorded import is_risk, judge
from fleet.config.changes import compare_loaded
from fleet.config.loader import LoadedConfig, parse_config
from fleet.control.configs import roles_now
from fleet.control.context import Context, Handlers
from fleet.control.queries import archived_to
from fleet.control.recorded import Record
from fleet.core.decision import Verdict
from fleet.core.journal import Entry
from fleet.core.principal import Principal
from fleet.core.risk import RiskLevel
from fleet.core.work import LIVE_RUNS, RunState
from fleet.fabric.match import match
from fleet.fabric.subscription import subscriptions
from fleet.policy.record import NotReplayable, read_record
from fleet.policy.replay import Replayed, decide, decide_under

_ENDS = tuple(f"run.{state}" for state in RunState if state not in LIVE_RUNS)
# Entries that record an answer with its facts.
_ANSWERS = (
    "delivery.dispatched",
    "delivery.held",
    "delivery.denied",
    "delivery.dead_lettered",
    "work_returned",
    "merge.allowed",
    "merge.refused",
    "review.allowed",
    "review.refused",
    "run.stop_requested",
    "budget.warned",
    "agent.quarantined",
    "risk.level_changed",
)
KINDS = (*_ANSWERS, *_ENDS, "event.routed")
# Decisions that are not made again, and why: every type of the journal's decisions is here or above (a test).
NOT_AGAIN: dict[str, frozenset[str]] = {
    "what people said is taken as said": frozenset(
        {
            "dead_letter.replayed", "dead_letter.discarded", "approval.granted", "approval.refused",
            "agent.stop_requested", "ticket.cancel_requested", "ticket.retry_requested", "ticket.close_requested",
            "ticket.reopen_requested", "ticket.text_accepted", "pr.text_accepted", "comment.requested",
            "pr.close_requested",
            "task.assign_requested", "agent.state_changed", "agent.released", "agent.end_unsaved", "risk.labelled",
            "risk.model_applied", "budget.granted", "limit.released", "fleet.halted", "fleet.resumed", "payload.erased",
            "question.answered", "permission.answered", "provider.released", "store.restored", "artifact.removed",
            "base.accepted", "audit.key_rotated", "journal.archived", "config.change_intended",
            "config.change_abandoned", "config.accepted", "config.refused",
        }
    ),
    "it follows from a decision that is made again": frozenset(
        {"approval.requested", "approval.expired", "budget.exhausted", "agent.probation_ended"}
    ),
    "git, the clock or the machine decided": frozenset(
        {
            "audit.key_introduced", "checkpoint.refused", "base.unexplained", "base.moved_by_person",
            "branch.unexplained", "provider.parked", "schedule.skipped",
        }
    ),
    "what was asked for is not kept whole, for it may hold secrets": frozenset({"tool.refused", "request.refused"}),
}  # fmt: skip
_EFFECTS: dict[str, dict[str, str]] = {
    "start": {"allow": "starts", "hold": "holds", "deny": "denies"},
    "merge": {"allow": "merges", "hold": "merge waits", "deny": "merge refused"},
    "review": {"allow": "review counts", "hold": "review waits", "deny": "review refused"},
    "broken": {"returned": "comes back", "moot": "is dropped", "dead": "dead letter"},
    "attempt": {"returned": "comes back", "dead": "dead letter"},
    "call_off": {"stopped": "stops", "goes on": "goes on"},
    "warn": {"warned": "warns", "not warned": "does not warn"},
}
WORDS = {  # what an entry without a verdict says that was decided
    "work_returned": "returned",
    "delivery.denied": "moot",
    "delivery.dead_lettered": "dead",
    "run.stop_requested": "stopped",
    "budget.warned": "warned",
}
_SHOWN = 20  # entries named for one reason
_LIMITS = (f"run.{RunState.OVER_BUDGET}", f"run.{RunState.TIMED_OUT}")
NOTES = (
    "Each decision is made again by itself, on the facts that were recorded with it. What would have followed is not"
    " simulated: a start that did not happen is still in the facts of later decisions.",
    "What people said (approvals, waivers, reviews, quarantines by hand) is taken as said.",
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
    candidate = parse_config(args["text"].encode(), name=args["name"], roles=roles_now(ctx))
    again = _Again(Record(ctx.db, args["since"], KINDS), candidate, _Report())
    for kind in KINDS:
        again.look_at(kind)
    report, unread = again.report, again.record.unread
    report.differs.sort(key=lambda row: (row["seq"], row["effect"]))
    shown = report.differs[: args["limit"]]
    left_out = [{"why": why, "count": len(seqs), "entries": seqs[:_SHOWN]} for why, seqs in report.left_out.items()]
    left_out += [{"why": why, "count": count, "entries": []} for why, count in unread]
    return {
        "since": args["since"],
        "candidate": {"name": args["name"], "hash": candidate.digest},
        "in_force": ctx.loaded.digest,
        "changes": list(compare_loaded(ctx.loaded, candidate).bounded()),
        "decisions": report.decisions,
        "differs": shown,
        "counts": dict(sorted(Counter(row["effect"] for row in report.differs).items())),
        "more": len(report.differs) - len(shown),
        "program_differs": report.program[: args["limit"]],
        "not_replayable": sorted(left_out, key=lambda row: str(row["why"])),
        "archived_to": ctx.db.read(archived_to),
        "warnings": list(candidate.warnings[:50]),
        "notes": list(NOTES),
    }


@dataclass(frozen=True, slots=True)
class _Again:
    """What is read, under which candidate it is decided again, and what was found so far."""

    record: Record
    candidate: LoadedConfig
    report: _Report

    def look_at(self, kind: str) -> None:
        """Every entry of one type."""
        decide_one = self._route if kind == "event.routed" else self._end if kind in _ENDS else self._decide
        for entry in self.record.entries(kind):
            try:
                decide_one(entry)
            except NotReplayable as why:
                self.report.leave_out(entry, str(why))

    def _decide(self, entry: Entry) -> None:
        """One answer of the program; what a person or git decided is none."""
        payload = _payload(entry)
        record: Any = payload.get("facts")
        decision = payload.get("decision")
        if is_risk(record):
            self._risk(entry, dict(record))
            return
        if not isinstance(decision, dict) and record is None:
            _require_none_needed(entry, payload)
            return
        facts = read_record(record)
        was = str(decision["verdict"]) if isinstance(decision, dict) else WORDS[entry.type]
        today, found = decide(facts), decide_under(facts, self.candidate.config, self.candidate.roles)
        effect = _EFFECTS[str(record["kind"])][found.word]
        because = _changed_reasons(today, found)
        codes = [one.code for one in found.decision.binding] if found.decision is not None else []
        self._compare(entry, was, today.word, found.word, effect, found.text, codes, because)

    def _risk(self, entry: Entry, record: dict[str, Any]) -> None:
        """A level of risk, and the quarantine that follows from *critical*."""
        if entry.type == "agent.quarantined" and entry.actor.startswith("human:"):
            return
        payload = _payload(entry)
        was = str(RiskLevel.CRITICAL) if entry.type == "agent.quarantined" else str(payload["level"])
        try:
            judged = judge(record)
        except ValueError as error:
            raise NotReplayable(str(error)) from error
        today = now = str(judged.level)
        text = f"its risk is {judged.probability:.0%} on the same signals"
        if self.candidate.config.agent(entry.agent) is None:
            now, text = "not judged", f"{entry.agent} is not in the candidate"
        critical = str(RiskLevel.CRITICAL) in (was, now)
        effect = ("quarantines" if now == RiskLevel.CRITICAL else "no quarantine") if critical else "another level"
        self._compare(entry, was, today, now, effect, text, [], [])

    def _compare(
        self, entry: Entry, was: str, today: str, now: str, effect: str, why: str, codes: list[str], because: list[str]
    ) -> None:
        """Count one decision, and tell where the candidate (or this program) answers otherwise."""
        self.report.decisions += 1
        if today != was:
            self.report.program.append({**_row(entry, was, today), "why": why})
        if now != was:
            row = {**_row(entry, was, now), "effect": effect, "why": "; ".join(because) or why}
            self.report.differs.append({**row, "codes": codes, "because": because})

    def _end(self, entry: Entry) -> None:
        """A run that ended: would it have been stopped at another moment?"""
        start = self.record.start_of(entry.run_id)
        if start is None or start.payload is None:
            raise NotReplayable("the decision that a run began with is not on record any more")
        ended, begun = _payload(entry), _payload(start)
        found = decide_under(read_record(begun.get("facts")), self.candidate.config, self.candidate.roles)
        self.report.decisions += 1
        if found.seconds is None:
            return  # it would not have begun, which its start tells
        was, now, used = float(begun["allowance_seconds"]), found.seconds.seconds, float(ended["used_seconds"])
        bound = f"the budget of {found.seconds.of}" if found.seconds.of else "its time limit"
        if abs(was - now) < 0.001:
            return
        if used > now:
            text = f"it ran for {used:.1f} s and would be stopped after {now:.1f} s ({bound})"
        elif entry.type in _LIMITS and now > was:
            text = f"it was stopped after {was:.1f} s and would be given {now:.1f} s ({bound})"
        else:
            return
        row = {**_row(entry, f"{was:.1f} s", f"{now:.1f} s"), "effect": "stops", "why": text}
        self.report.differs.append({**row, "codes": [], "because": []})

    def _route(self, entry: Entry) -> None:
        """Which agents an event would have reached."""
        payload = _payload(entry)
        event = self.record.event(entry.cause_id)
        if event is None:
            raise NotReplayable("the event that was routed is not on record any more")
        was, others = set(payload.get("to", {})), payload.get("not", {})
        retired = payload.get("retired", [name for name, why in others.items() if why == "is retired"])
        back = _back(self.candidate, retired)
        answers = {
            one.agent: one
            for one in match(event, subscriptions(self.candidate.config.agents), frozenset(retired) - back)
        }
        self.report.decisions += 1
        now = {name for name, one in answers.items() if one.reached}
        for name in sorted(now ^ was):
            reached, one = name in now, answers.get(name)
            if one is None:
                why = f"{name}: is not in the candidate"
            else:
                why = f"{name}: {one.why}"
            words = ("not reached", "reached") if reached else ("reached", "not reached")
            row = {**_row(entry, *words), "agent": name, "effect": "reaches" if reached else "no longer reaches"}
            self.report.differs.append({**row, "why": why, "codes": [], "because": []})


def _payload(entry: Entry) -> dict[str, Any]:
    if entry.payload is None:
        raise NotReplayable("its payload was erased")
    return dict(entry.payload)


def _require_none_needed(entry: Entry, payload: dict[str, Any]) -> None:
    """Raise NotReplayable for a decision of policy without facts; none are needed for a person's, or git's, word."""
    by_the_program = entry.actor.startswith("system:") and "code" not in payload
    offered = entry.type == "work_returned" and not (entry.dedup_key or "").startswith("returned:")
    if by_the_program and not offered:
        raise NotReplayable("recorded without its facts, by an earlier program")


def _changed_reasons(today: Replayed, found: Replayed) -> list[str]:
    """The checks whose answer is another one under the candidate, with what they say there."""
    if today.decision is None or found.decision is None:
        return []
    before = {one.check: one.verdict for one in today.decision.reasons}
    return [one.text for one in found.decision.reasons if before.get(one.check, Verdict.ALLOW) is not one.verdict]


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
        "work_item": entry.work_item,
        "agent": entry.agent or entry.actor.removeprefix("agent:"),
        "was": was,
        "now": now,
    }


HANDLERS: Handlers = {"policy.replay": replay}
