"""Sessions in tmux: each a shim in a pane of its own, found again by name, run folder and process.

The real implementation of the runtime's port. What a session is doing is read from the shim's records and
from /proc; tmux is the screen, and the second witness when a shim is gone without a record.
Weakness: the records belong to the same user as the agent; in shared-uid mode a hostile one can forge them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet.core.errors import Conflict, NotFound, TemporaryError
from fleet.runtime import proctree, records
from fleet.runtime.exits import ExitWatch
from fleet.runtime.port import Death, DeathAnswer, ExitReason, ExitRecord, Launch, Observation, SessionRef
from fleet.runtime.tmux import Pane, Tmux

MARKER = "FLEET_RUN"  # in the environment of every process of a session; its value is the session
_SWEEP_SECONDS = 5.0
_FREEZE_SECONDS = 1.0
_NOTICE_SECONDS = 0.5  # for tmux to notice an end that the kernel has announced
_SCREEN_LINES = 2000
_REASONS: dict[str, ExitReason] = {
    "exited": "exited",
    "timeout": "timeout",
    "budget": "budget",
    "stopped": "stopped",
    "hangup": "hangup",
}


class TmuxRuntime:
    """The runtime's port on a private tmux server. Thread-safe."""

    name = "tmux"

    def __init__(self, tmux: Tmux, *, wake: Callable[[], None], python: str = sys.executable) -> None:
        """``wake`` is called, from a thread of ours, when a watched session answers or ends.

        ``python`` runs the shim. Nothing is started before the first launch.
        """
        self._tmux = tmux
        self._python = python
        self._exits = ExitWatch(wake)
        self._launching = threading.Lock()

    # --- the port ------------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> None:
        """Start a session; one of that name that exists, or ever answered, is left as it is.

        Whatever older epochs of the run left behind is ended first. Raises Conflict FLT-RTM-006 when a newer
        epoch was launched already, TemporaryError FLT-RTM-005 while an older one still lives.
        """
        folder = os.fspath(launch.folder)
        with self._launching:
            launch.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if records.read(folder, records.STARTED) is not None:
                return
            self._tmux.start_server()
            if self._tmux.has(launch.session):
                return
            self._fence(launch)
            records.write(folder, records.LAUNCH, _launch_record(launch))
            argv = [self._python, "-I", "-m", "fleet.runtime.shim", folder]
            self._tmux.new_session(launch.session, argv)

    def observe(self, ref: SessionRef) -> Observation:
        """Look at one session. Raises TemporaryError FLT-RTM-001 when tmux must be heard and cannot be."""
        folder = os.fspath(ref.folder)
        started = records.read(folder, records.STARTED)
        if started is None:
            return self._observe_unanswered(ref)
        shim = _shim_of(started)
        pid = shim[0] if shim else 0
        if records.is_foreign(started) and not self._is_over(ref, started, shim):
            return Observation("foreign", pid)
        if shim and _lives(started, shim):
            _keep_going(shim)
            frozen = str((records.read(folder, records.FROZEN) or {}).get("error", ""))
            return Observation("running", pid, frozen=frozen, died=_death(records.read(folder, records.DIED)))
        # only now: a shim writes its record and ends, in this order
        ended = _exit_record(records.read(folder, records.EXIT))
        if ended is not None:
            return Observation("exited", pid, ended)
        if started.get("boot") == proctree.boot_id() and not self._pane_ended(ref.session):
            return Observation("running", pid)  # one witness is not enough
        return Observation("vanished", pid)

    def stop(self, ref: SessionRef, reason: str, *, hold: bool = False) -> None:
        """Ask for the end: the request is written first, so that a shim that starts just now sees it."""
        folder = os.fspath(ref.folder)
        if records.read(folder, records.LAUNCH) is None or records.is_foreign(records.read(folder, records.STARTED)):
            return
        records.write(folder, records.STOP, {"reason": reason, "hold": hold})
        shim = self._find_shim(ref.folder)
        if shim is not None:
            _signal(shim, signal.SIGTERM)

    def dismiss(self, ref: SessionRef) -> None:
        """Signal the agent, if it is still the child of its shim."""
        started = records.read(os.fspath(ref.folder), records.STARTED)
        shim = self._find_shim(ref.folder)
        if started is None or shim is None or records.is_foreign(started):
            return
        with suppress(OSError):
            agent = proctree.read(int(started.get("agent") or 0))
            if agent.ppid == shim[0]:
                proctree.send(agent, signal.SIGTERM)

    def answer_death(self, ref: SessionRef, count: int, answer: DeathAnswer) -> None:
        """Write the answer first, then signal: a shim that looks by itself finds it as well."""
        folder = os.fspath(ref.folder)
        shim = self._find_shim(ref.folder)
        if shim is None or records.is_foreign(records.read(folder, records.STARTED)):
            return
        records.write(folder, records.ANSWER, {"count": count, "answer": answer})
        _signal(shim, signal.SIGUSR1)

    def sweep(self, ref: SessionRef) -> tuple[int, ...]:
        """Freeze, then kill whatever carries the session's name. A session whose shim lives is left to it."""
        if self._find_shim(ref.folder) is not None:
            return ()

        def left_over() -> tuple[proctree.Process, ...]:
            return proctree.marked(MARKER, ref.session)

        proctree.freeze(left_over, seconds=_FREEZE_SECONDS)
        return proctree.kill(left_over, seconds=_SWEEP_SECONDS)

    def output(self, ref: SessionRef, *, lines: int = 200) -> str:
        """The terminal's last lines; after ``close`` those of the saved screen."""
        saved = _saved_screen(ref, lines)
        if saved is not None:
            return saved
        if ref.session in self._listed():
            with suppress(NotFound):  # closed this moment
                return self._tmux.capture(ref.session, lines)
        return _saved_screen(ref, lines) or ""

    def attach_argv(self, ref: SessionRef) -> tuple[str, ...]:
        """The command to attach. Raises NotFound FLT-RTM-002 for a session that does not run."""
        pane = self._listed().get(ref.session)
        if pane is None or pane.dead:
            raise NotFound("FLT-RTM-002", "there is no running session to attach to", where=ref.session)
        return self._tmux.attach_argv(ref.session)

    def close(self, ref: SessionRef) -> None:
        """Keep what the screen shows and remove the session from tmux. A session that lives is left alone."""
        started = records.read(os.fspath(ref.folder), records.STARTED)
        answered = started is not None and not records.is_foreign(started)
        pane = self._panes().get(ref.session)
        if pane is None or self._find_shim(ref.folder) is not None or not (answered or pane.dead):
            return
        self._pane_ended(ref.session)  # it has read the last output then
        shown = self._tmux.capture(ref.session, _SCREEN_LINES)
        if ref.folder.is_dir():
            records.write_bytes(os.fspath(ref.folder / records.SCREEN), shown.encode("utf-8", "replace"))
        self._tmux.kill_session(ref.session)

    def server_pids(self) -> frozenset[int]:
        """The tmux server's pid, while it lives."""
        pid = self._tmux.known_server_pid()
        return frozenset({pid}) if pid else frozenset()

    def watch(self, ref: SessionRef) -> None:
        """Wake when this session answers, and when its shim ends; at once when it has ended before."""
        folder = ref.folder

        def find() -> tuple[int, int] | None:
            return _shim_of(records.read(os.fspath(folder), records.STARTED))

        pane = None if find() else self._panes().get(ref.session)
        self._exits.add(ref.session, find, pane=(pane.pid, proctree.start_time(pane.pid)) if pane else None)

    def shutdown(self) -> None:
        """Let go of tmux and end the watching thread; sessions go on. For the daemon's own end."""
        self._exits.stop()
        self._tmux.close()

    # --- how it is done ------------------------------------------------------------------------------

    def _fence(self, launch: Launch) -> None:
        """Make sure that no older epoch of this run lives or can still start.

        Shims hold the run's lock as long as they live and look at the fence while holding it; we raise the
        fence while holding it. So an older shim has either ended, or it will see the fence and refuse.
        """
        runs = os.fspath(launch.folder.parent)
        handle = records.lock_run(runs, launch.run_id)
        if handle is None:
            self._stop_older(launch)
            raise _older_lives(launch)
        try:
            newest = records.fence(runs, launch.run_id)
            if newest > launch.epoch:
                raise Conflict("FLT-RTM-006", f"epoch {newest} of this run was launched already", where=launch.session)
            if newest < launch.epoch:
                records.raise_fence(runs, launch.run_id, launch.epoch)
            for older in _older(launch):
                if records.read(os.fspath(older.folder), records.EXIT) is None and self.sweep(older):
                    raise _older_lives(launch)
        finally:
            os.close(handle)

    def _stop_older(self, launch: Launch) -> None:
        for older in _older(launch):
            self.stop(older, f"epoch {launch.epoch} of the run takes over")

    def _observe_unanswered(self, ref: SessionRef) -> Observation:
        """A session whose shim left no record of its start."""
        if records.read(os.fspath(ref.folder), records.LAUNCH) is None:
            return Observation("absent")
        pane = self._panes().get(ref.session)
        if records.read(os.fspath(ref.folder), records.STARTED) is not None:
            return self.observe(ref)  # it answered while we looked
        if pane is None:
            return Observation("absent")
        return Observation("vanished" if pane.dead else "starting")

    def _is_over(self, ref: SessionRef, started: records.Record, shim: tuple[int, int] | None) -> bool:
        """Whether a session whose record is not understood has ended for certain: no process, and no pane."""
        return not (shim and _lives(started, shim)) and self._pane_ended(ref.session)

    def _pane_ended(self, session: str) -> bool:
        """The second witness: tmux says that the pane's process ended. It may need a moment to notice."""
        deadline = time.monotonic() + _NOTICE_SECONDS
        while True:
            pane = self._panes().get(session)
            if pane is None or pane.dead:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)

    def _listed(self) -> dict[str, Pane]:
        """What tmux lists; nothing, when its server has ended for certain. Raises TemporaryError FLT-RTM-001."""
        try:
            return self._tmux.survey()
        except TemporaryError:
            if self._tmux.server_gone():
                return {}
            raise

    def _panes(self) -> dict[str, Pane]:
        """As ``_listed``, but a server that nobody knows anything about is woken or started to be asked."""
        try:
            return self._listed()
        except TemporaryError:
            self._tmux.start_server()
        return self._tmux.survey()

    def _find_shim(self, folder: Path) -> tuple[int, int] | None:
        """The living shim of a run folder as (pid, start time)."""
        started = records.read(os.fspath(folder), records.STARTED)
        shim = _shim_of(started)
        return shim if started and shim and _lives(started, shim) else None


