"""Contents of artifacts: files named by their SHA-256, received in pieces, whole or not there.

``artifacts/ab/abcd…`` holds a content, ``artifacts/incoming/`` what is being received. A content is written to the
disk and renamed before anything names it, so a crash leaves a file that nobody names and the next start removes;
never a name without its file. Only the daemon opens these files: agents send and ask for bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from fleet.core.errors import Conflict, IntegrityError, Refused, TemporaryError, UsageError

READ_PIECE = 4 * 1024 * 1024  # bytes given in one answer
MOST_INCOMING = 16  # contents being received at once, of everybody
MOST_OF_ONE = 4  # the same, of one sender
_STALE_SECONDS = 3600.0  # after this silence what was being received is let go
_BLOCK = 1024 * 1024


class Contents:
    """The folder of one fleet's contents. Threads may share it; whoever names a content holds a lock around."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when first needed."""
        self._folder = folder
        self._incoming = folder / "incoming"

    def path(self, sha256: str) -> Path:
        """Where a content lies."""
        return self._folder / sha256[:2] / sha256

    # -- receiving -----------------------------------------------------------------------------

    def begin(self, sender: str, upload: str) -> None:
        """Make room to receive one content; ``sender`` is a plain name, ``upload`` a fresh one.

        Raises Refused FLT-FAB-136 when too many are under way, TemporaryError FLT-FAB-137 when the disk says no.
        """
        try:
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            place = self._place(sender, upload)
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            others = self._others(place)
            of_one = [one for one in others if one.name.startswith(f"{sender}.")]
            if len(others) < MOST_INCOMING and len(of_one) < MOST_OF_ONE:
                return
            place.unlink()
        except OSError as error:
            raise self._trouble(error) from error
        raise Refused("FLT-FAB-136", "too many artifacts are being received", hint="Let the others end first.")

    def _others(self, place: Path) -> list[Path]:
        """What else is being received; what has been silent for long is let go. The new file's time is now."""
        now = place.stat().st_mtime
        others = []
        for one in self._incoming.iterdir():
            if one == place:
                continue
            try:
                silent = now - one.stat().st_mtime
            except FileNotFoundError:
                continue
            if silent > _STALE_SECONDS:
                one.unlink(missing_ok=True)
            else:
                others.append(one)
        return others

    def add(self, sender: str, upload: str, offset: int, data: bytes, *, most: int) -> int:
        """Append a piece; how many bytes there are now.

        Raises UsageError FLT-FAB-131 above ``most`` bytes, Conflict FLT-FAB-133 for a piece out of its turn or
        an upload that is not there, TemporaryError FLT-FAB-137.
        """
        place = self._place(sender, upload)
        if offset + len(data) > most:
            self.drop(sender, upload)
            raise too_large(most)
        try:
            handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise self._lost(upload) from error
        try:
            with open(handle, "ab") as file:
                if os.fstat(handle).st_size != offset:
                    raise self._lost(upload)
                file.write(data)
        except OSError as error:
            raise self._trouble(error) from error
        return offset + len(data)

    def seal(self, sender: str, upload: str, sha256: str) -> int:
        """What was received becomes the content of this hash, on the disk; its size.

        The same content that is there already is replaced, so that a damaged one is mended. Raises UsageError
        FLT-FAB-134 when the bytes have another hash, Conflict FLT-FAB-133, TemporaryError FLT-FAB-137.
        """
        place, target = self._place(sender, upload), self.path(sha256)
        try:
            found, size = _digest(place)
            if found != sha256:
                place.unlink()
                raise UsageError("FLT-FAB-134", "the content that arrived has another hash", hint="Send it again.")
            target.parent.mkdir(exist_ok=True, mode=0o700)
            _sync(place)
            place.replace(target)
            for folder in (target.parent, self._folder):
                _sync(folder)
        except FileNotFoundError as error:
            raise self._lost(upload) from error
        except OSError as error:
            raise self._trouble(error) from error
        return size

    def drop(self, sender: str, upload: str) -> None:
        """Let go of what was received so far."""
        self._place(sender, upload).unlink(missing_ok=True)

    # -- giving --------------------------------------------------------------------------------

    def check(self, sha256: str) -> None:
        """Read a content through. Raises IntegrityError FLT-FAB-135 when it is gone or not what its name says."""
        try:
            found, _ = _digest(self.path(sha256))
        except OSError as error:
            raise self._damaged(sha256, error.strerror or str(error)) from error
        if found != sha256:
            raise self._damaged(sha256, "its bytes have another hash")

    def read(self, sha256: str, offset: int) -> bytes:
        """At most ``READ_PIECE`` bytes from ``offset`` on. Raises IntegrityError FLT-FAB-135 when it is gone."""
        try:
            with self.path(sha256).open("rb") as file:
                file.seek(offset)
                return file.read(READ_PIECE)
        except OSError as error:
            raise self._damaged(sha256, error.strerror or str(error)) from error

    def remove(self, sha256: str) -> None:
        """Delete a content that nothing names any more."""
        self.path(sha256).unlink(missing_ok=True)

    def sweep(self, named: Set[str]) -> int:
        """Remove contents that nothing names, and what was being received. Only while nobody calls; how many.

        A file that cannot be removed stays and harms nobody.
        """
        gone = 0
        for file in self._folder.glob("*/*"):
            if file.parent == self._incoming or file.name not in named:
                with suppress(OSError):
                    file.unlink()
                    gone += 1
        return gone

    # -- small things --------------------------------------------------------------------------

    def _place(self, sender: str, upload: str) -> Path:
        return self._incoming / f"{sender}.{upload}"

    def _lost(self, upload: str) -> Conflict:
        return Conflict(
            "FLT-FAB-133", "this upload is not where the call thinks it is", where=upload, hint="Begin again."
        )

    def _trouble(self, error: OSError) -> TemporaryError:
        return TemporaryError(
            "FLT-FAB-137",
            f"the content cannot be kept: {error.strerror or error}",
            where=str(self._folder),
            hint="Is the disk full, or the state folder not yours?",
        )

    def _damaged(self, sha256: str, why: str) -> IntegrityError:
        return IntegrityError(
            "FLT-FAB-135",
            f"the content of this artifact is damaged: {why}",
            where=str(self.path(sha256)),
            hint="Restore the file from a backup, or put the artifact again.",
        )


def too_large(most: int) -> UsageError:
    """The refusal of a content above the limit."""
    return UsageError(
        "FLT-FAB-131",
        f"an artifact has at most {most} bytes",
        hint="Raise fabric.artifact_bytes in .fleet/config.yaml, or put large content into the repository.",
    )


def _digest(path: Path) -> tuple[str, int]:
    """Hash and size of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
