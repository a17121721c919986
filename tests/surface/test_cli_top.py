"""``fleet top`` on a real fleet: once, as lines, as objects, on a terminal that is given back, and without a daemon."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.process import end_group, spawn
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.tmux

SLOW = "version: 1\nrules:\n  - on: ticket_ready\n    do:\n      - pause: 300\n"


@pytest.fixture(scope="module")
def paths() -> Iterator[FleetPaths]:
    """A fleet with one run that lasts."""
    with fleet_in() as found:
        (found.config.parent / "playbooks" / "developer.yaml").write_text(SLOW)
        shell = Shell(found.checkout, {})
        shell.answer("up")
        shell.answer("ticket", "create", "Slow", "--label", "ready")
        wait_until(lambda: [run for run in shell.answer("ps")["runs"] if run["state"] == "running"])
        yield found
        shell.fleet("down")


def _with_its_agent(shell: Shell) -> dict[str, Any]:
    """The answer, once the shim of the run has its agent: a run counts as running a moment before that."""
    found = shell.answer("top", "--once")
    return found if found["runs"][0]["processes"] >= 2 else {}


def test_once_shows_the_run_with_its_cost(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    found = wait_until(lambda: _with_its_agent(shell), what="the agent to have begun")
    (run,) = found["runs"]
    assert (run["agent"], run["subject"], run["state"]) == ("developer", "ticket/1", "running")
    assert run["rss_bytes"] > 1_000_000
    assert run["processes"] >= 2
    assert run["cpu_percent"] is not None
    assert found["daemon"]["rss_bytes"] > 1_000_000
    assert set(found["writer"]) == {"queue", "commit_ms"}
    text = shell.fleet("top", "--once").text
    assert "developer" in text
    assert "of " in text


def test_without_a_terminal_it_writes_an_object_a_line_until_it_is_interrupted(paths: FleetPaths) -> None:
    child = spawn(
        [sys.executable, "-m", "fleet", "top", "--json", "--interval", "0.5"], cwd=paths.checkout, env=os.environ
    )
    assert child.stdout is not None
    try:
        lines = [json.loads(child.stdout.readline()) for _ in range(3)]
        assert all(line["ok"] and line["schema_version"] == 1 for line in lines)
        assert lines[2]["entries_per_second"] is not None
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
    finally:
        end_group(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_is_given_back_as_it_was(paths: FleetPaths, number: signal.Signals) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with open(theirs, "wb", buffering=0, closefd=False) as terminal:
        argv = [sys.executable, "-m", "fleet", "top", "--interval", "0.5"]
        child = spawn(argv, cwd=paths.checkout, env=env, stdout=terminal)
    seen = b""
    try:
        deadline = time.monotonic() + PATIENCE
        while b"developer" not in seen and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 65536)
        assert b"\x1b[?1049h" in seen
        child.send_signal(number)
        assert child.wait(60) == 0
        while select.select([ours], [], [], 0.2)[0]:
            seen += os.read(ours, 65536)
        assert seen.rindex(b"\x1b[?1049l") > seen.rindex(b"\x1b[?1049h")
        assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
        assert termios.tcgetattr(theirs) == before
        assert b"Traceback" not in seen
    finally:
        end_group(child)
        os.close(ours)
        os.close(theirs)


def test_bad_input_is_refused(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    for words in (["--interval", "0"], ["--interval", "x"], ["--interval", "99999"], ["extra"]):
        assert shell.fleet("top", *words).code == 2, words


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        assert shell.fleet("top").code == 5
        assert object_of(shell.fleet("top", "--json"))["error"]["code"] == "FLT-CLI-001"
    assert Shell(tmp_path, {}).fleet("top", "--once").code == 4
