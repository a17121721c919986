"""How much disk is free, and whether that is little. Asks the file system; policy/disk.py judges."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from fleet.config.sections import KeepingConfig
from fleet.core.errors import Refused
from fleet.policy.disk import MB, floor_bytes, is_low
from fleet.policy.facts import DiskFacts

_HARD_PART = 5  # a fifth of the floor stays free whatever a person asks for: the journal needs it


class DiskGauge:
    """Measures one folder's disk. Remembers whether it was low, so that starts do not flap. Thread-safe."""

    def __init__(self, folder: Path, limits: Callable[[], KeepingConfig]) -> None:
        """Take the folder, and who knows the limits in force."""
        self._folder = folder
        self._limits = limits
        self._lock = threading.Lock()
        self._low = False

    def look(self) -> DiskFacts | None:
        """The disk as it is now; None when it cannot be asked."""
        sizes = space(self._folder)
        if sizes is None:
            return None
        free, total = sizes
        limits = self._limits()
        floor = floor_bytes(total, low_mb=limits.low_disk_mb, low_percent=limits.low_disk_percent)
        with self._lock:
            self._low = is_low(free, floor, was_low=self._low)
            return DiskFacts(str(self._folder), free, total, floor, self._low)

    def allows_starts(self) -> bool:
        """False while the disk is low."""
        found = self.look()
        return found is None or not found.low


def space(folder: Path) -> tuple[int, int] | None:
    """Bytes that we may still use on a folder's disk, and its size; None when it cannot be asked."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if not found.f_blocks:
        return None  # no disk at all, such as /proc
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def require_space(folder: Path, needed: int, limits: KeepingConfig, what: str) -> None:
    """Refuse a large write that is not needed to go on. Raises Refused FLT-KEP-003.

    ``needed`` is in bytes. A fifth of the floor has to be free afterwards.
    """
    sizes = space(folder)
    if sizes is None:
        return
    free, total = sizes
    floor = floor_bytes(total, low_mb=limits.low_disk_mb, low_percent=limits.low_disk_percent)
    left = free - floor // _HARD_PART
    if needed > left:
        raise Refused(
            "FLT-KEP-003",
            f"{what} needs about {_mb(needed)} MB, and only {_mb(max(0, left))} MB can be spared there",
            where=str(folder),
            hint="Free some space, choose another disk, or let fleet gc show what can go.",
        )


def full(folder: Path) -> Refused:
    """The error for a large write that found no more room on the way."""
    hint = "Free some space, or choose another disk."
    return Refused("FLT-KEP-003", "the disk became full on the way", where=str(folder), hint=hint)


def _mb(size: int) -> str:
    return f"{size / MB:.1f}"
