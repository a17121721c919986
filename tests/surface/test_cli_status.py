"""``fleet status`` on a real fleet that does well, waits for a person, gave work up, and is down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
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
    quiet = shell.fleet("status").text
    assert "all is quiet" in quiet
    assert "supervised" in quiet
    assert "looked at" in quiet
    shell.answer("ticket", "create", "Greet the user", "--label", "ready")
    wait_until(lambda: any(one["kind"] == "approval" for one in attention(shell)), timeout=60, what="a merge to wait")
    text = shell.fleet("status").text
    assert text.index("NEEDS YOU (1)") < text.index("daemon ")
    assert "do: fleet approvals show pr/2" in text
    assert "WAITING" not in text, "what needs a person is told once"
    assert shell.fleet("pr", "merge", "2").ok
    wait_until(lambda: not attention(shell), timeout=30, what="nothing to need a person")


@pytest.mark.long
def test_work_that_runs_is_shown_with_its_time_and_work_that_was_given_up_with_what_to_type(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    playbook = paths.config.parent / "playbooks" / "developer.yaml"
    playbook.write_text(SLOW)
    shell.answer("up")
    shell.answer("ticket", "create", "Slow", "--label", "ready")

    def runs() -> bool:
        return any(run["state"] == "running" for run in shell.answer("ps")["runs"])

    wait_until(runs, timeout=30, what="a run")
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
    wait_until(lambda: any(one["kind"] == "dead_letter" for one in attention(shell)), timeout=60, what="a dead letter")
    assert "do: fleet deadletters explain " in shell.fleet("status").text


def test_the_screen_follows_the_terminal_and_is_whole_on_request(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {"COLUMNS": "40", "LINES": "12"})
    shell.answer("up")
    lines = shell.fleet("status").text.splitlines()
    assert max(map(len, lines)) <= 40
    assert max(map(len, shell.fleet("status", "--all").text.splitlines())) > 40
    assert b"\x1b" not in shell.fleet("status", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
    assert b"\x1b[" in shell.fleet("status", "--color", "always").out
    assert shell.fleet("status", "extra").code == 2
    assert shell.fleet("status", "--frobnicate", "--json").code == 2
