"""The daemon's life: configuration, lock, store, services, socket; and an orderly end.

``python -m fleet.daemon.main --checkout DIR [--supervised] [--listen-fd N]``. One line of JSON on standard
output says whether it started (``{"ready": pid}`` or ``{"error": {…}}``); after that it speaks in its log.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fleet import __version__
from fleet.audit.keys import KeyFiles, take_up
from fleet.config.configfile import locked
from fleet.config.inforce import InForce
from fleet.config.loader import LoadedConfig, load_config
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths, fleet_paths
from fleet.config.roles import load_roles
from fleet.control.acceptance import accept_config, known_to_runs
from fleet.core.clock import SystemClock
from fleet.core.errors import FleetError
from fleet.core.principal import human
from fleet.daemon import supervisor
from fleet.daemon.argv import ArgvParser
from fleet.daemon.build import Fleet, build
from fleet.daemon.door import bind_socket, guard_supervisor, make_folders, remove_socket
from fleet.daemon.follow import CommitFollower
from fleet.daemon.identity import login_of
from fleet.daemon.lease import holder, take
from fleet.daemon.logfile import LogFile
from fleet.daemon.pulse import Pulse, beat, take_pulse
from fleet.daemon.readiness import tell
from fleet.daemon.server import Server
from fleet.daemon.startup import check_tail, record_life, sweep_artifacts
from fleet.store.db import Database
from fleet.store.open import open_for_daemon
from fleet.store.sqlite import sqlite_version

STOP_SECONDS = 10.0
_ANSWER_GRACE = 4.0  # of those, for calls that are being answered
_TICK_SECONDS = 600.0  # a service whose tick takes longer than this hangs
_PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str], parse_argv: ArgvParser | None = None) -> int:
    """Run until told to stop; the exit code is that of the error that ended it, 0 for an orderly end.

    ``parse_argv`` is the command line's parser, handed in by the door that has one.
    """
    parser = argparse.ArgumentParser(prog="fleet.daemon.main", description="The daemon of one fleet.")
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--supervised", action="store_true")
    parser.add_argument("--listen-fd", type=int, default=-1)
    options = parser.parse_args(list(argv))
    paths = fleet_paths(options.checkout, os.environ, os.getuid())
    if options.supervised and options.listen_fd < 0:
        ours = sys.orig_argv[: len(sys.orig_argv) - len(argv)]
        return supervisor.supervise(paths, ours)
    if options.supervised and not _die_with_parent(paths):
        return 1
    log = LogFile(paths.log, SystemClock(), "daemon")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload; the file is read anyway
    try:
        return run_daemon(paths, log, listen_fd=options.listen_fd, parse_argv=parse_argv, pulse=take_pulse(os.environ))
    except FleetError as error:
        log.error("daemon.failed", error)
        tell({"error": error.as_dict()})
        return error.exit_code


def run_daemon(paths: FleetPaths, log: LogFile, *, listen_fd: int, parse_argv: ArgvParser | None, pulse: Pulse) -> int:
    """Start, serve, stop. ``listen_fd`` is the supervisor's listening socket, -1 to bind our own.

    ``pulse`` carries signs of life to whoever keeps this daemon alive.

    Raises ConfigError before anything exists, Conflict FLT-DMN-010 when a daemon runs already, and what
    store and forge raise.
    """
    load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    make_folders(paths)
    with take(paths.daemon_lock, "a daemon", code="FLT-DMN-010"):
        if listen_fd < 0:
            guard_supervisor(paths)
        with locked(paths.config):  # whoever changes the file without a daemon does so before or sees us
            loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
        db = open_for_daemon(paths.database)
        listening: socket.socket | None = None
        try:
            checked = check_tail(db)
            listening = socket.socket(fileno=listen_fd) if listen_fd >= 0 else bind_socket(paths)
            life = _Life(
                paths, loaded, db, log, listening, supervised=listen_fd >= 0, parse_argv=parse_argv, pulse=pulse
            )
            log.say("daemon.starting", version=__version__, config=loaded.digest, checked=checked)
            return asyncio.run(life.run())
        finally:
            db.close()
            if listening is not None:
                listening.close()
                if listen_fd < 0:
                    remove_socket(paths)


class _Life:
    """One start of the daemon, from its services to its end."""

    def __init__(
        self,
        paths: FleetPaths,
        loaded: LoadedConfig,
        db: Database,
        log: LogFile,
        listening: socket.socket,
        *,
        supervised: bool,
        parse_argv: ArgvParser | None,
        pulse: Pulse,
    ) -> None:
        """Take what is open already."""
        self._pulse = pulse
        self._paths = paths
        self._loaded = loaded
        self._db = db
        self._log = log
        self._listening = listening
        self._supervised = supervised
        self._parse_argv = parse_argv
        self._stop = asyncio.Event()
        self._reason = ""
        self._code = 0

    async def run(self) -> int:
        """Serve until a signal or a failure; the exit code."""
        loop = asyncio.get_running_loop()
        fleet = build(
            self._paths,
            InForce(self._loaded, self._db.read(known_to_runs)),
            self._db,
            supervised=self._supervised,
            on_trouble=lambda name, error: self._log.error("service.trouble", error, service=name),
            on_failure=lambda name, error: self._failed(loop, name, error),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended, f"signal {signal.Signals(number).name}", 0)
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, self._reload, fleet))
        accept_config(self._db, self._loaded, human(login_of(os.getuid())))
        self._take_up_key()
        sweep_artifacts(self._db, self._paths.artifacts)
        record_life(self._db, "daemon.started", f"version {__version__} is up", self._facts())
        follower = CommitFollower(loop)
        self._db.on_commit(follower.committed)
        server = Server(
            fleet.control,
            fleet.identity,
            follower,
            parse_argv=self._parse_argv,
            report=lambda what, error: self._log.error("call.failed", error, call=what),
        )
        fleet.start()
        await server.start(self._listening)
        self._log.say("daemon.started", version=__version__)
        tell({"ready": os.getpid()})
        self._pulse.ready(f"version {__version__}, pid {os.getpid()}")
        beating = asyncio.create_task(beat(self._pulse, lambda: self._is_well(fleet)))
        await self._stop.wait()
        self._pulse.stopping()
        beating.cancel()
        await self._end(fleet, server)
        return self._code

    def _reload(self, fleet: Fleet) -> None:
        """SIGHUP: take the file into force, or say what is wrong with it. On a thread of its own."""
        try:
            fleet.reload("signal SIGHUP")
        except FleetError as error:
            self._log.error("config.refused", error)

    def _take_up_key(self) -> None:
        """The key that signs the record is there from the first start on. Without it the fleet works, unsigned."""
        try:
            take_up(self._db, KeyFiles(self._paths.audit), self._paths.fleet_id)
        except FleetError as error:
            self._log.error("audit.key", error)

    def _is_well(self, fleet: Fleet) -> bool:
        """Whether every service gets on. One that hangs is named once in each period."""
        stuck = [loop.name for loop in fleet.loops if loop.is_stuck(_TICK_SECONDS)]
        if stuck:
            self._log.say("daemon.stuck", "error", services=stuck)
        return not stuck

    def _failed(self, loop: asyncio.AbstractEventLoop, name: str, error: BaseException) -> None:
        """A service ended with what it must not end with. Called on its thread."""
        self._log.error("service.failed", error, service=name)
        code = error.exit_code if isinstance(error, FleetError) else 1
        loop.call_soon_threadsafe(self._ended, f"the service {name} failed: {error}", code or 1)

    def _ended(self, reason: str, code: int) -> None:
        """Begin the end; the first reason counts."""
        if not self._stop.is_set():
            self._reason, self._code = reason, code
            self._stop.set()

    async def _end(self, fleet: Fleet, server: Server) -> None:
        """Answer what was asked, let the ticks finish, write the last entry. Never longer than the limit."""
        deadline = time.monotonic() + STOP_SECONDS
        fleet.ask_to_stop()
        answered = await server.close(_ANSWER_GRACE)
        late = [loop.name for loop in fleet.loops if not loop.join(deadline - 1.0 - time.monotonic())]
        fleet.effects.shutdown(wait=False, cancel_futures=True)
        fleet.let_go()
        self._log.say("daemon.stopped", reason=self._reason, code=self._code, late=late, answered=answered)
        record_life(self._db, "daemon.stopped", self._reason, {"reason": self._reason, "code": self._code})
        if late or not answered:
            # Threads that wait for git or tmux would hold up the interpreter's end for as long as those take.
            # What they were doing is repeatable: it has to survive kill -9 as well.
            self._db.close()
            if not self._supervised:
                remove_socket(self._paths)
            os._exit(self._code)

    def _facts(self) -> dict[str, object]:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "supervised": self._supervised,
            "config": self._loaded.digest,
            "python": platform.python_version(),
            "sqlite": sqlite_version(),
            "mode": "shared-uid",
        }


def _die_with_parent(paths: FleetPaths) -> bool:
    """End in order when the supervisor dies, however it dies. False when it has died already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return holder(paths.supervisor_lock) == os.getppid()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
