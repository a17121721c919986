"""A bug of ours ends one request, not the daemon; the same for every door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleet.core.errors import FleetError

BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


@contextmanager
def own_faults(what: str, report: Callable[[str, BaseException], None]) -> Iterator[None]:
    """``report`` hears of a bug with its traceback, the caller by FleetError FLT-DMN-009; ``what`` was being done."""
    try:
        yield
    except BUGS as error:
        report(what, error)
        raise FleetError(
            "FLT-DMN-009",
            f"the call failed inside the daemon: {type(error).__name__}: {error}",
            hint="This is a bug; the daemon's log has the details.",
        ) from error
