"""Artifacts: which content is kept, under which name, by whom. The content itself lies in a file."""

from __future__ import annotations

from fleet.core.board import Artifact
from fleet.core.errors import NotFound
from fleet.store import cursors
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = "number, entry_id, sha256, size, name, subject, work_item, put_by, run_id, at"

_NUMBERS = "artifacts.number"


def next_number(tx: Tx) -> int:
    """The number of the next artifact; it is taken by ``create`` in the same transaction.

    Numbers of removed artifacts are not given again: the journal names them.
    """
    return cursors.position(tx, _NUMBERS) + 1


def create(tx: Tx, made: Artifact) -> None:
    """Record an artifact whose content is on the disk already."""
    cursors.advance(tx, _NUMBERS, made.number)
    tx.run(
        "INSERT INTO artifacts (number, entry_id, sha256, size, name, subject, work_item, put_by, run_id, at) VALUES"
        " (:number, :entry_id, :sha256, :size, :name, :subject, :work_item, :put_by, :run_id, :at)",
        number=made.number,
        entry_id=made.entry_id,
        sha256=made.sha256,
        size=made.size,
        name=made.name,
        subject=made.subject,
        work_item=made.work_item,
        put_by=made.put_by,
        run_id=made.run_id,
        at=made.at,
    )


def find(tx: Tx, ref: str) -> Artifact:
    """An artifact by its number, or the newest with a content whose hash begins so. Raises NotFound FLT-FAB-130."""
    row = None
    if ref.isdecimal() and len(ref) <= 15:
        row = tx.one(f"SELECT {_COLUMNS} FROM artifacts WHERE number = :number", number=int(ref))
    if row is None and len(ref) >= 8:
        row = tx.one(
            f"SELECT {_COLUMNS} FROM artifacts WHERE sha256 >= :low AND sha256 < :high ORDER BY number DESC LIMIT 1",
            low=ref,
            high=ref + "g",  # behind every hexadecimal digit
        )
    if row is None:
        raise NotFound(
            "FLT-FAB-130", "no such artifact", where=f"artifact/{ref}", hint="fleet fabric artifact list shows them"
        )
    return _artifact(row)


def newest(tx: Tx, *, subject: str = "", limit: int = 100) -> list[Artifact]:
    """The newest artifacts, oldest first; ``subject`` narrows to a subject or work item."""
    about = "WHERE subject = :subject OR work_item = :subject" if subject else ""
    values = {"limit": limit, **({"subject": subject} if subject else {})}
    rows = tx.all(f"SELECT {_COLUMNS} FROM artifacts {about} ORDER BY number DESC LIMIT :limit", **values)
    return [_artifact(row) for row in rows][::-1]


def same(tx: Tx, *, sha256: str, name: str, subject: str, put_by: str, run_id: str) -> Artifact | None:
    """The artifact that the same call made before."""
    row = tx.one(
        f"SELECT {_COLUMNS} FROM artifacts WHERE sha256 = :sha256 AND name = :name AND subject = :subject"
        " AND put_by = :put_by AND run_id = :run_id ORDER BY number LIMIT 1",
        sha256=sha256,
        name=name,
        subject=subject,
        put_by=put_by,
        run_id=run_id,
    )
    return _artifact(row) if row else None


def total_bytes(tx: Tx) -> int:
    """Bytes of all contents; one that several artifacts share counts once."""
    row = tx.one("SELECT coalesce(sum(size), 0) FROM (SELECT DISTINCT sha256, size FROM artifacts) t")
    return int(row[0]) if row else 0


def count(tx: Tx) -> int:
    """How many artifacts there are."""
    row = tx.one("SELECT count(*) FROM artifacts")
    return int(row[0]) if row else 0


def contents(tx: Tx) -> frozenset[str]:
    """The hashes that some artifact names."""
    return frozenset(row[0] for row in tx.all("SELECT DISTINCT sha256 FROM artifacts"))


def is_kept(tx: Tx, sha256: str) -> bool:
    """Whether some artifact names this content."""
    return tx.one("SELECT 1 FROM artifacts WHERE sha256 = :sha256", sha256=sha256) is not None


def remove(tx: Tx, number: int) -> None:
    """Forget an artifact; its content may serve others."""
    tx.run("DELETE FROM artifacts WHERE number = :number", number=number)


def _artifact(row: Row) -> Artifact:
    return Artifact(*row)