def _saved_screen(ref: SessionRef, lines: int) -> str | None:
    """The last lines of the screen that ``close`` kept; None while there is none."""
    screen = ref.folder / records.SCREEN
    if not screen.exists():
        return None
    shown = screen.read_text("utf-8", "replace").splitlines()
    return "".join(f"{line}\n" for line in shown[-lines:]) if lines > 0 else ""


def _launch_record(launch: Launch) -> records.Record:
    return {
        "protocol": records.PROTOCOL,
        "session": launch.session,
        "run_id": launch.run_id,
        "epoch": launch.epoch,
        "clone": os.fspath(launch.clone),
        "bare": os.fspath(launch.bare),
        "argv": list(launch.argv),
        "env": {**launch.env, MARKER: launch.session},
        "allowance_seconds": launch.allowance_seconds,
        "allowance_kind": launch.allowance_kind,
        "stdin": os.fspath(launch.stdin) if launch.stdin is not None else "",
        "escrow_cap": list(launch.escrow_cap) if launch.escrow_cap is not None else [],
        "again": list(launch.again),
    }


def _older(launch: Launch) -> list[SessionRef]:
    """The older epochs of the same run that have a folder."""
    found = []
    for epoch in range(launch.epoch - 1, 0, -1):
        session = f"{launch.run_id}-e{epoch}"
        folder = launch.folder.parent / session
        if folder.is_dir():
            found.append(SessionRef(session, launch.run_id, epoch, folder))
    return found


