"""One login and its connections for many repositories; a limit that one of them hits holds all of them.

GitHub counts by login, not by repository: whoever is told to wait speaks for everybody. Each repository still asks for
itself, one request at a time, so that one whose answers do not come holds up nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import TemporaryError
from fleet.forge.github.connect import transport_named
from fleet.forge.github.gh import CALL_SECONDS, Transport
from fleet.forge.github.reply import Reply, problem


class Shared:
    """The way to GitHub of one daemon; opened by the first request."""

    def __init__(self, env: Mapping[str, str], clock: Clock, *, seconds: float = CALL_SECONDS) -> None:
        """Take the daemon's environment, and the clock that pauses are measured by."""
        self._env = env
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._way: Transport | None = None
        self._limit: Reply | None = None
        self._until = 0  # microseconds

    def lend(self) -> Transport:
        """A transport for one repository; closing it lets go of nothing that others use."""
        return _Lent(self)

    def request(self, method: str, path: str, body: Mapping[str, object] | None, etag: str) -> Reply:
        """One request, or the last limit again where its time is not over. Raises as every transport."""
        now = self._clock.now()
        with self._lock:
            if self._limit is not None and now < self._until:
                left = -(-(self._until - now) // SECOND)
                return replace(self._limit, headers={**self._limit.headers, "retry-after": str(left)})
        way = self._opened()
        reply = way.request(method, path, body=body, etag=etag)
        failure = problem(reply, path, now=now // SECOND)
        if isinstance(failure, TemporaryError) and failure.code == "FLT-GHB-002":
            with self._lock:
                self._limit, self._until = reply, self._clock.now() + round(failure.retry_after * SECOND)
        return reply

    def login(self) -> str:
        """A mark of the login that all requests are made by."""
        return self._opened().login()

    def _opened(self) -> Transport:
        with self._lock:
            if self._way is None:
                self._way = transport_named("httpx2", self._env, self._seconds)
            return self._way

    def shut(self) -> None:
        """Let go of login and connections."""
        with self._lock:
            way, self._way = self._way, None
        if way is not None:
            way.close()


class _Lent:
    """One repository's share."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def request(self, method: str, path: str, *, body: Mapping[str, object] | None = None, etag: str = "") -> Reply:
        """As every transport."""
        return self._shared.request(method, path, body, etag)

    def login(self) -> str:
        """As every transport."""
        return self._shared.login()

    def close(self) -> None:
        """Nothing: it is lent."""
