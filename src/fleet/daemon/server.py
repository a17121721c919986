"""The socket: reads calls, finds out who asks, has control answer, writes the answer back.

One task a connection, one call at a time on each. Whatever a caller sends or breaks ends at its own
connection. Quick verbs are one transaction that the store's writer commits together with others; all
the rest runs in a bounded pool of threads, so a slow push never delays a publish.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from fleet.control.verbs import VERBS
from fleet.core import wire
from fleet.core.errors import FleetError, TemporaryError, UsageError
from fleet.core.principal import Principal
from fleet.daemon.accepting import stop_accepting
from fleet.daemon.argv import ArgvCall, ArgvParser, explain_plainly
from fleet.daemon.follow import Completions
from fleet.daemon.identity import Identity, Peer, peer_of
from fleet.daemon.ownfaults import own_faults

T = TypeVar("T")

MAX_CONNECTIONS = 512
MAX_WAITING = 256  # calls that wait for or hold a thread
WORKERS = 8

# Reads that may wait for news, and how to tell from an answer that there is some.
_FOLLOWED: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "log": lambda result: bool(result["entries"]),
    "inbox": lambda result: bool(result["items"]),
    "question": lambda result: bool(result["question"]["state"] != "open"),
}

IDLE_SECONDS = 300.0  # a silent connection is closed
_NEW_SECONDS = 2.0  # at the end, for a first call on a fresh connection
_LOOK_SECONDS = 0.01
BODY_SECONDS = 30.0  # for a body after its header, and for an answer to be taken


class Desk(Protocol):
    """What control offers a door."""

    def start(self, principal: Principal, verb: str, args: Mapping[str, object]) -> Future[dict[str, Any]]:
        """Begin a quick verb; the future resolves once it is durable."""

    def handle(self, principal: Principal, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Answer any verb, on this thread."""

    def refused(self, who: Principal | None, pid: int, verb: str, error: FleetError) -> None:
        """Put a refusal of identity on record."""


class Follower(Protocol):
    """Waits for news of the journal without holding a thread."""

    def mark(self) -> asyncio.Event:
        """Where the news stands, before a look."""

    async def wait(self, news: asyncio.Event, seconds: float) -> None:
        """Return after the first commit since the mark, or when the time is up."""

    def wake(self) -> None:
        """Let everybody who waits return now."""


