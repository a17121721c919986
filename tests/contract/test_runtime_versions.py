"""Sessions of other releases: the records of the one before are understood, those of a newer one are left alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.runtime.test_shim import argv, ended, prepare

from fleet.process import run
from fleet.runtime import proctree, records
from fleet.runtime.port import SessionRef
from fleet.testing.runtime_contract import TmuxRig
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[TmuxRig]:
    made = TmuxRig(tmp_path / "world")
    yield made
    made.end()


def rewrite(ref: SessionRef, name: str, **fields: Any) -> None:
    """Change a record as another release would have written it; a field of None is not there."""
    record = records.read(str(ref.folder), name)
    assert record is not None
    changed = {**record, **fields}
    records.write(str(ref.folder), name, {key: value for key, value in changed.items() if value is not None})


@pytest.fixture
def live(rig: TmuxRig) -> SessionRef:
    """A session whose agent works for a long time."""
    rig.runtime.launch(rig.world.prepare(("sh", "-c", "sleep 300")))
    ref = rig.world.ref("r1")
    rig.reach(ref, "running")
    # it says so twice, the second time with the agent's pid
    wait_until(lambda: (records.read(str(ref.folder), records.STARTED) or {})["agent"], what="the agent")
    return ref


def pid(ref: SessionRef) -> int:
    return int((records.read(str(ref.folder), records.STARTED) or {})["pid"])


def test_all_records_name_their_version(rig: TmuxRig, live: SessionRef) -> None:
    rig.runtime.stop(live, "over")
    rig.reach(live, "exited")
    for name in (records.LAUNCH, records.STARTED, records.EXIT):
        record = records.read(str(live.folder), name)
        assert record is not None
        assert record["protocol"] == records.PROTOCOL


def test_a_session_of_the_release_before_is_adopted_stopped_and_judged(rig: TmuxRig, live: SessionRef) -> None:
    for name in (records.LAUNCH, records.STARTED):
        rewrite(live, name, protocol=None)
    rig.restart()
    assert rig.runtime.observe(live).state == "running"
    rig.runtime.stop(live, "over")
    rig.reach(live, "exited")
    rewrite(live, records.EXIT, protocol=None)
    seen = rig.runtime.observe(live)
    assert seen.exit is not None
    assert seen.exit.reason == "stopped"


@pytest.mark.parametrize("version", [records.PROTOCOL + 1, 0, -1, "two", True, [2]])
def test_a_session_of_an_unknown_release_is_seen_and_never_touched(
    rig: TmuxRig, live: SessionRef, version: object
) -> None:
    rewrite(live, records.STARTED, protocol=version)
    rig.restart()
    seen = rig.runtime.observe(live)
    assert (seen.state, seen.shim_pid) == ("foreign", pid(live))
    rig.runtime.stop(live, "over")
    assert rig.runtime.sweep(live) == ()
    rig.runtime.close(live)
    assert records.read(str(live.folder), records.STOP) is None
    assert rig.runtime.observe(live).state == "foreign"
    assert proctree.is_alive(pid(live), proctree.start_time(pid(live)))
    rewrite(live, records.STARTED, protocol=records.PROTOCOL)  # the newer program is back
    assert rig.runtime.observe(live).state == "running"
    rig.runtime.stop(live, "over")
    rig.reach(live, "exited")


def test_one_that_is_gone_for_certain_is_buried_like_any_other(rig: TmuxRig, live: SessionRef) -> None:
    rewrite(live, records.STARTED, protocol=records.PROTOCOL + 1)
    os.kill(pid(live), signal.SIGKILL)
    rig.reach(live, "vanished")


def test_an_end_that_is_not_understood_is_not_judged(rig: TmuxRig, live: SessionRef) -> None:
    rig.runtime.stop(live, "over")
    rig.reach(live, "exited")
    rewrite(live, records.EXIT, protocol=records.PROTOCOL + 1)
    wait_until(lambda: rig.runtime.observe(live).state == "vanished", what="a vanished session")


def test_a_shim_refuses_a_launch_record_of_a_newer_release(rig: TmuxRig) -> None:
    ref = prepare(rig.world, "echo started >> $COUNTS", protocol=records.PROTOCOL + 1)
    done = run(argv(ref), timeout=60)
    assert done.code == 3
    assert "version 3, this shim knows 2" in done.error_text
    assert rig.world.starts() == 0


def test_a_shim_takes_a_launch_record_of_the_release_before(rig: TmuxRig) -> None:
    ref = prepare(rig.world, "exit 4")
    assert run(argv(ref), timeout=60).code == 0
    assert ended(ref)["code"] == 4
