"""The signs of life: what systemd hears, what a supervisor hears, and what a silent daemon comes to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from fleet.core.clock import SystemClock
from fleet.core.service import Tick
from fleet.daemon.notify import READY, Notifier, reloading, take_notifier
from fleet.daemon.pulse import PIPE, beat, take_pulse
from fleet.daemon.service import Loop
from fleet.process import end_group, spawn
from fleet.testing.waiting import wait_until


class Manager:
    """A service manager's ear: a real datagram socket."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """Everything so far, line by line."""
        while True:
            try:
                self.heard += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(tmp_path)
    yield found
    found.close()


def test_a_message_is_one_datagram_of_lines(manager: Manager) -> None:
    assert Notifier(manager.address).say(READY, "STATUS=version 1")
    assert manager.listen() == ["READY=1", "STATUS=version 1"]


def test_an_abstract_address_is_understood() -> None:
    name = f"fleet-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name)
        assert Notifier("@" + name).say(READY)
        assert ear.recv(100) == b"READY=1"


def test_nobody_and_somebody_gone_are_no_errors(tmp_path: Path) -> None:
    assert not Notifier().say(READY)
    assert not Notifier(str(tmp_path / "gone")).say(READY)


def test_the_address_is_taken_out_of_the_environment(manager: Manager) -> None:
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    notifier = take_notifier(env)
    assert env == {"PATH": "/bin"}
    assert notifier.environment() == {"NOTIFY_SOCKET": manager.address}
    assert take_notifier({"NOTIFY_SOCKET": "not/absolute"}).address == ""


def test_reloading_says_since_when() -> None:
    word, since = reloading()
    assert word == "RELOADING=1"
    assert since.removeprefix("MONOTONIC_USEC=").isdigit()


def test_without_a_supervisor_the_manager_hears_the_daemon_itself(manager: Manager) -> None:
    pulse = take_pulse({"NOTIFY_SOCKET": manager.address})
    pulse.ready("version 1, pid 2")
    pulse.alive()
    pulse.stopping()
    assert manager.listen() == ["READY=1", "STATUS=version 1, pid 2", "WATCHDOG=1", "STOPPING=1"]


def test_with_a_supervisor_only_the_pipe_is_used(manager: Manager) -> None:
    reading, writing = os.pipe()
    env = {"NOTIFY_SOCKET": manager.address, PIPE: str(writing)}
    pulse = take_pulse(env)
    assert env == {}
    pulse.ready("version 1")
    pulse.alive()
    assert os.read(reading, 100) == b"ready version 1\nalive\n"
    assert manager.listen() == []
    os.close(reading)
    pulse.alive()  # nobody reads any more
    os.close(writing)


def test_a_full_pipe_does_not_hold_up_the_daemon() -> None:
    reading, writing = os.pipe()
    pulse = take_pulse({PIPE: str(writing)})
    for _ in range(100_000):
        pulse.alive()
    os.close(reading)
    os.close(writing)


def test_the_pulse_pauses_while_a_service_hangs(manager: Manager) -> None:
    pulse = take_pulse({"NOTIFY_SOCKET": manager.address})
    answers = [True, False, False, True, False]

    async def story() -> None:
        asked = asyncio.Event()

        def well() -> bool:
            if len(answers) == 1:
                asked.set()
            return answers.pop(0) if len(answers) > 1 else False

        beating = asyncio.create_task(beat(pulse, well, period=0.001))
        await asyncio.wait_for(asked.wait(), 60)
        beating.cancel()

    asyncio.run(story())
    assert manager.listen() == ["WATCHDOG=1"] * 2


class Hanging:
    """A service whose tick does not come back until it is let go."""

    name = "hanging"

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def tick(self, now: int) -> Tick:
        os.read(self.reading, 1)
        return Tick(0)


def test_a_tick_that_does_not_come_back_is_noticed() -> None:
    service = Hanging()
    loop = Loop(service, SystemClock(), on_trouble=lambda *_: None, on_failure=lambda *_: None)
    assert not loop.is_stuck(0.0)
    loop.start()
    wait_until(lambda: loop.is_stuck(0.05), what="a stuck loop")
    assert not loop.is_stuck(60)
    os.write(service.writing, b"!")
    wait_until(lambda: not loop.is_stuck(0.05), what="a loop that rests")
    loop.stop()
    assert loop.join(60)
    assert not loop.is_stuck(0.0)


def test_a_loop_that_ended_by_itself_counts_as_stuck() -> None:
    class Broken:
        name = "broken"

        def tick(self, now: int) -> Tick:
            raise RuntimeError("broken")

    loop = Loop(Broken(), SystemClock(), on_trouble=lambda *_: None, on_failure=lambda *_: None)
    loop.start()
    assert loop.join(60)
    assert loop.is_stuck(600)


DAEMON = """
import os, sys, time
pipe = int(os.environ["FLEET_PULSE_FD"])
assert "NOTIFY_SOCKET" not in os.environ
open(os.path.join(os.getcwd(), "lives"), "a").write(f"{os.getpid()}\\n")
os.write(pipe, b"ready version 9\\nali")
os.write(pipe, b"ve\\n")
time.sleep(600)
"""

DRIVER = """
import os, sys
from pathlib import Path
from fleet.config.paths import FleetPaths
from fleet.core.clock import SystemClock
from fleet.daemon.keeper import Keeper
from fleet.daemon.logfile import LogFile
from fleet.daemon.notify import take_notifier
folder = Path(sys.argv[1])
paths = FleetPaths(folder, "x", folder, folder)
def become(program):
    raise OSError(2, "no such program")
keeper = Keeper(paths, [sys.executable, "-c", sys.argv[2]], (0, 0), LogFile(paths.log, SystemClock(), "supervisor"),
                notifier=take_notifier(os.environ), become=become, silence=float(sys.argv[3]))
sys.exit(keeper.run())
"""


@contextmanager
def keeper(folder: Path, manager: Manager, silence: float) -> Iterator[Popen[bytes]]:
    """A keeper of a daemon that says that it is ready, and then nothing more."""
    argv = [sys.executable, "-c", DRIVER, str(folder), DAEMON, str(silence)]
    child = spawn(argv, env={**os.environ, "NOTIFY_SOCKET": manager.address})
    try:
        yield child
    finally:
        end_group(child)


def lives(folder: Path) -> list[int]:
    """The pids of the daemons that were started, in order."""
    path = folder / "lives"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_daemon_that_falls_silent_is_killed_and_started_again(tmp_path: Path, manager: Manager) -> None:
    with keeper(tmp_path, manager, 0.3) as child:
        wait_until(lambda: len(lives(tmp_path)) >= 2, what="a second daemon")
        assert "daemon.hung" in (tmp_path / "daemon.log").read_text()
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    heard = manager.listen()
    assert "READY=1" in heard
    assert "WATCHDOG=1" in heard
    assert heard[-1] == "STOPPING=1"


def test_a_program_that_cannot_take_over_leaves_the_one_before(tmp_path: Path, manager: Manager) -> None:
    with keeper(tmp_path, manager, 600) as child:
        wait_until(lambda: "READY=1" in manager.listen(), what="a first daemon")
        child.send_signal(signal.SIGUSR1)
        wait_until(lambda: len(lives(tmp_path)) == 2, what="a second daemon")
        wait_until(lambda: manager.listen().count("READY=1") == 2, what="a second word that it is ready")
        assert "supervisor.replace_failed" in (tmp_path / "daemon.log").read_text()
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    assert "RELOADING=1" in manager.heard
