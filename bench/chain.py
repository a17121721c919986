"""Through the real daemon: durable publish over its socket, and from an event to an agent's running process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.measure import Result, interleaved, percentile, spread, summary, table, timed
from fleet.config.paths import FleetPaths
from fleet.daemon.rpc import Rpc
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
PAYLOAD = json.dumps({"text": "x" * 280})
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


def publish_loop(paths: FleetPaths, count: int) -> list[float]:
    """Milliseconds of each of ``count`` publishes on one connection."""
    args = {"event": "note", "summary": "a note", "payload": PAYLOAD}
    with Rpc(paths.socket) as line:
        return timed(lambda: line.call("fabric.publish", args), count)


def socket_publish(paths: FleetPaths, count: int, clients: int) -> Result:
    """``count`` publishes by ``clients`` threads of this process, each with its own connection."""
    seconds, spent = spread(clients, lambda: publish_loop(paths, count // clients))
    return summary("socket", seconds, spent)


def publish_report(paths: FleetPaths, *, count: int, rounds: int) -> str:
    """The table of publishing through the socket."""
    rows = interleaved(
        rounds,
        {
            "fleet publish by socket, 1 client": lambda: socket_publish(paths, count, 1),
            "fleet publish by socket, 8 clients": lambda: socket_publish(paths, count, 8),
        },
    )
    note = (
        "The whole way: identity, policy of the verb, transaction, disk, answer; every event is then routed as well."
        " The clients' own time counts too: they share one Python process."
    )
    return table("Durable publish through the daemon", note, rows)


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
