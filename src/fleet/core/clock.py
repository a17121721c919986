"""Time and randomness as things that are handed in, so that tests can turn the clock by hand."""

from __future__ import annotations

import os
import time
from typing import Protocol

SECOND = 1_000_000  # all instants are integer microseconds since the epoch, UTC


class Clock(Protocol):
    """What the rest of the program may know about time and chance."""

    def now(self) -> int:
        """Wall time in microseconds: for display and for records."""

    def monotonic(self) -> float:
        """Seconds that never jump: for durations, leases held in memory and deadlines."""

    def entropy(self, size: int) -> bytes:
        """Random bytes fit for secrets."""


class SystemClock:
    """The machine's own clock and random source."""

    def now(self) -> int:
        """Wall time in microseconds."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def entropy(self, size: int) -> bytes:
        """Bytes from the kernel's generator."""
        return os.urandom(size)
