"""Where tests keep their folders: in memory where that is possible, otherwise on the disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PLACE = "FLEET_TEST_FOLDERS"
_DISK = "/tmp"  # not $TMPDIR, whose name may be long
_MEMORY = "/dev/shm"
_ROOM = 2 << 30  # bytes; two workers need a tenth of it, clones and archives included


def settle_in_memory() -> None:
    """Let this process and its children make their folders in memory, unless somebody chose a place or there is none.

    A test waits for the disk at every commit of a database and every file of a clone, which nobody reads after it.
    """
    if _PLACE not in os.environ and _has_room(_MEMORY):
        os.environ[_PLACE] = _MEMORY


def _has_room(place: str) -> bool:
    with suppress(OSError):
        return os.access(place, os.W_OK | os.X_OK) and shutil.disk_usage(place).free >= _ROOM
    return False


def make_folder(prefix: str = "flt-") -> Path:
    """A new private folder with a short name, because the path of a unix socket is limited to about 100 bytes."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get(_PLACE, _DISK)))


@contextmanager
def short_folder(prefix: str = "flt-") -> Iterator[Path]:
    """The same, gone with all that is in it at the end."""
    folder = make_folder(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
