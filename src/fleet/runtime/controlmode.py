"""The conversation with a tmux server in control mode: one line out, one guarded block of lines back.

Takes commands as lists of words, gives output lines. Words are quoted so that tmux's own parser gives back
exactly their bytes. Only commands whose output we made up ourselves belong here: text from a session's
screen could imitate the guards.
"""

from __future__ import annotations

import os
import select
import string
import time
from collections.abc import Mapping, Sequence

from fleet.core.errors import PermanentError, TemporaryError
from fleet.process import end_group, spawn

_PLAIN = frozenset((string.ascii_letters + string.digits + "-_./=:@,+").encode())


class TmuxDied(Exception):
    """The server or this connection to it is gone; the text is what tmux last said."""


class TmuxRefused(Exception):
    """The server answered a command with an error; the text is its own."""


def quote(word: str) -> bytes:
    """A word for tmux's command parser: between double quotes, everything unusual as three octal digits.

    So there is no space, quote, ``;``, ``$``, ``#``, brace, backslash or newline left that could mean
    something. Raises PermanentError FLT-RTM-004 for a NUL, which no argument of a program can hold.
    """
    raw = os.fsencode(word)
    if b"\0" in raw:
        raise PermanentError("FLT-RTM-004", "an argument for tmux holds a NUL byte", where=repr(word[:80]))
    return b'"' + b"".join(b"%c" % byte if byte in _PLAIN else b"\\%03o" % byte for byte in raw) + b'"'


class ControlClient:
    """One ``tmux -C`` process attached to a session. Not thread-safe; after TmuxDied it is of no more use."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, seconds: float) -> None:
        """Start the client and wait until it is attached; ``seconds`` bounds this and every command.

        Raises TmuxDied when it cannot attach.
        """
        self._seconds = seconds
        self._buffer = b""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            self._child = spawn(argv, env=env, stderr=nowhere)
        finally:
            os.close(nowhere)
        try:
            self._read_block(own=False)
        except TmuxRefused as error:
            self.close()
            raise TmuxDied(str(error)) from error
        except BaseException:
            self.close()
            raise

    def command(self, words: Sequence[str]) -> list[str]:
        """Run one tmux command and return its output lines.

        Raises TmuxRefused when tmux answers with an error, TmuxDied when it does not answer any more.
        """
        self._write(b" ".join(quote(word) for word in words) + b"\n")
        return self._read_block(own=True)

    def close(self) -> None:
        """End the client; the server and its sessions stay. Harmless twice."""
        if self._child.stdin is not None and not self._child.stdin.closed:
            end_group(self._child)

    def _write(self, line: bytes) -> None:
        assert self._child.stdin is not None
        handle = self._child.stdin.fileno()
        os.set_blocking(handle, False)
        poll = select.poll()
        poll.register(handle, select.POLLOUT)
        deadline = time.monotonic() + self._seconds
        left = memoryview(line)
        while left:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TmuxDied(f"tmux took nothing for {self._seconds:g} s")
            try:
                left = left[os.write(handle, left) :]
            except OSError as error:
                raise TmuxDied(f"cannot write to tmux: {error}") from error

    def _read_block(self, *, own: bool) -> list[str]:
        """The next block: the answer to our own command, or (at the start) to the attaching itself.

        Between blocks come notifications, which nobody here needs. ``%begin`` and its end carry the same
        time and number; the last field is 1 for commands that this client sent.
        """
        deadline = time.monotonic() + self._seconds
        begin: list[bytes] = []
        lines: list[str] = []
        while True:
            line = self._read_line(deadline)
            words = line.split(b" ")
            if not begin:
                if words[0] == b"%begin" and (words[-1] == b"1" or not own):
                    begin = words[1:]
                elif words[0] == b"%exit":
                    raise TmuxDied(os.fsdecode(line))
            elif words[0] in (b"%end", b"%error") and words[1:] == begin:
                if words[0] == b"%error":
                    raise TmuxRefused("; ".join(lines))
                return lines
            else:
                lines.append(os.fsdecode(line))

    def _read_line(self, deadline: float) -> bytes:
        assert self._child.stdout is not None
        handle = self._child.stdout.fileno()
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        while b"\n" not in self._buffer:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TmuxDied(f"tmux did not answer within {self._seconds:g} s")
            data = os.read(handle, 65536)
            if not data:
                raise TmuxDied("tmux closed the connection")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def cannot_ask(socket: str, reason: str) -> TemporaryError:
    """The error for a server that does not answer: to be tried again, and never to be read as "no sessions"."""
    return TemporaryError(
        "FLT-RTM-001",
        f"the terminal server cannot be asked: {reason}",
        where=socket,
        hint="It is started again with the next session; fleet doctor looks closer.",
    )
