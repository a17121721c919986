"""The only loop: calls a service's tick again and again, each service in its own thread.

A tick that did something is followed by another at once. Otherwise the loop waits until it is woken
(a commit, an ended session) or until the service's own ``next_at``. TemporaryError backs off, with
jitter and a cap, and so does whatever GitHub refuses; anything else is a bug or a broken disk: it is
reported with its traceback, and the daemon stops. This and ``process.py`` are the only places that catch everything.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import FleetError, TemporaryError, said_outside
from fleet.core.service import Service

LONGEST_BACKOFF_SECONDS = 30.0
# Without news and without a date a service still looks: a lost wake-up costs this much, not for ever.
LONGEST_REST_SECONDS = 30.0

Report = Callable[[str, BaseException], None]  # service name, what ended it


@dataclass(frozen=True, slots=True)
class LoopState:
    """What ``fleet watcher status`` shows of a service. Instants in microseconds."""

    name: str
    alive: bool
    ticks: int
    last_tick_at: int
    last_change_at: int
    next_at: int | None
    failures: int
    last_error: str

    def as_dict(self) -> dict[str, object]:
        """The state as doors print it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Loop:
    """Runs one service. ``gap_seconds`` is the least time between two ticks that found nothing to do."""

    def __init__(
        self, service: Service, clock: Clock, *, on_trouble: Report, on_failure: Report, gap_seconds: float = 0.005
    ) -> None:
        """Take the service; ``on_trouble`` hears of temporary errors, ``on_failure`` of the last one."""
        self._service = service
        self._clock = clock
        self._on_trouble = on_trouble
        self._on_failure = on_failure
        self._gap = gap_seconds
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fleet-{service.name}", daemon=True)
        self._ticks = 0
        self._failures = 0
        self._last_tick_at = 0
        self._last_change_at = 0
        self._next_at: int | None = None
        self._last_error = ""
        self._busy_since: float | None = None

    @property
    def name(self) -> str:
        """The service's name."""
        return self._service.name

    def start(self) -> None:
        """Begin ticking."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do. Callable from any thread; quick."""
        self._woken.set()

    def stop(self) -> None:
        """Ask the loop to end after the present tick; returns at once."""
        self._stopping.set()
        self._woken.set()

    def join(self, timeout: float) -> bool:
        """Wait for the end, at most ``timeout`` seconds; True when it ended or never started."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def is_stuck(self, seconds: float) -> bool:
        """Whether the loop has ended without being asked to, or its present tick takes longer than ``seconds``."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > seconds:
            return True
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set()

    def state(self) -> LoopState:
        """How it goes, for people."""
        return LoopState(
            self.name,
            self._thread.is_alive(),
            self._ticks,
            self._last_tick_at,
            self._last_change_at,
            self._next_at,
            self._failures,
            self._last_error,
        )

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except BaseException as error:  # noqa: BLE001 - a dead thread would be silent: the daemon stops instead
            self._last_error = f"{type(error).__name__}: {error}"
            self._on_failure(self.name, error)

    def _step(self) -> None:
        """One tick and the rest after it."""
        self._woken.clear()
        started = time.monotonic()
        self._last_tick_at = self._clock.now()
        self._busy_since = started
        try:
            tick = self._service.tick(self._last_tick_at)
        except FleetError as error:
            passing = error if isinstance(error, TemporaryError) else said_outside(error)
            if passing is None:
                raise
            self._wait_out(passing)
            return
        self._busy_since = None
        self._ticks += 1
        self._failures = 0
        self._next_at = tick.next_at
        if tick.did > 0:
            self._last_change_at = self._last_tick_at
            return
        self._rest(tick.next_at, started)

    def _wait_out(self, error: TemporaryError) -> None:
        """Say what is wrong and wait before the next tick."""
        self._busy_since = None
        self._failures += 1
        self._last_error = str(error)
        self._on_trouble(self.name, error)
        self._stopping.wait(backoff_seconds(self._failures, error.retry_after, random.random()))

    def _rest(self, next_at: int | None, started: float) -> None:
        """Wait for news or the date; then for the end of the gap, so that a flood of news costs little."""
        rest = LONGEST_REST_SECONDS
        if next_at is not None:
            rest = min(rest, max(0.0, (next_at - self._clock.now()) / SECOND))
        self._woken.wait(rest)
        left = started + self._gap - time.monotonic()
        if left > 0:
            self._stopping.wait(left)


def backoff_seconds(failures: int, retry_after: float, chance: float) -> float:
    """How long to wait after the nth failure in a row: doubling from ``retry_after``, capped, half of it jitter.

    ``chance`` is a random number in [0, 1).
    """
    full: float = min(LONGEST_BACKOFF_SECONDS, max(0.05, retry_after) * 2 ** min(failures - 1, 16))
    return full * (0.5 + 0.5 * chance)
