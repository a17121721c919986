"""Waiting for a condition with a deadline, which is what tests do instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05


def wait_until(condition: Callable[[], T], *, timeout: float = 10.0, what: str = "") -> T:
    """Call ``condition`` until its answer is true, and return that answer.

    ``timeout`` is in seconds; ``what`` names the condition in the message. Raises AssertionError with the
    last answer when the time is up, so that a test fails on the line that waited.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            label = what or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"waited {timeout:g} s for {label}; the last answer was {answer!r}")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
