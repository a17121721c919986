"""Bringing commits in from a repository that an agent may have written to, without running git there.

Takes the folder of an agent's clone and a commit id, gives the objects in the bare repository. Nothing of
the clone but its object files is looked at: no configuration, hooks, attributes, refs, alternates or
grafts. A throw-away repository of ours borrows those files, and git fetches from that one, which hashes
and examines every object on arrival.

Weakness: between the look for planted links and git's reading, a hostile process of a foreign user could
exchange an object file for a link to one that only the fleet's user can read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleet.core.errors import NotFound, PermanentError, Refused
from fleet.forge.gitrepo import Repo, check_sha, fetch, is_commit

STAGES = "fleet-stage"  # folder in the bare repository
TIMEOUT = 120.0
_HEX = frozenset("0123456789abcdef")
_CONFIG = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = {}\n"


def take_in(bare: Repo, source: Path, sha: str) -> None:
    """Copy a commit and what it needs from ``source``; moves no ref.

    Raises NotFound FLT-FRG-019 when the commit is not there, Refused FLT-FRG-018 when the folder is not a
    plain repository, Refused FLT-FRG-030 when an object is missing or malformed.
    """
    with _stage(bare, source, sha) as stage:
        try:
            fetch(bare, stage.path, "refs/heads/push", strict=True, timeout=TIMEOUT)
        except PermanentError as error:
            if not is_commit(stage, sha):
                raise no_commit(sha, source) from error
            raise Refused(
                "FLT-FRG-030",
                f"git does not take the objects of this commit: {error.message}",
                where=f"{sha[:12]} {source}",
                hint="Make the commit again with plain git commands, in an ordinary clone.",
            ) from error
    if not is_commit(bare, sha):
        raise no_commit(sha, source)


def no_commit(sha: str, source: Path) -> NotFound:
    """The error for an id that names no commit in the repository it is to come from."""
    return NotFound("FLT-FRG-019", "no such commit in the repository it is to come from", where=f"{sha[:12]} {source}")


def take_from_checkout(bare: Repo, checkout: Path, sha: str) -> None:
    """Copy a commit from the person's own repository, which may be laid out as the person likes.

    Raises NotFound FLT-FRG-019 when it is not there.
    """
    if not is_commit(Repo(checkout), sha):
        raise no_commit(sha, checkout)
    fetch(bare, checkout, sha)


def clear_stages(bare: Path, now: float) -> None:
    """Remove what killed pushes left behind; one that may still be at work is let be.

    ``now`` is the file system's time in seconds.
    """
    for stage in (bare / STAGES).glob("*"):
        with suppress(FileNotFoundError):
            if now - stage.lstat().st_mtime > 2 * TIMEOUT:
                shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _stage(bare: Repo, source: Path, sha: str) -> Iterator[Repo]:
    """A repository of ours whose object folders are links into the source's; gone afterwards."""
    objects = _object_folder(source)
    home = bare.path / STAGES
    home.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="push-", dir=home))
    try:
        (path / "refs" / "heads").mkdir(parents=True)
        (path / "objects" / "info").mkdir(parents=True)
        for folder in _plain_folders(objects):
            (path / "objects" / folder.name).symlink_to(folder)
        # Relative to the object folder: stage/objects -> bare/objects, where the clone borrows from as well.
        (path / "objects" / "info" / "alternates").write_text("../../../objects\n")
        (path / "HEAD").write_text("ref: refs/heads/push\n")
        (path / "refs" / "heads" / "push").write_text(check_sha(sha) + "\n")
        (path / "config").write_text(_CONFIG.format("sha256" if len(sha) == 64 else "sha1"))
        yield Repo(path, bare=True)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _object_folder(source: Path) -> Path:
    """Where a clone (or bare repository) keeps its objects; every step must be a real folder."""
    source = source.absolute()
    inner = source / ".git"
    place = inner if os.path.lexists(inner) else source
    for folder in (source, place, place / "objects"):
        if folder.is_symlink() or not folder.is_dir():
            raise _not_plain(folder, "is not a plain folder of a git repository")
    return place / "objects"


def _plain_folders(objects: Path) -> Iterator[Path]:
    """The fan-out folders and the pack folder, once everything in them is a plain file."""
    with os.scandir(objects) as entries:
        names = [entry.name for entry in entries if entry.name == "pack" or _is_fan_out(entry.name)]
    for name in names:
        folder = objects / name
        if folder.is_symlink() or not folder.is_dir():
            raise _not_plain(folder, "is not a plain folder")
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    raise _not_plain(folder / entry.name, "is not a plain file")
        yield folder


def _is_fan_out(name: str) -> bool:
    return len(name) == 2 and set(name) <= _HEX


def _not_plain(path: Path, what: str) -> Refused:
    return Refused("FLT-FRG-018", f"this {what}", where=str(path), hint="Push from an ordinary clone.")
