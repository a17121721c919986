"""How soon a tree stands still after its end was due, in the shim's own time: no busy machine makes that longer.

The shim's clock here counts what the shim itself spends: the seconds of CPU that it uses, and the waits that it asks
for, as long as it asked for them. The wait for the deadline is over at once when the tree has grown. Processes, signals
and the look at /proc are real. What comes on top outside, while the machine lets the shim wait for its turn, is on
record with each end (``freeze_seconds``) and is measured by ./dev bench.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fleet.process import run
from fleet.runtime import proctree, records
from fleet.runtime.port import SessionRef
from fleet.testing.runtime_contract import World

PROMISED = 2.0  # seconds
RUN = f"clock{os.getpid()}"  # processes are found by this name, on the whole machine
# The real shim with such a clock. It goes beyond the deadline only once so many processes said that they are there.
SHIM = """
import os, signal, sys, time
from fleet.runtime import shim
folder, place, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
really_wait, really_sleep, really = signal.sigtimedwait, time.sleep, time.monotonic
asked = 0.0
def clock():
    return time.process_time() + asked
def wait(numbers, seconds):
    global asked
    begun = really()
    while seconds > 60 and len(os.listdir(place)) < wanted:  # for the deadline
        got = really_wait(numbers, 0.01)
        if got is not None:
            return got
    got = really_wait(numbers, 0 if seconds > 60 else seconds)
    asked += seconds if got is None else min(seconds, really() - begun)
    return got
def sleep(seconds):
    global asked
    really_sleep(seconds)
    asked += seconds
time.monotonic, time.sleep, signal.sigtimedwait = clock, sleep, wait
really_save = shim.Session._save
def save(session):
    with open(os.path.join(place, "states"), "w") as file:
        file.write("".join(process.state for process in session._tree()))
    return really_save(session)
shim.Session._save = save
sys.exit(shim.main(["shim", folder]))
"""
PRELUDE = """
import os, signal, sys, time
def move():
    open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
    while True:
        pass
"""
TREES = {
    "one process": (1, "move()"),
    "twenty that left the session": (
        20,
        "for _ in range(19):\n    if os.fork() == 0:\n        os.setsid()\n        move()\nmove()",
    ),
    "two that wake each other": (
        2,
        "me = os.getpid()\nother = os.fork() or me\n"
        "open(os.path.join(sys.argv[1], str(os.getpid())), 'w').close()\n"
        "while True:\n    try:\n        os.kill(other, signal.SIGCONT)\n    except OSError:\n        pass",
    ),
    "one that forks and ends all the time": (
        1,
        "open(os.path.join(sys.argv[1], 'rolling'), 'w').close()\n"
        "if os.fork() == 0:\n    os.setsid()\n    while True:\n        if os.fork():\n            os._exit(0)\nmove()",
    ),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def frozen_after(world: World, tree: str) -> float:
    """The record's ``freeze_seconds`` of a session whose budget of an hour ended once the tree was there."""
    count, program = TREES[tree]
    place = world.root / "there"
    place.mkdir()
    launch = world.prepare((sys.executable, "-I", "-c", PRELUDE + program, str(place)), RUN)
    record = {
        "session": launch.session, "run_id": launch.run_id, "epoch": launch.epoch, "clone": str(launch.clone),
        "bare": str(launch.bare), "argv": list(launch.argv), "env": dict(launch.env),
        "allowance_seconds": 3600.0, "allowance_kind": "budget",
    }  # fmt: skip
    launch.folder.mkdir()
    records.raise_fence(str(world.runs), launch.run_id, launch.epoch)
    records.write(str(launch.folder), records.LAUNCH, record)
    argv = (sys.executable, "-I", "-c", SHIM, str(launch.folder), str(place), str(count))
    assert run(argv, timeout=110).ok
    return ended(world.ref(RUN))


def ended(ref: SessionRef) -> float:
    """What the shim put on record."""
    record = records.read(str(ref.folder), records.EXIT)
    assert record is not None
    assert (record["reason"], record["survivors"]) == ("budget", [])
    assert record["used_seconds"] >= 3600.0
    assert proctree.marked("FLEET_RUN", ref.session) == ()
    found: float = record["freeze_seconds"]
    return found


@pytest.mark.parametrize("tree", TREES)
def test_a_tree_stands_still_within_two_seconds_of_the_shims_own_time(world: World, tree: str) -> None:
    assert frozen_after(world, tree) <= PROMISED
    states = (world.root / "there" / "states").read_text()
    assert len(states) >= TREES[tree][0]
    assert set(states) <= set("TZX"), "nothing moves any more when its work is saved"
