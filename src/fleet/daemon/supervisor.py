"""A small parent that holds socket and loopback port and keeps a daemon behind them; how both are started and stopped.

Callers who connect while the daemon restarts or is replaced wait in the socket's queue instead of failing. The
supervisor reads no configuration and opens no store; it loads little, so that there is little that could break it.
Weakness: killed with -9 it takes the socket along; the daemon then ends in order.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet import __version__
from fleet.config.paths import FleetPaths, fleet_paths
from fleet.core.clock import SystemClock
from fleet.core.errors import Conflict, FleetError, revive
from fleet.daemon.door import bind_socket, guard_daemon, make_folders, remove_socket
from fleet.daemon.httpsocket import HTTP_FD, bind_http, inherited_http
from fleet.daemon.keeper import Keeper, supervisor_argv
from fleet.daemon.lease import Lease, holder, take
from fleet.daemon.logfile import LogFile
from fleet.daemon.notify import take_notifier
from fleet.daemon.readiness import hear, tell
from fleet.daemon.rpc import Rpc
from fleet.process import end_group, spawn
from fleet.runtime import records

PROGRAM = (sys.executable, "-m", "fleet.daemon.main")
READY_SECONDS = 20.0
STOP_SECONDS = 30.0

NOTE = "supervisor.json"  # in the state folder: which supervisor runs, and what it can be asked for
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Running:
    """What runs for a fleet: the pid to signal, and whether it is a supervisor."""

    pid: int
    supervised: bool


# -- the supervisor itself -------------------------------------------------------------------------


def supervise(paths: FleetPaths, program: Sequence[str], inherited: tuple[int, int] | None = None) -> int:
    """Hold the socket and keep ``program`` running behind it until told to stop; the exit code.

    ``program`` is the start of the daemon's command line; checkout and socket are appended. ``inherited`` are the
    descriptors of the listening socket and of the lock, from the program that this process was before.
    """
    log = LogFile(paths.log, SystemClock(), "supervisor")
    notifier = take_notifier(os.environ)
    try:
        make_folders(paths)
        with _lease(paths, inherited) as lease:
            guard_daemon(paths)
            listening = socket.socket(fileno=inherited[0]) if inherited else bind_socket(paths)
            os.set_inheritable(listening.fileno(), False)
            http = inherited_http(os.environ) or bind_http(paths)
            note = {"pid": os.getpid(), "version": __version__, "replaces": True, "program": list(program)}
            records.write(str(paths.state), NOTE, note)

            def become(other: Sequence[str]) -> None:
                kept = (listening.fileno(), lease.descriptor)
                argv = supervisor_argv(other, paths, "--inherited", ",".join(map(str, kept)))
                # a variable, not an argument: a supervisor that does not know of it yet ignores it
                env = {**os.environ, **notifier.environment(), HTTP_FD: str(http.fileno())}
                for descriptor in (*kept, http.fileno()):
                    os.set_inheritable(descriptor, True)
                try:
                    os.execve(argv[0], argv, env)
                finally:
                    for descriptor in (*kept, http.fileno()):
                        os.set_inheritable(descriptor, False)

            try:
                held = (listening.fileno(), http.fileno())
                keeper = Keeper(paths, program, held, log, notifier=notifier, become=become)
                return keeper.run()
            finally:
                remove_socket(paths)
                listening.close()
                http.close()
    except FleetError as error:
        log.error("supervisor.failed", error)
        tell({"error": error.as_dict()})
        return error.exit_code


def _lease(paths: FleetPaths, inherited: tuple[int, int] | None) -> Lease:
    """The supervisor's lock: taken, or still held from before."""
    if inherited is None:
        return take(paths.supervisor_lock, "a supervisor", code="FLT-DMN-011")
    return Lease(inherited[1], paths.supervisor_lock)


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
    argv = supervisor_argv(words, paths) if supervised else (*words, *checkout)
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
    last = last_words(paths, begin)
    return FleetError("FLT-DMN-012", f"the daemon ended before it was ready: {last}", where=str(paths.log))


def last_words(paths: FleetPaths, begin: int) -> str:
    """Why a start failed, from what the log says after ``begin`` (bytes): an error of ours, else the last line."""
    try:
        with open(paths.log, "rb") as log:
            log.seek(begin)
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    said = "it said nothing"
    for line in lines:
        if not line.startswith("{"):  # no line of ours: the interpreter's last words
            said = line.strip()[:300] or said
            continue
        with suppress(ValueError, KeyError, TypeError):
            said = str(json.loads(line)["error"]["message"])[:300]
    return said


def main(argv: Sequence[str]) -> int:
    """``--checkout DIR -- PROGRAM…``: the supervisor as a program."""
    parser = argparse.ArgumentParser(prog="fleet.daemon.supervisor", description="Keeps a fleet's daemon alive.")
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--inherited", type=_descriptors, default=None, help="socket,lock: from the program before")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args(list(argv))
    paths = fleet_paths(options.checkout, os.environ, os.getuid())
    return supervise(paths, options.program, options.inherited)


def _descriptors(text: str) -> tuple[int, int]:
    listening, lock = map(int, text.split(","))
    return listening, lock


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
