"""The shim by itself, without a terminal: it always leaves a record, and at most one of a run ever starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.process import run, spawn
from fleet.runtime import proctree, records
from fleet.runtime.escrow import verified
from fleet.runtime.port import SessionRef
from fleet.testing.runtime_contract import World
from fleet.testing.waiting import wait_until

RUN = "shim"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def prepare(world: World, script: str, **changes: object) -> SessionRef:
    """A run folder with a launch record and its fence."""
    launch = world.prepare(("sh", "-c", script), RUN)
    record = {
        "session": launch.session,
        "run_id": launch.run_id,
        "epoch": launch.epoch,
        "clone": str(launch.clone),
        "bare": str(launch.bare),
        "argv": list(launch.argv),
        "env": dict(launch.env),
        "allowance_seconds": 60.0,
        "allowance_kind": "timeout",
    }
    launch.folder.mkdir()
    records.raise_fence(str(world.runs), launch.run_id, launch.epoch)
    records.write(str(launch.folder), records.LAUNCH, {**record, **changes})
    return world.ref(RUN)


def argv(ref: SessionRef) -> list[str]:
    return [sys.executable, "-I", "-m", "fleet.runtime.shim", str(ref.folder)]


def ended(ref: SessionRef) -> records.Record:
    record = records.read(str(ref.folder), records.EXIT)
    assert record is not None
    return record


def test_an_agent_runs_to_its_end(world: World) -> None:
    ref = prepare(world, "echo $FLEET_RUN; echo work > work.txt; exit 4")
    done = run(argv(ref), timeout=60)
    assert (done.code, done.text, done.error_text) == (0, f"{ref.session}\n", "")
    record = ended(ref)
    assert (record["code"], record["reason"], record["detail"]) == (4, "exited", "")
    assert verified(world.bare, record["escrow_ref"], record["escrow_sha"])
    assert (ref.folder / records.EXIT).stat().st_mode & 0o777 == 0o600


def test_an_agent_may_read_a_file_as_its_standard_input(world: World) -> None:
    source = world.runs.parent / "brief.json"
    source.write_text("what to do")
    ref = prepare(world, "cat", stdin=str(source))
    assert run(argv(ref), timeout=60, stdin=b"the terminal").text == "what to do"
    assert ended(ref)["code"] == 0


def test_an_agent_whose_input_is_gone_does_not_start(world: World) -> None:
    ref = prepare(world, "echo started", stdin="/nonexistent/brief.json")
    done = run(argv(ref), timeout=60)
    assert "cannot start the agent" in done.error_text
    assert done.text == ""
    assert ended(ref)["code"] == 127


@pytest.mark.parametrize("broken", ["no folder", "no record", "not JSON", "another session"])
def test_without_a_launch_record_of_its_own_nothing_is_started(world: World, broken: str) -> None:
    ref = prepare(world, "echo started >> $COUNTS")
    launch = ref.folder / records.LAUNCH
    if broken == "another session":
        launch.write_text(launch.read_text().replace(ref.session, "r2-e1"))
    elif broken == "not JSON":
        launch.write_text("{")
    else:
        launch.unlink()
        if broken == "no folder":
            ref.folder.rmdir()
    done = run(argv(ref), timeout=60)
    assert done.code == 3
    assert "no launch record of its own" in done.error_text
    assert world.starts() == 0
    assert not (ref.folder / records.EXIT).exists()


@pytest.mark.parametrize("fence", [0, 2])
def test_only_the_fenced_epoch_starts(world: World, fence: int) -> None:
    ref = prepare(world, "echo started >> $COUNTS")
    records.raise_fence(str(world.runs), ref.run_id, fence)
    assert run(argv(ref), timeout=60).code == 3
    assert world.starts() == 0
    assert records.read(str(ref.folder), records.STARTED) is None


def test_of_many_shims_at_once_one_starts_the_agent(world: World) -> None:
    ref = prepare(world, "echo started >> $COUNTS; sleep 2")
    shims = [spawn(argv(ref)) for _ in range(6)]
    codes = []
    for shim in shims:
        shim.communicate(timeout=60)
        codes.append(shim.returncode)
    assert sorted(codes) == [0, 3, 3, 3, 3, 3]
    assert world.starts() == 1


@pytest.mark.parametrize(
    "changes",
    [{"allowance_seconds": "soon"}, {"allowance_seconds": None}],
    ids=["not a number", "missing"],
)
def test_a_shim_that_fails_ends_its_tree_and_leaves_a_record(world: World, changes: dict[str, object]) -> None:
    ref = prepare(world, "echo work > work.txt; setsid sleep 600 & sleep 600", **changes)
    done = run(argv(ref), timeout=60)
    assert done.code == 1
    record = ended(ref)
    assert (record["code"], record["reason"], record["survivors"]) == (137, "stopped", [])
    assert "the shim failed" in record["detail"]
    assert verified(world.bare, record["escrow_ref"], record["escrow_sha"])
    assert proctree.marked("FLEET_RUN", ref.session) == ()


def test_work_that_cannot_be_saved_is_said_in_the_record(world: World) -> None:
    ref = prepare(world, "rm -rf .git")
    run(argv(ref), timeout=60)
    record = ended(ref)
    assert (record["escrow_ref"], record["escrow_sha"], record["code"]) == ("", "", 0)
    assert "no clone any more" in record["escrow_error"]


def test_a_saver_that_cannot_even_begin_is_said_in_the_record(world: World) -> None:
    ref = prepare(world, "true", bare=None)
    run(argv(ref), timeout=60)
    record = ended(ref)
    assert (record["escrow_ref"], record["code"]) == ("", 0)
    assert record["escrow_error"] == "the saver left no record"


def started_agent(world: World, ref: SessionRef) -> subprocess.Popen[bytes]:
    shim = spawn(argv(ref))
    wait_until(world.starts, what="the agent")
    return shim


def agent_of(ref: SessionRef) -> int:
    """The agent's pid as the shim recorded it; 0 before."""
    return int((records.read(str(ref.folder), records.STARTED) or {}).get("agent", 0))


