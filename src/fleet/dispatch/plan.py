"""Which open deliveries are looked at now, which of them one run answers, how long to wait. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.core.clock import SECOND
from fleet.core.risk import AGENT_QUARANTINED
from fleet.core.service import earliest
from fleet.core.work import Delivery, Run

# Events that say "look at the live state", not something of their own: several of them are one start.
COALESCING = frozenset(
    {
        "ticket_created",
        "ticket_ready",
        "ticket_shipped",
        "pr_created",
        "pr_updated",
        "pr_needs_review",
        "pr_approved",
        "pr_changes_requested",
        "pr_conflict",
        "ci_fail",
        "pr_merged",
        "pr_closed",
        "agent_start_requested",
        "schedule_due",
    }
)
LONGEST_BACKOFF = 3600  # seconds
# Cancel reasons that begin so are nobody's verdict on the work: it comes back as the same attempt.
FLEET_DOWN = "fleet down"
AGENT_PAUSED = "agent paused"
FLEET_HALTED = "fleet halted"
_NO_VERDICT = {
    FLEET_DOWN: "the fleet went down",
    AGENT_PAUSED: "its agent was paused",
    FLEET_HALTED: "the fleet was halted",
    AGENT_QUARANTINED: "its agent was quarantined",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Deliveries to judge, in order, and when time alone brings the next one (microseconds)."""

    consider: tuple[Delivery, ...]
    next_at: int | None


def plan(opened: Iterable[Delivery], now: int) -> Plan:
    """Choose from pending and held deliveries what is looked at now.

    Journal order; of one agent and one piece of work only the earliest that is due: later ones wait their turn.
    """
    chosen: dict[tuple[str, str], Delivery] = {}
    next_at: int | None = None
    for delivery in sorted(opened, key=lambda one: (one.event_seq, one.agent, one.id)):
        if delivery.not_before > now:
            next_at = earliest(next_at, delivery.not_before)
        else:
            chosen.setdefault((delivery.agent, delivery.work_item), delivery)
    return Plan(tuple(chosen.values()), next_at)


def answered_together(chosen: Delivery, opened: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """Other open deliveries that the run of ``chosen`` answers as well: same agent, work, event and head."""
    if chosen.event_type not in COALESCING:
        return ()
    same = _likeness(chosen)
    return tuple(other for other in opened if other.id != chosen.id and _likeness(other) == same)


def _likeness(delivery: Delivery) -> tuple[str, str, str, str, str]:
    return (delivery.agent, delivery.work_item, delivery.subject, delivery.event_type, delivery.generation)


def backoff(attempt: int, base_seconds: int) -> int:
    """Microseconds to wait before this attempt: none before the first, then base, doubled each time."""
    if attempt <= 1:
        return 0
    return min(LONGEST_BACKOFF, base_seconds << min(attempt - 2, 20)) * SECOND


def interrupted(run: Run) -> str:
    """Why the end of a run is nobody's verdict on its work; "" where it is one."""
    return next((text for begin, text in _NO_VERDICT.items() if run.cancel_reason.startswith(begin)), "")
