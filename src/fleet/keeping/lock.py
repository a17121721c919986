"""One keeper at a time: backups, clearing away and collecting unused objects exclude each other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.core.errors import Conflict

_NAME = "keeping.lock"


@contextmanager
def keeping(state: Path) -> Iterator[None]:
    """Hold the lock of a state folder. Raises Conflict FLT-KEP-019 at once when somebody has it.

    The kernel lets it go when its holder dies. The file stays.
    """
    handle = os.open(state / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "FLT-KEP-019",
                "a backup or a clearing away is under way for this fleet",
                where=str(state),
                hint="Try again when it has ended.",
            ) from error
        yield
    finally:
        os.close(handle)
