"""The disk below a state folder: its kind by the mount table, its free space, what the fleet uses of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fleet.config.paths import FleetPaths
from fleet.config.sections import KeepingConfig
from fleet.health.words import Disk
from fleet.policy.disk import floor_bytes

_MOST_FILES = 20_000  # a folder with more is measured in part: a look must not take minutes


def disk(paths: FleetPaths, limits: KeepingConfig) -> Disk:
    """The disk that the state folder is on, or will be on."""
    there = paths.state
    while not there.exists():
        there = there.parent
    space = os.statvfs(there)
    total = space.f_blocks * space.f_frsize
    kind, source = mount_of(os.path.realpath(there), _mounts())
    return Disk(
        path=str(there),
        kind=kind,
        source=source,
        free=space.f_bavail * space.f_frsize,
        total=total,
        floor=floor_bytes(total, low_mb=limits.low_disk_mb, low_percent=limits.low_disk_percent),
        inodes_free=space.f_favail,
        inodes=space.f_files,
        used=used(paths),
    )


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def mount_of(path: str, table: str) -> tuple[str, str]:
    """Type and source of the file system that a path is on, by the text of mountinfo; ("unknown", "") without."""
    best, found = -1, ("unknown", "")
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, facts = before.split(), after.split()
        if len(fields) < 5 or len(facts) < 2:
            continue
        point = _plain(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # a later line hides an earlier one at the same point
        if inside and len(point) >= best:
            best, found = len(point), (facts[0], _plain(facts[1]))
    return found


def _plain(text: str) -> str:
    """A field of the mount table with its octal escapes resolved."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def used(paths: FleetPaths) -> dict[str, int]:
    """Bytes on disk by part of the state folder; nothing for a part that is not there."""
    database = paths.database
    parts = {
        "database": [database],
        "journal to be merged": [database.with_name(database.name + "-wal")],
        "repository": [paths.bare],
        "runs": [paths.runs],
        "clones": [paths.clones],
        "log": [paths.log, paths.log.with_name(paths.log.name + ".1")],
        "backups": [paths.state / "backups"],
    }
    sizes = {name: sum(_size(path) for path in found) for name, found in parts.items()}
    return {name: size for name, size in sizes.items() if size}


def _size(path: Path) -> int:
    """Bytes that a file or a folder takes on disk; what vanishes meanwhile counts nothing."""
    total, left, todo = 0, _MOST_FILES, [str(path)]
    while todo and left > 0:
        here = todo.pop()
        left -= 1
        try:
            facts = os.lstat(here)
            total += facts.st_blocks * 512
            if stat.S_ISDIR(facts.st_mode):
                todo += [entry.path for entry in os.scandir(here)]
        except OSError:
            continue
    return total
