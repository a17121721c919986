"""The first program of a session with a setup: runs its commands in the clone, then turns into the agent.

Run as ``python -I -m fleet.runtime.setup <run folder> <argv…>`` in the place of the agent, so that the shim owns,
bounds and ends it like the agent itself. Takes setup.json, gives setup.log and setup-result.json. The commands get the
variables of the env files; the agent gets the environment it would have had without any of this. What the commands
print is kept and shown without those values.
Weakness: a value that a command prints in another form (encoded, in pieces) is not recognised.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO

from fleet.core.errors import FleetError
from fleet.process import MERGED, end_group, spawn
from fleet.runtime import records
from fleet.runtime.envfiles import read_env_file

PLAN = "setup.json"
RESULT = "setup-result.json"
LOG = "setup.log"
_LOG_LIMIT = 16 * 1024 * 1024  # bytes
_LINE_LIMIT = 64 * 1024  # bytes; a longer line is cut in pieces
_TAIL_LIMIT = 2000  # characters
_SECRET_LENGTH = 4  # shorter values are words of every output
_LOOK_SECONDS = 0.2


class Setup:
    """The commands of one session, one after the other."""

    def __init__(self, folder: str, plan: records.Record, env: Mapping[str, str]) -> None:
        """``plan`` is what setup.json says, ``env`` the environment of the agent."""
        self._folder = folder
        self._commands: Sequence[Sequence[str]] = plan["commands"]
        self._seconds = float(plan["timeout_seconds"])
        self._files: Sequence[str] = plan["env_files"]
        self._env = dict(env)
        self._hidden: list[tuple[str, str]] = []  # value, name; the longest first
        self._begun = time.monotonic()
        self._tail = ""
        self._written = 0

    def run(self) -> bool:
        """Do all of it and keep what it says; False at the first command that fails, or when the time is up."""
        with open(os.path.join(self._folder, LOG), "wb", opener=_private) as log:
            number, failure = 0, ""
            try:
                self._read_variables()
                for number, command in enumerate(self._commands, 1):
                    self._note(number, "running")
                    self._say(log, f"$ {' '.join(command)}\n".encode("utf-8", "replace"))
                    failure = self._one(command, log)
                    if failure:
                        break
            except FleetError as error:
                failure = error.message
            self._note(number, failure or "done")
            if failure:
                self._say(log, f"fleet: the setup failed: {failure}\n".encode())
            return not failure

    def _read_variables(self) -> None:
        found: dict[str, str] = {}
        for path in self._files:
            found.update(read_env_file(path))
        self._env.update(found)
        secret = {value: name for name, value in found.items() if len(value) >= _SECRET_LENGTH}
        self._hidden = sorted(secret.items(), key=lambda pair: -len(pair[0]))

    def _one(self, command: Sequence[str], log: IO[bytes]) -> str:
        """One command to its end; "" when it went well, else what went wrong. Raises PermanentError FLT-PROC-002."""
        deadline = self._begun + self._seconds
        child = spawn(command, env=self._env, stderr=MERGED)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        os.set_blocking(child.stdout.fileno(), False)
        pending, ended = b"", False
        while not ended:
            if time.monotonic() > deadline:
                end_group(child)
                return f"it did not end within {self._seconds:g} s"
            select.select([child.stdout], [], [], _LOOK_SECONDS)
            # a server that it left behind may keep the output open: its own end counts, and all it wrote before
            ended = child.poll() is not None
            pending = self._take_in(child.stdout, pending, log)
        self._say(log, pending)
        child.stdout.close()
        if child.returncode == 0:
            return ""
        if child.returncode < 0:
            return f"it was ended by signal {-child.returncode}"
        return f"it ended with exit code {child.returncode}"

    def _take_in(self, output: IO[bytes], pending: bytes, log: IO[bytes]) -> bytes:
        """Pass on whole lines of what can be read now; what is left of the last one."""
        while data := output.read(_LINE_LIMIT):
            pending += data
            whole, newline, rest = pending.rpartition(b"\n")
            if newline or len(pending) > _LINE_LIMIT:
                self._say(log, whole + newline if newline else pending)
                pending = rest if newline else b""
        return pending

    def _say(self, log: IO[bytes], data: bytes) -> None:
        """To the log, to whoever looks at the terminal, and into the tail; without the values of the variables."""
        if not data:
            return
        for value, name in self._hidden:
            data = data.replace(value.encode("utf-8", "surrogateescape"), f"[{name}]".encode())
        self._tail = (self._tail + data.decode("utf-8", "replace"))[-_TAIL_LIMIT:]
        if self._written < _LOG_LIMIT:
            log.write(data)
            log.flush()
            self._written += len(data)
        with contextlib.suppress(OSError):  # the terminal is gone; the shim is told of that itself
            os.write(1, data)

    def _note(self, number: int, state: str) -> None:
        record = {
            "command": number,
            "of": len(self._commands),
            "argv": list(self._commands[number - 1]) if number else [],
            "state": state,
            "seconds": round(time.monotonic() - self._begun, 3),
            "tail": self._tail,
        }
        records.write(self._folder, RESULT, record)


def failure_of(folder: str) -> str:
    """Why the setup of a session failed, or that it never came to its end; "" when there was none or it is done."""
    result = records.read(folder, RESULT)
    if not result or result.get("state") == "done":
        return ""
    argv = " ".join(map(str, result.get("argv", [])))[:100]
    which = f"command {result.get('command')} of {result.get('of')} ({argv})" if argv else "its variables"
    state = str(result.get("state", ""))
    text = f"{which} was at work" if state == "running" else f"{which}: {state}"
    lines = [line.strip() for line in str(result.get("tail", "")).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("$ ", "fleet: "))][-4:]
    return text + (f"; its last words: {' | '.join(said)[-300:]}" if said else "")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def main(argv: list[str]) -> int:
    """``<run folder> <the agent's words…>``: set up, then become the agent. 78 when the setup failed."""
    folder, agent = argv[1], argv[2:]
    plan = records.read(folder, PLAN)
    if not plan or not Setup(folder, plan, os.environ).run():
        return records.SETUP_FAILED
    os.execvpe(agent[0], agent, os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
