"""How a start tells whether it worked: one line of JSON on standard output, read by whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from typing import Any

from fleet.core.errors import (
    BudgetRefused,
    ConfigError,
    Conflict,
    FleetError,
    NotFound,
    Refused,
    TimedOut,
    Unreachable,
    UsageError,
)

_BY_EXIT = {2: UsageError, 4: NotFound, 5: Unreachable, 6: Refused, 7: BudgetRefused, 8: Conflict, 124: TimedOut}
_LONGEST = 1 << 20  # bytes


def tell(report: dict[str, object]) -> None:
    """Say ``{"ready": pid}`` or ``{"error": {…}}``, once, and let go of standard output.

    Whoever started us may be gone by then; that is no error.
    """
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(report).encode("ascii") + b"\n")
    release()


def release() -> None:
    """Point standard output at nothing, so that no reader waits for us."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def hear(descriptor: int, seconds: float) -> dict[str, Any] | None:
    """The report from the other end of a pipe; None when it was closed without one.

    Raises TimedOut FLT-DMN-013 after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    said = b""
    while b"\n" not in said and len(said) < _LONGEST:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimedOut("FLT-DMN-013", f"the daemon did not come up within {seconds:.0f} s")
        data = os.read(descriptor, 65536)
        if not data:
            return None
        said += data
    try:
        report = json.loads(said.partition(b"\n")[0])
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def revive(error: dict[str, Any]) -> FleetError:
    """The error behind ``FleetError.as_dict()``, of the class that its exit code names."""
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    where, hint = str(error.get("where", "")), str(error.get("hint", ""))
    if error.get("exit_code") == 3:
        problems = tuple(str(problem) for problem in error.get("problems", ()))
        return ConfigError(code, message, where=where, hint=hint, problems=problems)
    return _BY_EXIT.get(int(error.get("exit_code", 1)), FleetError)(code, message, where=where, hint=hint)
