"""Writes what a session reads at its start into its run folder: brief, handbook, git configuration, capability, home.

Every file is replaced as a whole and may be written again for the same session. The secret is in the file
only: never in an argument list, never in an environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from fleet.core.errors import TemporaryError
from fleet.runtime.brief import Places
from fleet.runtime.vendors.port import VendorLaunch


def write_launch_files(
    places: Places,
    *,
    brief: Mapping[str, object],
    handbook: str,
    gitconfig: str,
    secret: str,
    vendor: VendorLaunch,
) -> None:
    """Make the run folder (mode 0700) with everything in it that the agent reads.

    What the vendor wants there comes with it. Raises TemporaryError FLT-RUN-010 when the disk says no.
    """
    try:
        places.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (places.folder, places.home, places.tmp):
            folder.mkdir(exist_ok=True, mode=0o700)
        _replace(places.brief, json.dumps(brief, indent=1).encode("ascii"), 0o600)
        _replace(places.handbook, handbook.encode("utf-8"), 0o400)
        _replace(places.gitconfig, gitconfig.encode("utf-8"), 0o600)
        _replace(places.capability, secret.encode("ascii"), 0o400)
        for files, mode in ((vendor.files, 0o600), (vendor.secret_files, 0o400)):
            for name, content in files.items():
                _replace(_inside(places.folder, name), content, mode)
        for name, target in vendor.links.items():
            link = _inside(places.folder, name)
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    except OSError as error:
        raise TemporaryError(
            "FLT-RUN-010",
            f"the files of a session cannot be written: {error.strerror or error}",
            where=str(places.folder),
            hint="Is the disk full, or the state folder not yours?",
        ) from error


def _inside(folder: Path, name: str) -> Path:
    """The place of a file, with the folders on the way to it."""
    path = folder / name
    if path.parent != folder:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write beside the target and rename, so that nobody ever reads half a file."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
