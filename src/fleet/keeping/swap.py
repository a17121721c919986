"""Puts a prepared state folder in the place of the present one, so that a kill leaves the old or the new, never half.

A marker beside the folders says what is meant before the first rename and goes after the last; whoever finds
it finishes or rolls back by which folders are there. Only for the holder of the gate.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fleet.config.paths import FleetPaths
from fleet.core.errors import PermanentError
from fleet.core.probe import probe

Settled = Literal["", "finished", "rolled back"]


@dataclass(frozen=True, slots=True)
class _Marker:
    """What a restore means to do: two names beside the state folder."""

    incoming: str
    aside: str


def _free(path: Path) -> Path:
    """This name, or the first like it that nothing has: two restores may fall into one second."""
    names = (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000)))
    return next(name for name in names if not name.exists())


def swap(paths: FleetPaths, incoming: Path, word: str) -> Path | None:
    """Move the present state aside and the prepared one into its place; where the old one is, None if none was."""
    aside = _free(paths.state.with_name(f"{paths.fleet_id}.before-restore-{word}"))
    here = paths.state.parent
    os.sync()  # the prepared folder has to be on the disk before anything points to it
    draft = marker_of(paths).with_suffix(".new")
    with draft.open("w", encoding="ascii") as file:
        json.dump({"incoming": incoming.name, "aside": aside.name}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(marker_of(paths))
    _sync(here)
    probe("restore.marked")
    kept = paths.state.exists()
    if kept:
        paths.state.rename(aside)
        _sync(here)
    probe("restore.moved_aside")
    incoming.rename(paths.state)
    _sync(here)
    probe("restore.swapped")
    marker_of(paths).unlink()
    _sync(here)
    return aside if kept else None


def marker_of(paths: FleetPaths) -> Path:
    """The file that says a restore is under way."""
    return paths.state.with_name(f".{paths.fleet_id}.restore.json")


def gate_of(paths: FleetPaths) -> Path:
    """The lock that a restore and every start take, beside the state folder because that one is replaced."""
    return paths.state.with_name(f".{paths.fleet_id}.gate")


def settle(paths: FleetPaths) -> Settled:
    """Finish or roll back a restore that was killed, and remove what it left. Only for the holder of the gate.

    Raises PermanentError FLT-KEP-018 when the folders are not as any step would have left them.
    """
    marker = _read(paths)
    done: Settled = ""
    if marker is not None:
        done = _settle(paths, marker)
        marker_of(paths).unlink()
        _sync(paths.state.parent)
    for left_over in paths.state.parent.glob(f".{paths.fleet_id}.incoming-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    return done


def _settle(paths: FleetPaths, marker: _Marker) -> Settled:
    incoming, aside = (paths.state.with_name(name) for name in (marker.incoming, marker.aside))
    if paths.state.exists() and incoming.exists() and not aside.exists():
        return "rolled back"  # the first rename was still to come; the prepared folder goes with the rest
    if not paths.state.exists() and incoming.exists():
        incoming.rename(paths.state)  # it was checked before the marker was written
        return "finished"
    if paths.state.exists() and not incoming.exists():
        return "finished"
    raise PermanentError(
        "FLT-KEP-018",
        f"a restore was interrupted, and its folders are not as it left them: {marker.incoming}, {marker.aside}",
        where=str(paths.state),
        hint=f"Put the folder that you want in this place, then remove {marker_of(paths)}.",
    )


def _read(paths: FleetPaths) -> _Marker | None:
    """The marker; None when there is none. Raises PermanentError FLT-KEP-018 for one that is damaged."""
    try:
        found = json.loads(marker_of(paths).read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = {}
    names = [found.get(name) if isinstance(found, dict) else None for name in ("incoming", "aside")]
    if not all(isinstance(name, str) and name and "/" not in name and paths.fleet_id in name for name in names):
        raise PermanentError(
            "FLT-KEP-018",
            "the marker of an interrupted restore is damaged",
            where=str(marker_of(paths)),
            hint="Look at the folders beside it; put the one that you want in place, then remove the marker.",
        )
    return _Marker(str(names[0]), str(names[1]))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
