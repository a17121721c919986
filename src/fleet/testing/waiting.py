"""Waiting for a condition with a deadline, which is what tests do instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fleet.core.errors import Unreachable
from fleet.testing.rings import is_whole

T = TypeVar("T")

# What another process does is waited for this long. Nothing here takes so long; a machine that others load may.
PATIENCE = 180.0 if is_whole() else 90.0  # seconds
# How a question fails whose object is not there yet, or no more: no row, no file, half a file, no process, no daemon.
NOT_YET = (LookupError, ValueError, FileNotFoundError, ProcessLookupError, ConnectionError, Unreachable)

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05


def is_written(path: Path) -> bool:
    """Whether another process has made this file and written to it: a file is there, empty, a moment before that."""
    return path.exists() and path.stat().st_size > 0


def wait_until(condition: Callable[[], T], *, timeout: float = PATIENCE, what: str = "") -> T:
    """Call ``condition`` until its answer is true, and return that answer; a failure as in NOT_YET is not true yet.

    ``timeout`` is in seconds; ``what`` names the condition in the message. Raises AssertionError with the
    last answer, or the last failure as its cause, when the time is up: a test fails on the line that waited.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        reason: Exception | None = None
        try:
            answer = condition()
            if answer:
                return answer
            last = f"the last answer was {answer!r}"
        except NOT_YET as error:
            reason, last = error, f"the last try failed: {error!r}"
        if time.monotonic() >= deadline:
            label = what or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"waited {timeout:g} s for {label}; {last}") from reason
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
