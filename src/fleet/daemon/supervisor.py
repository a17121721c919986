"""A small parent that holds the socket and keeps a daemon behind it; and how both are started and stopped.

Callers who connect while the daemon restarts wait in the socket's queue instead of failing. The supervisor
reads no configuration and opens no store; it loads little, so that there is little that could break it.
Weakness: killed with -9 it takes the socket along; the daemon then ends in order.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from fleet.config.paths import FleetPaths, fleet_paths
from fleet.core.clock import SystemClock
from fleet.core.errors import Conflict, FleetError
from fleet.daemon.door import bind_socket, guard_daemon, make_folders, remove_socket
from fleet.daemon.lease import holder, take
from fleet.daemon.logfile import LogFile
from fleet.daemon.readiness import hear, release, revive, tell
from fleet.daemon.rpc import Rpc
from fleet.process import end_group, spawn

PROGRAM = (sys.executable, "-m", "fleet.daemon.main")
READY_SECONDS = 20.0
STOP_SECONDS = 30.0

MAX_STARTS = 5  # in the window; then a restart is no cure
WINDOW_SECONDS = 30.0
_LONGEST_PAUSE = 4.0
_END_SECONDS = 13.0  # the daemon gives itself ten
_POLL = 0.02
# Starting again cannot help: usage, configuration, a missing checkout, another daemon.
_FINAL = frozenset({2, 3, 4, 8})


class _Child(Protocol):
    """The handle of a spawned program, as far as it is needed here."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal."""

    def send_signal(self, sig: int) -> None:
        """Signal it."""


@dataclass(frozen=True, slots=True)
class Running:
    """What runs for a fleet: the pid to signal, and whether it is a supervisor."""

    pid: int
    supervised: bool


# -- the supervisor itself -------------------------------------------------------------------------


def supervise(paths: FleetPaths, program: Sequence[str]) -> int:
    """Hold the socket and keep ``program`` running behind it until told to stop; the exit code.

    ``program`` is the start of the daemon's command line; checkout and socket are appended.
    """
    log = LogFile(paths.log, SystemClock(), "supervisor")
    try:
        make_folders(paths)
        with take(paths.supervisor_lock, "a supervisor", code="FLT-DMN-011"):
            guard_daemon(paths)
            listening = bind_socket(paths)
            try:
                argv = [*program, "--checkout", str(paths.checkout), "--supervised", "--listen-fd"]
                return _Keeper(paths, argv, listening.fileno(), log).run()
            finally:
                remove_socket(paths)
                listening.close()
    except FleetError as error:
        log.error("supervisor.failed", error)
        tell({"error": error.as_dict()})
        return error.exit_code


class _Keeper:
    """Starts the daemon, waits for its end, starts it again: bounded, and slower each time."""

    def __init__(self, paths: FleetPaths, argv: list[str], descriptor: int, log: LogFile) -> None:
        """``argv`` lacks its last word, the number of the listening ``descriptor``."""
        self._argv = [*argv, str(descriptor)]
        self._descriptor = descriptor
        self._paths = paths
        self._log = log
        self._told = threading.Event()
        self._hung_up = threading.Event()
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Keep a daemon alive; the exit code of the last one, 0 after an orderly stop."""
        signal.set_wakeup_fd(self._waker)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        starts: list[float] = []
        while True:
            starts = [at for at in starts if time.monotonic() - at < WINDOW_SECONDS] + [time.monotonic()]
            child = self._start()
            release()  # the first daemon has standard output and reports on it
            code = self._wait(child)
            if self._told.is_set():
                return 0
            self._log.say("daemon.died", "error", code=code, starts=len(starts))
            if code in _FINAL or len(starts) >= MAX_STARTS:
                self._log.say("supervisor.gave_up", "error", code=code, starts=len(starts))
                return code if code > 0 else 128 - code
            pause = min(_LONGEST_PAUSE, 0.1 * 2 ** (len(starts) - 1))
            select.select([self._woken], [], [], pause)
            if self._told.is_set():
                return 0

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._hung_up.set()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._told.set()

    def _start(self) -> _Child:
        with open(self._paths.log, "ab") as log:
            child = spawn(self._argv, cwd=self._paths.state, pass_fds=(self._descriptor,), stdout=1, stderr=log)
        self._log.say("daemon.spawned", child=child.pid)
        return child

    def _wait(self, child: _Child) -> int:
        """The daemon's end; when we are told to stop, it is told to, and killed if it takes too long."""
        handle = os.pidfd_open(child.pid)
        deadline: float | None = None
        try:
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                ready, _, _ = select.select([handle, self._woken], [], [], left)
                if handle in ready:
                    return child.wait()
                if self._woken in ready:
                    os.read(self._woken, 512)
                if self._hung_up.is_set():
                    self._hung_up.clear()
                    child.send_signal(signal.SIGHUP)  # reload
                if self._told.is_set() and deadline is None:
                    deadline = time.monotonic() + _END_SECONDS
                    child.send_signal(signal.SIGTERM)
                elif deadline is not None and time.monotonic() >= deadline:
                    child.send_signal(signal.SIGKILL)
        finally:
            os.close(handle)


