"""The HTTP door on 127.0.0.1: what agents' clients report to. Held by the supervisor, like the socket.

| path | who | what |
|---|---|---|
| ``POST /hooks/<Event>`` | a run: its capability as bearer, from inside its process tree | a hook of the client |
| ``POST /v1/metrics``, ``/v1/logs``, ``/v1/traces`` | a run: its meter token, which allows nothing else | OTLP |
| ``GET /healthz`` | anybody on this machine | whether the daemon answers |

A further path is a Starlette route in ``more``; it finds out who asks by ``await door.principal(request)``, which
raises Refused. What a hook means is said by ``control.hooks``; what a tool may do by ``control.toolgate``.
While a hook waits for a person (a permission), its connection is held and looked at again after every commit.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleet import __version__
from fleet.control.hooks import HookAnswer, Reported
from fleet.control.metered import PAUSE_SECONDS
from fleet.core.errors import FleetError, PermanentError, Refused, UsageError
from fleet.core.principal import Principal
from fleet.daemon.accepting import stop_accepting
from fleet.daemon.follow import Completions, chained
from fleet.daemon.ownfaults import own_faults

T = TypeVar("T")

BODY_LIMIT = 16 * 1024 * 1024  # bytes; a hook carries what a tool gave
WORKERS = 8
_FRESH_SECONDS = 2.0  # at the end, for the first request of a fresh connection
_LOOK_SECONDS = 5.0  # while a hook waits and nothing is committed
_STATUS = {1: 500, 2: 400, 4: 404, 6: 403, 7: 403, 8: 409}  # of the exit codes
_STATUS_OF = {"FLT-AUT-001": 401, "FLT-DMN-021": 413}
# What a bug looks like. Errors of callers and of the world arrive as FleetError.


class HookDesk(Protocol):
    """What control offers this door."""

    def report(self, principal: Principal, event: str, body: Mapping[str, Any]) -> Reported:
        """Begin to take in what a client reports."""

    def settle(self, reported: Reported) -> Future[HookAnswer]:
        """What to answer, or what has to be waited for, once it is durable."""

    def waited(self, ticket: str) -> dict[str, Any] | None:
        """The answer that a hook waits for; None while there is none."""

    def given_up(self, ticket: str) -> None:
        """Nobody waits for this any more."""

    def telemetry(self, session: str, kind: str, body: Mapping[str, Any]) -> None:
        """Take in what a client measured; ``kind`` is metrics, logs or traces."""


class Bearers(Protocol):
    """Who is behind a bearer token."""

    def derive(self, secret: str, port: int) -> Principal:
        """The run whose capability this is, if the connection comes from its tree. Raises Refused."""

    def meter(self, secret: str) -> str:
        """The session whose meter token this is. Raises Refused FLT-AUT-001."""


class Follower(Protocol):
    """Waits for news of the journal without holding a thread."""

    def mark(self) -> asyncio.Event:
        """Where the news stands, before a look."""

    async def wait(self, news: asyncio.Event, seconds: float) -> None:
        """Return after the first commit since the mark, or when the time is up."""


@dataclass(frozen=True, slots=True)
class _Call:
    """By what a caller is known: the path it called, what it showed, and the port it called from."""

    path: str
    secret: str
    port: int


class HttpDoor:
    """Serves one listening socket until it is closed."""

    def __init__(
        self,
        desk: HookDesk,
        bearers: Bearers,
        follower: Follower,
        *,
        report: Callable[[str, BaseException], None],
        refused: Callable[[str, FleetError], None],
        more: Sequence[BaseRoute] = (),
    ) -> None:
        """Made on the event loop.

        ``report`` hears of our own faults, ``refused`` of callers that are not who they would have to be. ``more`` are
        further routes; ``self`` is ``request.app.state.door`` to them.
        """
        self._desk = desk
        self._bearers = bearers
        self._follower = follower
        self._report = report
        self._refused = refused
        self._completions = Completions(asyncio.get_running_loop())
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fleet-hook")
        self._closing = False
        routes = [
            Route("/healthz", self._health, methods=["GET"]),
            Route("/hooks/{event}", self._hook, methods=["POST"]),
            *(Route(f"/v1/{kind}", self._telemetry, methods=["POST"]) for kind in ("metrics", "logs", "traces")),
            *more,
        ]
        self.app = Starlette(routes=routes, exception_handlers={FleetError: self._failed})
        self.app.state.door = self
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Begin to accept."""
        self._port = int(listening.getsockname()[1])
        config = uvicorn.Config(
            self.app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=30,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening.dup()]))

    async def close(self, grace_seconds: float) -> None:
        """Stop accepting and give running requests this long; what waits for a person is answered with a no."""
        self._closing = True
        if self._server is None or self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
        self._server.should_exit = True
        await asyncio.wait([self._serving], timeout=grace_seconds + 1.0)
        self._serving.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- who asks --------------------------------------------------------------------------------

    async def principal(self, request: Request) -> Principal:
        """The run behind a request. Raises Refused FLT-AUT-001, FLT-AUT-002 or FLT-AUT-006."""
        call = self._call(request)
        return await self._in_pool(lambda: self._derived(call))

    def _call(self, request: Request) -> _Call:
        port = request.client.port if request.client is not None else 0
        return _Call(request.url.path, self._bearer(request), port)

    def _derived(self, call: _Call) -> Principal:
        """Who calls; a refusal is put on record."""
        try:
            return self._bearers.derive(call.secret, call.port)
        except Refused as refusal:
            self._refused(call.path, refusal)
            raise

    def _bearer(self, request: Request) -> str:
        """The token of a request that no page in a browser can have sent."""
        host = request.headers.get("host", "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost") or "origin" in request.headers:
            raise Refused(
                "FLT-AUT-006", "this door answers programs on this machine, not pages", where=request.url.path
            )
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise Refused("FLT-AUT-001", "this path needs a run's capability as bearer", where=request.url.path)
        return secret.strip()

    # -- paths -----------------------------------------------------------------------------------

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"schema_version": 1, "status": "ok", "version": __version__})

    async def _hook(self, request: Request) -> Response:
        """One turn in the pool and one transaction for most reports; nobody holds a thread while a session is late."""
        call, event = self._call(request), str(request.path_params["event"])
        body = await body_of(request)
        with own_faults(f"the hook {event}", self._report):
            answer = await self._chained(lambda: self._reported(call, event, body))
            while answer.late is not None:
                await asyncio.sleep(PAUSE_SECONDS)
                answer = await self._chained(partial(self._desk.settle, answer.late))
            return _reply(await self._wait_for(request, answer.ticket) if answer.ticket else answer.body)

    def _reported(self, call: _Call, event: str, body: bytes) -> Future[HookAnswer]:
        return self._desk.settle(self._desk.report(self._derived(call), event, object_of(body)))

    async def _wait_for(self, request: Request, ticket: str) -> dict[str, Any]:
        """Look, and while there is nothing wait for a commit and look again; until the client hangs up."""
        gone = asyncio.create_task(_hung_up(request))
        try:
            while True:
                news = self._follower.mark()
                found = await self._in_pool(lambda: self._desk.waited(ticket))
                if found is not None:
                    return found
                if self._closing or gone.done():
                    await self._in_pool(lambda: self._desk.given_up(ticket))
                    return await self._in_pool(lambda: self._desk.waited(ticket)) or {}
                await self._follower.wait(news, _LOOK_SECONDS)
        finally:
            gone.cancel()

    async def _telemetry(self, request: Request) -> Response:
        secret, kind = self._bearer(request), request.url.path.rpartition("/")[2]
        body = await body_of(request)
        with own_faults("telemetry", self._report):
            await self._in_pool(lambda: self._measured(secret, kind, body))
        return _reply({})

    def _measured(self, secret: str, kind: str, body: bytes) -> None:
        session = self._bearers.meter(secret)
        self._desk.telemetry(session, kind, object_of(body))

    # -- how it is done --------------------------------------------------------------------------

    async def _failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, FleetError)
        status = _STATUS_OF.get(error.code) or _STATUS.get(error.exit_code, 503)
        return _reply({"ok": False, "error": error.as_dict()}, status)

    async def _chained(self, fn: Callable[[], Future[T]]) -> T:
        return await self._completions.awaitable(chained(self._pool, fn))

    async def _in_pool(self, fn: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, fn)


