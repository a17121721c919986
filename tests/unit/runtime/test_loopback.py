"""Whose connection it is: real sockets of real processes, each asked of the kernel anew."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fleet.process import spawn
from fleet.runtime import loopback, proctree
from fleet.runtime.loopback import Holders, inode_of
from fleet.testing.waiting import wait_until

# Connects for each port that it is given, lets the connection of before go, and says by which port it did.
CALLER = (
    "import socket, sys\n"
    "held = [socket.socket()]\n"
    "for line in sys.stdin:\n"
    "    fresh = socket.create_connection(('127.0.0.1', int(line)))\n"
    "    held[:] = [fresh, *([socket.socket()] if len(held) == 1 else [])]\n"
    "    print(fresh.getsockname()[1], flush=True)\n"
)


class Calls:
    """A listening socket, and the search for who calls it."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listening.getsockname()[1])
        self.searches = 0
        self.holders = Holders(self.tree, proctree.is_below)

    def tree(self, pid: int) -> list[int]:
        """A whole look at the process table, counted."""
        self.searches += 1
        return [process.pid for process in proctree.descendants(pid)]

    def of(self, caller: subprocess.Popen[bytes]) -> int:
        """The inode of a fresh connection of a process."""
        assert caller.stdin is not None
        assert caller.stdout is not None
        caller.stdin.write(f"{self.port}\n".encode())
        caller.stdin.flush()
        return inode_of(int(caller.stdout.readline()), self.port)


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls()
    yield made
    made.listening.close()


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that calls when it is told to."""
    made = spawn([sys.executable, "-I", "-c", CALLER], env={})
    try:
        yield made
    finally:
        made.communicate(timeout=60)


@pytest.mark.parametrize("answers", [True, False], ids=["the kernel answers", "only its table"])
def test_the_clients_end_of_a_connection_is_found_while_it_stands(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    if not answers:
        monkeypatch.setattr(loopback, "_NETLINK_SOCK_DIAG", 31)  # no such protocol
    with socket.create_connection(("127.0.0.1", calls.port)) as client:
        port = int(client.getsockname()[1])
        assert inode_of(port, calls.port) == os.fstat(client.fileno()).st_ino
        assert inode_of(port, calls.port + 1) == 0
        assert inode_of(calls.port, calls.port) == 0, "who only listens is no caller"
    wait_until(lambda: inode_of(port, calls.port) == 0, timeout=60, what="the end of the connection")


def test_a_session_that_calls_again_is_known_without_a_search(calls: Calls) -> None:
    with process() as caller:
        ours = os.getpid()
        assert calls.holders.holds("s", ours, calls.of(caller))
        assert calls.searches == 1
        for _ in range(4):  # over the same descriptor and over others
            assert calls.holders.holds("s", ours, calls.of(caller))
        assert calls.searches == 1


def test_what_is_remembered_lets_nobody_else_in(calls: Calls) -> None:
    with process() as caller, process() as other:
        assert calls.holders.holds("s", caller.pid, calls.of(caller))
        stolen = calls.of(other)
        assert not calls.holders.holds("s", caller.pid, stolen), "the next connection is that of a stranger"
        assert calls.holders.holds("s", caller.pid, calls.of(caller))
        assert not calls.holders.holds("s", other.pid, calls.of(caller)), "it is below another shim now"
        assert calls.holders.holds("other", other.pid, stolen)


def test_another_process_of_the_session_is_searched_for_and_then_known(calls: Calls) -> None:
    with process() as first, process() as second:
        ours = os.getpid()
        assert calls.holders.holds("s", ours, calls.of(first))
        assert calls.holders.holds("s", ours, calls.of(second))
        assert calls.holders.holds("s", ours, calls.of(second))
        assert calls.searches == 2


def test_a_process_that_has_ended_holds_nothing(calls: Calls) -> None:
    with process() as caller:
        inode = calls.of(caller)
        assert calls.holders.holds("s", os.getpid(), inode)
    assert not calls.holders.holds("s", os.getpid(), inode)