# -- starting and stopping from outside ------------------------------------------------------------


def running(paths: FleetPaths) -> Running | None:
    """What runs for this fleet now, by its locks; None when nothing does."""
    for lock, supervised in ((paths.supervisor_lock, True), (paths.daemon_lock, False)):
        pid = holder(lock)
        if pid is not None:
            return Running(pid, supervised)
    return None


def start_detached(
    paths: FleetPaths,
    *,
    supervised: bool = True,
    program: Sequence[str] | None = None,
    seconds: float = READY_SECONDS,
) -> int:
    """Start the daemon (behind a supervisor) in the background; it answers when this returns its pid.

    Raises Conflict FLT-DMN-011 with the pid of what runs already, the daemon's own error when it failed,
    FleetError FLT-DMN-012 when it died without a word, TimedOut FLT-DMN-013 when it did not come up.
    """
    make_folders(paths)
    there = running(paths)
    if there is not None:
        noun = "a supervisor" if there.supervised else "a daemon"
        code = "FLT-DMN-011" if there.supervised else "FLT-DMN-010"
        text = f"{noun} runs already for this fleet (pid {there.pid})"
        raise Conflict(code, text, where=str(paths.checkout), hint="Stop it with: fleet down")
    words = tuple(program or PROGRAM)
    checkout = ("--checkout", str(paths.checkout))
    argv = (
        (sys.executable, "-m", "fleet.daemon.supervisor", *checkout, "--", *words)
        if supervised
        else (*words, *checkout)
    )
    with open(paths.log, "ab") as log:
        os.chmod(paths.log, 0o600)
        begin = log.tell()
        child = spawn(argv, cwd=paths.state, env=_environment(paths), stderr=log)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        report = hear(child.stdout.fileno(), seconds)
        if report is None or "ready" not in report:
            raise _failure(report, paths, begin)
        with Rpc(paths.socket, timeout=seconds) as rpc:
            rpc.call("ping")
    except BaseException:
        end_group(child)
        raise
    child.stdout.close()
    child.stdin.close()
    child.returncode = 0  # it outlives us: nobody here waits for its end
    return child.pid


def stop(paths: FleetPaths, seconds: float = STOP_SECONDS) -> bool:
    """End what runs for this fleet, in order; by force after ``seconds``. False when nothing ran."""
    there = running(paths)
    if there is None:
        return False
    _signal(there.pid, signal.SIGTERM)
    if not _ended_within(paths, seconds):
        for lock in (paths.supervisor_lock, paths.daemon_lock):
            pid = holder(lock)
            if pid:
                _signal(pid, signal.SIGKILL)
        _ended_within(paths, 5.0)
        remove_socket(paths)
    return True


def _ended_within(paths: FleetPaths, seconds: float) -> bool:
    """Whether both locks become free in time. A lock says more than a pid: a zombie holds none."""
    deadline = time.monotonic() + seconds
    while running(paths) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _environment(paths: FleetPaths) -> dict[str, str]:
    """Ours, with the fleet's places spelled out: the daemon must find the very same ones."""
    return {
        **os.environ,
        "XDG_STATE_HOME": str(paths.state.parent.parent),
        "XDG_RUNTIME_DIR": str(paths.runtime.parent.parent),
        "PYTHONSAFEPATH": "1",
    }


def _failure(report: dict[str, object] | None, paths: FleetPaths, begin: int) -> FleetError:
    """Why the daemon is not there, in its own words if it had any; ``begin`` is where they begin in the log."""
    error = report.get("error") if report else None
    if isinstance(error, dict):
        return revive(error)
    try:
        lines = paths.log.read_bytes()[begin:].decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    # what is no JSON is no line of ours: the interpreter's last words
    last = next((line for line in reversed(lines) if line.strip() and not line.startswith("{")), "it said nothing")
    return FleetError("FLT-DMN-012", f"the daemon ended before it was ready: {last[:300]}", where=str(paths.log))


def main(argv: Sequence[str]) -> int:
    """``--checkout DIR -- PROGRAM…``: the supervisor as a program."""
    parser = argparse.ArgumentParser(prog="fleet.daemon.supervisor", description="Keeps a fleet's daemon alive.")
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args(list(argv))
    return supervise(fleet_paths(options.checkout, os.environ, os.getuid()), options.program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
