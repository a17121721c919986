"""One daemon per fleet: a lock on a file that the kernel lets go when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from fleet.core.errors import Conflict

_PATIENCE_SECONDS = 0.5  # somebody who only asks (``holder``) has the lock for an instant
_PAUSE_SECONDS = 0.02


class Lease:
    """A held lock. The descriptor is not inherited, so no child can keep the lock alive."""

    def __init__(self, descriptor: int, path: Path) -> None:
        """Take the locked descriptor."""
        self._descriptor = descriptor
        self.path = path
        os.set_inheritable(descriptor, False)

    @property
    def descriptor(self) -> int:
        """The locked descriptor, for whoever hands it to the next program of this process."""
        return self._descriptor

    def release(self) -> None:
        """Let go; harmless twice. The file stays: removing it would let two holders lock two files."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Lease:
        """Nothing more to do: it is held already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self.release()


def take(path: Path, what: str, *, code: str, hint: str = "Stop it with: fleet down") -> Lease:
    """Lock the file and write our pid into it. Raises Conflict ``code`` with the holder's pid.

    ``what`` is the noun of the message, such as ``a daemon``.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _locked(descriptor):
        if time.monotonic() > deadline:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise Conflict(
                code,
                f"{what} runs already for this fleet (pid {pid or 'unknown'})",
                where=str(path),
                hint=hint,
            )
        time.sleep(_PAUSE_SECONDS)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return Lease(descriptor, path)


def holder(path: Path) -> int | None:
    """The pid of the live holder, None when nobody holds the lock. Touches nothing that lasts."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor) else _pid_in(descriptor) or 0
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else 0
