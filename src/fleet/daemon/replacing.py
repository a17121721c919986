"""Another daemon in the place of the one that runs, while the agents go on: for a restart and for an upgrade.

A supervisor that knows how keeps the socket meanwhile, so callers wait. Without one, or with an older one, the daemon
is stopped and started, and calls in between find nobody. What can be checked is checked before anything is stopped.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError, TimedOut, Unreachable
from fleet.core.wire import WireError
from fleet.daemon.keeper import REPLACE
from fleet.daemon.lease import holder
from fleet.daemon.rpc import CallFailed, Rpc
from fleet.daemon.supervisor import NOTE, READY_SECONDS, STOP_SECONDS, last_words, running, start_detached, stop
from fleet.runtime import records
from fleet.store.migrate import outstanding
from fleet.store.sqlite import SqliteEngine

FOREIGN = "unknown"  # the version of a daemon that speaks another protocol
_POLL = 0.02
_ASK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Replaced:
    """What was done: who runs now, which version ran before ("" if it did not say), and whether callers waited."""

    pid: int
    supervised: bool
    before: str
    waited: bool


def changes_ahead(paths: FleetPaths) -> list[str]:
    """The schema changes that a start of this program would make to the fleet's store. Changes nothing.

    Raises PermanentError FLT-STO-012 when the store is newer than this program, IntegrityError FLT-STO-013.
    """
    return outstanding(SqliteEngine(paths.database)) if paths.database.exists() else []


def version_of_running(paths: FleetPaths) -> str:
    """The version of the daemon that answers: "" when none does, FOREIGN when its answer is not understood."""
    try:
        with Rpc(paths.socket, timeout=_ASK_SECONDS) as rpc:
            return str(rpc.call("ping").get("version", ""))
    except (Unreachable, CallFailed):
        return ""
    except WireError:
        return FOREIGN


def replace(paths: FleetPaths, program: Sequence[str], *, seconds: float = READY_SECONDS + STOP_SECONDS) -> Replaced:
    """Put ``program`` in the place of what runs; agents go on. It answers when this returns.

    ``program`` is the start of the daemon's command line. Raises Unreachable FLT-DMN-102 when nothing runs, what kept
    the new daemon from starting, TimedOut FLT-DMN-013.
    """
    there = running(paths)
    if there is None:
        raise Unreachable("FLT-DMN-102", "no daemon runs, so none can be replaced", hint="Start it: fleet up")
    before = version_of_running(paths)
    if there.supervised and _knows_how(paths, there.pid):
        _ask_supervisor(paths, there.pid, program, seconds)
        return Replaced(there.pid, True, before, waited=True)
    stop(paths)
    return Replaced(
        start_detached(paths, supervised=there.supervised, program=program), there.supervised, before, False
    )


def _knows_how(paths: FleetPaths, pid: int) -> bool:
    """Whether this very supervisor said that it can be asked."""
    note = records.read(str(paths.state), NOTE) or {}
    return note.get("pid") == pid and note.get("replaces") is True


def _ask_supervisor(paths: FleetPaths, pid: int, program: Sequence[str], seconds: float) -> None:
    """Write what is wanted, send the signal, wait for an answer of another daemon."""
    old = holder(paths.daemon_lock)
    begin = paths.log.stat().st_size if paths.log.exists() else 0
    records.write(str(paths.state), REPLACE, {"program": list(program)}, durable=True)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holder(paths.supervisor_lock) is None:
            raise FleetError("FLT-DMN-012", f"the daemon ended before it was ready: {last_words(paths, begin)}")
        if holder(paths.daemon_lock) not in (None, old) and _answers(paths, deadline):
            _demand(paths, program)
            return
        time.sleep(_POLL)
    raise TimedOut(
        "FLT-DMN-013",
        f"the new daemon did not come up within {seconds:.0f} s: {last_words(paths, begin)}",
        where=str(paths.log),
        hint="Agents go on meanwhile. Look with: fleet watcher status",
    )


def _demand(paths: FleetPaths, program: Sequence[str]) -> None:
    """Make sure that what answers is what was asked for."""
    note = records.read(str(paths.state), NOTE) or {}
    if note.get("program") != list(program):
        raise FleetError(
            "FLT-DMN-103",
            "the new program could not be started; the one before goes on",
            where=program[0],
            hint=f"See the end of {paths.log}",
        )


def _answers(paths: FleetPaths, deadline: float) -> bool:
    """Whether the socket is served. The call waits in the queue until it is."""
    try:
        with Rpc(paths.socket, timeout=max(0.1, deadline - time.monotonic())) as rpc:
            rpc.call("ping")
    except (Unreachable, CallFailed):
        return False
    return True
