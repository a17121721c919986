"""From a label at GitHub to an agent's running process, and what looking costs: the real gh, a GitHub on this machine.

The label is set at a random moment, so that the wait for the next look is in the figure. Network and GitHub's own
time are not: add them.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chain import PROGRAM
from bench.measure import percentile, spent_cpu
from fleet.config.paths import FleetPaths, fleet_paths, org_home
from fleet.config.scaffold import scaffold
from fleet.core.clock import SystemClock
from fleet.daemon.lease import holder
from fleet.daemon.orgsetup import make_org
from fleet.daemon.supervisor import start_detached, stop
from fleet.daemon.terminals import end_terminals
from fleet.testing.fleets import ask, fleet_in, own_folders
from fleet.testing.github.fleet import surroundings
from fleet.testing.github.hub import REPO, Hub
from fleet.testing.github.place import Place, a_github
from fleet.testing.github.server import Asked, Fault
from fleet.testing.repos import git, make_checkout
from fleet.testing.waiting import wait_until

CONFIG = """\
version: 1
forge: github
repo: {repo}
forge_transport: {transport}
max_concurrent: 100
agents:
  - {{name: scribe, role: docs-writer, subscribes_to: ticket_ready, max_concurrent: 100}}
"""
PLAYBOOK = """\
version: 1
rules:
  - on: ticket_ready
    do:
      - publish: {event: note, summary: here I am}
"""
HOUR = 3600
LOOKS = 6  # requests of two looks at a repository
BUSY = 60  # labels in a busy hour
# The documented loops of the public product: it looks for labels every 120 s or so, and starts agents every 10 s.
LABEL_LOOP, START_LOOP = 120.0, 10.0


@dataclass
class Row:
    """What one arrangement showed."""

    name: str
    delays: list[float]  # seconds from the label to the running process
    steps: list[int]  # requests of the fleet about that repository in between
    idle_seconds: float
    idle: list[Asked]
    busy: list[Asked]
    idle_core: float  # share of one core that the daemon and the programs it started took while idle
    megabytes: float  # of the daemon
    threads: int


@dataclass
class Watch:
    """Notes when a label reached GitHub, which is when it is set; nothing fails."""

    set_at: dict[tuple[str, int], float] = field(default_factory=dict)

    def __call__(self, number: int, method: str, target: str) -> Fault | None:
        """Seen by the server before it answers."""
        if method == "POST" and target.endswith("/labels"):
            parts = target.split("/")
            self.set_at[f"{parts[2]}/{parts[3]}", int(parts[5])] = time.time()
        return None


def settle(checkout: Path, repo: str, transport: str) -> None:
    """The configuration of one repository, committed."""
    folder = checkout / ".fleet"
    (folder / "config.yaml").write_text(CONFIG.format(repo=repo, transport=transport))
    (folder / "playbooks" / "scribe.yaml").write_text(PLAYBOOK)
    git(checkout, "add", ".fleet")
    git(checkout, "commit", "--quiet", "-m", "bench")


def started(paths: FleetPaths) -> dict[int, float]:
    """When the process of each ticket's first run was there, in seconds."""
    found: dict[int, float] = {}
    for entry in ask(paths, "log", {"type": "run.started", "limit": 500}, patience=20)["entries"]:
        kind, _, number = str(entry["work_item"]).partition("/")
        if kind == "ticket":
            found.setdefault(int(number), entry["at"] / 1e6)
    return found


def quiet(log: Sequence[Asked], looks: int) -> bool:
    """Whether so many latest requests found nothing new."""
    return len(log) >= looks and not any(asked.counted for asked in log[-looks:])


