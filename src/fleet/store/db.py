"""The database handle: one writer thread that commits in groups, and readers that never write.

A transaction is a plain function of a ``Tx``. ``write`` returns after COMMIT reached the disk. Each
function of a group has its own savepoint, so one that raises takes nothing else down with it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fleet.core.clock import Clock, SystemClock
from fleet.core.errors import FleetError, PermanentError, TemporaryError, TimedOut
from fleet.core.ids import make_id
from fleet.store.dialect import Connection, Engine, Row

T = TypeVar("T")

GROUP_LIMIT = 256
WRITE_TIMEOUT_SECONDS = 30.0


class Tx:
    """One transaction: the only way to the tables. ``now`` is microseconds, fixed for its duration."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        """Bind a connection; the clock is read once."""
        self._connection = connection
        self._clock = clock
        self._before = connection.total_changes()
        self._tallied = 0
        self.now = clock.now()

    def all(self, sql: str, **params: Any) -> list[Row]:
        """Every row of a statement."""
        return self._connection.rows(sql, params)

    def one(self, sql: str, **params: Any) -> Row | None:
        """The first row, or None."""
        rows = self._connection.rows(sql, params)
        return rows[0] if rows else None

    def run(self, sql: str, **params: Any) -> int:
        """Execute a statement and return how many rows it changed."""
        return self._connection.run(sql, params)

    def tally(self, sql: str, **params: Any) -> int:
        """As ``run``, for counting what happens all the time: such changes alone are no news, and wake nobody."""
        before = self._connection.total_changes()
        changed = self._connection.run(sql, params)
        self._tallied += self._connection.total_changes() - before
        return changed

    @property
    def is_news(self) -> bool:
        """Whether rows were changed until now, other than by ``tally``."""
        return self._connection.total_changes() - self._before > self._tallied

    def new_id(self, prefix: str) -> str:
        """A fresh identifier that sorts by time."""
        return make_id(prefix, self.now, self._clock.entropy(5))

    def entropy(self, size: int) -> bytes:
        """Random bytes fit for secrets and salts."""
        return self._clock.entropy(size)


@dataclass(slots=True)
class _Job:
    """One function waiting for the writer; without one it is the log that is to be emptied."""

    fn: Callable[[Tx], Any] | None
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one function of a group."""

    job: _Job
    value: Any
    failure: BaseException | None
    is_news: bool


