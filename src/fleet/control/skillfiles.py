"""Writes skills where a person said. Each file is replaced as a whole; what somebody else wrote is left alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.config.roles import Role
from fleet.core.errors import Conflict, PermanentError
from fleet.runtime.skills import MARK, PLUGIN, Skill, skill_files, skills

__all__ = ["Installed", "Skill", "install", "skills"]


@dataclass(frozen=True, slots=True)
class Installed:
    """What was, or would be, done to each file, by its name below the folder."""

    folder: Path
    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def install(target: Path, *, role: Role | None = None, as_plugin: bool = False, dry_run: bool = False) -> Installed:
    """Put the skills into a folder, which is made if need be.

    Raises Conflict FLT-CFG-131 when a file of another author is in the way, PermanentError FLT-CFG-132 when the disk
    says no; nothing is written after the first.
    """
    files = skill_files(role, as_plugin=as_plugin)
    try:
        before = {name: _content(target / name) for name in files}
        foreign = next((name for name in files if not _ours(name, before[name], files)), None)
        if foreign is not None:
            hint = "Move it away, or take another --target."
            raise Conflict("FLT-CFG-131", "this file was not written by Fleet", where=str(target / foreign), hint=hint)
        written = tuple(sorted(name for name, data in files.items() if before[name] != data))
        for name in written if not dry_run else ():
            _replace(target / name, files[name])
    except OSError as error:
        reason = error.strerror or str(error)
        raise PermanentError("FLT-CFG-132", f"the skills cannot be written: {reason}", where=str(target)) from error
    return Installed(target, written, tuple(sorted(set(files) - set(written))))


def _content(path: Path) -> bytes | None:
    """What is there; None for nothing. A link or folder counts as somebody else's."""
    if not os.path.lexists(path):
        return None
    return b"" if path.is_symlink() or not path.is_file() else path.read_bytes()


def _ours(name: str, before: bytes | None, files: Mapping[str, bytes]) -> bool:
    """Whether a file may be replaced: it is not there, is the same, or carries our mark."""
    mark = b'"name": "fleet"' if name == PLUGIN else MARK.encode()
    return before is None or before == files[name] or mark in before


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".fleet.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(draft, 0o644)
    os.replace(draft, path)
