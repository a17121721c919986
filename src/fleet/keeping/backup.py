"""A backup while the fleet works: store, repository, artifacts and configuration as one file that fits together.

The store is copied first and the repository after it, as a crash would leave them: git is never behind the
store, and what git is ahead is what recovery completes. The file is read back before it gets its name.
Run folders and clones are not in it; what they held that matters is in the escrow.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fleet import __version__
from fleet.audit.verify import verify_journal
from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND, Clock
from fleet.core.errors import Conflict, FleetError, IntegrityError, PermanentError, UsageError
from fleet.core.probe import probe
from fleet.keeping import archive
from fleet.keeping.archive import CONFIG, FOLDERS, REPOSITORY, STORE, Manifest, Part
from fleet.keeping.gauge import full, require_space
from fleet.keeping.git import all_refs, bundle
from fleet.store import whole
from fleet.store.open import open_read_only
from fleet.store.whole import Identity

_QUIET_TRIES = 3

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, how much there is


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup: where it is, its size in bytes, and what is in it."""

    path: Path
    size: int
    manifest: Manifest
    seconds: float


def silent(_what: str, _done: int, _all: int) -> None:
    """Progress that nobody watches."""


def target_of(paths: FleetPaths, wanted: Path | None, now: int) -> Path:
    """The file to write: a name of its own in a folder, or the name that was given.

    Without a wish it goes beside the state folder, where a restore does not move it away. Raises Conflict
    FLT-KEP-013 when the file is there, UsageError FLT-KEP-012 when its folder is not.
    """
    folder = paths.state.parent / "backups" if wanted is None else wanted
    if wanted is None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{paths.fleet_id}-{stamp(now)}.tar" if folder.is_dir() else folder
    if not target.parent.is_dir():
        raise UsageError("FLT-KEP-020", "there is no such folder to write to", where=str(target.parent))
    if target.exists():
        hint = "A backup replaces nothing: choose another name, or a folder."
        raise Conflict("FLT-KEP-013", "this file is there already", where=str(target), hint=hint)
    return target.absolute()


def make(paths: FleetPaths, loaded: LoadedConfig, target: Path, *, clock: Clock, progress: Progress = silent) -> Made:
    """Make a backup in a new file. The caller sees to it that nothing is cleared away meanwhile.

    Raises Refused FLT-KEP-003 when it would fill the disk, IntegrityError when the store or the repository is not
    whole: a backup that cannot be restored is none.
    """
    started = clock.monotonic()
    clear_leavings(paths, target.parent)
    require_space(target.parent, 2 * _size_of(paths), loaded.config.keeping, "the backup")
    try:
        with tempfile.TemporaryDirectory(prefix=_prefix(paths), dir=target.parent) as scratch:
            manifest, sources = _gather(paths, loaded, Path(scratch), clock.now(), progress)
            draft = Path(scratch) / "backup.tar"
            progress("writing", 0, 1)
            archive.write(draft, manifest, sources)
            progress("reading back", 0, 1)
            if archive.read(draft, None) != manifest:
                raise IntegrityError("FLT-KEP-011", "the backup reads differently from what was written")
            probe("backup.written")
            _name(draft, target)
    except OSError as error:
        raise _unwritten(target, error) from error
    return Made(target, target.stat().st_size, manifest, clock.monotonic() - started)


def _copy_both(paths: FleetPaths, sources: dict[str, Path], progress: Progress) -> dict[str, str]:
    """Copy the store, then the repository; the refs. Again, a few times, when a ref moved in between.

    If one always does, the copies are as a crash would leave them: recovery completes that.
    """
    refs: dict[str, str] = {}
    for _ in range(_QUIET_TRIES):
        for name in (STORE, REPOSITORY):
            sources[name].unlink(missing_ok=True)
        before = all_refs(paths.bare)
        whole.copy_to(paths.database, sources[STORE], lambda done, pages: progress("copying the store", done, pages))
        progress("copying the repository", 0, 1)
        refs = bundle(paths.bare, sources[REPOSITORY])
        if refs == before:
            break
    return refs


def clear_leavings(paths: FleetPaths, folder: Path) -> None:
    """Remove what backups of this fleet that were killed left in a folder."""
    for left_over in folder.glob(_prefix(paths) + "*"):
        shutil.rmtree(left_over, ignore_errors=True)


def _gather(
    paths: FleetPaths, loaded: LoadedConfig, scratch: Path, now: int, progress: Progress
) -> tuple[Manifest, dict[str, Path]]:
    """The parts as files, the store first, and the manifest that describes them."""
    sources = {STORE: scratch / STORE, REPOSITORY: scratch / REPOSITORY, CONFIG: scratch / CONFIG}
    refs = _copy_both(paths, sources, progress)
    sources[CONFIG].write_bytes(loaded.text)
    progress("verifying the journal", 0, 1)
    about = verified(sources[STORE])
    sources |= _kept_as_they_are(paths)
    parts: list[Part] = []
    for number, (name, file) in enumerate(sources.items()):
        progress("hashing", number, len(sources))
        parts.append(archive.part_of(file, name))
    manifest = Manifest(
        fleet=paths.fleet_id,
        program=__version__,
        made_at=now,
        checkout=str(paths.checkout),
        schema=about.schema,
        entries=about.entries,
        head=about.head,
        first=about.first,
        refs=refs,
        parts=tuple(parts),
    )
    return manifest, sources


def verified(copy: Path) -> Identity:
    """What a copied store is, after every page and the whole journal were checked. Raises IntegrityError."""
    db = open_read_only(copy)
    try:
        db.read(whole.check_pages)
        found = verify_journal(db)
        if found.fault is not None:
            what = f"entry {found.fault.seq} of its journal {found.fault.what}"
            raise IntegrityError("FLT-KEP-011", what, where=str(copy), hint="See: fleet audit verify")
        return db.read(whole.identity)
    finally:
        db.close()


def _kept_as_they_are(paths: FleetPaths) -> dict[str, Path]:
    """The finished files of artifacts and audit by their names in the backup: no drafts, no links, no private key."""
    files = (file for folder in FOLDERS for file in sorted((paths.state / folder).rglob("*")))
    named = {
        file.relative_to(paths.state).as_posix(): file for file in files if not file.is_symlink() and file.is_file()
    }
    return {name: file for name, file in named.items() if archive.fits(name)}


def _size_of(paths: FleetPaths) -> int:
    """Bytes that store, repository and artifacts take now."""
    return sum(
        file.stat().st_size
        for place in (paths.database, paths.bare / "objects", *(paths.state / folder for folder in FOLDERS))
        for file in (place.rglob("*") if place.is_dir() else (place,))
        if file.is_file()
    )


def _name(draft: Path, target: Path) -> None:
    """Give the finished file its name, unless somebody else has taken that meanwhile."""
    try:
        os.link(draft, target)
    except FileExistsError as error:
        raise Conflict("FLT-KEP-013", "this file is there already", where=str(target)) from error
    except PermissionError:  # a file system without links, such as that of a memory stick
        draft.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritten(target: Path, error: OSError) -> FleetError:
    if error.errno == errno.ENOSPC:
        return full(target.parent)
    text = f"the backup cannot be written: {error.strerror or error}"
    return PermanentError("FLT-KEP-021", text, where=str(target.parent), hint="Check rights, or choose another folder.")


def _prefix(paths: FleetPaths) -> str:
    return f".{paths.fleet_id}-backup-"


def stamp(now: int) -> str:
    """An instant as it stands in file names, in UTC."""
    return datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
