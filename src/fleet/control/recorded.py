"""Recorded entries since an instant, each once and in order: from the store, and from the archives they left for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from fleet.audit.archive import digest_of
from fleet.audit.exported import entries_of
from fleet.core.errors import FleetError, NotFound
from fleet.core.journal import Entry, Stream
from fleet.store import audits, journal
from fleet.store.audits import ArchiveRow
from fleet.store.db import Database, Tx
from fleet.store.journal import Filter

_PAGE = 200


class Record:
    """What a replay reads. ``unread`` are archives that are not where they were, with the number of their entries."""

    def __init__(self, db: Database, since: int, kinds: Iterable[str]) -> None:
        """Read what archives hold of ``kinds`` since this instant (microseconds), if they are what was sealed."""
        self._db = db
        self._since = since
        self._kinds = frozenset(kinds)
        self._archived: dict[str, list[Entry]] = {kind: [] for kind in self._kinds}
        self._events: dict[str, Entry] = {}
        self._starts: dict[str, Entry] = {}
        self.unread: list[tuple[str, int]] = []
        for row in db.read(audits.archives):
            if row.at >= since:  # what was sealed before is older still
                self._read(row)

    def entries(self, kind: str) -> Iterator[Entry]:
        """Entries of one type; those of the store in pages, so that nobody waits for it."""
        yield from self._archived[kind]
        after = 0
        while True:
            wanted = Filter(type=kind, since=self._since, after=after)
            page = self._db.read(partial(journal.select, wanted=wanted, limit=_PAGE))
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].seq

    def event(self, entry_id: str) -> Entry | None:
        """An event by its id."""
        if entry_id in self._events:
            return self._events[entry_id]

        def get(tx: Tx) -> Entry | None:
            try:
                return journal.get(tx, entry_id)
            except NotFound:
                return None

        return self._db.read(get)

    def start_of(self, run_id: str) -> Entry | None:
        """The decision that a run rests on."""
        wanted = Filter(type="delivery.dispatched", run_id=run_id)
        found = self._db.read(lambda tx: journal.select(tx, wanted, limit=1))
        return found[0] if found else self._starts.get(run_id)

    def _read(self, row: ArchiveRow) -> None:
        """Take up what left the store with one archive; nothing of a file that is not what was sealed."""
        name = f"archive {row.number} ({row.file})"
        try:
            if digest_of(Path(row.file)) != row.sha256:
                self._skip(row, f"{name} is not the file that was sealed")
                return
            here = set(self._db.read(lambda tx: list(journal.seqs_to(tx, row.last_seq))))
            for entry in entries_of(Path(row.file)):
                if entry.seq not in here:
                    self._keep(entry)
        except OSError as error:
            self._skip(row, f"{name} cannot be read: {error.strerror or type(error).__name__}")
        except FleetError as error:
            self._skip(row, f"{name} cannot be read: {error.message}")

    def _skip(self, row: ArchiveRow, why: str) -> None:
        self.unread.append((why, row.last_seq - row.first_seq + 1))

    def _keep(self, entry: Entry) -> None:
        if entry.stream == Stream.EVENT:
            self._events[entry.id] = entry
        if entry.type == "delivery.dispatched":
            self._starts[entry.run_id] = entry
        if entry.type in self._kinds and entry.at >= self._since:
            self._archived[entry.type].append(entry)
