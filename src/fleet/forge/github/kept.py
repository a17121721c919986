"""Requests to GitHub over connections that stay open, with the login of ``gh``: for many repositories.

The token comes from ``gh auth token`` and lives in this object's memory: never in an argument, the environment
of anything, a log, a record or an error. After a 401 it is asked for again, once. What is asked, how often and
what an answer means is the same as through ``gh``: that is decided above the transport.

Weakness: each wait for the network ends after ``seconds``, and so does the reading of a body as a whole; headers
that come in drop by drop could take longer.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2

from fleet import __version__
from fleet.forge.github.gh import CALL_SECONDS, ask_gh, gh_environment, login_mark, no_answer, no_login
from fleet.forge.github.reply import Reply
from fleet.process import OUTPUT_CAP

HOST = "api.github.com"
CONNECTIONS = 100  # at once: GitHub's own limit; each repository asks for one thing at a time
_KEPT_OPEN = 8
_IDLE_SECONDS = 120.0  # an open connection outlives several looks
_REDIRECTS = 5
_MOVED = (301, 302, 307, 308)
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": f"fleet/{__version__}",
    "X-GitHub-Api-Version": "2022-11-28",
}


class KeptTransport:
    """Requests of whatever login ``gh`` has for github.com. Safe to use from several threads."""

    def __init__(self, env: Mapping[str, str], *, seconds: float = CALL_SECONDS) -> None:
        """Take the daemon's environment and the cap of one wait in seconds; asks and opens nothing yet."""
        self._env = gh_environment(env)
        self._seconds = seconds
        self._lock = threading.Lock()  # around the login and the making of the client
        self._token = ""
        self._mark = ""
        self._root = ""
        self._client: httpx2.Client | None = None

    def request(self, method: str, path: str, *, body: Mapping[str, object] | None = None, etag: str = "") -> Reply:
        """One request, redirects within GitHub followed as ``gh`` does.

        Raises as every transport: TemporaryError FLT-GHB-010 without an answer, FLT-GHB-001 without a login,
        PermanentError FLT-GHB-011 without gh.
        """
        token = self._login(instead_of="")
        reply = self._send(token, method, path, body, etag)
        if reply.status == 401:
            fresh = self._login(instead_of=token)
            if fresh != token:
                reply = self._send(fresh, method, path, body, etag)
        return reply

    def login(self) -> str:
        """As ``gh`` would be logged in now; where that is another login than before, its token is asked for anew."""
        mark = login_mark(self._env)
        with self._lock:
            if mark != self._mark:
                self._mark, self._token = mark, ""
        return mark

    def close(self) -> None:
        """Let go of the connections and the token; the next request would open anew."""
        with self._lock:
            client, self._client, self._token = self._client, None, ""
        if client is not None:
            client.close()

    # -- the login -------------------------------------------------------------------------------------

    def _login(self, *, instead_of: str) -> str:
        """The token; asked of ``gh`` where none is known, or the known one is the one that did not work."""
        with self._lock:
            if self._token == instead_of:
                self._token = self._ask_for_token()
            return self._token

    def _ask_for_token(self) -> str:
        done = ask_gh(("auth", "token", "--hostname", "github.com"), self._env, self._seconds)
        token = done.text.strip()
        if not done.ok or not _TOKEN.fullmatch(token):
            raise no_login()
        return token

    # -- the connection --------------------------------------------------------------------------------

    def _open(self) -> tuple[httpx2.Client, str]:
        """The client and the root of every URL, made at the first request: gh may be set to use a unix socket."""
        with self._lock:
            if self._client is None:
                done = ask_gh(("config", "get", "http_unix_socket"), self._env, self._seconds)
                socket = done.text.strip() if done.ok else ""
                self._root = f"http://{HOST}/" if socket else f"https://{HOST}/"
                self._client = _client(self._env, socket, self._seconds)
            return self._client, self._root

    def _send(self, token: str, method: str, path: str, body: Mapping[str, object] | None, etag: str) -> Reply:
        headers = _HEADERS | {"Authorization": f"Bearer {token}"}
        if etag:
            headers["If-None-Match"] = etag
        data = json.dumps(body).encode() if body is not None else None
        if data is not None:
            headers["Content-Type"] = "application/json"
        for _ in range(_REDIRECTS):
            reply = self._once(method, path, headers, data)
            there = urlsplit(reply.headers.get("location", ""))
            if reply.status not in _MOVED or there.hostname not in (None, HOST):
                return reply
            path = f"{there.path.lstrip('/')}?{there.query}" if there.query else there.path.lstrip("/")
        raise no_answer(path, "GitHub sends us round in circles")

    def _once(self, method: str, path: str, headers: Mapping[str, str], data: bytes | None) -> Reply:
        client, root = self._open()
        until = time.monotonic() + self._seconds
        try:
            with client.stream(method, root + path, headers=headers, content=data) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Reply(answer.status_code, found, self._body(answer, path, until))
        except httpx2.TimeoutException as error:
            raise no_answer(path, f"GitHub did not answer within {self._seconds:.0f} s") from error
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            # Only the kind of the failure: a message of the library could quote what was sent.
            raise no_answer(path, f"no answer from GitHub: {type(error).__name__}") from None

    def _body(self, answer: httpx2.Response, path: str, until: float) -> str:
        """The whole body, within the deadline and the cap that also bound what ``gh`` may print."""
        pieces, size = [], 0
        for piece in answer.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > OUTPUT_CAP or time.monotonic() > until:
                raise no_answer(
                    path, f"GitHub's answer does not end within {self._seconds:.0f} s and {OUTPUT_CAP} bytes"
                )
        return b"".join(pieces).decode("utf-8", "replace")


def _client(env: Mapping[str, str], socket: str, seconds: float) -> httpx2.Client:
    """A client that knows of the surroundings what ``gh`` knows, and reads nothing else of the environment."""
    limits = httpx2.Limits(
        max_connections=CONNECTIONS, max_keepalive_connections=_KEPT_OPEN, keepalive_expiry=_IDLE_SECONDS
    )
    if socket:
        transport = httpx2.HTTPTransport(uds=socket, limits=limits, verify=False, trust_env=False)
    else:
        transport = httpx2.HTTPTransport(verify=_trust(env), limits=limits, proxy=_proxy(env), trust_env=False)
    return httpx2.Client(transport=transport, timeout=httpx2.Timeout(seconds), trust_env=False, follow_redirects=False)


def _trust(env: Mapping[str, str]) -> ssl.SSLContext | bool:
    """Whose certificates count: the system's, or those that the environment names, as for ``gh``."""
    file, folder = env.get("SSL_CERT_FILE"), env.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder) if file or folder else True


def _proxy(env: Mapping[str, str]) -> str | None:
    """The way out of the network, where one is set and does not leave GitHub out."""
    proxy = env.get("HTTPS_PROXY") or env.get("https_proxy")
    spared = (env.get("NO_PROXY") or env.get("no_proxy") or "").replace(" ", "").split(",")
    spares = any(name == "*" or (name and f".{HOST}".endswith("." + name.lstrip("."))) for name in spared)
    return None if not proxy or spares else proxy
