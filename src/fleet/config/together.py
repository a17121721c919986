"""Several files of .fleet/ replaced as one: readers see all of the old ones or all of the new ones, after any crash.

The new contents go into a note first, and the note's coming into place is the change: whoever reads while it lies there
goes by it. Then the files follow, and the note goes. Whoever was killed in between is finished by the next change or
start. Weakness: an editor that saves one of the files while a note lies there makes the note void.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fleet.config.configfile import digest_of, sync_folder, unwritable
from fleet.config.kinds import NAME_PATTERN
from fleet.core.errors import Conflict
from fleet.core.probe import probe

NOTE = ".together"
_NAMES = re.compile(rf"config\.yaml|roles/(?:{NAME_PATTERN.strip('^$')})\.yaml")  # of files that a note may speak of
_MODE = 0o644

# A file by its path below .fleet/: what is there and what is to be there; None = no file.
Replacement = Mapping[str, tuple[bytes | None, bytes | None]]


def replace_together(settings: Path, files: Replacement) -> None:
    """Put these in place of what is there; ``settings`` is the .fleet/ folder, for whose holder of the lock this is.

    Raises Conflict FLT-CFG-103 when a file is another one by now, PermanentError FLT-CFG-105 when the disk says no;
    nothing has changed then.
    """
    settle(settings)
    folder = settings.resolve()
    for name, (old, _) in files.items():
        if _bytes(folder / name) != old:
            raise Conflict(
                "FLT-CFG-103",
                "the file was changed by an editor at this moment; nothing was written",
                where=f".fleet/{name}",
                hint="Look at it, then repeat the command.",
            )
    meant = {
        name: {"old": None if old is None else digest_of(old), "new": None if new is None else new.decode("utf-8")}
        for name, (old, new) in files.items()
    }
    note = {"folder": _place_of(folder), "files": meant}
    try:
        _put(folder / NOTE, json.dumps(note).encode(), 0o600)
    except OSError as error:
        raise unwritable(folder, error) from error
    probe("config.noted")
    settle(settings)


def settle(settings: Path) -> None:
    """Finish what a note says. Raises PermanentError FLT-CFG-105; the note stays then, and readers go by it."""
    folder = settings.resolve()
    meant = noted(folder)
    try:
        for name, new in (meant or {}).items():
            _bring(folder / name, new)
            probe("config.brought")
        (folder / NOTE).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def noted(settings: Path) -> Mapping[str, bytes | None] | None:
    """What a note says that the files are; None where there is none, or somebody saved one of them since."""
    folder = settings.resolve()
    found: dict[str, bytes | None] = {}
    for name, one in _note(folder).items():
        new = None if one["new"] is None else one["new"].encode("utf-8")
        there = _bytes(folder / name)
        if there != new and (None if there is None else digest_of(there)) != one["old"]:
            return None
        found[name] = new
    return found or None


def _note(folder: Path) -> dict[str, dict[str, str | None]]:
    """The note that lies in a folder, if it was written there by this user: git brings none, and no copy is one."""
    try:
        facts = os.lstat(folder / NOTE)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid():
            return {}
        note = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(note, dict) or note.get("folder") != _place_of(folder) or not isinstance(note.get("files"), dict):
        return {}
    files = {name: one for name, one in note["files"].items() if _NAMES.fullmatch(name) and isinstance(one, dict)}
    words = {name: {key: one.get(key) for key in ("old", "new")} for name, one in files.items()}
    whole = all(word is None or isinstance(word, str) for one in words.values() for word in one.values())
    return words if whole else {}


def _place_of(folder: Path) -> list[int]:
    """What tells this folder from every copy of it."""
    facts = folder.stat()
    return [facts.st_dev, facts.st_ino]


def write_beside(place: Path, data: bytes) -> None:
    """Write a file of .fleet/ that nobody reads by itself. Raises PermanentError FLT-CFG-105."""
    try:
        _put(place, data, _MODE)
    except OSError as error:
        raise unwritable(place, error) from error


def _bring(place: Path, new: bytes | None) -> None:
    if new is None:
        place.unlink(missing_ok=True)
        return
    place = place.resolve()
    if _bytes(place) != new:
        place.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            _put(place, new, stat.S_IMODE(place.stat().st_mode))
            return
        _put(place, new, _MODE)


def _put(place: Path, data: bytes, mode: int) -> None:
    """Write beside it, then rename, with everything on the disk before that."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.rename(draft, place)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise
    sync_folder(place.parent)


def _bytes(place: Path) -> bytes | None:
    """A file's bytes; None where none is, or it is nothing that could be read."""
    try:
        return place.read_bytes() if place.is_file() else None
    except OSError:
        return None
