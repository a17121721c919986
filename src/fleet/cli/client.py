"""Calls to the daemon, for commands that went the full way: a verb and arguments in, a result or an error out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleet.cli.pipe import NoAnswer, NotSent, Pipe
from fleet.core.errors import FleetError, TimedOut, Unreachable, UsageError, revive
from fleet.core.wire import REQUEST_LIMIT, WireError

ANSWER_SECONDS = 120.0


class Client:
    """Asks the daemon at one socket; a secret makes the caller an agent's run."""

    def __init__(self, socket: str, secret: str = "") -> None:
        """Take the socket's path and the secret ("" for people); connects with the first call."""
        self._socket = socket
        self._secret = secret
        self._pipe: Pipe | None = None

    def call(self, verb: str, args: Mapping[str, object], seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """One call; ``seconds`` is the longest silence. Raises what the daemon answered, or FLT-CLI-001/002/003."""
        body = json.dumps({"verb": verb, "args": dict(args), "cap": self._secret}).encode()
        if len(body) > REQUEST_LIMIT:
            raise UsageError("FLT-CLI-004", f"the call has {len(body)} bytes, the limit is {REQUEST_LIMIT}")
        try:
            if self._pipe is None:
                self._pipe = Pipe(self._socket, seconds)
            kind, answer = self._pipe.exchange("json", body, seconds)
            if kind != "json":
                raise WireError("FLT-DMN-001", f"the daemon answered with {kind} instead of json")
        except NotSent as error:
            raise unreachable(self._socket) from error
        except (NoAnswer, WireError) as error:
            self.close()
            raise meaning_of(error) from error
        return _result(answer)

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def unreachable(socket: str) -> Unreachable:
    """Nobody listens there."""
    return Unreachable("FLT-CLI-001", "no daemon answers", where=socket, hint="Start it: fleet up")


def meaning_of(reason: NoAnswer | WireError | bytes) -> FleetError:
    """What it means for a person that a call ended without its result."""
    if isinstance(reason, bytes):
        try:
            _result(reason)
        except FleetError as error:
            return error
        return FleetError("FLT-CLI-003", "the daemon gave an answer of another kind")
    if isinstance(reason, WireError) and reason.code == "FLT-DMN-101":
        return Unreachable(
            "FLT-DMN-101",
            f"the daemon is of another version: {reason.message}",
            hint="Put this version in its place: fleet restart (agents go on). Or call with the daemon's version.",
        )
    if isinstance(reason, WireError):
        return FleetError("FLT-CLI-003", f"the daemon's answer cannot be read: {reason.message}")
    if reason.late:
        return TimedOut("FLT-CLI-002", f"{reason}; the call may still take effect", hint="Look with: fleet log")
    return Unreachable("FLT-CLI-005", f"{reason}; the call may have taken effect", hint="Look with: fleet log")


def _result(answer: bytes) -> dict[str, Any]:
    """The result of a JSON answer; raises the error that it carries."""
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise FleetError("FLT-CLI-003", f"the daemon's answer cannot be read: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("result" if found.get("ok") else "error"), dict):
        raise FleetError("FLT-CLI-003", "the daemon's answer cannot be read: neither a result nor an error")
    if found["ok"]:
        result: dict[str, Any] = found["result"]
        return result
    raise revive(found["error"])
