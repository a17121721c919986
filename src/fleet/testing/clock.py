"""A clock that tests turn by hand, with randomness that is the same on every run."""

from __future__ import annotations

import hashlib
import threading

from fleet.core.clock import SECOND

_START = 1_700_000_000 * SECOND  # some Tuesday in November 2023: every test starts there


class ManualClock:
    """A peer of SystemClock that stands still until it is told to move. Safe to share between threads."""

    def __init__(self, *, now: int = _START, seed: str = "fleet") -> None:
        """``now`` is the first wall time in microseconds since the epoch; ``seed`` chooses the entropy."""
        self._lock = threading.Lock()
        self._now = now
        self._monotonic = 1000.0
        self._seed = seed
        self._drawn = 0

    def now(self) -> int:
        """Wall time in microseconds."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Monotonic seconds."""
        with self._lock:
            return self._monotonic

    def entropy(self, size: int) -> bytes:
        """Bytes that differ on every call and repeat on every run with the same seed."""
        with self._lock:
            self._drawn += 1
            return hashlib.shake_256(f"{self._seed}:{self._drawn}".encode()).digest(size)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks. Raises ValueError for a negative step: that is what jump() is for."""
        if seconds < 0:
            raise ValueError("time does not pass backwards; jump() moves the wall clock alone")
        with self._lock:
            self._now += round(seconds * SECOND)
            self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, in either direction, as somebody who corrects it does."""
        with self._lock:
            self._now += round(seconds * SECOND)
