"""From an event to an agent's running process, through the real daemon, git and tmux."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.measure import percentile
from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.waiting import wait_until

CONFIG = """\
version: 1
agents:
  - {name: scribe, role: docs-writer, subscribes_to: bench_ping, publishes: [bench_ping]}
"""
PLAYBOOK = """\
version: 1
rules:
  - on: [bench_ping]
    do:
      - publish: {event: note, summary: here I am}
"""
PROGRAM = (sys.executable, "-m", "fleet.cli.daemon")
STAGES = ("event.routed", "delivery.dispatched", "run.starting", "run.started", "note", "run.succeeded")


@contextmanager
def running_fleet() -> Iterator[FleetPaths]:
    """A fleet with one agent that only says that it is there."""
    with fleet_in() as paths:
        (paths.checkout / ".fleet" / "config.yaml").write_text(CONFIG)
        (paths.checkout / ".fleet" / "playbooks" / "scribe.yaml").write_text(PLAYBOOK)
        git(paths.checkout, "add", ".fleet")
        git(paths.checkout, "commit", "--quiet", "-m", "bench")
        start_detached(paths, supervised=True, program=PROGRAM)
        try:
            yield paths
        finally:
            stop(paths, 20)


def one_start(paths: FleetPaths) -> dict[str, float]:
    """Publish once and wait for the agent's end; milliseconds from the event to each stage."""
    sent = ask(paths, "fabric.publish", {"event": "bench_ping", "summary": "start"})

    def ended() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(paths, "log", {"after": sent["seq"] - 1, "limit": 50})["entries"]
        return found if any(entry["type"] == "run.succeeded" for entry in found) else []

    entries = wait_until(ended, timeout=30, what="the agent's run")
    began = entries[0]["at"]
    first = {entry["type"]: entry["at"] for entry in reversed(entries)}
    return {stage: (first[stage] - began) / 1000 for stage in STAGES if stage in first}


def report(paths: FleetPaths, *, count: int) -> str:
    """The table of stages."""
    starts = [one_start(paths) for _ in range(count)]
    lines = [
        "### Event to running agent",
        "",
        f"{count} starts one after the other; milliseconds from the event's entry to the entry of each stage. Before"
        " `run.started` lie routing, policy, a clone, a tmux session and the shim's start; `note` is the agent's own"
        " first call through the socket.",
        "",
        "| stage | p50 ms | p99 ms | worst ms |",
        "|---|---|---|---|",
    ]
    for stage in STAGES:
        spent = [start[stage] for start in starts if stage in start]
        lines.append(f"| {stage} | {percentile(spent, 0.5):.0f} | {percentile(spent, 0.99):.0f} | {max(spent):.0f} |")
    return "\n".join(lines) + "\n"
