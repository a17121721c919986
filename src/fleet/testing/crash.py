"""A daemon that kills itself with signal 9 at a named point: ``python -m fleet.testing.crash POINT@N NOTE …``.

Everything after the second word goes to the daemon unchanged. The N-th visit of the point is the last thing
the process does, after it wrote the file NOTE. Where that file exists already nothing is planted, so the
supervisor may start the same command again and gets an ordinary daemon.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from fleet.cli.hotparse import parse
from fleet.core import probe
from fleet.daemon.main import main as daemon_main


def killer(point: str, ordinal: int, note: Path) -> Callable[[str], None]:
    """A handler that ends this process, without any clean-up, at the given visit of a point."""
    visits = 0

    def visit(name: str) -> None:
        nonlocal visits
        if name != point:
            return
        visits += 1
        if visits == ordinal:
            note.write_text(f"{point}@{ordinal}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    return visit


def main(argv: list[str]) -> int:
    """Take ``POINT@N NOTE`` and the daemon's own arguments."""
    point, _, ordinal = argv[1].partition("@")
    if point not in probe.POINTS:
        raise SystemExit(f"no such point: {point}")
    note = Path(argv[2])
    if not note.exists():
        probe.install(killer(point, int(ordinal or 1), note))
    return daemon_main(argv[3:], parse_argv=parse)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
