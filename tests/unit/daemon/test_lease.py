"""One daemon per fleet: the lock, its holder's pid, and that no child and no death keeps it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from fleet.core.errors import Conflict
from fleet.daemon.lease import holder, take
from fleet.process import end_group, spawn
from fleet.testing.waiting import wait_until

CODE = "FLT-DMN-010"
HOLD = """
import sys
from pathlib import Path
from fleet.daemon.lease import take
lease = take(Path(sys.argv[1]), "a daemon", code="FLT-DMN-010")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    with take(path, "a daemon", code=CODE):
        assert holder(path) == os.getpid()
        with pytest.raises(Conflict) as caught:
            take(path, "a daemon", code=CODE)
        assert caught.value.exit_code == 8
        assert f"pid {os.getpid()}" in caught.value.message
    assert holder(path) is None
    take(path, "a daemon", code=CODE).release()


def test_nobody_holds_what_does_not_exist(tmp_path: Path) -> None:
    assert holder(tmp_path / "daemon.lock") is None
    assert not (tmp_path / "daemon.lock").exists()


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    child = spawn([sys.executable, "-c", HOLD, str(path)])
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert holder(path) == child.pid
        os.kill(child.pid, signal.SIGKILL)
        child.wait(60)
        assert holder(path) is None
        take(path, "a daemon", code=CODE).release()
    finally:
        end_group(child)


def test_a_child_of_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    lease = take(path, "a daemon", code=CODE)
    child = spawn([sys.executable, "-c", "import sys; sys.stdin.read()"])
    try:
        lease.release()
        assert holder(path) is None
    finally:
        end_group(child)


def test_asking_who_holds_it_does_not_hinder_a_start(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    asking = spawn([
        sys.executable, "-c",
        "import sys\nfrom pathlib import Path\nfrom fleet.daemon.lease import holder\n"
        "print('go', flush=True)\nwhile True: holder(Path(sys.argv[1]))", str(path),
    ])  # fmt: skip
    try:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b"go\n"
        for _ in range(20):
            take(path, "a daemon", code=CODE).release()
    finally:
        end_group(asking)


def test_a_released_lease_can_be_released_again(tmp_path: Path) -> None:
    lease = take(tmp_path / "daemon.lock", "a daemon", code=CODE)
    lease.release()
    lease.release()
    wait_until(lambda: holder(tmp_path / "daemon.lock") is None)
