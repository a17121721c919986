"""One fleet's life inside a daemon: its services and its socket, from the open store to the last entry.

A daemon has one life, or, for an org, one more for each repository. What a life does on the event loop is quick;
whatever may wait (git, a forge, joining threads) is in ``prepare`` and ``end``, which run where waiting hurts nobody.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import time
from collections.abc import Callable

from fleet import __version__
from fleet.audit.keys import KeyFiles, take_up
from fleet.config.inforce import InForce
from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.control.acceptance import accept_config, known_to_runs
from fleet.core.errors import FleetError
from fleet.core.principal import human
from fleet.daemon.argv import ArgvParser
from fleet.daemon.build import Fleet, build
from fleet.daemon.follow import CommitFollower
from fleet.daemon.httpdoor import HttpDoor
from fleet.daemon.httpsocket import port_of
from fleet.daemon.identity import login_of
from fleet.daemon.kin import Company
from fleet.daemon.logfile import LogFile
from fleet.daemon.mcpmount import mcp_route
from fleet.daemon.server import Server
from fleet.daemon.startup import record_life, sweep_artifacts
from fleet.store.db import Database
from fleet.store.sqlite import sqlite_version

ANSWER_GRACE = 4.0  # seconds at the end, for calls that are being answered
_TICK_SECONDS = 600.0  # a service whose tick takes longer than this hangs

Failed = Callable[[str, int], None]  # the reason, the exit code; called on any thread


class Life:
    """Made over an open store and a listening socket; both stay its caller's."""

    def __init__(
        self,
        paths: FleetPaths,
        loaded: LoadedConfig,
        db: Database,
        log: LogFile,
        *,
        http: socket.socket,
        supervised: bool,
        parse_argv: ArgvParser | None,
        failed: Failed,
        company: Company | None = None,
    ) -> None:
        """Take what is open already, ``http`` being the loopback port.

        ``failed`` hears of a service that ended; it ends the life.
        """
        self._paths = paths
        self._loaded = loaded
        self._db = db
        self._log = log
        self._http = http
        self._supervised = supervised
        self._parse_argv = parse_argv
        self._failed = failed
        self._company = company
        self._fleet: Fleet | None = None
        self._server: Server | None = None
        self._door: HttpDoor | None = None

    @property
    def fleet(self) -> Fleet:
        """The services, once prepared."""
        assert self._fleet is not None
        return self._fleet

    def prepare(self) -> None:
        """Everything before the first tick. May wait: a first start of a fleet at GitHub copies the repository.

        Raises what the forge raises.
        """
        self._fleet = build(
            self._paths,
            InForce(self._loaded, self._db.read(known_to_runs)),
            self._db,
            supervised=self._supervised,
            port=port_of(self._http),
            on_trouble=lambda name, error: self._log.error("service.trouble", error, service=name),
            on_failure=self._service_failed,
            company=self._company,
        )
        accept_config(self._db, self._loaded, human(login_of(os.getuid())))
        self._take_up_key()
        sweep_artifacts(self._db, self._paths.artifacts)
        record_life(self._db, "daemon.started", f"version {__version__} is up", self._facts())

    async def serve(self, listening: socket.socket) -> None:
        """Let the services tick and answer calls; returns at once."""
        follower = CommitFollower(asyncio.get_running_loop())
        self._db.on_commit(follower.committed)
        self._server = Server(
            self.fleet.control,
            self.fleet.identity,
            follower,
            parse_argv=self._parse_argv,
            report=lambda what, error: self._log.error("call.failed", error, call=what),
        )
        self._door = HttpDoor(
            self.fleet.hooks,
            self.fleet.bearers,
            follower,
            report=lambda what, error: self._log.error("call.failed", error, call=what),
            refused=lambda what, error: self.fleet.control.refused(None, 0, what, error),
            more=(mcp_route(self.fleet.control.handle, self._db.clock.now),),
        )
        self.fleet.start()
        await self._server.start(listening)
        await self._door.start(self._http)
        self._log.say("daemon.started", version=__version__)

    def reload(self) -> None:
        """Take the file into force, or say in the log what is wrong with it. Waits for the store."""
        try:
            self.fleet.reload("signal SIGHUP")
        except FleetError as error:
            self._log.error("config.refused", error)

    def is_well(self) -> bool:
        """Whether every service gets on. One that hangs is named once in each call."""
        stuck = [loop.name for loop in self.fleet.loops if loop.is_stuck(_TICK_SECONDS)]
        if stuck:
            self._log.say("daemon.stuck", "error", services=stuck)
        return not stuck

    async def answer_the_last(self) -> bool:
        """Let no new tick begin, stop accepting calls, answer those under way; whether all were answered."""
        if self._fleet is not None:
            self._fleet.ask_to_stop()
        if self._server is None or self._door is None:
            return True
        _, answered = await asyncio.gather(self._door.close(ANSWER_GRACE), self._server.close(ANSWER_GRACE))
        return answered

    def end(self, reason: str, code: int, *, deadline: float, answered: bool) -> bool:
        """Wait for the ticks until ``deadline`` (monotonic seconds) and write the last entry; whether all ended."""
        fleet = self.fleet
        late = [loop.name for loop in fleet.loops if not loop.join(deadline - time.monotonic())]
        fleet.effects.shutdown(wait=False, cancel_futures=True)
        fleet.let_go()
        self._log.say("daemon.stopped", reason=reason, code=code, late=late, answered=answered)
        record_life(self._db, "daemon.stopped", reason, {"reason": reason, "code": code})
        return not late and answered

    def _service_failed(self, name: str, error: BaseException) -> None:
        """A service ended with what it must not end with. Called on its thread."""
        self._log.error("service.failed", error, service=name)
        code = error.exit_code if isinstance(error, FleetError) else 1
        self._failed(f"the service {name} failed: {error}", code or 1)

    def _take_up_key(self) -> None:
        """The key that signs the record is there from the first start on. Without it the fleet works, unsigned."""
        try:
            take_up(self._db, KeyFiles(self._paths.audit), self._paths.fleet_id)
        except FleetError as error:
            self._log.error("audit.key", error)

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
