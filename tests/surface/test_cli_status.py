"""``fleet status`` on a real fleet that does well, waits for a person, gave work up, and is down."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.process import end_group, spawn
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

FAILS = "version: 1\nrules:\n  - on: ticket_ready\n    do:\n      - exit: 3\n"
SLOW = "version: 1\nrules:\n  - on: ticket_ready\n    do:\n      - pause: 300\n"


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A fleet whose agents may not merge; whatever runs at the end is stopped."""
    with fleet_in(allow_merge=False) as found:
        yield found
        Shell(found.checkout, {}).fleet("down")


def attention(shell: Shell) -> list[dict[str, Any]]:
    """What needs a person."""
    found: list[dict[str, Any]] = shell.answer("status")["attention"]
    return found


def test_a_merge_that_waits_for_a_person_is_on_top_with_the_command_that_makes_it(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    wait_until(lambda: "looked at" in shell.fleet("status").text, what="the first look at the forge")
    quiet = shell.fleet("status").text
    assert "all is quiet" in quiet
    assert "supervised" in quiet
    shell.answer("ticket", "create", "Greet the user", "--label", "ready")
    wait_until(lambda: any(one["kind"] == "approval" for one in attention(shell)), what="a merge to wait")
    text = shell.fleet("status").text
    assert text.index("NEEDS YOU (1)") < text.index("daemon ")
    assert "do: fleet approvals show pr/2" in text
    assert "WAITING" not in text, "what needs a person is told once"
    assert shell.fleet("pr", "merge", "2").ok
    wait_until(lambda: not attention(shell), what="nothing to need a person")


@pytest.mark.long
def test_work_that_runs_is_shown_with_its_time_and_work_that_was_given_up_with_what_to_type(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    playbook = paths.config.parent / "playbooks" / "developer.yaml"
    playbook.write_text(SLOW)
    shell.answer("up")
    shell.answer("ticket", "create", "Slow", "--label", "ready")

    def runs() -> bool:
        return any(run["state"] == "running" for run in shell.answer("ps")["runs"])

    wait_until(runs, what="a run")
    text = shell.fleet("status").text
    assert "WORKING (1)" in text
    assert "▶ developer" in text
    assert "% of " in text
    playbook.write_text(FAILS)
    shell.answer("agent", "stop", "developer")
    paths.config.write_text(paths.config.read_text().replace("attempts: 3", "attempts: 1"))
    shell.answer("down")
    down = shell.fleet("status")
    assert down.ok
    assert "do: fleet up" in down.text
    assert "none runs" in down.text
    shell.answer("up")
    shell.answer("ticket", "create", "Fails", "--label", "ready")
    wait_until(lambda: any(one["kind"] == "dead_letter" for one in attention(shell)), what="a dead letter")
    assert "do: fleet deadletters explain " in shell.fleet("status").text


def on_a_terminal(paths: FleetPaths, *words: str, columns: int, lines: int) -> list[str]:
    """What a command prints on a terminal of that size, as lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with open(theirs, "wb", buffering=0) as terminal:
        child = spawn([sys.executable, "-m", "fleet", *words], cwd=paths.checkout, env=env, stdout=terminal)
    seen = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the last one who could write is gone
                break
            seen += data
        assert child.wait(20) == 0
    finally:
        end_group(child)
        os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", seen.decode()).splitlines()


def test_the_screen_fits_a_terminal_and_is_whole_on_request_in_a_pipe_and_in_a_file(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {"COLUMNS": "40", "LINES": "12"})
    shell.answer("up")
    lines = on_a_terminal(paths, "status", columns=40, lines=50)
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines).split()).count("shared-uid") == 1, "the end of a long line is there too"
    for words in (("status",), ("status", "--all")):
        told = shell.fleet(*words).text
        assert max(map(len, told.splitlines())) > 40
        assert "…" not in told
    assert max(map(len, shell.fleet("top", "--once").text.splitlines())) > 40
    assert b"\x1b" not in shell.fleet("status", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
    assert b"\x1b[" in shell.fleet("status", "--color", "always").out
    assert shell.fleet("status", "extra").code == 2
    assert shell.fleet("status", "--frobnicate", "--json").code == 2
