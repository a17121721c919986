"""What the Fabric keeps of an entry is blanked when the entry's payload is erased, in the same transaction."""

from __future__ import annotations

from fleet.store import inbox, journal, questions, tasks
from fleet.store.db import Tx


def forget(tx: Tx, entry_id: str) -> None:
    """Blank the texts that came from this entry's payload. Before the payload goes, which says where they are.

    Raises NotFound FLT-JRN-001.
    """
    entry = journal.get(tx, entry_id)
    tasks.forget_text(tx, entry_id)
    inbox.forget_text(tx, entry_id)
    questions.forget_text(tx, entry_id)
    number = (entry.payload or {}).get("question")
    if entry.type == "question.answered" and isinstance(number, int):
        questions.forget_answer(tx, number)
