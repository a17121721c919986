"""What changed on the forge: remembered facts and a snapshot in, events and new facts out. Pure.

Level-triggered: an event follows from what is there now and was not announced yet, so a look that was
missed, repeated or taken in the middle of a change costs nothing. Edge-triggered only where a level
cannot tell: a pull request that was open and is closed. Every event carries a key that makes it unique.

Labels count by their exact ASCII name; a look-alike is another label. What a snapshot does not list is
gone only if the snapshot is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from fleet.core.event import subject_number
from fleet.core.pin import text_digest
from fleet.forge.port import LabelMark, Pull, Snapshot, Ticket

READY, SHIPPED, NEEDS_REVIEW = "ready", "shipped", "needs-review"
UNKNOWN = "unknown"  # no text has this digest
_SAME_MOMENT = 2_000_000  # microseconds: the grain of a forge's times
ALWAYS = (1 << 63) - 1  # later than every instant
_TITLE_LIMIT = 300  # characters of a title that go into an event

Facts = dict[str, dict[str, object]]  # subject -> what was announced about it


@dataclass(frozen=True, slots=True)
class ForgeFact:
    """An event that the forge's state gives rise to, before it has a place in the journal."""

    type: str
    subject: str
    dedup_key: str
    work_item: str
    summary: str
    generation: str = ""
    payload: dict[str, object] = field(default_factory=dict)


def changes(
    old: Mapping[str, Mapping[str, object]],
    snapshot: Snapshot,
    *,
    required_label: str = "",
    settled_before: int = ALWAYS,
) -> tuple[list[ForgeFact], Facts]:
    """Compare what was announced with what is there: the events in a fixed order, and all facts to remember.

    ``required_label`` must be on a ticket besides ``ready`` ("" = none). A merge that was recorded at or
    after ``settled_before`` (microseconds) is left for a later look: whoever merged announces it first.
    """
    new: Facts = {subject: dict(facts) for subject, facts in old.items()}
    newest = max((subject_number(subject) for subject in old), default=0)
    events: list[ForgeFact] = []
    tickets, pulls = _by_number(snapshot.tickets), _by_number(snapshot.pulls)
    merged: dict[int, int] = {}  # ticket -> when a merge for it was seen last
    for pull in pulls.values():
        if pull.state == "merged":
            merged[pull.ticket] = max(pull.updated_at, merged.get(pull.ticket, 0))
    for number in sorted({*tickets, *pulls}):
        if number in tickets:
            one = tickets[number]
            events += _ticket(one, new, required_label, is_new=number > newest, merged_at=merged.get(number, -1))
        if number in pulls:
            events += _pull(pulls[number], new, is_new=number > newest, settled_before=settled_before)
    if snapshot.complete:
        listed = {f"pr/{number}" for number in pulls}
        gone = (subject for subject in old if subject.startswith("pr/") and subject not in listed)
        for subject in sorted(gone, key=subject_number):
            events += _gone(subject, new[subject])
    return events, new


# -- tickets -------------------------------------------------------------------------------------------


def _ticket(ticket: Ticket, new: Facts, required_label: str, *, is_new: bool, merged_at: int) -> list[ForgeFact]:
    """``merged_at``: when a pull request of it was merged, -1 = never; what that takes off or closes is no news."""
    subject = f"ticket/{ticket.number}"
    events: list[ForgeFact] = []
    facts = new.get(subject)
    if facts is None:
        # A closed ticket of old times that comes into view was not opened just now.
        if ticket.state == "open" or is_new:
            events.append(_of_ticket(ticket, "ticket_created", f"ticket_created:{subject}", "opened"))
        facts = new[subject] = {"state": ticket.state, "ready": "", "shipped": ""}
    marks = _marks(ticket.labels)
    before, facts["state"] = facts["state"], ticket.state
    is_done = SHIPPED in marks or merged_at >= _count(facts.get("ready_at"))
    if before == "open" and ticket.state == "closed" and not is_done:
        facts["closings"] = closings = _count(facts.get("closings")) + 1
        events.append(_of_ticket(ticket, "ticket_closed", f"ticket_closed:{subject}:{closings}", "was closed"))
    is_ready = ticket.state == "open" and READY in marks and (not required_label or required_label in marks)
    ready = marks[READY].mark_id if is_ready else ""
    text = text_digest(ticket.title, ticket.body)
    if ready and ready != facts["ready"]:
        key = f"ticket_ready:{subject}:{ready}"
        pinned = _pinned(ticket, marks[READY])
        events.append(_of_ticket(ticket, "ticket_ready", key, "ready", text=pinned))
        facts["ready_at"] = marks[READY].at
    elif ready and text != facts.get("text", text):
        key = f"ticket_edited:{subject}:{ready}:{text}"
        events.append(_of_ticket(ticket, "ticket_edited", key, "was changed after it was marked ready"))
    if facts["ready"] and not ready and ticket.state == "open" and not is_done:
        key = f"ticket_unready:{subject}:{facts['ready']}"
        events.append(_of_ticket(ticket, "ticket_unready", key, "not ready any more"))
    facts["ready"], facts["text"] = ready, text
    shipped = marks[SHIPPED].mark_id if SHIPPED in marks else ""
    if shipped and shipped != facts["shipped"]:
        events.append(_of_ticket(ticket, "ticket_shipped", f"ticket_shipped:{subject}:{shipped}", "shipped"))
    facts["shipped"] = shipped
    return events


