"""The repositories of an org: each has its own fleet, store, socket and threads, all in the org's one daemon.

A repository is a service of this daemon: it comes up in a thread of its own, is tried again when it cannot, and its
state stands beside the org's own services. Nothing that one waits for (its GitHub, its git, its store) holds another.
All requests to GitHub of those with ``forge_transport: httpx2`` go through one login and its connections.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from fleet.config.catalogue import load_roles
from fleet.config.configfile import locked
from fleet.config.loader import LoadedConfig, load_config
from fleet.config.org import Org, Repository
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths, fleet_paths
from fleet.config.together import settle
from fleet.core.clock import SECOND, SystemClock
from fleet.core.errors import FleetError, NotFound, PermanentError, TemporaryError
from fleet.core.service import Tick
from fleet.daemon.argv import ArgvParser
from fleet.daemon.door import bind_socket, guard_supervisor, make_folders, remove_socket
from fleet.daemon.httpsocket import bind_http
from fleet.daemon.kin import Company, Kin
from fleet.daemon.lease import take
from fleet.daemon.life import Failed, Life
from fleet.daemon.logfile import LogFile
from fleet.daemon.orgnote import note
from fleet.daemon.service import Loop
from fleet.daemon.startup import check_tail
from fleet.fabric.hearing import Hearing
from fleet.forge.github.sharing import Shared
from fleet.store.db import Database
from fleet.store.open import open_for_daemon

_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 2.0  # doubles up to the loop's limit of half a minute
_SERVE_SECONDS = 30.0
_COMING_UP_SECONDS = 3.0  # at the end, for one that is just coming up


class Members:
    """All repositories of one org."""

    def __init__(
        self,
        org: Org,
        db: Database,
        log: LogFile,
        *,
        supervised: bool,
        parse_argv: ArgvParser | None,
        env: Mapping[str, str],
    ) -> None:
        """Take the org and its own store; nothing starts yet."""
        self._log = log
        self._clock = db.clock
        self._shared = Shared(env, db.clock)
        self.kin = Kin()
        crowd = len(org.repositories)
        self._members = tuple(
            Member(
                one, org, db, self._shared, self.kin, supervised=supervised, parse_argv=parse_argv, env=env, crowd=crowd
            )
            for one in org.repositories
        )
        self._loops: tuple[Loop, ...] = ()

    def start(self, loop: asyncio.AbstractEventLoop, failed: Failed) -> None:
        """Let every repository come up, all at once. ``failed`` hears of a fault of ours."""

        def on_failure(name: str, error: BaseException) -> None:
            self._log.error("repository.failed", error, repository=name)
            failed(f"the repository {name} failed: {error}", 1)

        for member in self._members:
            member.serve_on(loop)
        self._loops = tuple(
            Loop(
                member,
                self._clock,
                on_trouble=lambda name, error: self._log.error("repository.trouble", error, repository=name),
                on_failure=on_failure,
                gap_seconds=1.0,
            )
            for member in self._members
        )
        for member, one in zip(self._members, self._loops, strict=True):
            member.wake = one.wake
            one.start()

    def states(self) -> Sequence[Mapping[str, object]]:
        """How each repository's fleet does, as the states of services."""
        return [loop.state().as_dict() for loop in self._loops]

    def reload(self) -> None:
        """Let every repository that is up take its configuration into force."""
        for member in self._members:
            member.reload()

    async def end(self, reason: str, code: int, deadline: float) -> bool:
        """End every repository's fleet, all at once; whether all ended in time (``deadline``: monotonic seconds)."""
        for member, loop in zip(self._members, self._loops, strict=False):
            member.over()
            loop.stop()
        until = min(deadline, time.monotonic() + _COMING_UP_SECONDS)
        joining = asyncio.get_running_loop().run_in_executor
        joined = await joining(None, lambda: [loop.join(until - time.monotonic()) for loop in self._loops])
        ends = (member.end(reason, code, deadline) for member in self._members)
        done = await asyncio.gather(*ends, return_exceptions=True)  # one that cannot end hinders no other
        for member, end in zip(self._members, done, strict=True):
            if isinstance(end, BaseException):
                self._log.error("repository.end", end, repository=member.name)
        self._shared.shut()
        return all(end is True for end in done) and all(joined)


