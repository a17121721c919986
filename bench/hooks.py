"""What a tool has to wait for its guard: a PreToolUse hook from inside a session, through the daemon, and back.

The sessions are real ones (tmux, shim, clone, capability, process tree); a stand-in for the client asks as the client
does, one fresh connection a question. Two ways of asking: *at work*, each session once in two seconds at a moment of
its own, whatever the others do, as agents ask; and *as fast as they can*, which fills the machine and says how many
questions a second it answers. ``GET /healthz`` at the same door, asked the same way, is the floor: a round trip of
HTTP that is neither identified nor judged nor written down.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Result, spent_cpu, summary, table, timed
from fleet.config.paths import FleetPaths
from fleet.daemon.lease import holder
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.waiting import wait_until

PERIOD = 2.0  # seconds from one question of a session at work to its next
_PATIENCE = 300.0  # seconds
_PHASES = ("work", "rush")

# Of the work phase, floor and guard take turns within each period. A socket and no library: what the stand-in costs,
# the machine cannot give the daemon.
CLIENT = """\
#!{python} -IS
import json, os, random, socket, sys, time
if "--version" in sys.argv:
    print("2.1.330 (a stand-in)")
    sys.exit(0)
shared, period, counts = "{shared}", {period}, {counts}
settings = json.load(open(sys.argv[sys.argv.index("--settings") + 1]))
hook = settings["hooks"]["PreToolUse"][0]["hooks"][0]
address, path = hook["url"].removeprefix("http://").split("/", 1)
place = (address.split(":")[0], int(address.split(":")[1]))
session = os.environ["FLEET_RUN"]
given = dict(tool_name="Bash", tool_input=dict(command="git status --short"), cwd=os.getcwd())
body = json.dumps(dict(hook_event_name="PreToolUse", session_id="bench", tool_use_id="t", **given))
heads = {{**hook["headers"], "Host": address, "Content-Type": "application/json", "Content-Length": len(body)}}
lines = "".join(f"{{name}}: {{value}}\\r\\n" for name, value in heads.items())
guard = f"POST /{{path}} HTTP/1.1\\r\\n{{lines}}\\r\\n{{body}}".encode()
floor = f"GET /healthz HTTP/1.1\\r\\nHost: {{address}}\\r\\nConnection: close\\r\\n\\r\\n".encode()

def once(request):
    begin, reply = time.perf_counter(), b""
    with socket.create_connection(place, timeout=60) as line:
        line.sendall(request)
        while piece := line.recv(65536):
            reply += piece
    spent = (time.perf_counter() - begin) * 1000
    assert reply.startswith(b"HTTP/1.1 200"), reply
    return spent, reply

def work(count):
    due, found = time.time() + random.random() * period, dict(floor=[], guard=[])
    for _ in range(count):
        for name, request in (("guard", guard), ("floor", floor)):
            time.sleep(max(0, due - time.time()))
            found[name].append(once(request)[0])
            due += period / 2
    return found

def rush(count):
    return dict(guard=[once(guard)[0] for _ in range(count)])

def wait_for(name):
    while not os.path.exists(os.path.join(shared, name)):
        time.sleep(0.02)

def say(name, found):
    draft = os.path.join(shared, session + ".new")
    json.dump(found, open(draft, "w"))
    os.rename(draft, os.path.join(shared, session + "." + name))

for _ in range(3):
    assert b'"allow"' in once(guard)[1]
say("ready", None)
for phase, act in (("work", work), ("rush", rush)):
    wait_for(phase)
    begin, cpu = time.time(), time.process_time()
    try:
        found = act(counts[phase])
        say(phase, dict(found, begin=begin, end=time.time(), cpu=time.process_time() - cpu, error=""))
    except Exception as fault:
        say(phase, dict(error=repr(fault)))
