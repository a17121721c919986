"""The local forge's statements: tickets and pull requests in one series of numbers, their labels and comments.

Rows only; what they mean together with git is the forge's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.store.db import Tx


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket; instants in microseconds."""

    number: int
    title: str
    body: str
    state: str
    author: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class PullRow:
    """A pull request; ``ticket`` is 0 without one, the merge columns are "" until it is merged."""

    number: int
    title: str
    body: str
    state: str
    author: str
    ticket: int
    head_ref: str
    base_ref: str
    merged_head: str
    merge_commit: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One label on one ticket or pull request; ``mark_id`` is new each time it is put on."""

    number: int
    label: str
    actor: str
    at: int
    mark_id: str


@dataclass(frozen=True, slots=True)
class CommentRow:
    """One remark."""

    number: int
    author: str
    body: str
    at: int


_TICKET = "number, title, body, state, author, created_at, updated_at"
_PULL = (
    "number, title, body, state, author, ticket, head_ref, base_ref, merged_head, merge_commit, created_at, updated_at"
)
_LABEL = "number, label, actor, at, mark_id"
# Everything open, and the latest of the rest: what a snapshot shows.
_CURRENT = (
    "state = 'open' OR number IN"
    " (SELECT number FROM {table} WHERE state <> 'open' ORDER BY updated_at DESC, number DESC LIMIT :recent)"
)


def ticket_marked(tx: Tx, marker: str) -> int:
    """The number of the ticket that was opened with this marker; 0 when there is none."""
    row = tx.one("SELECT number FROM forge_tickets WHERE marker = :marker", marker=marker)
    return int(row[0]) if row else 0


def insert_ticket(tx: Tx, *, title: str, body: str, author: str, marker: str | None = None) -> int:
    """Write an open ticket and return its number."""
    number = _next_number(tx)
    tx.run(
        f"INSERT INTO forge_tickets ({_TICKET}, marker) VALUES (:number, :title, :body, 'open', :author, :now, :now,"
        " :marker)",
        marker=marker,
        number=number,
        title=title,
        body=body,
        author=author,
        now=tx.now,
    )
    return number


def insert_pull(tx: Tx, *, title: str, body: str, author: str, ticket: int, head_ref: str, base_ref: str) -> int:
    """Write an open pull request and return its number. Raises Conflict when its branch has an open one."""
    number = _next_number(tx)
    tx.run(
        f"INSERT INTO forge_pulls ({_PULL}) VALUES (:number, :title, :body, 'open', :author, :ticket, :head_ref,"
        " :base_ref, '', '', :now, :now)",
        number=number,
        title=title,
        body=body,
        author=author,
        ticket=ticket,
        head_ref=head_ref,
        base_ref=base_ref,
        now=tx.now,
    )
    return number


def _next_number(tx: Tx) -> int:
    row = tx.one(
        "SELECT coalesce(max(number), 0) + 1 FROM"
        " (SELECT number FROM forge_tickets UNION ALL SELECT number FROM forge_pulls) AS numbers"
    )
    assert row is not None
    return int(row[0])


def ticket(tx: Tx, number: int) -> TicketRow | None:
    """One ticket."""
    row = tx.one(f"SELECT {_TICKET} FROM forge_tickets WHERE number = :number", number=number)
    return TicketRow(*row) if row else None


def pull(tx: Tx, number: int) -> PullRow | None:
    """One pull request."""
    row = tx.one(f"SELECT {_PULL} FROM forge_pulls WHERE number = :number", number=number)
    return PullRow(*row) if row else None


def open_pull_of(tx: Tx, head_ref: str) -> PullRow | None:
    """The open pull request of a branch."""
    row = tx.one(f"SELECT {_PULL} FROM forge_pulls WHERE head_ref = :ref AND state = 'open'", ref=head_ref)
    return PullRow(*row) if row else None


def tickets(tx: Tx, *, recent: int) -> list[TicketRow]:
    """Every open ticket and the ``recent`` last ones that are not, by number."""
    where = _CURRENT.format(table="forge_tickets")
    rows = tx.all(f"SELECT {_TICKET} FROM forge_tickets WHERE {where} ORDER BY number", recent=recent)
    return [TicketRow(*row) for row in rows]


def pulls(tx: Tx, *, recent: int) -> list[PullRow]:
    """Every open pull request and the ``recent`` last ones that are not, by number."""
    where = _CURRENT.format(table="forge_pulls")
    rows = tx.all(f"SELECT {_PULL} FROM forge_pulls WHERE {where} ORDER BY number", recent=recent)
    return [PullRow(*row) for row in rows]


def labels_of(tx: Tx, number: int) -> list[LabelRow]:
    """The labels of one ticket or pull request, by name."""
    rows = tx.all(f"SELECT {_LABEL} FROM forge_labels WHERE number = :number ORDER BY label", number=number)
    return [LabelRow(*row) for row in rows]


def label_names(tx: Tx) -> list[str]:
    """Every label that is on something."""
    return [str(row[0]) for row in tx.all("SELECT DISTINCT label FROM forge_labels ORDER BY label")]


def labels_of_current(tx: Tx, *, recent: int) -> dict[int, list[LabelRow]]:
    """The labels of everything that ``tickets`` and ``pulls`` list, in one statement."""
    current = " UNION ALL ".join(
        f"SELECT number FROM {table} WHERE {_CURRENT.format(table=table)}" for table in ("forge_tickets", "forge_pulls")
    )
    rows = tx.all(
        f"SELECT {_LABEL} FROM forge_labels WHERE number IN ({current}) ORDER BY number, label", recent=recent
    )
    found: dict[int, list[LabelRow]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(LabelRow(*row))
    return found


def put_label(tx: Tx, number: int, label: str, actor: str) -> bool:
    """Put a label on under a new mark; False when it is on already, whose mark then stays."""
    return bool(
        tx.run(
            f"INSERT INTO forge_labels ({_LABEL}) VALUES (:number, :label, :actor, :now, :mark)"
            " ON CONFLICT (number, label) DO NOTHING",
            number=number,
            label=label,
            actor=actor,
            now=tx.now,
            mark=tx.new_id("m"),
        )
    )


def take_label(tx: Tx, number: int, label: str) -> bool:
    """Take a label off; False when it was not on."""
    return bool(
        tx.run("DELETE FROM forge_labels WHERE number = :number AND label = :label", number=number, label=label)
    )


def touch(tx: Tx, number: int) -> None:
    """Note that a ticket or pull request changed now."""
    for table in ("forge_tickets", "forge_pulls"):
        tx.run(f"UPDATE {table} SET updated_at = :now WHERE number = :number", number=number, now=tx.now)


def close_ticket(tx: Tx, number: int) -> bool:
    """Close a ticket; False when it was not open."""
    return bool(
        tx.run(
            "UPDATE forge_tickets SET state = 'closed', updated_at = :now WHERE number = :number AND state = 'open'",
            number=number,
            now=tx.now,
        )
    )


def reopen_ticket(tx: Tx, number: int) -> bool:
    """Open a ticket again; False when it was open."""
    return bool(
        tx.run(
            "UPDATE forge_tickets SET state = 'open', updated_at = :now WHERE number = :number AND state = 'closed'",
            number=number,
            now=tx.now,
        )
    )


def close_pull(tx: Tx, number: int) -> bool:
    """Close an open pull request; False when it was not open."""
    return bool(
        tx.run(
            "UPDATE forge_pulls SET state = 'closed', updated_at = :now WHERE number = :number AND state = 'open'",
            number=number,
            now=tx.now,
        )
    )


def record_merge(tx: Tx, number: int, *, head: str, commit: str) -> bool:
    """Record a merge that git has, also of a pull request closed meanwhile; False when it is on record."""
    return bool(
        tx.run(
            "UPDATE forge_pulls SET state = 'merged', merged_head = :head, merge_commit = :commit, updated_at = :now"
            " WHERE number = :number AND state <> 'merged'",
            number=number,
            head=head,
            commit=commit,
            now=tx.now,
        )
    )


def add_comment(tx: Tx, number: int, *, author: str, body: str, marker: str | None) -> bool:
    """Write a remark, after every other of this number; False when one with the same marker is there."""
    return bool(
        tx.run(
            "INSERT INTO forge_comments (id, number, author, body, marker, at)"
            " SELECT :id, :number, :author, :body, :marker, max(:now, coalesce(max(at) + 1, 0))"
            " FROM forge_comments WHERE number = :number ON CONFLICT (marker) DO NOTHING",
            id=tx.new_id("c"),
            number=number,
            author=author,
            body=body,
            marker=marker,
            now=tx.now,
        )
    )


def comments(tx: Tx, number: int) -> list[CommentRow]:
    """Remarks, oldest first."""
    rows: list[Any] = tx.all(
        "SELECT number, author, body, at FROM forge_comments WHERE number = :number ORDER BY at, id", number=number
    )
    return [CommentRow(*row) for row in rows]
