"""What a command costs before it does anything, as a ratio to a bare interpreter."""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from bench.measure import Result, percentile


def once(argv: Sequence[str], env: dict[str, str], folder: Path) -> float:
    """Milliseconds from start to end of one process."""
    sink = os.open(os.devnull, os.O_RDWR)
    start = time.perf_counter()
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, sink, number) for number in (0, 1, 2)],
    )
    _, status = os.waitpid(pid, 0)
    spent = (time.perf_counter() - start) * 1000
    os.close(sink)
    assert os.waitstatus_to_exitcode(status) == 0, argv
    return spent


def report(folder: Path, env: dict[str, str], *, rounds: int) -> str:
    """Interleaved rounds of the bare interpreter and the commands; ``env`` leads to a live fleet."""
    fleet = str(Path(sysconfig.get_path("scripts")) / "fleet")
    contestants: dict[str, list[str]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "fleet --version": [fleet, "--version"],
        "fleet fabric publish": [fleet, "fabric", "publish", "--event", "note", "--summary", "bench"],
        "fleet ps --json": [fleet, "ps", "--json"],
        "fleet status --json": [fleet, "status", "--json"],
        "fleet ticket list": [fleet, "ticket", "list"],
    }
    os.chdir(folder)
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, argv in contestants.items():
            spent[name].append(once(argv, env, folder))
    rows = [Result(name, 0.0, percentile(v, 0.5), percentile(v, 0.99), max(v)) for name, v in spent.items()]
    base, floor = rows[0].p50, min(spent["python -c pass"])
    lines = [
        "### Start-up",
        "",
        f"{rounds} interleaved rounds, bytecode compiled; ratio of medians, and of minima, to the bare interpreter.",
        "",
        "| | p50 ms | p99 ms | ratio of p50 | ratio of minima |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{row.name}` | {row.p50:.1f} | {row.p99:.1f} | {row.p50 / base:.2f} | {min(spent[row.name]) / floor:.2f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
