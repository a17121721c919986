"""Questions of agents to people, each answered once."""

from __future__ import annotations

from fleet.core.board import Question, QuestionState
from fleet.core.errors import NotFound
from fleet.store.db import Tx
from fleet.store.dialect import Row

KEPT = 1000  # answered questions whose rows stay; the journal keeps them all

_COLUMNS = (
    "number, entry_id, asker, run_id, subject, work_item, body, state, answered_by, answer, asked_at, answered_at"
)


def next_number(tx: Tx) -> int:
    """The number of the next question; it is taken by ``ask`` in the same transaction."""
    row = tx.one("SELECT max(number) FROM questions")
    return (row[0] or 0) + 1 if row else 1


def ask(
    tx: Tx, number: int, *, entry_id: str, asker: str, run_id: str, subject: str, work_item: str, body: str
) -> None:
    """Put an open question on the list, and let go of the oldest answered ones beyond ``KEPT``."""
    tx.run(
        "INSERT INTO questions (number, entry_id, asker, run_id, subject, work_item, body, state, asked_at)"
        " VALUES (:number, :entry_id, :asker, :run_id, :subject, :work_item, :body, 'open', :now)",
        number=number,
        entry_id=entry_id,
        asker=asker,
        run_id=run_id,
        subject=subject,
        work_item=work_item,
        body=body,
        now=tx.now,
    )
    tx.run(
        "DELETE FROM questions WHERE state = 'answered' AND number <= (SELECT number FROM questions"
        " WHERE state = 'answered' ORDER BY number DESC LIMIT 1 OFFSET :kept)",
        kept=KEPT,
    )


def get(tx: Tx, number: int) -> Question:
    """One question. Raises NotFound FLT-FAB-111."""
    row = tx.one(f"SELECT {_COLUMNS} FROM questions WHERE number = :number", number=number)
    if row is None:
        raise NotFound("FLT-FAB-111", "no such question", where=f"question/{number}", hint="fleet questions --all")
    return _question(row)


def open_ones(tx: Tx, *, asker: str = "", limit: int = 100) -> list[Question]:
    """Questions that wait for an answer, oldest first; ``asker`` narrows."""
    mine = " AND asker = :asker" if asker else ""
    values = {"limit": limit, **({"asker": asker} if asker else {})}
    rows = tx.all(f"SELECT {_COLUMNS} FROM questions WHERE state = 'open'{mine} ORDER BY number LIMIT :limit", **values)
    return [_question(row) for row in rows]


def newest(tx: Tx, *, limit: int = 100) -> list[Question]:
    """The newest questions, answered ones too, oldest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM questions ORDER BY number DESC LIMIT :limit", limit=limit)
    return [_question(row) for row in rows][::-1]


def answer(tx: Tx, number: int, *, by: str, text: str) -> bool:
    """Answer an open question; False when it is answered already."""
    return (
        tx.run(
            "UPDATE questions SET state = 'answered', answered_by = :by, answer = :text, answered_at = :now"
            " WHERE number = :number AND state = 'open'",
            number=number,
            by=by,
            text=text,
            now=tx.now,
        )
        == 1
    )


def forget_text(tx: Tx, entry_id: str) -> None:
    """Blank what the payload of the asking entry said, because it was erased."""
    tx.run("UPDATE questions SET body = '(erased)' WHERE entry_id = :entry_id", entry_id=entry_id)


def forget_answer(tx: Tx, number: int) -> None:
    """Blank an answer, because the payload that held it was erased."""
    tx.run("UPDATE questions SET answer = '(erased)' WHERE number = :number", number=number)


def _question(row: Row) -> Question:
    return Question(*[*row[:7], QuestionState(row[7]), *row[8:]])
