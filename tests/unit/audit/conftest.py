"""A signed journal to attack: a store, its key and its anchor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.audit.anchor import read_anchor
from fleet.audit.chain import Fault
from fleet.audit.checkpoint import Checkpointer, Plan
from fleet.audit.keys import KeyFiles, read_key
from fleet.audit.proofs import Expected, Proofs, check_proofs
from fleet.audit.verify import verify_journal
from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Stream
from fleet.store import audits, journal
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon, open_read_only
from fleet.testing.clock import ManualClock


@dataclass
class Record:
    """A store with its checkpointer; the clock is turned by hand."""

    folder: Path
    clock: ManualClock
    db: Database
    plan: Plan

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / "fleet.db"

    def add(self, count: int, kind: str = "delivery.held", **fields: str) -> None:
        """Append entries."""

        def fill(tx: Tx) -> None:
            for number in range(count):
                draft = Draft(
                    Stream.DECISION,
                    kind,
                    "system:dispatcher",
                    summary=f"entry {number}",
                    payload={"n": number},
                    **fields,
                )
                journal.append(tx, draft)

        self.db.write(fill)

    def sign(self) -> int:
        """One tick of a new checkpointer after an hour; how many checkpoints it made."""
        self.clock.advance(3600)
        return Checkpointer(self.db, lambda: self.plan).tick(self.clock.now()).did

    def points(self) -> list[audits.CheckpointRow]:
        """Every checkpoint."""
        return self.db.read(audits.checkpoints)

    def first_bad(self, *, pinned: str = "", with_key_file: bool = True) -> Fault | None:
        """What verification finds, chain first, on a store opened anew."""
        db = open_read_only(self.path)
        try:
            found = verify_journal(db)
            return found.fault or self.proofs(db, pinned=pinned, with_key_file=with_key_file).fault
        finally:
            db.close()

    def proofs(self, db: Database | None = None, *, pinned: str = "", with_key_file: bool = True) -> Proofs:
        """What was signed against what is stored."""
        try:
            public = read_key(self.plan.keys.current).public if with_key_file else ""
        except FleetError:
            public = ""
        expected, anchored = Expected(public, pinned), read_anchor(self.plan.anchor)
        return (db or self.db).read(lambda tx: check_proofs(tx, anchored, expected))


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Twelve entries, signed twice: after the sixth and after the last."""
    clock = ManualClock()
    db = open_for_daemon(tmp_path / "fleet.db", clock=clock)
    plan = Plan("shop-1", KeyFiles(tmp_path / "audit"), tmp_path / "outside" / "anchor.jsonl", 1000, 600)
    found = Record(tmp_path, clock, db, plan)
    found.add(6)
    assert found.sign() == 1
    found.add(5)
    assert found.sign() == 1
    yield found
    db.close()
