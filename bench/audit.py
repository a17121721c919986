"""How fast the record is proved: the chain in the store, an export, and the two verifiers of a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import Result, summary, table
from fleet.audit.export import Range, export
from fleet.audit.exported import verify_files
from fleet.audit.verify import verify_journal
from fleet.audit.verify_fleet_audit import check_files
from fleet.core.journal import Draft, Stream
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.open import open_for_daemon


def report(folder: Path, *, count: int) -> str:
    """Records a second over a journal of ``count`` entries with a 300-byte payload."""
    db = open_for_daemon(folder / "audit.db")
    draft = Draft(Stream.EVENT, "note", "human:bench", subject="pr/1", summary="a note", payload={"text": "x" * 280})

    def fill(tx: Tx) -> None:
        for _ in range(500):
            journal.append(tx, draft)

    for _ in range(count // 500):
        db.write(fill)
    file = folder / "audit.jsonl"

    def write() -> None:
        with file.open("wb") as out:
            db.read(lambda tx: export(tx, out, Range(), form="jsonl", fleet="bench", signer=None))

    rows = [
        _rate("verify in the store", count, lambda: verify_journal(db)),
        _rate("export to JSON lines", count, write),
        _rate("verify the file, Fleet", count, lambda: verify_files([file])),
        _rate("verify the file, stand-alone", count, lambda: check_files([str(file)])),
    ]
    db.close()
    return table("Proof of the record", f"A journal of {count} entries; one walk each.", rows)


def _rate(name: str, count: int, step: Callable[[], object]) -> Result:
    """Entries a second; a walk has no latency of a single entry, so its mean stands for it."""
    start = time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    return summary(name, seconds, [seconds / count * 1000] * count)
