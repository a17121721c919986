"""How a start tells whether it worked: one line of JSON on standard output, read by whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from typing import Any

from fleet.core.errors import TimedOut

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
