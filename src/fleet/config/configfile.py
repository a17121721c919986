"""The file itself: locked against other writers, and replaced as a whole so that nobody ever reads half of it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fleet.core.errors import Conflict, PermanentError

LOCK_SECONDS = 5.0
_PAUSE_SECONDS = 0.02


@contextmanager
def locked(config: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Be the only one who changes this file through Fleet, over all processes; the kernel lets go with the holder.

    The folder of the file is locked: the file itself is replaced, so a lock on it would be a lock on an old one.
    Raises Conflict FLT-CFG-104 after ``seconds``, PermanentError FLT-CFG-105 when the folder cannot be opened.
    """
    folder = config.resolve().parent
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise unwritable(folder, error) from error
    deadline = time.monotonic() + seconds
    try:
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise Conflict(
                    "FLT-CFG-104",
                    "somebody else is changing the configuration at this moment",
                    where=str(config),
                    hint="Look at what they changed (fleet config revisions), then try again.",
                )
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)


def digest_of(data: bytes, roles: Mapping[str, bytes] | None = None) -> str:
    """The hash by which a configuration is known, in hex: SHA-256 of the file's bytes.

    ``roles`` are the files of the repository's own roles by name; where there are any, they are part of it.
    """
    found = hashlib.sha256(data)
    for name, text in sorted((roles or {}).items()):
        found.update(f"\0{name}\0{len(text)}\0".encode())
        found.update(text)
    return found.hexdigest()


def replace_file(config: Path, data: bytes, *, expected: str) -> None:
    """Put new content in the file's place: the old file or the new one, after a crash at any moment.

    ``expected`` is the hash that is being replaced. Rights stay; where the path is a symbolic link, the file it
    leads to is replaced. Raises Conflict FLT-CFG-103 when the file is another one by now, PermanentError
    FLT-CFG-105 when the disk says no; nothing has changed then.
    """
    target = config.resolve()
    draft = ""
    try:
        facts = target.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid():
            raise PermanentError("FLT-CFG-105", "the configuration is not a plain file of yours", where=str(target))
        draft = _draft(target, data, stat.S_IMODE(facts.st_mode))
        if digest_of(target.read_bytes()) != expected:
            raise Conflict(
                "FLT-CFG-103",
                "the file was changed by an editor at this moment; nothing was written",
                where=str(config),
                hint="Look at it, then repeat the command.",
            )
        os.rename(draft, target)
        draft = ""
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        if draft:
            with suppress(OSError):
                os.unlink(draft)


def _draft(target: Path, data: bytes, mode: int) -> str:
    """The new content on disk, in the same folder, not yet in place."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    return name


def sync_folder(folder: Path) -> None:
    """Have what was renamed in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unwritable(place: Path, error: OSError) -> PermanentError:
    """The error for a disk that says no."""
    why = error.strerror or str(error)
    return PermanentError(
        "FLT-CFG-105",
        f"the configuration cannot be written: {why}",
        where=str(place),
        hint="Check rights and free space.",
    )
