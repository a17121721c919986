"""What a merge leaves to do: labels say ``shipped``, the ticket is closed. Repeatable, recorded once.

Used by control right after a merge, and by the reconciler when that was interrupted.
"""

from __future__ import annotations

from fleet.core.journal import Draft, Stream
from fleet.core.live import LiveEffects, LivePull, LiveState
from fleet.store import journal
from fleet.store.db import Database, Tx

SHIPPED = "shipped"
_OFF_PULL = ("needs-review", "changes-requested", "approved")
_OFF_TICKET = ("ready",)


def settled_key(number: int) -> str:
    """The dedup key of the entry that says a merged pull request is settled."""
    return f"settled:pr/{number}"


def is_settled(tx: Tx, number: int) -> bool:
    """True when it is on record: from then on the labels belong to people again."""
    return journal.find_dedup(tx, settled_key(number)) is not None


def finish_merge(db: Database, live: LiveState, effects: LiveEffects, pull: LivePull, *, actor: str) -> bool:
    """Label a merged pull request and its ticket, close the ticket, record it.

    Done again it does the same again and records nothing; returns False then. ``actor`` is the principal in
    whose name it happens. Raises TemporaryError when the forge cannot be asked now.
    """
    ticket = live.ticket(pull.ticket) if pull.ticket else None
    effects.set_labels(pull.number, add=(SHIPPED,), remove=_OFF_PULL, actor=actor)
    if ticket is not None:
        effects.set_labels(ticket.number, add=(SHIPPED,), remove=_OFF_TICKET, actor=actor)
        effects.close_ticket(ticket.number)
    return db.write(lambda tx: _record(tx, pull, actor, with_ticket=ticket is not None))


def _record(tx: Tx, pull: LivePull, actor: str, *, with_ticket: bool) -> bool:
    """The entries about the labels, in one transaction."""
    marks: list[tuple[str, tuple[str, ...], str]] = [(pull.subject, _OFF_PULL, settled_key(pull.number))]
    if with_ticket:
        marks.append((f"ticket/{pull.ticket}", _OFF_TICKET, f"{settled_key(pull.number)}:ticket"))
    fresh = False
    for subject, removed, key in marks:
        draft = Draft(
            Stream.ACTIVITY,
            "label.changed",
            actor,
            subject=subject,
            work_item=pull.work_item,
            summary=f"{subject} is shipped",
            payload={"add": [SHIPPED], "remove": list(removed), "pr": pull.number, "ticket": pull.ticket},
            dedup_key=key,
        )
        fresh = journal.append(tx, draft).fresh or fresh
    return fresh
