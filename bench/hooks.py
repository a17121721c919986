"""What a tool has to wait for its guard: a PreToolUse hook from inside a session, through the daemon, and back.

The sessions are real ones (tmux, shim, clone, capability, process tree); a stand-in for the client asks as the client
does, one fresh connection a question. ``GET /healthz`` at the same door, asked the same way, is the floor: a round trip
of HTTP that is neither identified nor judged nor written down.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Result, percentile, table
from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.waiting import wait_until

_PATIENCE = 300.0  # seconds

CLIENT = """\
#!{python} -IS
import http.client, json, os, sys, time
if "--version" in sys.argv:
    print("2.1.330 (a stand-in)")
    sys.exit(0)
shared, count = "{shared}", {count}
settings = json.load(open(sys.argv[sys.argv.index("--settings") + 1]))
hook = settings["hooks"]["PreToolUse"][0]["hooks"][0]
address, path = hook["url"].removeprefix("http://").split("/", 1)
session = os.environ["FLEET_RUN"]
given = dict(tool_name="Bash", tool_input=dict(command="git status --short"), cwd=os.getcwd())
body = json.dumps(dict(hook_event_name="PreToolUse", session_id="bench", tool_use_id="t", **given))

def once(method, path, body=None, headers={{}}):
    begin = time.perf_counter()
    line = http.client.HTTPConnection(address, timeout=60)
    line.request(method, path, body, headers)
    reply = line.getresponse()
    text = reply.read()
    line.close()
    spent = (time.perf_counter() - begin) * 1000
    assert reply.status == 200, (reply.status, text)
    return spent, text

asked = dict(hook["headers"])
asked["Content-Type"] = "application/json"
for _ in range(3):
    _, text = once("POST", "/" + path, body, asked)
    assert b'"allow"' in text, text
open(os.path.join(shared, session + ".ready"), "w").close()
while not os.path.exists(os.path.join(shared, "go")):
    time.sleep(0.01)
floor, spent, error = [], [], ""
begin = time.time()
try:
    for _ in range(count):
        floor.append(once("GET", "/healthz")[0])
        spent.append(once("POST", "/" + path, body, asked)[0])
except Exception as fault:
    error = repr(fault)
found = dict(floor=floor, hook=spent, begin=begin, end=time.time(), error=error)
draft = os.path.join(shared, session + ".new")
json.dump(found, open(draft, "w"))
os.rename(draft, os.path.join(shared, session + ".json"))
"""


@dataclass(frozen=True, slots=True)
class _Round:
    """What one number of sessions measured."""

    sessions: int
    floor: list[float]
    hook: list[float]
    seconds: float


def measured(sessions: int, count: int) -> _Round:
    """``sessions`` real sessions at once, each asking ``count`` times. Raises AssertionError when they stay away."""
    with fleet_in() as paths:
        shared = paths.checkout.parent / "bench"
        shared.mkdir()
        _configure(paths, shared, sessions, count)
        start_detached(paths, supervised=True)
        try:
            for number in range(sessions):
                ask(paths, "ticket.create", {"title": f"Bench {number}", "labels": ["ready"]})
            wait_until(lambda: len(list(shared.glob("*.ready"))) == sessions, timeout=_PATIENCE, what="the sessions")
            (shared / "go").touch()
            wait_until(lambda: len(list(shared.glob("*.json"))) == sessions, timeout=_PATIENCE, what="the answers")
        finally:
            stop(paths, 30)
        found: list[dict[str, Any]] = [json.loads(one.read_text()) for one in shared.glob("*.json")]
    failed = [one["error"] for one in found if one["error"]]
    assert not failed, failed
    seconds = max(one["end"] for one in found) - min(one["begin"] for one in found)
    floor, hook = ([spent for one in found for spent in one[name]] for name in ("floor", "hook"))
    return _Round(sessions, floor, hook, seconds)


def _configure(paths: FleetPaths, shared: Path, sessions: int, count: int) -> None:
    client = shared / "claude"
    client.write_text(CLIENT.format(python=sys.executable, shared=shared, count=count))
    client.chmod(0o755)
    paths.config.write_text(
        "version: 1\nauth: {kind: key_helper, command: [echo, key]}\n"
        f"max_concurrent: {sessions}\nretry: {{attempts: 1}}\nlimits: {{starts_per_hour: 1000}}\n"
        f"claude: {{program: {json.dumps(str(client))}}}\n"
        "agents:\n  - {name: developer, role: developer, vendor: claude-code, subscribes_to: [ticket_ready],"
        f" max_concurrent: {sessions}}}\n"
    )


def report(counts: Sequence[int], *, count: int) -> str:
    """The table; ``counts`` are the numbers of sessions at once, ``count`` the questions of each."""
    rows = []
    for sessions in counts:
        found = measured(sessions, max(10, count // sessions))
        many = f"{sessions} session{'s' if sessions > 1 else ''}"
        for name, spent in ((f"bare GET at the same door, {many}", found.floor), (f"PreToolUse, {many}", found.hook)):
            rate = len(spent) / found.seconds
            rows.append(Result(name, rate, percentile(spent, 0.5), percentile(spent, 0.99), max(spent)))
    note = (
        f"{count} questions (at least 10 a session), floor and guard in turn, a fresh connection each. All sessions ask"
        " as fast as they can, where an agent asks once in some seconds, and share the machine with the daemon."
        " Ratio of p50 to the first row."
    )
    return table("Hook latency", note, rows, by="p50")