class Server:
    """Answers calls on one listening socket until it is closed."""

    def __init__(
        self,
        desk: Desk,
        identity: Identity,
        follower: Follower,
        *,
        parse_argv: ArgvParser | None,
        report: Callable[[str, BaseException], None],
    ) -> None:
        """Made on the event loop. ``parse_argv`` is the command line's parser, if there is one.

        ``report`` hears of our own faults.
        """
        self._desk = desk
        self._identity = identity
        self._follower = follower
        self._parse_argv = parse_argv
        self._report = report
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fleet-call")
        self._completions = Completions(asyncio.get_running_loop())
        self._waiting = 0
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Begin to accept."""
        # start_server, not start_unix_server: the latter removes the socket's file when it closes, and the
        # file belongs to whoever bound it.
        self._server = await asyncio.start_server(self._connected, sock=listening, limit=wire.HEADER_LIMIT)

    async def close(self, grace_seconds: float) -> bool:
        """Stop accepting and give running calls this long; True when all of them were answered.

        Whoever has only just been let in has not asked yet: a moment for that, so that a restart fails nobody.
        """
        self._closing = True
        self._follower.wake()
        if self._server is not None:
            await stop_accepting(self._server)
            self._server.close()
        await self._settle("new", min(_NEW_SECONDS, grace_seconds))
        clean = await self._settle("busy", grace_seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        return clean

    async def _settle(self, name: str, seconds: float) -> bool:
        """Wait until no connection is in this state; whether that came in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while any(task.get_name() == name for task in self._tasks):
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    # -- one connection ------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("new")
        self._tasks.add(task)
        peer: Peer | None = None
        try:
            if len(self._tasks) > MAX_CONNECTIONS:
                busy = TemporaryError("FLT-DMN-007", f"more than {MAX_CONNECTIONS} connections are open")
                await _send(writer, _failed(busy))
                return
            peer = peer_of(writer.get_extra_info("socket"))
            while await self._one_call(peer, reader, writer, task):
                pass
        except FleetError as error:
            with suppress(OSError):
                await _send(writer, _failed(error))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the caller went away or fell silent: nobody is left to tell
        except asyncio.CancelledError:
            if not self._closing:
                raise
        finally:
            self._tasks.discard(task)
            if peer is not None:
                peer.close()
            writer.close()

    async def _one_call(
        self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> bool:
        """Read, answer; False when the connection is over."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                line = await reader.readuntil(b"\n")
            kind, length = wire.parse_header(line, wire.REQUEST_KINDS, wire.REQUEST_LIMIT)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                await _send(writer, _failed(UsageError("FLT-DMN-001", "the connection ended inside a header")))
            return False
        except asyncio.LimitOverrunError:
            await _send(writer, _failed(UsageError("FLT-DMN-001", "no header line where one has to be")))
            return False
        except wire.WireError as error:
            await _send(writer, _failed(UsageError(error.code, error.message)))
            return False
        async with asyncio.timeout(BODY_SECONDS):
            body = await reader.readexactly(length)
        task.set_name("busy")
        answer = await (self._json_call(peer, body) if kind == "json" else self._argv_call(peer, body))
        await _send(writer, answer)
        task.set_name("idle")
        return not self._closing

    async def _json_call(self, peer: Peer, body: bytes) -> bytes:
        try:
            with own_faults("a json call", self._report):
                verb, args, secret = _json_request(body)
                result = await self._answer(peer, secret, verb, args)
                return wire.frame("json", json.dumps({"ok": True, "result": result}).encode())
        except FleetError as error:
            return _failed(error)

    async def _argv_call(self, peer: Peer, body: bytes) -> bytes:
        explain = explain_plainly(())
        try:
            with own_faults("an argv call", self._report):
                secret, folder, words = _argv_request(body)
                explain = explain_plainly(words)
                call = self._parsed(words, folder)
                explain = call.explain
                out = call.render(await self._answer(peer, secret, call.verb, call.args))
                return wire.frame("text", wire.encode_text(0, out, ""))
        except FleetError as error:
            return wire.frame("text", wire.encode_text(error.exit_code, *explain(error)))

    def _parsed(self, words: list[str], folder: str) -> ArgvCall:
        if self._parse_argv is None:
            raise UsageError(
                "FLT-DMN-005", "this daemon was started without a command line parser", hint="Send a json call."
            )
        return self._parse_argv(words, folder)

    # -- one call ------------------------------------------------------------------------------

    async def _answer(self, peer: Peer, secret: str, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Who asks, then what control says."""
        principal = await self._who(peer, secret, verb)
        if verb in _FOLLOWED:
            return await self._follow(principal, verb, args)
        row = VERBS.get(verb)
        if row is not None and row.quick:
            return await self._completions.awaitable(self._desk.start(principal, verb, args))
        return await self._in_pool(lambda: self._desk.handle(principal, verb, args))

    async def _who(self, peer: Peer, secret: str, verb: str) -> Principal:
        try:
            if peer.chain is not None:  # nothing left that could take long
                return self._identity.derive(peer, secret)
            return await self._in_pool(lambda: self._identity.derive(peer, secret))
        except FleetError as failure:
            if failure.code.startswith("FLT-AUT-"):
                self._desk.refused(None, peer.pid, verb, failure)
            raise

    async def _follow(self, principal: Principal, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        """With ``wait_seconds``: look, and while there is nothing wait for a commit and look again."""
        loop = asyncio.get_running_loop()
        wait = args.get("wait_seconds", 0)
        deadline = loop.time() + (min(60.0, wait) if isinstance(wait, (int, float)) else 0.0)
        while True:
            news = self._follower.mark()
            result = await self._in_pool(lambda: self._desk.handle(principal, verb, args))
            left = deadline - loop.time()
            if _FOLLOWED[verb](result) or left <= 0 or self._closing:
                return result
            await self._follower.wait(news, left)

    async def _in_pool(self, fn: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise TemporaryError(
                "FLT-DMN-008", f"{MAX_WAITING} calls are waiting already", hint="Try again in a moment."
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, fn)
        finally:
            self._waiting -= 1


def _json_request(body: bytes) -> tuple[str, dict[str, object], str]:
    """Verb, arguments and secret. Raises UsageError FLT-DMN-006."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("FLT-DMN-006", f"the call is not JSON: {error}") from error
    if not isinstance(call, dict) or not set(call) <= {"verb", "args", "cap"}:
        raise UsageError("FLT-DMN-006", "a call is an object of verb, args and cap")
    verb, args, secret = call.get("verb"), call.get("args", {}), call.get("cap", "")
    if not isinstance(verb, str) or not isinstance(args, dict) or not isinstance(secret, str):
        raise UsageError("FLT-DMN-006", "verb and cap of a call are texts, args is an object")
    return verb, args, secret


def _argv_request(body: bytes) -> tuple[str, str, list[str]]:
    try:
        return wire.decode_argv(body)
    except wire.WireError as error:
        raise UsageError(error.code, error.message) from error


def _failed(error: FleetError) -> bytes:
    return wire.frame("json", json.dumps({"ok": False, "error": error.as_dict()}).encode())


async def _send(writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(message)
    if not writer.transport.get_write_buffer_size():
        return  # the kernel took all of it
    async with asyncio.timeout(BODY_SECONDS):
        await writer.drain()
