"""Asks GitHub: conditional reads that cost nothing while nothing changed, pages followed, limits obeyed.

Serial: one request at a time, as GitHub asks for. A limit or an outage closes the client for as long as
GitHub said; until then every call fails at once with the same reason, and no process is started.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import TemporaryError
from fleet.forge.github.gh import Transport
from fleet.forge.github.reply import Reply, problem

PAGE_LIMIT = 50  # pages of one listing; 5,000 items
READ_ATTEMPTS = 3  # of a read whose answer was lost
LONGEST_PAUSE = 30.0  # seconds between two attempts while GitHub is away
_PASSING = ("FLT-GHB-001", "FLT-GHB-003", "FLT-GHB-004", "FLT-GHB-010")


@dataclass(frozen=True, slots=True)
class Quota:
    """What GitHub said last of the hourly limit; -1 = it said nothing yet. ``closed_until`` in microseconds."""

    limit: int = -1
    remaining: int = -1
    reset_at: int = 0
    requests: int = 0
    counted: int = 0
    closed_until: int = 0
    trouble: str = ""


class Client:
    """Requests of one login."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        """Take the transport and the clock that waits are measured by."""
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, Any]] = {}  # path -> validator and what was read with it
        self._quota = Quota()
        self._closed: TemporaryError | None = None
        self._failures = 0  # in a row

    @property
    def quota(self) -> Quota:
        """The present state of limits and trouble."""
        return self._quota

    def close(self) -> None:
        """Let go of what the transport keeps open."""
        self._transport.close()

    def changed(self, path: str) -> tuple[bool, Any]:
        """Read a path conditionally: whether it differs from the last reading, and what it holds now."""
        etag, before = self._known.get(path, ("", None))
        reply, found = self._ask(path, etag)
        if reply.status == 304:
            return False, before
        if reply.etag:
            self._known[path] = (reply.etag, found)
        return True, found

    def _ask(self, path: str, etag: str) -> tuple[Reply, tuple[Any, str]]:
        """A read, done again at once where only this answer was lost: cut off, not JSON, a server's hiccup."""
        for again in range(READ_ATTEMPTS):
            last = self._failures > 0 or again == READ_ATTEMPTS - 1
            try:
                reply = self._send("GET", path, None, etag, last=last)
                return reply, (reply.json() if reply.status != 304 else None, reply.next_path)
            except TemporaryError as error:
                if last or error.code not in _PASSING:
                    raise
        raise AssertionError("unreachable")

    def read(self, path: str) -> Any:
        """One object or page, conditionally."""
        return self.changed(path)[1][0]

    def pages(self, path: str, *, enough: Callable[[list[Any]], bool] = lambda _: False) -> list[Any]:
        """Every item of a listing, page by page, until ``enough`` says so of what was read so far."""
        items: list[Any] = []
        for _ in range(PAGE_LIMIT):
            page, following = self.changed(path)[1]
            items += page
            if not following or enough(items):
                return items
            path = following
        raise TemporaryError("FLT-GHB-012", f"a listing has more than {PAGE_LIMIT} pages", where=path, retry_after=60.0)

    def write(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Change something; the answer's body, None where it has none."""
        reply = self._send(method, path, body, "")
        return reply.json() if reply.body.strip() else None

    def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, etag: str, *, last: bool = True
    ) -> Reply:
        """One request under the lock. Raises what ``problem`` makes of the reply.

        Not the ``last`` attempt: a passing failure does not close the client yet.
        """
        with self._lock:
            if self._closed is not None and self._clock.now() < self._quota.closed_until:
                raise self._closed
            try:
                reply = self._transport.request(method, path, body=body, etag=etag)
            except TemporaryError as error:
                self._fail(error, last)
                raise
            self._note(reply)
            failure = problem(reply, f"{method} {path}", now=self._clock.now() // SECOND)
            if isinstance(failure, TemporaryError):
                self._fail(failure, last)
            if failure is not None:
                raise failure
            self._failures, self._closed = 0, None
            if self._quota.trouble:
                self._quota = replace(self._quota, closed_until=0, trouble="")
            return reply

    def _fail(self, error: TemporaryError, last: bool) -> None:
        """Close for as long as GitHub asks; for what it says nothing about, twice as long each time."""
        passing = error.code in _PASSING
        if passing and not last:
            return
        self._failures += 1
        seconds = min(2.0 ** (self._failures - 1), LONGEST_PAUSE) if passing else error.retry_after
        error.retry_after = seconds
        self._closed = error
        until = self._clock.now() + round(seconds * SECOND)
        self._quota = replace(self._quota, closed_until=until, trouble=str(error))

    def _note(self, reply: Reply) -> None:
        """Count, and remember what GitHub says of its limit."""
        headers = reply.headers
        self._quota = replace(
            self._quota,
            limit=_number(headers.get("x-ratelimit-limit"), self._quota.limit),
            remaining=_number(headers.get("x-ratelimit-remaining"), self._quota.remaining),
            reset_at=_number(headers.get("x-ratelimit-reset"), self._quota.reset_at),
            requests=self._quota.requests + 1,
            counted=self._quota.counted + (reply.status != 304),
        )


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdigit() else otherwise
