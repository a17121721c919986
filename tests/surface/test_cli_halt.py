"""``fleet halt`` and ``fleet resume`` on a real fleet, with its daemon and without."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from fleet.config.paths import FleetPaths
from fleet.daemon.lease import holder
from fleet.keeping.sessions import living_sessions
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.tmux

SLOW = """\
version: 1
rules:
  - {on: ticket_ready, do: [{write: {path: half.txt, text: done}}, {pause: 300}]}
"""


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    with fleet_in() as found:
        (found.checkout / ".fleet" / "playbooks" / "developer.yaml").write_text(SLOW, encoding="utf-8")
        yield found
        Shell(found.checkout, {}).fleet("down")


def working(paths: FleetPaths) -> str:
    """The one run that works, by its id."""

    def look() -> str:
        found = ask(paths, "ps", patience=PATIENCE)["runs"]
        return str(found[0]["id"]) if [run["state"] for run in found] == ["running"] else ""

    return wait_until(look, what="a run that works")


def starts(paths: FleetPaths) -> int:
    return len(ask(paths, "log", {"type": "delivery.dispatched"}, patience=PATIENCE)["entries"])


def test_a_halt_ends_the_runs_and_after_resume_the_work_comes_back_once(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    shell.answer("ticket", "create", "Do it", "--label", "ready")
    run = working(paths)
    done = shell.answer("halt", "--reason", "wrong files")
    # on a machine under load it may not end by itself in the seconds it is given, and is killed
    assert (done["recorded"], [*done["ended"], *done["killed"]]) == (True, [f"{run}-e1"])
    assert living_sessions(paths) == ()
    wait_until(lambda: not ask(paths, "ps")["runs"], what="the run to be over")
    assert "halted" in shell.fleet("status").text
    assert shell.answer("halt", "--reason", "again")["ended"] == []
    wait_until(lambda: ask(paths, "log", {"type": "work_returned"})["entries"], what="the work to return")
    assert starts(paths) == 1
    assert shell.answer("resume", "--reason", "mended")["halt"]["reason"] == "wrong files"
    working(paths)
    assert starts(paths) == 2
    back = ask(paths, "ps")["runs"][0]
    assert (back["attempt"], back["subject"]) == (1, "ticket/1")
    assert shell.fleet("resume").code == 8
    assert shell.fleet("halt").code == 2


@pytest.mark.long
def test_a_halt_with_a_dead_daemon_goes_on_record_at_the_next_start(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("watcher", "start")
    shell.answer("ticket", "create", "Do it", "--label", "ready")
    run = working(paths)
    daemon = holder(paths.daemon_lock)
    assert daemon is not None
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: holder(paths.daemon_lock) is None, what="the daemon's end")
    done = object_of(shell.fleet("halt", "--reason", "at night", "--json"))
    ended = [*done["ended"], *done["killed"]]
    assert (done["recorded"], ended, done["survivors"]) == (False, [f"{run}-e1"], [])
    assert living_sessions(paths) == ()
    assert "halted" in shell.fleet("status").text
    shell.answer("up")
    (entry,) = wait_until(lambda: ask(paths, "log", {"type": "fleet.halted"})["entries"], what="the halt on record")
    assert "at night" in entry["summary"]
    wait_until(lambda: not ask(paths, "ps")["runs"], what="the run to be judged")
    assert len(ask(paths, "log", {"type": "run.cancelled"})["entries"]) == 1, "a halt is nobody's verdict on the work"
    assert starts(paths) == 1
    shell.answer("resume")
    working(paths)
    assert starts(paths) == 2