def _older_lives(launch: Launch) -> TemporaryError:
    return TemporaryError(
        "FLT-RTM-005",
        "an older epoch of this run still lives; it was asked to end",
        where=launch.session,
        hint="The start is tried again.",
    )


def _shim_of(started: records.Record | None) -> tuple[int, int] | None:
    """(pid, start time) from a started.json."""
    if not started or not isinstance(started.get("pid"), int) or not isinstance(started.get("start"), int):
        return None
    return started["pid"], started["start"]


def _lives(started: records.Record, shim: tuple[int, int]) -> bool:
    return started.get("boot") == proctree.boot_id() and proctree.is_alive(*shim)


def _keep_going(shim: tuple[int, int]) -> None:
    """A shim that somebody stopped would not enforce its allowance."""
    if proctree.is_stopped(*shim):
        _signal(shim, signal.SIGCONT)


def _signal(shim: tuple[int, int], number: int) -> None:
    pid, start = shim
    proctree.send(proctree.Process(pid, 0, start, ""), number)


def _death(record: records.Record | None) -> Death | None:
    """The death that a shim holds; None while there is none."""
    if not record or records.is_foreign(record):
        return None
    try:
        return Death(int(record["count"]), int(record["code"]), int(record["at"]))
    except (LookupError, TypeError, ValueError):
        return None


def _exit_record(record: records.Record | None) -> ExitRecord | None:
    """The record of the end; None for one that is missing, not whole, or of a version that is not known."""
    if not record or records.is_foreign(record):
        return None
    try:
        return ExitRecord(
            code=int(record["code"]),
            reason=_REASONS[record["reason"]],
            used_seconds=float(record["used_seconds"]),
            escrow_ref=str(record["escrow_ref"]),
            escrow_sha=str(record["escrow_sha"]),
            escrow_error=str(record["escrow_error"]),
            survivors=tuple(int(pid) for pid in record["survivors"]),
            ended_at=int(record["ended_at"]),
            freeze_seconds=float(record["freeze_seconds"]) if record.get("freeze_seconds") is not None else None,
        )
    except (LookupError, TypeError, ValueError):
        return None