def status_of(pid: int, field_name: str) -> int:
    """A number that the kernel keeps about a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field_name}:"))


def open_issues(hub: Hub, count: int) -> list[int]:
    """Issues without a label."""
    with hub.lock:
        return [hub.open_issue("ann", f"Wish {number}", "text", ()).number for number in range(count)]


def measured(name: str, place: Place, fleets: dict[str, FleetPaths], *, count: int, idle_seconds: float) -> Row:
    """An idle stretch, then ``count`` labels at random moments over all repositories of running fleets."""
    issues = {repo: open_issues(place.hub_of(repo), -(-count // len(fleets))) for repo in fleets}
    work = [(repo, number) for repo, numbers in issues.items() for number in numbers][:count]
    random.Random(7).shuffle(work)
    for repo, paths in fleets.items():
        wait_until(lambda: seen(paths) >= len(issues[repo]), timeout=300, what="the first look")
    wait_until(lambda: quiet(place.server.log, LOOKS * len(fleets)), timeout=300, what="the first looks to be over")
    pid = holder(next(iter(fleets.values())).daemon_lock) or 0
    begin, cpu = len(place.server.log), spent_cpu(pid)
    time.sleep(idle_seconds)
    idle, core = place.server.log[begin:], (spent_cpu(pid) - cpu) / idle_seconds
    watch = Watch()
    place.server.faults = watch
    begin = len(place.server.log)
    chance = random.Random(11)
    for repo, number in work:
        time.sleep(chance.uniform(0.3, 1.7))
        place.label(number, "ready", login="ann", repo=repo)
    ends: dict[tuple[str, int], float] = {}

    def all_started() -> bool:
        for repo, paths in fleets.items():
            ends.update({(repo, number): at for number, at in started(paths).items()})
        return all(item in ends for item in work)

    wait_until(all_started, timeout=120, what="every agent's process")
    busy = [asked for asked in place.server.log[begin:] if asked.login != "ann"]
    delays = [ends[item] - watch.set_at[item] for item in work]
    steps = [
        sum(
            asked.target.startswith(f"/repos/{item[0]}/") and watch.set_at[item] < asked.at < ends[item]
            for asked in busy
        )
        for item in work
    ]
    memory, threads = status_of(pid, "VmRSS") / 1024, status_of(pid, "Threads")
    return Row(name, delays, steps, idle_seconds, idle, busy, core, memory, threads)


def seen(paths: FleetPaths) -> int:
    """How many tickets the fleet has noticed."""
    return len(ask(paths, "log", {"type": "ticket_created", "limit": 500}, patience=20)["entries"])


def one(transport: str, *, count: int, idle_seconds: float) -> Row:
    """One repository, one fleet."""
    with fleet_in() as paths:
        settle(paths.checkout, REPO, transport)
        with a_github(paths.checkout) as place, surroundings(place):
            start_detached(paths, supervised=True, program=PROGRAM)
            try:
                return measured(
                    f"one repository, {transport}", place, {REPO: paths}, count=count, idle_seconds=idle_seconds
                )
            finally:
                stop(paths, 20)


def org(size: int, *, count: int, idle_seconds: float) -> Row:
    """``size`` repositories of one org, in one daemon, over one login."""
    with own_folders() as folder:
        names = [REPO, *(f"acme/repo{number}" for number in range(1, size))]
        checkouts = {repo: make_checkout(folder / repo.partition("/")[2]) for repo in names}
        for repo, checkout in checkouts.items():
            scaffold(checkout, now=SystemClock().now())
            settle(checkout, repo, "httpx2")
        home = org_home("bench", os.environ)
        make_org(home, list(checkouts.values()))
        fleets = {repo: fleet_paths(checkout, os.environ, os.getuid()) for repo, checkout in checkouts.items()}
        head = fleet_paths(home, os.environ, os.getuid())
        others = {repo: checkout for repo, checkout in checkouts.items() if repo != REPO}
        with a_github(checkouts[REPO], others) as place, surroundings(place):
            start_detached(head, supervised=True, program=PROGRAM, seconds=60)
            try:
                name = f"{size} repositories in one daemon, httpx2"
                return measured(name, place, fleets, count=count, idle_seconds=idle_seconds)
            finally:
                stop(head, 30)
                for paths in (head, *fleets.values()):
                    end_terminals(paths)


def documented(chances: int = 100_000) -> list[float]:
    """Seconds that the public product's two loops take by their documented intervals, programs not counted."""
    chance = random.Random(3)
    return [chance.uniform(0, LABEL_LOOP) + chance.uniform(0, START_LOOP) for _ in range(chances)]


def report(rows: Sequence[Row]) -> str:
    """Both tables."""
    other = documented()
    lines = [
        "### Label to running agent",
        "",
        f"`ready` is set with the real gh at random moments, {len(rows[0].delays)} times an arrangement, against a"
        " GitHub on this machine; seconds from the label's arrival there to the entry `run.started`. The last row is"
        f" computed from that product's documented intervals ({LABEL_LOOP:.0f} s for labels, then {START_LOOP:.0f} s"
        " for starts), with nothing added for its programs.",
        "",
        "Requests are those about that repository between the label and the process, regular looks included; through gh"
        " each of them is a process.",
        "",
        f"The machine's load over the last minute was {os.getloadavg()[0]:.1f} at the end, on {os.cpu_count()} cores.",
        "",
        "| | p50 s | p99 s | worst s | requests, p50 | daemon MB | threads | idle: % of a core |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = f"{row.megabytes:.0f} | {row.threads} | {row.idle_core * 100:.1f}"
        lines.append(f"| {row.name} | {_figures(row.delays)} | {percentile(row.steps, 0.5):.0f} | {size} |")
    lines.append(f"| public product, 120 s + 10 s loops (computed) | {_figures(other)} | | | | |")
    lines += [
        "",
        "### Requests at GitHub an hour",
        "",
        "From the server's log. Idle: looks while nothing changes, extrapolated from the seconds named."
        f" Busy: {BUSY} labels an hour, by what each of the labels above cost (those that come together share looks, so"
        " less would be paid).",
        "",
        "| | idle: sent | idle: counted | measured s | busy: counted | of 5,000 |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        sent = len(row.idle) * HOUR / row.idle_seconds
        counted = sum(asked.counted for asked in row.idle) * HOUR / row.idle_seconds
        busy = sum(asked.counted for asked in row.busy) / len(row.delays) * BUSY
        share = f"{busy / 50:.1f} %"
        lines.append(f"| {row.name} | {sent:,.0f} | {counted:,.0f} | {row.idle_seconds:.0f} | {busy:,.0f} | {share} |")
    return "\n".join(lines) + "\n"


def _figures(delays: Sequence[float]) -> str:
    return f"{percentile(delays, 0.5):.1f} | {percentile(delays, 0.99):.1f} | {max(delays):.1f}"


def rows(*, quick: bool) -> list[Row]:
    """Every arrangement."""
    options: dict[str, Any] = {"count": 5 if quick else 40, "idle_seconds": 10.0 if quick else 60.0}
    return [one("gh", **options), one("httpx2", **options), org(4 if quick else 20, **options)]
