"""What a process tree costs, read from /proc."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from fleet.health.processes import usage
from fleet.process import end_group, spawn
from fleet.testing.waiting import wait_until

BURN = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = bytearray(30_000_000)\\nwhile True: pass'])"


@pytest.fixture
def tree() -> Iterator[int]:
    """A process that waits, with a child that burns processor time and holds memory."""
    child = spawn([sys.executable, "-c", BURN])
    yield child.pid
    end_group(child)


def test_a_tree_is_counted_with_its_children(tree: int) -> None:
    first = wait_until(lambda: (found := usage([tree])) and found[tree].processes == 2 and found)
    assert first
    later = wait_until(
        lambda: (now := usage([tree])[tree]).cpu_seconds > first[tree].cpu_seconds and now.rss_bytes > 30_000_000,
    )
    assert later


def test_what_is_gone_is_not_there() -> None:
    assert usage([]) == {}
    assert usage([2**22 + 1]) == {}
    assert usage([os.getpid(), 2**22 + 1])[os.getpid()].processes >= 1