"""


@dataclass(frozen=True, slots=True)
class _Phase:
    """What all sessions together measured while they asked in one way. Times of questions in milliseconds."""

    floor: list[float]
    guard: list[float]
    seconds: float
    client_cpu: float  # seconds
    daemon_cpu: float

    @property
    def asked(self) -> int:
        """Questions of both kinds."""
        return len(self.floor) + len(self.guard)


def measured(sessions: int, counts: dict[str, int]) -> dict[str, _Phase]:
    """``sessions`` real sessions at once, each asking so often in each phase. AssertionError when they stay away."""
    with fleet_in() as paths:
        shared = paths.checkout.parent / "bench"
        shared.mkdir()
        _configure(paths, shared, sessions, counts)
        start_detached(paths, supervised=True)
        try:
            for number in range(sessions):
                ask(paths, "ticket.create", {"title": f"Bench {number}", "labels": ["ready"]})
            _said(shared, "ready", sessions)
            return {phase: _phase(paths, shared, phase, sessions) for phase in _PHASES}
        finally:
            stop(paths, 30)


def _phase(paths: FleetPaths, shared: Path, phase: str, sessions: int) -> _Phase:
    daemon = holder(paths.daemon_lock) or 0
    before = spent_cpu(daemon)
    (shared / phase).touch()
    found = _said(shared, phase, sessions)
    cpu = spent_cpu(daemon) - before
    failed = [one["error"] for one in found if one["error"]]
    assert not failed, failed
    seconds = max(one["end"] for one in found) - min(one["begin"] for one in found)
    floor, guard = ([spent for one in found for spent in one.get(name, ())] for name in ("floor", "guard"))
    return _Phase(floor, guard, seconds, sum(one["cpu"] for one in found), cpu)


def _said(shared: Path, name: str, sessions: int) -> list[dict[str, Any]]:
    """What every session left under a name, as soon as all did."""
    wait_until(lambda: len(list(shared.glob(f"*.{name}"))) == sessions, timeout=_PATIENCE, what=f"sessions: {name}")
    return [json.loads(one.read_text()) for one in shared.glob(f"*.{name}")]


def _configure(paths: FleetPaths, shared: Path, sessions: int, counts: dict[str, int]) -> None:
    client = shared / "claude"
    client.write_text(CLIENT.format(python=sys.executable, shared=shared, period=PERIOD, counts=counts))
    client.chmod(0o755)
    paths.config.write_text(
        "version: 1\nauth: {kind: key_helper, command: [echo, key]}\n"
        f"max_concurrent: {sessions}\nretry: {{attempts: 1}}\nlimits: {{starts_per_hour: 1000}}\n"
        f"claude: {{program: {json.dumps(str(client))}}}\n"
        "agents:\n  - {name: developer, role: developer, vendor: claude-code, subscribes_to: [ticket_ready],"
        f" max_concurrent: {sessions}}}\n"
    )


def disk_floor(count: int = 200) -> Result:
    """Append 4 KiB and wait for the disk: what no durable answer can be quicker than."""
    with tempfile.TemporaryFile(dir="/tmp") as file:

        def append() -> None:
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())

        spent = timed(append, count)
    return summary("bare fdatasync, 4 KiB", sum(spent) / 1000, spent)


def report(counts: Sequence[int], *, count: int) -> str:
    """The table; ``counts`` are the numbers of sessions at once, ``count`` the questions in all, at least 10 each."""
    rows, costs = [disk_floor()], list[str]()
    for sessions in counts:
        each = max(10, count // sessions)
        found = measured(sessions, {"work": min(each, 20), "rush": each})
        many = f"{sessions} session{'s' if sessions > 1 else ''}"
        work, rush = found["work"], found["rush"]
        rows.append(summary(f"bare GET at the same door, {many} at work", work.seconds, work.floor))
        rows.append(summary(f"PreToolUse, {many} at work", work.seconds, work.guard))
        rows.append(summary(f"PreToolUse, {many} as fast as they can", rush.seconds, rush.guard))
        daemon, client = (1000 * cpu / rush.asked for cpu in (rush.daemon_cpu, rush.client_cpu))
        busy = (rush.daemon_cpu + rush.client_cpu) / rush.seconds
        costs.append(
            f"{many}: {daemon:.2f} ms of the daemon's processor time a question and {client:.2f} ms of the stand-in's,"
            f" together {busy:.1f} cores"
        )
    note = (
        f"At work: each session asks once in {PERIOD:.0f} s, at a moment of its own, and between two questions for the"
        " floor. As fast as they can: no session waits, so the machine is full and the time is that of the queue;"
        " read its rate. The stand-ins share the machine with the daemon. Ratio of p50 to the first row."
    )
    load = (
        f"As fast as they can, {'; '.join(costs)}.\n\nThe machine's load over the last minute was"
        f" {os.getloadavg()[0]:.1f} at the end, on {os.cpu_count()} cores.\n"
    )
    return table("Hook latency", note, rows, by="p50") + "\n" + load
