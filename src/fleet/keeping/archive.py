"""The file of a backup: a plain tar of a manifest and the parts that it names, each with size and SHA-256.

Reading trusts nothing: the manifest comes first, every member must be a plain file that it names, of the size
and hash that it says; no name leads out of the folder, no link is followed, nothing else may be there.
Weakness: the manifest is not signed; whoever can rewrite the file can rewrite all of it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from fleet.core.errors import NotFound, UsageError
from fleet.keeping.gauge import full
from fleet.keeping.git import damaged

FORMAT = "fleet-backup"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
STORE = "fleet.db"
REPOSITORY = "repo.bundle"
CONFIG = "config.yaml"
FOLDERS = ("artifacts", "audit")  # of the state, taken over as they are

_MANIFEST_LIMIT = 64 * 1024 * 1024
_PIECE = 1 << 20
_UNFINISHED = "artifacts/incoming/"
_SECRET = "signing.key"  # a backup travels, and the key that signs must not
_KEPT = re.compile(rf"(?:{'|'.join(FOLDERS)})(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NEEDED = (STORE, REPOSITORY, CONFIG)


@dataclass(frozen=True, slots=True)
class Part:
    """One file in a backup."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of. ``made_at`` in microseconds; ``first`` and ``head`` are hashes of journal entries."""

    fleet: str
    program: str
    made_at: int
    checkout: str
    schema: int
    entries: int
    head: str
    first: str
    refs: dict[str, str]
    parts: tuple[Part, ...]

    def as_dict(self) -> dict[str, Any]:
        """The manifest as it stands in the file."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}


def part_of(path: Path, name: str) -> Part:
    """Size and hash of a file."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        for piece in _pieces(file):
            digest.update(piece)
            size += len(piece)
    return Part(name, size, digest.hexdigest())


def write(target: Path, manifest: Manifest, sources: dict[str, Path]) -> None:
    """Write the tar, readable by its owner only, and wait for the disk. ``sources`` is the file of each part."""
    data = json.dumps(manifest.as_dict(), indent=1).encode("ascii")
    handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(_member(MANIFEST, len(data), manifest.made_at), io.BytesIO(data))
            for part in manifest.parts:
                with sources[part.name].open("rb") as source:
                    tar.addfile(_member(part.name, part.size, manifest.made_at), source)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int, at: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, at // 1_000_000, 0o600
    return info


def read(path: Path, folder: Path | None) -> Manifest:
    """Check every byte of a backup; with ``folder``, write its parts there (a new, empty folder).

    Raises NotFound FLT-KEP-010 when there is no such file, UsageError FLT-KEP-012 when it is no backup,
    IntegrityError FLT-KEP-011 when it is damaged.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            members = _members(tar)
            manifest = _manifest(tar, members)
            _parts(tar, members, manifest, folder)
            return manifest
    except OSError as error:
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            raise NotFound("FLT-KEP-010", "there is no such backup", where=str(path)) from error
        if error.errno == errno.ENOSPC:
            raise full(folder or path) from error
        raise damaged(error.strerror or str(error)) from error
    except tarfile.ReadError as error:
        raise UsageError("FLT-KEP-012", f"this is no backup of Fleet: {error}", where=str(path)) from error
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise damaged(str(error)) from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members in order, each a plain file. A file that was cut off ends too early or cannot be read."""
    while True:
        member = tar.next()
        if member is None:
            return
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise damaged(f"{member.name[:200]!r} in it is no plain file")
        yield member


def _manifest(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> Manifest:
    first = next(members, None)
    if first is None or first.name != MANIFEST or first.size > _MANIFEST_LIMIT:
        raise UsageError("FLT-KEP-012", "this is no backup of Fleet: it does not begin with a manifest")
    file = tar.extractfile(first)
    assert file is not None
    found = json.loads(file.read())
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UsageError("FLT-KEP-012", "this is no backup of Fleet: its manifest is of something else")
    if found.get("format_version") != FORMAT_VERSION:
        raise UsageError(
            "FLT-KEP-012",
            f"this backup has format {found.get('format_version')!r}, this program knows {FORMAT_VERSION}",
            hint="Restore it with the program that made it, or a newer one.",
        )
    return _checked(found)


def _checked(found: dict[str, Any]) -> Manifest:
    """The manifest's fields, each of its type. Raises ValueError for anything else."""
    texts = {name: _typed(found, name, str) for name in ("fleet", "program", "checkout", "head", "first")}
    numbers = {name: _typed(found, name, int) for name in ("made_at", "schema", "entries")}
    refs, listed = _typed(found, "refs", dict), _typed(found, "parts", list)
    if not all(isinstance(name, str) and isinstance(sha, str) for name, sha in refs.items()):
        raise ValueError("its manifest names refs that are none")
    parts = tuple(
        Part(_typed(row, "name", str), _typed(row, "size", int), _typed(row, "sha256", str))
        for row in listed
        if isinstance(row, dict)
    )
    _check_names([part.name for part in parts], len(listed))
    if any(part.size < 0 or not _DIGEST.fullmatch(part.sha256) for part in parts):
        raise ValueError("its manifest names a part without size or hash")
    return Manifest(**texts, **numbers, refs=refs, parts=parts)


def _check_names(names: Sequence[str], expected: int) -> None:
    wrong = [name for name in names if name not in _NEEDED and not fits(name)]
    if wrong or len(set(names)) != expected or not set(_NEEDED) <= set(names):
        odd = wrong[0] if wrong else "a part that is missing or there twice"
        raise ValueError(f"its manifest names {odd[:200]!r}")


def fits(name: str) -> bool:
    """Whether a file of one of the folders may be part of a backup: a plain name, nothing unfinished, no secret."""
    unfinished = name.startswith(_UNFINISHED)
    return bool(_KEPT.fullmatch(name)) and not unfinished and not name.rpartition("/")[2].startswith(_SECRET)


def _typed(found: dict[str, Any], name: str, kind: type) -> Any:
    value = found.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"its manifest lacks {name}")
    return value


def _parts(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], manifest: Manifest, folder: Path | None) -> None:
    left = {part.name: part for part in manifest.parts}
    for member in members:
        part = left.pop(member.name, None)
        if part is None:
            raise damaged(f"{member.name[:200]!r} is in it, and its manifest does not name that")
        source = tar.extractfile(member)
        assert source is not None
        if _take(source, None if folder is None else folder / part.name) != (part.size, part.sha256):
            raise damaged(f"{part.name} in it is not what it was when the backup was made")
    if left:
        raise damaged(f"it was cut off: {', '.join(sorted(left)[:5])} is missing")


def _take(source: IO[bytes], target: Path | None) -> tuple[int, str]:
    """Read a part to its end, into a new file if there is a target; its size and hash."""
    digest = hashlib.sha256()
    size = 0
    file: IO[bytes] | None = None
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        file = os.fdopen(handle, "wb")
    try:
        for piece in _pieces(source):
            digest.update(piece)
            size += len(piece)
            if file is not None:
                file.write(piece)
    finally:
        if file is not None:
            file.close()
    return size, digest.hexdigest()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
