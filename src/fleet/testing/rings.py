"""How thorough a run of the tests is: the quick ring of every day, or all of it as in CI."""

from __future__ import annotations

import os


def is_whole() -> bool:
    """Whether everything is asked for: ``CI=true``."""
    return os.environ.get("CI") == "true"


def examples(quick: int, whole: int) -> int:
    """How many examples a property is tried on."""
    return whole if is_whole() else quick
