"""Asks GitHub: conditional reads that cost nothing while nothing changed, pages followed, limits obeyed.

Serial: one request at a time, as GitHub asks for. A limit or an outage closes the client for as long as
GitHub said; until then every call fails at once with the same reason, and no process is started.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import REFUSED_PAUSE, FleetError, TemporaryError
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


@dataclass(frozen=True, slots=True)
class Page:
    """What a path held. ``mark`` is the same as long as nothing changed ("" = unknown); ``following`` the next path."""

    mark: str
    items: Any
    following: str


class Client:
    """Requests of one login at a time."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        """Take the transport and the clock that waits are measured by."""
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Page] = {}
        self._login = ""
        self.logins = 0  # how many there were: what is known of people belongs to one of them
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

    def look(self, path: str) -> Page:
        """Read a path conditionally: an answer of before counts nothing and has the mark of before."""
        self._forget_another_login()
        known = self._known.get(path)
        reply, found = self._ask(path, known.mark if known is not None else "")
        if reply.status == 304 and known is not None:
            return known
        page = Page(reply.etag, found, reply.next_path)
        if page.mark:
            self._known[path] = page
        return page

    def _forget_another_login(self) -> None:
        """A validator belongs to the login that it was given to."""
        login = self._transport.login()
        if login != self._login:
            self._login, self._known, self.logins = login, {}, self.logins + 1

    def _ask(self, path: str, etag: str) -> tuple[Reply, Any]:
        """A read, done again at once where only this answer was lost: cut off, not JSON, a server's hiccup."""
        for again in range(READ_ATTEMPTS):
            last = self._failures > 0 or again == READ_ATTEMPTS - 1
            try:
                reply = self._send("GET", path, None, etag, last=last)
                return reply, reply.json() if reply.status != 304 else None
            except TemporaryError as error:
                if last or error.code not in _PASSING:
                    raise
        raise AssertionError("unreachable")

    def read(self, path: str) -> Any:
        """One object or page, conditionally."""
        return self.look(path).items

    def pages(
        self,
        path: str,
        *,
        enough: Callable[[list[Any]], bool] = lambda _: False,
        first: Page | None = None,
        key: str = "",
    ) -> list[Any]:
        """Every item of a listing, page by page, until ``enough`` says so of what was read so far.

        ``first`` is the first page where the caller has it already; ``key`` names the list where a page is an object
        that holds one.
        """
        items: list[Any] = []
        page = first if first is not None else self.look(path)
        for _ in range(PAGE_LIMIT):
            items += page.items[key] if key else page.items
            if not page.following or enough(items):
                return items
            page = self.look(page.following)
        raise TemporaryError("FLT-GHB-012", f"a listing has more than {PAGE_LIMIT} pages", where=path, retry_after=60.0)

    def forget(self, prefix: str) -> None:
        """Drop what was read of paths that begin so and will not be asked for again."""
        for path in [path for path in self._known if path.startswith(prefix)]:
            del self._known[path]

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
            failure = problem(reply, f"{method} {path.partition('?')[0]}", now=self._clock.now() // SECOND)
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


@contextmanager
def asked_again() -> Iterator[None]:
    """For services: what only a person can mend (no gh, no right, no such repository) is asked again, not the end."""
    try:
        yield
    except TemporaryError:
        raise
    except FleetError as error:
        raise TemporaryError(
            error.code, error.message, where=error.where, hint=error.hint, retry_after=REFUSED_PAUSE
        ) from error


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdigit() else otherwise
