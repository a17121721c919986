"""Journal entries, deliveries and runs as sentences, for ``fleet why``. Pure: records in, plain words out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.clock import SECOND
from fleet.core.journal import Entry
from fleet.core.money import dollars
from fleet.core.work import LIVE_RUNS, Delivery, DeliveryState, Run, RunState, budget_title

_SHOWN = 8  # things of a list that are named one by one


def reasons(entry: Entry, *, binding: bool) -> list[str]:
    """The texts of a recorded decision's reasons: all of them, or those that carry the verdict."""
    decision = (entry.payload or {}).get("decision")
    if not isinstance(decision, Mapping):
        return []
    verdict, found = decision.get("verdict"), decision.get("reasons")
    if not isinstance(found, list):
        return []
    return [
        str(reason.get("text", ""))
        for reason in found
        if isinstance(reason, Mapping) and (not binding or reason.get("verdict") == verdict)
    ]


def decided(entry: Entry) -> list[str]:
    """What was decided, and beneath it each reason with the facts that were looked at."""
    head = f"{entry.actor} decided {entry.type} ({moment(entry.at)}): {entry.summary}"
    texts = reasons(entry, binding=False)
    return [head, *(f"  - {text}" for text in texts)]


def happened(entry: Entry) -> str:
    """An event in one line."""
    return f"{moment(entry.at)} {entry.type} by {entry.actor}: {entry.summary}"


def moment(at: int) -> str:
    """An instant (microseconds) as UTC time of day with its date: short, unambiguous, sorts."""
    seconds = at // SECOND
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    return f"{year:04d}-{month:02d}-{day:02d} {rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Days since 1970-01-01 as a date of the Gregorian calendar (Hinnant's algorithm)."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def run_line(run: Run) -> str:
    """A run and how it stands."""
    again = f", attempt {run.attempt}" if run.attempt > 1 else ""
    return f"{run.agent} ({run.id}{again}, for {run.event_type}): {run_state(run)}"


def run_state(run: Run) -> str:
    """How a run stands, in words."""
    if run.state in LIVE_RUNS:
        asked = f"; it was asked to end: {run.cancel_reason}" if run.cancel_reason else ""
        words = {
            RunState.QUEUED: "queued, waits for the runner",
            RunState.STARTING: "its session is being started",
            RunState.RUNNING: "running",
        }
        return words[run.state] + restart_words(run) + asked
    why = f": {run.outcome}" if run.outcome else ""
    stopped = f" ({run.cancel_reason})" if run.cancel_reason and run.state is RunState.CANCELLED else ""
    return f"{str(run.state).replace('_', ' ')}{stopped} after {run.used_seconds:.1f} s{why}"


def restart_words(run: Run) -> str:
    """How often a live run's agent was resumed after a death, and whether it is about to be; "" for never."""
    if not run.restarts:
        return ""
    again = f", restart {run.restarts}"
    if run.restart_at is not None:
        return f"{again} is due at {moment(run.restart_at)}: its agent {run.restart_why}"
    return f"{again}: its agent {run.restart_why}"


def limit_line(run: Run) -> str:
    """What bounds a run."""
    whose = budget_title(run.limit_of or f"agent/{run.agent}")
    which = f"what was left of the budget of {whose}" if run.allowance_kind == "budget" else "its time limit"
    return f"It may take {run.allowance_seconds:.0f} s ({which})."


def used_line(run: Run) -> str:
    """What the answers of a run's model used, as far as that is known; "" where nothing was measured."""
    if not run.used_tokens:
        return ""
    lacks = f", and {run.unpriced} answers of unknown price" if run.unpriced else ""
    return f"Its model used {run.used_tokens:,} tokens, {dollars(run.used_micros)}{lacks}."


def delivery_line(delivery: Delivery) -> str:
    """Where one event stands for one agent."""
    words = {
        DeliveryState.PENDING: "is about to be judged",
        DeliveryState.CLAIMED: "is being judged",
        DeliveryState.HELD: "waits",
        DeliveryState.DENIED: "does not start",
        DeliveryState.DISPATCHED: "was started",
        DeliveryState.DEAD: "gave up",
    }
    why = f": {delivery.reason}" if delivery.reason else ""
    again = f" (attempt {delivery.attempt})" if delivery.attempt > 1 else ""
    return f"{delivery.agent} {words[delivery.state]} on {delivery.event_type}{again}{why}"


def gate_lines(check: Mapping[str, Any]) -> list[str]:
    """The merge gate's answer: what holds it back, or who let it through."""
    if check["mergeable"]:
        return [f"The merge gate passes at {str(check['head'])[:12]}: approved by {listed(check['approved_by'])}."]
    blocking = [reason for reason in check["reasons"] if reason["verdict"] != "allow"]
    return [
        f"The merge gate does not pass at {str(check['head'])[:12] or 'no head'}:",
        *(f"  - {reason['text']} [{reason['code']}]" for reason in blocking),
    ]


def ended(text: str) -> str:
    """A sentence with its full stop."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    found = list(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (", ".join(found[:_SHOWN]) or "nobody") + more
