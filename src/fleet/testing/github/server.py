"""The HTTP side: a unix socket, tokens, validators, pages, limits, faults, and a log of every request."""

from __future__ import annotations

import hashlib
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fleet.testing.github import rest_checks, rest_labels
from fleet.testing.github.hub import Hub
from fleet.testing.github.rest import LIMIT, ROUTES, Rest

assert {one.template for one in ROUTES} >= rest_checks.HERE | rest_labels.HERE  # importing it enters its routes


@dataclass(frozen=True)
class Asked:
    """One request as it came, at which ``time.time``, and its answer's status; 0 when the connection was dropped."""

    number: int
    login: str
    method: str
    target: str
    status: int
    at: float

    @property
    def counted(self) -> bool:
        """Whether GitHub counts it against the hourly limit."""
        return self.status not in (0, 304, 401)


@dataclass(frozen=True)
class Fault:
    """What goes wrong instead of an answer. ``status`` 0 drops the connection, -1 never answers."""

    status: int
    body: str = '{"message": "a fault"}'
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False  # the request takes effect first, only its answer is lost


Faults = Callable[[int, str, str], Fault | None]  # number of the request, method, target


class GitHub(socketserver.ThreadingUnixStreamServer):
    """Listens on a unix socket, as ``gh`` is told by ``http_unix_socket``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, socket_path: Path, hub: Hub) -> None:
        """Bind; ``faults`` may be set at any time."""
        self.hub = hub
        self.rest = Rest(hub)
        self.rest.used = self.used_by
        self.others: dict[str, Rest] = {}  # repositories beside the first, by name
        self.renamed: dict[str, str] = {}  # old names of the first repository, and the present one
        self.log: list[Asked] = []
        self.faults: Faults = lambda number, method, target: None
        self.stopped = threading.Event()
        self.used: dict[str, int] = {}
        self.connections = 0  # that were ever opened
        super().__init__(str(socket_path), _Handler)

    def moved(self, target: str) -> str:
        """Where GitHub sends whoever asks for an old name; "" where the name is right. By number, as it does."""
        old = "/".join(urlsplit(target).path.split("/")[2:4])
        return target.replace(f"/repos/{old}", "/repositories/1", 1) if old in self.renamed else ""

    def rest_of(self, target: str) -> Rest:
        """Who answers for the repository of a request's path."""
        return self.others.get("/".join(urlsplit(target).path.split("/")[2:4]), self.rest)

    def used_by(self, login: str) -> int:
        """How many requests of a login counted so far."""
        return self.used.get(login, 0)

    def counted(self) -> list[Asked]:
        """The requests that count against the limit."""
        return [asked for asked in self.log if asked.counted]


@contextmanager
def serving(socket_path: Path, hub: Hub) -> Iterator[GitHub]:
    """A server in a thread of its own; gone afterwards."""
    server = GitHub(socket_path, hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
        socket_path.unlink(missing_ok=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: GitHub

    def setup(self) -> None:
        """Count the connection."""
        with self.server.hub.lock:
            self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        """Read."""
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def address_string(self) -> str:
        """A unix socket has no address."""
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """The log is the server's list."""

    def _serve(self) -> None:
        raw = self._body()
        token = (self.headers.get("Authorization") or "").rpartition(" ")[2]
        login = self.server.hub.tokens.get(token, "")
        with self.server.hub.lock:
            number = len(self.server.log) + 1
            self.server.log.append(Asked(number, login, self.command, self.path, 0, time.time()))
        fault = self.server.faults(number, self.command, self.path)
        if fault is not None and not fault.after:
            self._fail(number, login, fault)
            return
        moved = self.server.moved(self.path)
        if moved:
            headers = {"Location": f"https://api.github.com{moved}", "Content-Type": "application/json"}
            said = json.dumps({"message": "Moved Permanently", "url": headers["Location"]}).encode()
            self._send(number, login, 301 if self.command == "GET" else 307, headers, said)
            return
        status, found = (401, {"message": "Bad credentials"}) if not login else self._answer(login, raw)
        if fault is not None:
            self._fail(number, login, fault)
            return
        self._reply(number, login, status, found)

    def _body(self) -> bytes:
        """The body, which gh sends in pieces when it reads it from its standard input."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, login: str, raw: bytes) -> tuple[int, Any]:
        body = json.loads(raw) if raw.strip() else {}
        target = self.path.replace("/repositories/1", f"/repos/{self.server.hub.repo}", 1)
        return self.server.rest_of(target).answer(login, self.command, target, body)

    def _reply(self, number: int, login: str, status: int, found: Any) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if isinstance(found, list) and status == 200:
            found, link = self._page(found)
            headers |= {"Link": link} if link else {}
        data = json.dumps(found).encode() if found is not None else b""
        if self.command == "GET" and status == 200:
            # A validator belongs to a token, as GitHub's do.
            headers["ETag"] = 'W/"' + hashlib.sha256(login.encode() + data).hexdigest() + '"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                status, data = 304, b""
        if status not in (304, 401) and self.path != "/rate_limit":
            self.server.used[login] = self.server.used.get(login, 0) + 1
        headers |= {
            "X-RateLimit-Limit": str(LIMIT),
            "X-RateLimit-Used": str(self.server.used_by(login)),
            "X-RateLimit-Remaining": str(LIMIT - self.server.used_by(login)),
            "X-RateLimit-Reset": str(self.server.hub.now() + 3600),
        }
        self._send(number, login, status, headers, data)

    def _page(self, items: list[Any]) -> tuple[list[Any], str]:
        """One page of a listing, and the header that leads to the next."""
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        if page * size >= len(items):
            return items[(page - 1) * size :], ""
        following = urlencode(query | {"page": str(page + 1)})
        return items[(page - 1) * size : page * size], f'<https://api.github.com{parts.path}?{following}>; rel="next"'

    def _fail(self, number: int, login: str, fault: Fault) -> None:
        if fault.status == -1:
            self.server.stopped.wait(60)  # as long as the test goes on
        if fault.status <= 0:
            self.close_connection = True
            return
        self._send(number, login, fault.status, fault.headers, fault.body.encode())

    def _send(self, number: int, login: str, status: int, headers: dict[str, str], data: bytes) -> None:
        self.server.log[number - 1] = replace(self.server.log[number - 1], status=status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(data)))
        with suppress(BrokenPipeError, ConnectionResetError):  # the caller was ended, or went away
            self.end_headers()
            self.wfile.write(data)
