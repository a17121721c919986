"""A plain client of the socket, for the daemon's own people: readiness checks and tests. Doors have their own."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from fleet.core import wire
from fleet.core.errors import Unreachable

_CHUNK = 1 << 16


class CallFailed(Exception):
    """The daemon answered with an error; ``error`` is its FleetError as a dict."""

    def __init__(self, error: dict[str, Any]) -> None:
        """Take the error's fields."""
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.error = error


class Rpc:
    """One connection, one call after the other."""

    def __init__(self, path: Path, *, timeout: float = 10.0) -> None:
        """Connect; ``timeout`` (seconds) holds for each step. Raises Unreachable FLT-DMN-016."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._rest = b""
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise Unreachable("FLT-DMN-016", f"no daemon answers: {error}", where=str(path)) from error

    def call(self, verb: str, args: Mapping[str, object] | None = None, *, secret: str = "") -> dict[str, Any]:
        """Ask, and return the result. Raises CallFailed with the daemon's error, Unreachable FLT-DMN-016."""
        request = {"verb": verb, "args": dict(args or {}), "cap": secret}
        answer = json.loads(self.exchange("json", json.dumps(request).encode())[1])
        if not answer["ok"]:
            raise CallFailed(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def exchange(self, kind: str, body: bytes) -> tuple[str, bytes]:
        """Send one message and return kind and body of the answer. Raises Unreachable FLT-DMN-016."""
        try:
            self._socket.sendall(wire.frame(kind, body))
            return self._receive()
        except OSError as error:
            raise Unreachable("FLT-DMN-016", f"the daemon does not answer: {error}") from error

    def send_raw(self, data: bytes) -> None:
        """Send bytes that need not be a message."""
        self._socket.sendall(data)

    def receive(self) -> tuple[str, bytes]:
        """The next answer."""
        return self._receive()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Rpc:
        """Use in a with statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self.close()

    def _receive(self) -> tuple[str, bytes]:
        while True:
            cut = wire.cut(self._rest, wire.ANSWER_KINDS, wire.ANSWER_LIMIT)
            if cut is not None:
                kind, body, self._rest = cut
                return kind, body
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the connection was closed")
            self._rest += data