class _Server(uvicorn.Server):
    """Signals belong to the daemon, and whoever was let in is heard."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            await stop_accepting(server)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Whoever has only just been let in has not asked yet: a moment for that, so that a restart fails nobody."""

    def shutdown(self) -> None:
        fresh: object = self.cycle  # None until the first request, whatever its declaration says
        if fresh is None and not self.transport.is_closing():
            self.loop.call_later(_FRESH_SECONDS, self._let_go)
            return
        super().shutdown()

    def _let_go(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()


def _reply(body: Mapping[str, Any], status: int = 200) -> Response:
    """One request a connection: none is then on its way on an old one while the daemon is replaced."""
    return JSONResponse(body, status_code=status, headers={"connection": "close"})


async def body_of(request: Request) -> bytes:
    """The body. Raises UsageError FLT-DMN-006, PermanentError FLT-DMN-021 for one that is too long."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_LIMIT:
                raise PermanentError("FLT-DMN-021", f"a request has at most {BODY_LIMIT} bytes", where=request.url.path)
    except ClientDisconnect as error:
        raise UsageError("FLT-DMN-006", "the caller went away inside its request") from error
    return bytes(body)


def object_of(body: bytes) -> dict[str, Any]:
    """The object that a body is. Raises UsageError FLT-DMN-006."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("FLT-DMN-006", f"the call is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError("FLT-DMN-006", "the call is not a JSON object")
    return found


async def _hung_up(request: Request) -> None:
    """Return when the client has closed its connection."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
