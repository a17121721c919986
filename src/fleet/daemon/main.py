"""The daemon's life: configuration, lock, store, services, socket; and an orderly end.

``python -m fleet.daemon.main --checkout DIR [--supervised] [--listen-fd N]``. One line of JSON on standard
output says whether it started (``{"ready": pid}`` or ``{"error": {…}}``); after that it speaks in its log.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fleet import __version__
from fleet.config.catalogue import load_roles
from fleet.config.configfile import locked
from fleet.config.loader import LoadedConfig, load_config
from fleet.config.org import load_org
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths, fleet_paths
from fleet.config.together import settle
from fleet.core.clock import SystemClock
from fleet.core.errors import FleetError
from fleet.daemon import supervisor
from fleet.daemon.argv import ArgvParser
from fleet.daemon.door import bind_socket, guard_supervisor, make_folders, remove_socket
from fleet.daemon.httpsocket import bind_http
from fleet.daemon.kin import Company
from fleet.daemon.lease import holder, take
from fleet.daemon.life import Life
from fleet.daemon.logfile import LogFile
from fleet.daemon.members import Members
from fleet.daemon.pulse import Pulse, beat, take_pulse
from fleet.daemon.readiness import tell
from fleet.daemon.startup import check_tail
from fleet.store.db import Database
from fleet.store.open import open_for_daemon

STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str], parse_argv: ArgvParser | None = None) -> int:
    """Run until told to stop; the exit code is that of the error that ended it, 0 for an orderly end.

    ``parse_argv`` is the command line's parser, handed in by the door that has one.
    """
    parser = argparse.ArgumentParser(prog="fleet.daemon.main", description="The daemon of one fleet.")
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--supervised", action="store_true")
    parser.add_argument("--listen-fd", type=int, default=-1)
    parser.add_argument("--http-fd", type=int, default=-1)
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
        sockets = (options.listen_fd, options.http_fd)
        return run_daemon(paths, log, sockets=sockets, parse_argv=parse_argv, pulse=take_pulse(os.environ))
    except FleetError as error:
        log.error("daemon.failed", error)
        tell({"error": error.as_dict()})
        return error.exit_code


def run_daemon(
    paths: FleetPaths, log: LogFile, *, sockets: tuple[int, int], parse_argv: ArgvParser | None, pulse: Pulse
) -> int:
    """Start, serve, stop. ``sockets`` are the supervisor's listening socket and port, -1 to bind our own.

    ``pulse`` carries signs of life to whoever keeps this daemon alive.

    Raises ConfigError before anything exists, Conflict FLT-DMN-010 when a daemon runs already, and what
    store and forge raise.
    """
    listen_fd, http_fd = sockets
    load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    make_folders(paths)
    with take(paths.daemon_lock, "a daemon", code="FLT-DMN-010"):
        if listen_fd < 0:
            guard_supervisor(paths)
        with locked(paths.config):  # whoever changes the file without a daemon does so before or sees us
            settle(paths.config.parent)
            loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
        db = open_for_daemon(paths.database)
        listening: socket.socket | None = None
        http: socket.socket | None = None
        try:
            checked = check_tail(db)
            listening = socket.socket(fileno=listen_fd) if listen_fd >= 0 else bind_socket(paths)
            http = socket.socket(fileno=http_fd) if http_fd >= 0 else bind_http(paths)
            process = _Process(
                paths,
                loaded,
                db,
                log,
                (listening, http),
                supervised=listen_fd >= 0,
                parse_argv=parse_argv,
                pulse=pulse,
            )
            log.say("daemon.starting", version=__version__, config=loaded.digest, checked=checked)
            return asyncio.run(process.run())
        finally:
            db.close()
            if http is not None:
                http.close()
            if listening is not None:
                listening.close()
                if listen_fd < 0:
                    remove_socket(paths)


class _Process:
    """One start of the daemon, from its services to its end; for an org with the fleets of its repositories."""

    def __init__(
        self,
        paths: FleetPaths,
        loaded: LoadedConfig,
        db: Database,
        log: LogFile,
        listening: tuple[socket.socket, socket.socket],
        *,
        supervised: bool,
        parse_argv: ArgvParser | None,
        pulse: Pulse,
    ) -> None:
        """Take what is open already. Raises ConfigError FLT-CFG-010 for an org file with a fault."""
        self._pulse = pulse
        self._paths = paths
        self._db = db
        self._log = log
        self._listening, http = listening
        self._supervised = supervised
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reason = ""
        self._code = 0
        org = load_org(paths.checkout, os.environ)
        self._members = (
            Members(org, db, log, supervised=supervised, parse_argv=parse_argv, env=os.environ)
            if org is not None
            else None
        )
        self._life = Life(
            paths,
            loaded,
            db,
            log,
            http=http,
            supervised=supervised,
            parse_argv=parse_argv,
            failed=self._failed,
            company=Company(self._members.kin, beside=self._members.states) if self._members is not None else None,
        )

    async def run(self) -> int:
        """Serve until a signal or a failure; the exit code."""
        loop = self._loop = asyncio.get_running_loop()
        self._life.prepare()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended, f"signal {signal.Signals(number).name}", 0)
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, self._reload))
        await self._life.serve(self._listening)
        if self._members is not None:
            self._members.start(loop, self._failed)
        tell({"ready": os.getpid()})
        self._pulse.ready(f"version {__version__}, pid {os.getpid()}")
        beating = asyncio.create_task(beat(self._pulse, self._life.is_well))
        await self._stop.wait()
        self._pulse.stopping()
        beating.cancel()
        await self._end()
        return self._code

    def _reload(self) -> None:
        """SIGHUP: every fleet takes its file into force, or its log says why not. On a thread of its own."""
        self._life.reload()
        if self._members is not None:
            self._members.reload()

    def _failed(self, reason: str, code: int) -> None:
        """A service ended that must not. Called on its thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended, reason, code)

    def _ended(self, reason: str, code: int) -> None:
        """Begin the end; the first reason counts."""
        if not self._stop.is_set():
            self._reason, self._code = reason, code
            self._stop.set()

    async def _end(self) -> None:
        """Answer what was asked, let the ticks finish, write the last entries. Never longer than the limit."""
        deadline = time.monotonic() + STOP_SECONDS - 1.0
        clean = await self._members.end(self._reason, self._code, deadline) if self._members is not None else True
        answered = await self._life.answer_the_last()
        clean = self._life.end(self._reason, self._code, deadline=deadline, answered=answered) and clean
        if not clean:
            # Threads that wait for git or tmux would hold up the interpreter's end for as long as those take.
            # What they were doing is repeatable: it has to survive kill -9 as well.
            self._db.close()
            if not self._supervised:
                remove_socket(self._paths)
            os._exit(self._code)


def _die_with_parent(paths: FleetPaths) -> bool:
    """End in order when the supervisor dies, however it dies. False when it has died already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return holder(paths.supervisor_lock) == os.getppid()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