def _pinned(item: Ticket | Pull, mark: LabelMark) -> str:
    """The digest of the text that was marked, if it is the present one: its author left it alone, or is trusted."""
    same = not item.author.startswith("outsider:") or item.updated_at <= mark.at + _SAME_MOMENT
    return text_digest(item.title, item.body) if same else UNKNOWN


def _of_ticket(ticket: Ticket, kind: str, key: str, word: str, **more: object) -> ForgeFact:
    subject = f"ticket/{ticket.number}"
    title = ticket.title[:_TITLE_LIMIT]
    return ForgeFact(
        kind,
        subject,
        key,
        work_item=subject,
        summary=f"{subject} {word}: {title}",
        payload={"ticket": ticket.number, "title": title, "author": ticket.author, **more},
    )


# -- pull requests -------------------------------------------------------------------------------------


def _pull(pull: Pull, new: Facts, *, is_new: bool, settled_before: int) -> list[ForgeFact]:
    subject = f"pr/{pull.number}"
    known = subject in new
    if not known and pull.state != "open" and not is_new:
        new[subject] = _pull_facts(pull)  # of old times: remembered, not announced
        return []
    if pull.state == "merged" and pull.updated_at >= settled_before:
        return []  # neither announced nor remembered yet
    facts = new.setdefault(subject, {**_pull_facts(pull), "state": "open"})
    before, facts["state"] = facts["state"], pull.state
    facts["ticket"] = pull.ticket
    mark = _marks(pull.labels).get(NEEDS_REVIEW)
    head = pull.head_sha if pull.state == "open" and mark is not None else ""
    events = _edited(pull, facts)
    if mark is not None and head and head != facts["review"]:
        key = f"pr_needs_review:{subject}:{head}"
        # The text that is known of it is the one of the first time, unless whoever opened it told it before.
        more = {"text": _pinned(pull, mark)} if "text" not in facts else {}
        events.append(_of_pull(pull, "pr_needs_review", key, "needs review", head, **more))
        facts["text"] = text_digest(pull.title, pull.body)
    facts["review"] = head
    if pull.state == "merged" and before != "merged":
        events.append(_of_pull(pull, "pr_merged", f"pr_merged:{subject}", "was merged", pull.merged_head))
    if pull.state == "closed" and before == "open":
        facts["closings"] = closings = _count(facts["closings"]) + 1
        events.append(_of_pull(pull, "pr_closed", f"pr_closed:{subject}:{closings}", "was closed", pull.head_sha))
    return events


def _edited(pull: Pull, facts: dict[str, object]) -> list[ForgeFact]:
    """The event for an open pull request whose text is another one than at the last look; ``facts`` follow."""
    text, before = text_digest(pull.title, pull.body), facts.get("text")
    if before is None or text == before or pull.state != "open":
        return []
    facts["text"] = text
    key = f"pr_edited:pr/{pull.number}:{text}"
    return [_of_pull(pull, "pr_edited", key, "has another text now", pull.head_sha)]


def _pull_facts(pull: Pull) -> dict[str, object]:
    return {"state": pull.state, "ticket": pull.ticket, "review": "", "closings": 0}


def _of_pull(pull: Pull, kind: str, key: str, words: str, head: str, **more: object) -> ForgeFact:
    subject = f"pr/{pull.number}"
    title = pull.title[:_TITLE_LIMIT]
    payload: dict[str, object] = {
        "ticket": pull.ticket,
        "pr": pull.number,
        "branch": pull.head_ref,
        "base": pull.base_ref,
        "head": head,
        "title": title,
        "author": pull.author,
        **more,
    }
    if pull.merge_commit:
        payload["merge_commit"] = pull.merge_commit
    return ForgeFact(
        kind,
        subject,
        key,
        work_item=_work_item(pull.number, pull.ticket),
        summary=f"{subject} {words}: {title}",
        generation=head,
        payload=payload,
    )


def _gone(subject: str, facts: dict[str, object]) -> list[ForgeFact]:
    """A pull request that was open and that the forge lists no more."""
    if facts["state"] != "open":
        return []
    closings = _count(facts["closings"]) + 1
    facts.update(state="closed", review="", closings=closings)
    number, ticket = subject_number(subject), _count(facts["ticket"])
    return [
        ForgeFact(
            "pr_closed",
            subject,
            f"pr_closed:{subject}:{closings}",
            work_item=_work_item(number, ticket),
            summary=f"{subject} is not listed by the forge any more",
            payload={"ticket": ticket, "pr": number, "listed": False},
        )
    ]


def _work_item(number: int, ticket: int) -> str:
    return f"ticket/{ticket}" if ticket else f"pr/{number}"


# -- reading -------------------------------------------------------------------------------------------

Item = TypeVar("Item", Ticket, Pull)


def _by_number(items: Iterable[Item]) -> dict[int, Item]:
    """Items by number; of one that is listed twice (pages that overlap) the later state."""
    found: dict[int, Item] = {}
    for item in items:
        other = found.get(item.number)
        if other is None or (item.updated_at, repr(item)) > (other.updated_at, repr(other)):
            found[item.number] = item
    return found


def _marks(labels: Iterable[LabelMark]) -> dict[str, LabelMark]:
    """Labels by exact name; of a name listed twice the later mark."""
    return {mark.name: mark for mark in sorted(labels, key=lambda mark: (mark.at, mark.mark_id))}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
