"""What an SQL engine must answer: connect, group transactions, and what an error of its driver means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

Row = tuple[Any, ...]
Params = Mapping[str, Any]


class Connection(Protocol):
    """One connection, used by one thread at a time. Statements use named parameters ``:name``."""

    def rows(self, sql: str, params: Params) -> list[Row]:
        """Execute and fetch everything."""

    def run(self, sql: str, params: Params) -> int:
        """Execute and return the number of rows changed."""

    def begin_read(self) -> None:
        """Start a snapshot."""

    def begin_write(self) -> None:
        """Start a transaction that holds the write lock."""

    def commit(self) -> None:
        """Make it durable."""

    def rollback(self) -> None:
        """Forget it; harmless when nothing is open."""

    def savepoint(self) -> None:
        """Open a nested unit."""

    def release_savepoint(self) -> None:
        """Keep the nested unit."""

    def rollback_savepoint(self) -> None:
        """Forget the nested unit only."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; the engine may have ended it by itself after an error."""

    def checkpoint(self) -> bool:
        """Leave no old bytes in a log beside the data, outside any transaction; False when it has to be tried again."""

    def total_changes(self) -> int:
        """A counter that grows with every changed row."""

    def close(self) -> None:
        """Close; harmless twice."""


class Engine(Protocol):
    """A kind of database and where it is. The differences between engines end here."""

    name: str

    @property
    def path(self) -> Path:
        """The file of an embedded engine."""

    def connect(self, *, read_only: bool) -> Connection:
        """Open and configure a connection; raises FleetError with the exact reason when it cannot."""

    def is_fatal(self, error: BaseException) -> bool:
        """True when nothing may be written any more after this error (I/O error, corruption)."""
