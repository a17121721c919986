"""Halting real sessions from outside, without any daemon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.runtime import halting, proctree, records
from fleet.runtime.escrow import verified
from fleet.testing.runtime_contract import TmuxRig, git
from fleet.testing.waiting import PATIENCE, is_written, wait_until

pytestmark = pytest.mark.tmux
AGENT = "open('work.txt', 'w').write('half done')\nimport time\nwhile True: time.sleep(600)"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[TmuxRig]:
    made = TmuxRig(tmp_path / "world")
    yield made
    made.end()


@pytest.fixture
def paths(rig: TmuxRig) -> FleetPaths:
    return FleetPaths(rig.world.root, "halting", rig.world.root, rig.world.root)


def begin(rig: TmuxRig, name: str, program: str = AGENT) -> None:
    """A session of this name whose agent has begun to work."""
    launch = rig.world.prepare(rig.python(program), name)
    rig.runtime.launch(launch)
    wait_until(lambda: is_written(launch.clone / "work.txt"), what=f"the work of {name}")


def session(rig: TmuxRig, name: str) -> str:
    """How the session of this name is called on this machine."""
    return rig.world.ref(name).session


def test_every_session_ends_with_its_work_saved(
    rig: TmuxRig, paths: FleetPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("halta", "haltb"):
        begin(rig, name)
    halting.write_halt(paths.state, "h1", "human:ann", "enough", 1)
    monkeypatch.setattr(halting, "ASK_SECONDS", PATIENCE)
    found = halting.end_everything(paths)
    assert found == halting.Ended((session(rig, "halta"), session(rig, "haltb")), (), ())
    for name in ("halta", "haltb"):
        seen = rig.reach(rig.world.ref(name), "exited")
        assert seen.exit is not None
        assert seen.exit.reason == "stopped"
        assert verified(rig.world.bare, seen.exit.escrow_ref, seen.exit.escrow_sha)
        assert git(rig.world.bare, "show", f"{seen.exit.escrow_ref}:work.txt") == "half done"
    assert halting.end_everything(paths) == halting.Ended((), (), ())


def test_a_stopped_shim_is_woken_to_end_its_session(
    rig: TmuxRig, paths: FleetPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(rig, "haltc")
    monkeypatch.setattr(halting, "ASK_SECONDS", PATIENCE)
    pid = records.read(str(rig.world.ref("haltc").folder), records.STARTED)
    assert pid is not None
    os.kill(pid["pid"], signal.SIGSTOP)
    assert halting.end_everything(paths).ended == (session(rig, "haltc"),)


def test_what_does_not_end_in_time_is_killed_and_its_clone_stays(
    rig: TmuxRig, paths: FleetPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is not lost: a session that vanished is buried by the daemon, which saves its clone."""
    begin(rig, "haltd")
    monkeypatch.setattr(halting, "ASK_SECONDS", 0.0)
    found = halting.end_everything(paths)
    assert (found.killed, found.survivors) == ((session(rig, "haltd"),), ())
    ref = rig.world.ref("haltd")
    assert (rig.world.clones / ref.session / "work.txt").read_text() == "half done"
    # one that was asked and ended while we looked away has a record; all others have none
    seen = rig.reach(ref, "vanished", "exited")
    assert seen.exit is None or seen.exit.escrow_ref


def test_what_a_killed_shim_left_behind_is_found(rig: TmuxRig, paths: FleetPaths) -> None:
    child = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    open('work.txt', 'w').write('half done')\n"
    begin(rig, "halte", f"{child}    time.sleep(600)\ntime.sleep(600)")
    rig.kill_shim(rig.world.ref("halte"))
    assert halting.end_everything(paths).killed == (session(rig, "halte"),)
    assert proctree.marked("FLEET_RUN", session(rig, "halte")) == ()


def test_a_session_that_begins_after_the_halt_does_nothing(rig: TmuxRig, paths: FleetPaths) -> None:
    """A start that was under way when the fleet was halted: its shim looks before it begins."""
    halting.write_halt(paths.state, "h1", "human:ann", "enough", 1)
    rig.runtime.launch(rig.world.prepare(rig.python(AGENT), "haltf"))
    seen = rig.reach(rig.world.ref("haltf"), "exited")
    assert seen.exit is not None
    assert (seen.exit.reason, seen.exit.used_seconds) == ("stopped", 0.0)
    assert not (rig.world.clones / session(rig, "haltf") / "work.txt").exists()


def test_a_halt_that_lies_there_stays_as_it_is_and_a_broken_file_is_a_halt(paths: FleetPaths) -> None:
    halting.write_halt(paths.state, "first", "human:ann", "enough", 1)
    halting.write_halt(paths.state, "second", "human:bob", "more", 2)
    found = halting.read_halt(paths.state)
    assert found is not None
    assert found["id"] == "first"
    (paths.state / records.HALT).write_text("{")
    broken = halting.read_halt(paths.state)
    assert broken is not None
    assert broken["id"] == "unreadable"


@pytest.mark.long
def test_twenty_sessions_end_within_ten_seconds(rig: TmuxRig, paths: FleetPaths) -> None:
    for number in range(20):
        begin(rig, f"haltmany{number}")
    begun = time.monotonic()
    found = halting.end_everything(paths)
    took = time.monotonic() - begun
    assert len(found.ended) + len(found.killed) == 20
    assert found.survivors == ()
    assert took < 10.0 * (3.0 if os.environ.get("CI") else 1.0)
