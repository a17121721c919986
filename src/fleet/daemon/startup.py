"""What happens once, before the first tick: the record's end is checked; and the entries of a daemon's life."""

from __future__ import annotations

from pathlib import Path

from fleet.core.errors import IntegrityError
from fleet.core.journal import GENESIS, Draft, Entry, Stream, entry_seal, sealed_columns
from fleet.core.principal import system
from fleet.fabric.contents import Contents
from fleet.store import artifacts, audits, journal
from fleet.store.db import Database, Tx

TAIL = 500  # entries; the whole chain is for `fleet audit verify`
_ACTOR = str(system("daemon"))


def check_tail(db: Database, *, entries: int = TAIL) -> int:
    """Verify the seals and links of the journal's last entries; how many there were.

    Raises IntegrityError FLT-DMN-014: whatever was written after a fault would only hide it.
    """

    def read(tx: Tx) -> tuple[list[Entry], tuple[int, str]]:
        last, _ = journal.head(tx)
        archived = audits.last_archive(tx)
        start = (archived.last_seq, archived.head_hash) if archived is not None else (0, GENESIS)
        if last - entries - 1 > start[0]:
            start = (last - entries - 1, "")
        return journal.select(tx, journal.Filter(after=start[0]), limit=entries + 1), start

    tail, (seq, previous) = db.read(read)
    for entry in tail:
        seq += 1
        linked = not previous or entry.prev_hash == previous
        if entry.seq != seq or not linked or entry_seal(entry.prev_hash, sealed_columns(entry)) != entry.hash:
            raise IntegrityError(
                "FLT-DMN-014",
                f"the journal does not fit together at entry {entry.seq}: it was changed from outside",
                where=str(db.path),
                hint="fleet audit verify names the first bad entry; restore a backup, or keep the file as evidence.",
            )
        previous = entry.hash
    return len(tail)


def sweep_artifacts(db: Database, folder: Path) -> int:
    """Remove contents that no artifact names, and what was half received: left by a daemon that was killed.

    Before the socket answers, so that nobody is just naming one. How many files went.
    """
    return Contents(folder).sweep(db.read(artifacts.contents))


def record_life(db: Database, kind: str, summary: str, facts: dict[str, object]) -> None:
    """``daemon.started`` or ``daemon.stopped``."""
    draft = Draft(Stream.ACTIVITY, kind, _ACTOR, summary=summary, payload=facts)

    def append(tx: Tx) -> None:
        journal.append(tx, draft)

    db.write(append)