class Member:
    """One repository's fleet as a service: up, or tried again."""

    def __init__(
        self,
        repository: Repository,
        org: Org,
        home: Database,
        shared: Shared,
        kin: Kin,
        *,
        supervised: bool,
        parse_argv: ArgvParser | None,
        env: Mapping[str, str],
        crowd: int,
    ) -> None:
        """Take where it lies, the org's store and the common way to GitHub."""
        self.name = repository.repo
        self.wake: Callable[[], None] = lambda: None
        self._repository = repository
        self._org = org
        self._home = home
        self._shared = shared
        self._kin = kin
        self._supervised = supervised
        self._parse_argv = parse_argv
        self._env = env
        self._crowd = crowd
        self._lock = threading.Lock()  # between coming up and the end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._up: _Up | None = None
        self._broken = ""
        self._over = False

    def serve_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Calls are answered on this event loop."""
        self._loop = loop

    def tick(self, now: int) -> Tick:
        """Come up where that has not happened, go down and up again where a service failed.

        Raises TemporaryError FLT-ORG-004 while it cannot come up.
        """
        with self._lock:
            if self._over:
                return Tick(0)
            if self._up is not None and self._broken:
                reason, self._broken = self._broken, ""
                self._go_down(reason)
                raise _trouble(self._repository, reason)
            if self._up is None:
                try:
                    self._up = self._come_up()
                except (FleetError, OSError) as error:
                    text = error.message if isinstance(error, FleetError) else str(error)
                    raise _trouble(self._repository, text) from error
        return Tick(0, now + round(_LOOK_SECONDS * SECOND))

    def reload(self) -> None:
        """Take the file into force where this fleet is up; the log says what is wrong with it."""
        with self._lock:
            if self._up is not None:
                self._up.life.reload()

    def over(self) -> None:
        """Nothing comes up any more."""
        self._over = True

    async def end(self, reason: str, code: int, deadline: float) -> bool:
        """The end of this fleet, after its last tick; whether everything in it ended in time."""
        loop = asyncio.get_running_loop()
        up = self._up
        if up is None:
            return True
        up.hearing.stop()
        answered = await up.life.answer_the_last()
        return await loop.run_in_executor(None, lambda: up.end(reason, code, deadline, answered))

    # -- inside, on the member's own thread -------------------------------------------------------------

    def _come_up(self) -> _Up:
        assert self._loop is not None
        paths, loaded = self._look()
        with ExitStack() as stack:
            make_folders(paths)
            stack.enter_context(take(paths.daemon_lock, "a daemon", code="FLT-DMN-010"))
            guard_supervisor(paths)
            log = LogFile(paths.log, SystemClock(), "daemon")
            db = open_for_daemon(paths.database)
            stack.callback(db.close)
            check_tail(db)
            lent = self._shared.lend() if loaded.config.forge_transport == "httpx2" else None
            http = bind_http(paths)
            stack.callback(http.close)
            life = Life(
                paths,
                loaded,
                db,
                log,
                http=http,
                supervised=self._supervised,
                parse_argv=self._parse_argv,
                failed=self._service_failed,
                company=Company(self._kin, lent, self._crowd),
            )
            life.prepare()
            listening = bind_socket(paths)
            stack.callback(remove_socket, paths)
            stack.callback(listening.close)
            hearing = self._hearing(db, log)
            asyncio.run_coroutine_threadsafe(life.serve(listening), self._loop).result(_SERVE_SECONDS)
            stack.callback(note(paths, self._org.name).unlink, missing_ok=True)
            hearing.start()
            return _Up(life, hearing, listening, stack.pop_all())

    def _look(self) -> tuple[FleetPaths, LoadedConfig]:
        """Places and configuration. Raises NotFound FLT-CFG-001, ConfigError, PermanentError FLT-ORG-004."""
        checkout: Path = self._repository.checkout
        paths = fleet_paths(checkout, self._env, os.getuid())
        if not paths.config.is_file():
            text = "there is no .fleet/config.yaml"
            raise NotFound("FLT-CFG-001", text, where=str(checkout), hint="Make one there: fleet init")
        with locked(paths.config):
            settle(paths.config.parent)
            loaded = load_config(paths.config, roles=load_roles(), name=str(checkout / CONFIG_RELATIVE))
        written = loaded.config.repo
        if written.lower() != self._repository.repo.lower() and (written or loaded.config.forge == "github"):
            text = f"its configuration says repo: {written}, the org says {self._repository.repo}"
            raise PermanentError("FLT-ORG-004", text, where=str(checkout))
        return paths, loaded

    def _hearing(self, db: Database, log: LogFile) -> Loop:
        """The org hears this repository."""
        service = Hearing(self._home, db, self._repository.repo)
        loop = Loop(
            service,
            db.clock,
            on_trouble=lambda name, error: log.error("service.trouble", error, service=name),
            on_failure=lambda name, error: self._service_failed(f"the service {name} failed: {error}", 1),
            gap_seconds=0.05,
        )
        db.on_commit(loop.wake)
        return loop

    def _service_failed(self, reason: str, code: int) -> None:
        self._broken = reason
        self.wake()

    def _go_down(self, reason: str) -> None:
        """End what is up, from the member's own thread."""
        assert self._up is not None
        assert self._loop is not None
        up, self._up = self._up, None
        up.hearing.stop()
        answered = asyncio.run_coroutine_threadsafe(up.life.answer_the_last(), self._loop).result(_SERVE_SECONDS)
        up.end(reason, 1, time.monotonic() + _SERVE_SECONDS, answered)


class _Up:
    """What a repository holds while its fleet runs."""

    def __init__(self, life: Life, hearing: Loop, listening: socket.socket, stack: ExitStack) -> None:
        self.life = life
        self.hearing = hearing
        self.listening = listening
        self._stack = stack

    def end(self, reason: str, code: int, deadline: float, answered: bool) -> bool:
        """Join, write the last entry, let go of everything; whether all ended."""
        heard = self.hearing.join(deadline - time.monotonic())
        ended = self.life.end(reason, code, deadline=deadline, answered=answered)
        self._stack.close()
        return heard and ended


def _trouble(repository: Repository, why: str) -> TemporaryError:
    return TemporaryError(
        "FLT-ORG-004",
        f"the fleet of {repository.repo} does not run: {why}",
        where=str(repository.checkout),
        hint="The others go on; this one is tried again by itself.",
        retry_after=_RETRY_SECONDS,
    )