class Database:
    """A store opened for reading, and for writing unless ``read_only``."""

    def __init__(self, engine: Engine, *, clock: Clock | None = None, read_only: bool = False) -> None:
        """Take an engine (which knows the file and the dialect) and the clock of the process."""
        self._engine = engine
        self._clock = clock or SystemClock()
        self._read_only = read_only
        self._local = threading.local()
        self._readers: list[Connection] = []
        self._readers_lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[], None]] = []
        self._broken: FleetError | None = None
        self._closed = False
        self._commit_seconds = 0.0
        self._writer: threading.Thread | None = None
        if not read_only:
            ready: Future[None] = Future()
            self._writer = threading.Thread(target=self._serve, args=(ready,), name="fleet-writer", daemon=True)
            self._writer.start()
            ready.result()

    @property
    def path(self) -> Path:
        """The file of an embedded store."""
        return self._engine.path

    def load(self) -> tuple[int, float]:
        """How many transactions wait for the writer, and how long its last group took, in seconds."""
        return self._jobs.qsize(), self._commit_seconds

    @property
    def clock(self) -> Clock:
        """The clock that stamps transactions."""
        return self._clock

    @property
    def read_only(self) -> bool:
        """True for a store that was opened for queries."""
        return self._read_only

    def read(self, fn: Callable[[Tx], T]) -> T:
        """Run ``fn`` on this thread's read connection, in one snapshot."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._engine.connect(read_only=True)
            self._local.connection = connection
            with self._readers_lock:
                self._readers.append(connection)
        connection.begin_read()
        try:
            return fn(Tx(connection, self._clock))
        finally:
            connection.rollback()

    def write(self, fn: Callable[[Tx], T], *, timeout: float = WRITE_TIMEOUT_SECONDS) -> T:
        """Run ``fn`` in a transaction and return its result once it is durable.

        Raises what ``fn`` raised (nothing is kept then), or TimedOut FLT-STO-004: the outcome is unknown.
        """
        future = self.submit(fn)
        try:
            return future.result(timeout)
        except TimeoutError as error:
            if future.done():
                raise
            raise TimedOut(
                "FLT-STO-004",
                f"the store did not commit within {timeout:.0f} s",
                where=str(self.path),
                hint="The write may still happen; look before repeating it.",
            ) from error

    def submit(self, fn: Callable[[Tx], T]) -> Future[T]:
        """Queue ``fn`` for the writer; the future resolves after COMMIT, on the writer's thread."""
        if self._read_only or self._closed:
            raise PermanentError("FLT-STO-005", "this store is open for reading only", where=str(self.path))
        if self._broken is not None:
            raise self._broken
        future: Future[T] = Future()
        self._jobs.put(_Job(fn, future))
        return future

    def empty_log(self, *, timeout: float = WRITE_TIMEOUT_SECONDS) -> bool:
        """Move what the write-ahead log holds into the database and empty the log, so that no old bytes stay in it.

        False while a reader still needs the log: try again. Raises as ``write``.
        """
        if self._read_only or self._closed:
            raise PermanentError("FLT-STO-005", "this store is open for reading only", where=str(self.path))
        future: Future[bool] = Future()
        self._jobs.put(_Job(None, future))
        return future.result(timeout)

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on the writer's thread after each commit that changed rows, other than by ``Tx.tally``.

        It must be quick.
        """
        self._listeners.append(listener)

    def close(self) -> None:
        """Finish what is queued, close every connection. Tolerates being called twice."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._jobs.put(None)
            self._writer.join(WRITE_TIMEOUT_SECONDS)
        with self._readers_lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()

    # -- the writer's thread -------------------------------------------------------------------

    def _serve(self, ready: Future[None]) -> None:
        try:
            connection = self._engine.connect(read_only=False)
        except FleetError as error:
            ready.set_exception(error)
            return
        ready.set_result(None)
        stop = False
        while not stop:
            first = self._jobs.get()
            if first is None:
                break
            group = [first]
            while len(group) < GROUP_LIMIT and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    stop = True
                    break
                group.append(job)
            self._commit_group(connection, [job for job in group if job.fn is not None])
            self._empty_log(connection, [job for job in group if job.fn is None])
        connection.close()

    def _empty_log(self, connection: Connection, asked: list[_Job]) -> None:
        """Between two groups, when no transaction is open."""
        for job in asked:
            try:
                job.future.set_result(connection.checkpoint())
            except FleetError as error:
                job.future.set_exception(error)

    def _commit_group(self, connection: Connection, group: list[_Job]) -> None:
        """Run every function of the group, commit once, then answer all of them."""
        if not group:
            return
        if self._broken is not None:
            for job in group:
                job.future.set_exception(self._broken)
            return
        results: list[_Done] = []
        begun = self._clock.monotonic()
        try:
            connection.begin_write()
            results.extend(self._run_one(connection, job) for job in group)
            connection.commit()
            self._commit_seconds = self._clock.monotonic() - begun
        except FleetError as error:
            self._abandon(connection, group, error)
            return
        for done in results:
            if done.failure is None:
                done.job.future.set_result(done.value)
            else:
                done.job.future.set_exception(done.failure)
        if any(done.is_news for done in results):
            for listener in self._listeners:
                listener()

    def _run_one(self, connection: Connection, job: _Job) -> _Done:
        """One function inside its savepoint; its own failure rolls back only itself."""
        assert job.fn is not None
        connection.savepoint()
        tx = Tx(connection, self._clock)
        try:
            value = job.fn(tx)
        except BaseException as error:
            # A full disk can make the engine undo the whole group: then nobody's work of it is left to be kept.
            if self._engine.is_fatal(error):
                raise
            if not connection.in_transaction:
                raise _undone(error) from error
            connection.rollback_savepoint()
            return _Done(job, None, error, is_news=False)
        connection.release_savepoint()
        return _Done(job, value, None, is_news=tx.is_news)

    def _abandon(self, connection: Connection, group: list[_Job], error: FleetError) -> None:
        """The group is not on disk: say so to everybody; a broken disk ends all writing, a full one does not."""
        try:
            connection.rollback()
        except FleetError as worse:
            self._broken = worse  # nobody knows what the connection holds now
        if self._engine.is_fatal(error):
            self._broken = error
        for job in group:
            if not job.future.done():
                job.future.set_exception(error)


def _undone(error: BaseException) -> FleetError:
    """Why the engine undid a whole group while one function of it ran."""
    if isinstance(error, FleetError):
        return error
    return TemporaryError("FLT-STO-008", "the disk is full; nothing was written", hint="Free space, then try again.")
