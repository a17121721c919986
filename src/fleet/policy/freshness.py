"""Check: is the work still wanted? Events are hints; the live ticket or pull request is the truth."""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.core.event import subject_kind
from fleet.policy.facts import AgentFacts, PullFacts, StartFacts, TicketFacts, WorkFacts

READY = "ready"
# Events that speak of one exact head: void as soon as it moves.
HEAD_BOUND = frozenset({"pr_needs_review", "pr_approved", "pr_changes_requested", "pr_conflict", "ci_fail", "ci_pass"})
# Events that mean nothing once the pull request is merged or closed.
NEEDS_OPEN_PULL = HEAD_BOUND | {"pr_created", "pr_updated"}
NEEDS_OPEN_TICKET = frozenset({"ticket_ready", "ticket_created"})


def check(facts: StartFacts) -> Reason:
    """DENY work that the live state has overtaken."""
    return still_wanted(facts.work, facts.agent, facts.pull, facts.ticket)


def still_wanted(work: WorkFacts, agent: AgentFacts, pull: PullFacts | None, ticket: TicketFacts | None) -> Reason:
    """The check by itself: also how the reconciler finds that returned work is moot."""
    if work.cancelled_seq > work.event_seq:
        return _stale("FLT-FRG-110", work.cancelled, {"cancelled_seq": work.cancelled_seq, "event_seq": work.event_seq})
    kind = subject_kind(work.subject)
    if kind == "pr":
        return _pull(work, agent, pull)
    if kind == "ticket":
        return _ticket(work, agent, ticket)
    return _fresh("nothing outside the event has to be compared", {"subject": work.subject})


def _fresh(text: str, seen: dict[str, object]) -> Reason:
    return Reason("freshness", Verdict.ALLOW, "FLT-POL-010", text, seen)


def _stale(code: str, text: str, seen: dict[str, object]) -> Reason:
    return Reason("freshness", Verdict.DENY, code, text, seen)


def _pull(work: WorkFacts, agent: AgentFacts, pull: PullFacts | None) -> Reason:
    if pull is None:
        return _stale("FLT-POL-011", f"there is no {work.subject}", {"subject": work.subject})
    seen: dict[str, object] = {"state": pull.state, "head": pull.head, "event_head": work.generation}
    by_hand = work.event_type == "agent_start_requested" and (agent.reviews or agent.merges)
    if pull.state != "open" and (work.event_type in NEEDS_OPEN_PULL or by_hand):
        return _stale("FLT-POL-012", f"{work.subject} is {pull.state}", seen)
    if work.event_type in HEAD_BOUND and pull.head != work.generation:
        text = f"{work.subject} has moved on to {pull.head[:12] or 'no commit'}"
        return _stale("FLT-POL-013", f"{text} since this {work.event_type}", seen)
    return _fresh("the pull request is as the event says", seen)


def _ticket(work: WorkFacts, agent: AgentFacts, ticket: TicketFacts | None) -> Reason:
    if ticket is None:
        return _stale("FLT-POL-014", f"there is no {work.subject}", {"subject": work.subject})
    seen: dict[str, object] = {
        "state": ticket.state,
        "labels": sorted(ticket.labels)[:20],
        "in_hand": ticket.in_hand,
        "in_hand_author": ticket.in_hand_author,
        "merged_seq": ticket.merged_seq,
    }
    if ticket.state != "open" and work.event_type in NEEDS_OPEN_TICKET:
        return _stale("FLT-POL-015", f"{work.subject} is closed", seen)
    if work.event_type == "ticket_ready":
        return _ready(work, agent, ticket, seen)
    return _fresh("the ticket is as the event says", seen)


def _ready(work: WorkFacts, agent: AgentFacts, ticket: TicketFacts, seen: dict[str, object]) -> Reason:
    """A ticket is worked on while it says so, and by one author."""
    if ticket.merged_seq > work.event_seq:
        return _stale("FLT-POL-018", f"{work.subject} has been merged since", seen)
    own = work.returned and ticket.in_hand_author == f"agent:{agent.name}"
    if ticket.in_hand and not own:
        return _stale("FLT-POL-016", f"{work.subject} is in hand: pr/{ticket.in_hand} is open", seen)
    missing = sorted({READY, ticket.required_label} - {""} - ticket.labels)
    if missing:
        return _stale("FLT-POL-017", f"the label {missing[0]} was taken off {work.subject}", seen)
    return _fresh("the ticket is open and ready", seen)
