"""How long a quarantined agent still moves: from the entry of the decision to the last sign of life of its tree."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.budget import PROGRAM as MOVES
from bench.chain import PROGRAM
from bench.measure import Result, percentile, table
from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.waiting import wait_until

_TREES = {"one process": 0, "10 processes": 9, "100 processes": 99}


def report(*, rounds: int) -> str:
    """Milliseconds through a real daemon: the transaction, the runner's look, the shim's freeze. As a table."""
    rows = []
    for what, children in _TREES.items():
        over = [1000 * seconds for seconds in _measured(children, rounds)]
        rows.append(Result(what, 0.0, percentile(over, 0.5), percentile(over, 0.99), max(over)))
    note = f"From the quarantine's entry to the last sign of life of the tree, {rounds} rounds. Promised: 2000 ms."
    return table("A quarantine's overshoot", note, rows, by="p50")


def _measured(children: int, rounds: int) -> list[float]:
    with fleet_in() as paths, tempfile.TemporaryDirectory(prefix="flb-", dir="/tmp") as clocks:
        argv = [sys.executable, "-I", "-c", MOVES.format(children=children), clocks]
        agent = f"{{name: mover, role: docs-writer, vendor: command, command: {json.dumps(argv)}}}"
        (paths.checkout / ".fleet" / "config.yaml").write_text(f"version: 1\nagents:\n  - {agent}\n")
        git(paths.checkout, "add", ".fleet")
        git(paths.checkout, "commit", "--quiet", "-m", "bench")
        start_detached(paths, supervised=True, program=PROGRAM)
        try:
            number = ask(paths, "ticket.create", {"title": "Move"})["ticket"]["number"]
            ask(paths, "agent.start", {"name": "mover", "subject": f"ticket/{number}"})
            return [_once(paths, Path(clocks), children + 1) for _ in range(rounds)]
        finally:
            stop(paths, 20)


def _once(paths: FleetPaths, clocks: Path, processes: int) -> float:
    """Seconds that one tree moved on after the decision. Its work comes back with the release, for the next round."""
    wait_until(lambda: len(_said(clocks)) == processes, timeout=60, what="the tree")
    skew = time.time() - time.monotonic()
    ask(paths, "agent.quarantine", {"name": "mover", "reason": "bench"})
    wait_until(lambda: not _live(paths), timeout=60, what="the end of the run")
    (entry,) = ask(paths, "log", {"type": "agent.quarantined", "limit": 1})["entries"]
    last = max(_said(clocks))
    for path in clocks.iterdir():
        path.unlink()
    ask(paths, "agent.release", {"name": "mover", "reason": "bench"})
    return max(0.0, last + skew - float(entry["at"]) / 1_000_000)


def _said(clocks: Path) -> list[float]:
    """The last sign of life of each process; its own clock, as it wrote it."""
    return [float(text) for path in clocks.iterdir() if path.suffix != ".new" and (text := path.read_text())]


def _live(paths: FleetPaths) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ask(paths, "agent.show", {"name": "mover"})["runs"]
    return [row for row in rows if row["state"] in ("queued", "starting", "running")]