def test_signals_that_mean_nothing_do_not_end_a_session(world: World) -> None:
    ref = prepare(world, "echo started >> $COUNTS; sleep 0.5; exit 9")
    shim = started_agent(world, ref)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGTSTP):
        os.kill(shim.pid, number)
    shim.communicate(timeout=60)
    assert (ended(ref)["code"], ended(ref)["reason"]) == (9, "exited")


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "stopped"), (signal.SIGHUP, "hangup")])
def test_a_signal_that_asks_for_the_end_gets_it(world: World, number: int, reason: str) -> None:
    ref = prepare(world, "trap '' TERM HUP; echo started >> $COUNTS; sleep 600 & wait; sleep 600")
    shim = started_agent(world, ref)
    os.kill(shim.pid, number)
    shim.communicate(timeout=60)
    assert shim.returncode == 0
    assert (ended(ref)["reason"], ended(ref)["code"]) == (reason, 137)
    assert proctree.marked("FLEET_RUN", ref.session) == ()


def test_the_agent_dies_with_a_shim_that_is_killed(world: World) -> None:
    ref = prepare(world, "echo started >> $COUNTS; exec sleep 600")
    shim = started_agent(world, ref)
    agent = wait_until(lambda: agent_of(ref), what="its pid")
    start = proctree.start_time(agent)
    shim.kill()
    shim.communicate(timeout=60)
    wait_until(lambda: not proctree.is_alive(agent, start), what="the agent's end")
    assert not (ref.folder / records.EXIT).exists()


def test_the_run_lock_is_not_inherited_by_the_agent(world: World) -> None:
    # a survivor that held it would keep every later epoch from starting
    ref = prepare(world, "ls -l /proc/self/fd; true")
    done = run(argv(ref), timeout=60)
    assert ".lock" not in done.text
    assert "/proc/" in done.text


def test_a_record_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert records.read(folder, records.STARTED) is None
    records.write(folder, records.STARTED, {"pid": 1, "odd": "\udcff"}, durable=True)
    assert records.read(folder, records.STARTED) == {"pid": 1, "odd": "\udcff"}
    with pytest.raises(TypeError):
        records.write(folder, records.STARTED, {"pid": object()})
    assert records.read(folder, records.STARTED) == {"pid": 1, "odd": "\udcff"}
    for text in ("", "{", "[]", "null", "\xff"):
        (tmp_path / records.EXIT).write_text(text, "latin-1")
        assert records.read(folder, records.EXIT) == {}
    assert sorted(os.listdir(folder)) == [records.EXIT, records.STARTED]
