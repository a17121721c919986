"""The only place that starts a program: argv lists, a deadline, bounded output, the whole group ended.

Takes an argv list, gives ``Completed``. Never a shell. On the deadline the process group is asked to
stop, then killed after two seconds; a program that floods its output is ended at the cap.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fleet.core.errors import PermanentError, TimedOut

OUTPUT_CAP = 10 * 1024 * 1024
MERGED = subprocess.STDOUT  # for ``spawn``: errors go where the output goes
_GRACE_SECONDS = 2.0
_ENDING_SECONDS = 20.0  # for a program that has closed its output: on a machine under load its end may take a while


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished program: its argv, exit code (negative = signal), stdout and stderr as bytes."""

    argv: tuple[str, ...]
    code: int
    out: bytes
    err: bytes

    @property
    def ok(self) -> bool:
        """True when the exit code is 0."""
        return self.code == 0

    @property
    def text(self) -> str:
        """Stdout as text, undecodable bytes replaced."""
        return self.out.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """Stderr as text, undecodable bytes replaced, stripped."""
        return self.err.decode("utf-8", "replace").strip()


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    output_cap: int = OUTPUT_CAP,
) -> Completed:
    """Run a program to its end and return what it said.

    ``timeout`` is in seconds and mandatory. Raises TimedOut (FLT-PROC-001) when it passes,
    PermanentError (FLT-PROC-002) when the program cannot be started, (FLT-PROC-003) when it floods.
    """
    words = tuple(str(word) for word in argv)
    child = spawn(words, cwd=cwd, env=env)
    try:
        out, err = _converse(child, stdin, time.monotonic() + timeout, output_cap, words)
        code = child.wait(timeout=_ENDING_SECONDS)
    except subprocess.TimeoutExpired as error:
        end_group(child)
        raise TimedOut("FLT-PROC-001", "the program closed its output and did not end", where=words[0]) from error
    except BaseException:
        end_group(child)
        raise
    return Completed(words, code, out, err)


def spawn(
    argv: Sequence[str | Path],
    *,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session with piped streams and hand back the handle.

    Raises PermanentError (FLT-PROC-002) when it cannot be started.
    """
    words = [str(word) for word in argv]
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except (OSError, ValueError) as error:
        raise PermanentError(
            "FLT-PROC-002", f"cannot start: {error}", where=words[0], hint="Is it installed and executable?"
        ) from error


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child started here together with its process group: ask, wait two seconds, kill."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            child.wait(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            _let_go(stream)


def _let_go(stream: IO[bytes]) -> None:
    """Close our end of a pipe whose other end is gone; what was written and never read is dropped."""
    try:
        stream.close()
    except BrokenPipeError:
        # the buffer could not be flushed; the descriptor is closed all the same
        return


def _converse(
    child: subprocess.Popen[bytes], stdin: bytes, deadline: float, cap: int, words: tuple[str, ...]
) -> tuple[bytes, bytes]:
    """Feed stdin and collect both outputs until they close, within the deadline and the cap."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    chunks: dict[int, list[bytes]] = {child.stdout.fileno(): [], child.stderr.fileno(): []}
    left = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(child.stderr, selectors.EVENT_READ)
        if left:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        else:
            child.stdin.close()
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimedOut("FLT-PROC-001", "the program did not end in time and was ended", where=words[0])
            for key, _ in selector.select(remaining):
                if key.fileobj is child.stdin:
                    left = _feed(child.stdin, left)
                    if not left:
                        selector.unregister(child.stdin)
                        child.stdin.close()
                elif not _collect(key.fd, chunks, cap, words):
                    selector.unregister(key.fileobj)
    out, err = (b"".join(parts) for parts in chunks.values())
    child.stdout.close()
    child.stderr.close()
    return out, err


def _collect(fd: int, chunks: dict[int, list[bytes]], cap: int, words: tuple[str, ...]) -> bool:
    """Read once from an output; False at its end. Raises at the cap."""
    data = os.read(fd, 65536)
    chunks[fd].append(data)
    if sum(len(part) for parts in chunks.values() for part in parts) > cap:
        raise PermanentError("FLT-PROC-003", f"the program wrote more than {cap} bytes and was ended", where=words[0])
    return bool(data)


def _feed(pipe: IO[bytes], left: memoryview) -> memoryview:
    """Write what fits; a reader that went away ends the feeding, not the run."""
    try:
        return left[os.write(pipe.fileno(), left[:65536]) :]
    except BrokenPipeError:
        return left[:0]
    except BlockingIOError:
        return left
