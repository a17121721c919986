"""The inboxes: messages to people and to agents. Moved by their reader only, and by whoever shows them to it."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.board import PEOPLE, Mail, MailKind, MailState
from fleet.core.errors import NotFound
from fleet.store.db import Tx
from fleet.store.dialect import Row

KEPT = 500  # consumed messages of one inbox whose rows stay; the journal keeps them all

_COLUMNS = (
    "number, entry_id, recipient, kind, sender, sender_run, subject, work_item, about, body, state, returned_from,"
    " shown_to, queued_at, delivered_at, consumed_at"
)


def next_number(tx: Tx) -> int:
    """The number of the next message; it is taken by ``put`` in the same transaction."""
    row = tx.one("SELECT max(number) FROM inbox")
    return (row[0] or 0) + 1 if row else 1


def put(
    tx: Tx,
    number: int,
    *,
    entry_id: str,
    recipient: str,
    kind: MailKind,
    sender: str,
    sender_run: str,
    subject: str,
    work_item: str,
    body: str,
    about: int = 0,
) -> None:
    """Queue a message."""
    tx.run(
        "INSERT INTO inbox (number, entry_id, recipient, kind, sender, sender_run, subject, work_item, about, body,"
        " state, queued_at) VALUES (:number, :entry_id, :recipient, :kind, :sender, :sender_run, :subject,"
        " :work_item, :about, :body, 'queued', :now)",
        number=number,
        entry_id=entry_id,
        recipient=recipient,
        kind=str(kind),
        sender=sender,
        sender_run=sender_run,
        subject=subject,
        work_item=work_item,
        about=about,
        body=body,
        now=tx.now,
    )


def get(tx: Tx, number: int) -> Mail:
    """One message. Raises NotFound FLT-FAB-110."""
    row = tx.one(f"SELECT {_COLUMNS} FROM inbox WHERE number = :number", number=number)
    if row is None:
        raise NotFound("FLT-FAB-110", "no such message", where=f"message/{number}", hint="fleet inbox lists them")
    return _mail(row)


def caused_by(tx: Tx, entry_id: str) -> Mail | None:
    """The message that an entry caused, if its row is still kept."""
    row = tx.one(f"SELECT {_COLUMNS} FROM inbox WHERE entry_id = :entry_id", entry_id=entry_id)
    return _mail(row) if row else None


def unread(tx: Tx, recipient: str, *, limit: int = 100) -> list[Mail]:
    """What a reader has not consumed, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM inbox WHERE recipient = :recipient AND state <> 'consumed' ORDER BY number"
        " LIMIT :limit",
        recipient=recipient,
        limit=limit,
    )
    return [_mail(row) for row in rows]


def newest(tx: Tx, recipient: str, *, limit: int = 100) -> list[Mail]:
    """The newest messages of an inbox, consumed ones too, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM inbox WHERE recipient = :recipient ORDER BY number DESC LIMIT :limit",
        recipient=recipient,
        limit=limit,
    )
    return [_mail(row) for row in rows][::-1]


def about(tx: Tx, kind: MailKind, number: int) -> list[Mail]:
    """Unread messages of one kind about a question or blocker."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM inbox WHERE state <> 'consumed' AND kind = :kind AND about = :about ORDER BY number",
        kind=str(kind),
        about=number,
    )
    return [_mail(row) for row in rows]


def count_unread(tx: Tx, recipient: str) -> int:
    """How many messages a reader has not consumed."""
    row = tx.one("SELECT count(*) FROM inbox WHERE recipient = :recipient AND state <> 'consumed'", recipient=recipient)
    return int(row[0]) if row else 0


def counts(tx: Tx) -> dict[str, dict[str, int]]:
    """Unread messages of every inbox that has any: queued and delivered ones."""
    found: dict[str, dict[str, int]] = {PEOPLE: {"queued": 0, "delivered": 0}}
    for recipient, state, number in tx.all(
        "SELECT recipient, state, count(*) FROM inbox WHERE state <> 'consumed' GROUP BY recipient, state"
        " ORDER BY recipient"
    ):
        found.setdefault(recipient, {"queued": 0, "delivered": 0})[state] = number
    return found


def deliver(tx: Tx, numbers: Iterable[int], shown_to: str) -> list[int]:
    """Queued messages were shown to their reader; the numbers of those that this is news for."""
    return [
        number
        for number in numbers
        if tx.run(
            "UPDATE inbox SET state = 'delivered', delivered_at = :now, shown_to = :shown_to"
            " WHERE number = :number AND state = 'queued'",
            number=number,
            shown_to=shown_to,
            now=tx.now,
        )
    ]


def consume(tx: Tx, number: int, shown_to: str) -> bool:
    """The reader has dealt with a message; False when that is known. Whoever acknowledges has been shown it."""
    return (
        tx.run(
            "UPDATE inbox SET state = 'consumed', consumed_at = :now, delivered_at = coalesce(delivered_at, :now),"
            " shown_to = CASE WHEN state = 'queued' THEN :shown_to ELSE shown_to END"
            " WHERE number = :number AND state <> 'consumed'",
            number=number,
            shown_to=shown_to,
            now=tx.now,
        )
        == 1
    )


def give_to_people(tx: Tx, recipient: str) -> list[int]:
    """Let people read what an agent that left did not; the numbers of these messages."""
    numbers = [mail.number for mail in unread(tx, recipient, limit=100_000)]
    for number in numbers:
        tx.run(
            "UPDATE inbox SET recipient = :people, returned_from = :agent, state = 'queued', delivered_at = NULL,"
            " shown_to = '' WHERE number = :number",
            people=PEOPLE,
            agent=recipient.removeprefix("agent:"),
            number=number,
        )
    return numbers


def prune(tx: Tx, recipient: str) -> int:
    """Let go of the oldest consumed messages of an inbox beyond ``KEPT``."""
    return tx.run(
        "DELETE FROM inbox WHERE recipient = :recipient AND state = 'consumed' AND number <= (SELECT number FROM inbox"
        " WHERE recipient = :recipient AND state = 'consumed' ORDER BY number DESC LIMIT 1 OFFSET :kept)",
        recipient=recipient,
        kept=KEPT,
    )


def forget_text(tx: Tx, entry_id: str) -> None:
    """Blank what an entry's payload said, because that payload was erased."""
    tx.run("UPDATE inbox SET body = '(erased)' WHERE entry_id = :entry_id", entry_id=entry_id)


def _mail(row: Row) -> Mail:
    return Mail(*[*row[:3], MailKind(row[3]), *row[4:10], MailState(row[10]), *row[11:]])
