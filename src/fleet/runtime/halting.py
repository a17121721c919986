"""Ends every session of a fleet from outside, with or without its daemon: the halt's file, and the processes.

Finds sessions by their run folders and /proc alone. Each shim is asked to freeze, save and end, as always; what has
not ended in time is frozen and killed, and its clone stays, so that the next start of the daemon saves the work.
Weakness: that of the shims' records, which belong to the same user as the agents.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.config.paths import FleetPaths
from fleet.runtime import proctree, records
from fleet.runtime.sessions import MARKER

ASK_SECONDS = 6.0  # for shims to freeze, save and end by themselves
FREEZE_SECONDS = 0.5  # for what did not end to stand still
END_SECONDS = 1.5  # for what is killed to be gone: once for the shims, once for all else
MOST_SECONDS = ASK_SECONDS + FREEZE_SECONDS + 2 * END_SECONDS  # promised are ten
_PAUSE = 0.02

Shim = tuple[int, int]  # pid and start time


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the sessions, by name: ended with their work saved, or killed; and pids that would not end."""

    ended: tuple[str, ...]
    killed: tuple[str, ...]
    survivors: tuple[int, ...]


def write_halt(state: Path, halt_id: str, by: str, reason: str, at: int) -> None:
    """Put the halt on the disk, where daemon and shims look. One that lies there already stays as it is."""
    if read_halt(state) is None:
        record = {"id": halt_id, "by": by, "reason": reason, "at": at}
        records.write(os.fspath(state), records.HALT, record, durable=True)


def read_halt(state: Path) -> records.Record | None:
    """The halt that lies on the disk, None when there is none. A file that is not whole is a halt all the same."""
    found = records.read(os.fspath(state), records.HALT)
    if found is None:
        return None
    if isinstance(found.get("id"), str) and found["id"]:
        return found
    return {"id": "unreadable", "by": "", "reason": "its file cannot be read", "at": 0}


def end_everything(paths: FleetPaths) -> Ended:
    """End all sessions; returns once nothing of them runs, in less than ten seconds."""
    asked: dict[str, Shim] = {}
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        living = dict(_living(paths.runs))
        for session, shim in living.items():
            if session not in asked:
                _ask(paths.runs / session, shim)
        asked |= living
        if not living or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE)
    killed, survivors = _kill(paths.runs, living)
    ended = tuple(sorted(asked.keys() - set(killed)))
    return Ended(ended, killed, survivors)


def _living(runs: Path) -> Iterator[tuple[str, Shim]]:
    """Sessions whose shim lives."""
    for folder in sorted(runs.glob("*-e*")):
        started = records.read(os.fspath(folder), records.STARTED) or {}
        pid, start = started.get("pid"), started.get("start")
        if started.get("boot") != proctree.boot_id() or not isinstance(pid, int) or not isinstance(start, int):
            continue
        if proctree.is_alive(pid, start):
            yield folder.name, (pid, start)


def _ask(folder: Path, shim: Shim) -> None:
    """Ask a shim for the end as the runtime does; one that was stopped goes on, to do so."""
    halt = read_halt(folder.parent.parent) or {}
    reason = f"the fleet was halted by {halt.get('by') or 'somebody'}: {halt.get('reason', '')}"
    if records.read(os.fspath(folder), records.STOP) is None:
        records.write(os.fspath(folder), records.STOP, {"reason": reason})
    for number in (signal.SIGTERM, signal.SIGCONT):
        proctree.send(proctree.Process(shim[0], 0, shim[1], ""), number)


def _kill(runs: Path, living: dict[str, Shim]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Freeze and kill what did not end, and what a killed shim left; the sessions, and pids that would not die."""
    lost = _lost(runs, living)
    if not living and not lost:
        return (), ()
    pids = [pid for pid, _ in living.values()]

    def marked() -> tuple[proctree.Process, ...]:
        return tuple(one for one in proctree.marked_as(MARKER, (*living, *lost)) if one.pid not in pids)

    def found() -> tuple[proctree.Process, ...]:
        return (*proctree.descendants(*pids), *marked())

    # Everything stands still first. Then the shims go: one that outlived its saver would record that the work is lost,
    # and one that died while its tree ran would set it free.
    proctree.freeze(found, seconds=FREEZE_SECONDS)
    frozen = found()
    shims = [proctree.Process(pid, 0, start, "") for pid, start in living.values()]
    left = proctree.kill(lambda: _alive(shims), seconds=END_SECONDS)
    survivors = proctree.kill(lambda: (*_alive(frozen), *marked()), seconds=END_SECONDS)
    return tuple(sorted({*living, *lost})), tuple(sorted({*survivors, *left}))


def _alive(processes: Iterable[proctree.Process]) -> list[proctree.Process]:
    return [one for one in processes if proctree.is_alive(one.pid, one.start)]


def _lost(runs: Path, living: Iterable[str]) -> tuple[str, ...]:
    """Sessions without a shim and without a record of their end, of which something still runs."""
    known = set(living)
    open_ones = [
        folder.name
        for folder in sorted(runs.glob("*-e*"))
        if folder.name not in known and records.read(os.fspath(folder), records.EXIT) is None
    ]
    return tuple(name for name in open_ones if proctree.marked_as(MARKER, (name,)))
