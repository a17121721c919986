"""The process table as it is read, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.process import spawn
from fleet.runtime import proctree
from fleet.testing.waiting import wait_until

# A parent with a child; both stay. The name in /proc/<pid>/stat is as confusing as it can be.
FAMILY = (
    "import ctypes, os, sys, time\n"
    "ctypes.CDLL(None).prctl(15, b') R 1 (', 0, 0, 0)\n"
    "child = os.fork()\n"
    "if child: print(child, flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    marker = {"FAMILY": str(uuid.uuid4())}
    child = spawn([sys.executable, "-I", "-c", FAMILY], env=marker)
    child.args = marker["FAMILY"]
    yield child
    proctree.kill(lambda: proctree.marked("FAMILY", marker["FAMILY"]), seconds=30)
    child.communicate(timeout=60)


def child_of(parent: subprocess.Popen[bytes]) -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


def test_a_process_is_known_by_pid_and_start_time(parent: subprocess.Popen[bytes]) -> None:
    child = child_of(parent)
    start = proctree.start_time(child)
    assert start
    assert proctree.is_alive(child, start)
    assert not proctree.is_alive(child, start + 1)
    assert proctree.read(child).ppid == parent.pid
    assert proctree.start_time(2**22 + 1) == 0
    assert not proctree.is_alive(2**22 + 1, 1)
    with pytest.raises(ProcessLookupError):
        proctree.read(2**22 + 1)


def test_ancestors_begin_with_the_process_itself_and_end_with_the_first_one(parent: subprocess.Popen[bytes]) -> None:
    child = child_of(parent)
    pids = [pid for pid, _ in proctree.ancestors(child)]
    assert pids[:3] == [child, parent.pid, os.getpid()]
    starts = [start for _, start in proctree.ancestors(child)]
    assert starts == sorted(starts, reverse=True)
    with pytest.raises(ProcessLookupError):
        proctree.ancestors(2**22 + 1)


def test_who_is_below_whom_is_read_from_the_process_upwards(parent: subprocess.Popen[bytes]) -> None:
    child = child_of(parent)
    assert proctree.is_below(child, parent.pid)
    assert proctree.is_below(child, os.getpid())
    assert not proctree.is_below(parent.pid, child)
    assert not proctree.is_below(child, child)
    assert not proctree.is_below(1, child)
    assert not proctree.is_below(2**22 + 1, os.getpid())


def test_descendants_and_marks_find_the_whole_family(parent: subprocess.Popen[bytes]) -> None:
    child = child_of(parent)
    assert child in {process.pid for process in proctree.descendants(os.getpid())}
    assert {process.pid for process in proctree.descendants(parent.pid)} == {child}
    marker = str(parent.args)
    assert proctree.environ_has(child, "FAMILY", marker)
    assert not proctree.environ_has(child, "FAMILY", marker[:-1])
    assert not proctree.environ_has(child, "AMILY", marker)
    assert {process.pid for process in proctree.marked("FAMILY", marker)} == {child, parent.pid}
    with pytest.raises(OSError, match="No such"):
        proctree.environ_has(2**22 + 1, "FAMILY", marker)


def test_nobody_marks_himself_for_the_sweep() -> None:
    # the caller and its ancestors are never chosen, whatever they carry
    ours = Path("/proc/self/environ").read_text().split("\0")
    path = next(entry for entry in ours if entry.startswith("PATH="))
    chosen = {process.pid for process in proctree.marked("PATH", path.removeprefix("PATH="))}
    assert not chosen & {pid for pid, _ in proctree.ancestors(os.getpid())}


def test_a_signal_reaches_only_the_process_it_was_meant_for(parent: subprocess.Popen[bytes]) -> None:
    child = proctree.read(child_of(parent))
    stranger = proctree.Process(child.pid, child.ppid, child.start + 1, "S")
    assert not proctree.send(stranger, signal.SIGKILL)
    assert proctree.is_alive(child.pid, child.start)
    assert proctree.send(child, signal.SIGKILL)
    wait_until(lambda: not proctree.is_alive(child.pid, child.start), what="the end")


def test_a_family_is_frozen_and_killed(parent: subprocess.Popen[bytes]) -> None:
    child = child_of(parent)

    def family() -> tuple[proctree.Process, ...]:
        return proctree.marked("FAMILY", str(parent.args))

    assert proctree.freeze(family, seconds=30)
    assert {process.state for process in family()} == {"T"}
    assert proctree.is_stopped(child, proctree.start_time(child))
    assert proctree.kill(family, seconds=30) == ()
    assert not [process for process in family() if process.state not in "ZX"]


def test_what_does_not_die_in_time_is_named(parent: subprocess.Popen[bytes]) -> None:
    child = proctree.read(child_of(parent))
    stranger = proctree.Process(child.pid, child.ppid, child.start + 1, "S")  # nothing reaches it
    assert proctree.kill(lambda: [stranger], seconds=0.0) == (child.pid,)
    assert not proctree.freeze(lambda: [stranger], seconds=0.0)
