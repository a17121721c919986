"""A runtime without processes: agents are Python callables, and time passes when the test says so.

A full peer of the tmux runtime: the same contract tests run on both. It keeps the same promises (one start
per epoch, fencing, allowance, escrow before the end), and can be told to misbehave as the real world does:
exit, vanish, hang, become unreachable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from fleet.core.clock import Clock
from fleet.core.errors import Conflict, NotFound, TemporaryError
from fleet.runtime import escrow
from fleet.runtime.escrow import Saved
from fleet.runtime.port import Death, DeathAnswer, ExitReason, ExitRecord, Launch, Observation, SessionRef

_KILLED = 137
_STOPPED_BEFORE_START = 143

Saver = Callable[[Path, Path, str], Saved]


class FakeSession:
    """One session as the agent callable sees it: what it was launched with, and a terminal to write on."""

    def __init__(self, launch: Launch, pid: int) -> None:
        """``pid`` stands for the shim's; no process has it."""
        self.launch = launch
        self.pid = pid
        self.screen = ""
        self.state: Literal["starting", "running", "exited", "vanished"] = "starting"
        self.exit: ExitRecord | None = None
        self.acted = False
        self.began = 0.0
        self.stop_reason: str | None = None
        self.dismissed = False
        self.hold = False
        self.frozen = ""
        self.watched = False
        self.left_over: tuple[int, ...] = ()
        self.deaths = 0
        self.died: Death | None = None  # its agent is dead and nobody has answered that yet
        self.argv = launch.argv  # of the agent that runs now

    def print(self, text: str) -> None:
        """Write a line on the session's terminal."""
        self.screen += text + "\n"

    @property
    def live(self) -> bool:
        """True until it ended in one way or the other."""
        return self.state in ("starting", "running")


Agent = Callable[[FakeSession], int | None]


def hang(session: FakeSession) -> int | None:
    """An agent that never ends by itself."""
    return None


def pretend_saved(clone: Path, bare: Path, session: str) -> Saved:
    """A saver for tests that have no repository at all."""
    return Saved(escrow.REF_PREFIX + session, "e5c0" * 10, "")


class FakeRuntime:
    """The runtime's port in memory. A session moves only in ``step``, never by being looked at. Thread-safe."""

    name = "fake"

    def __init__(
        self,
        clock: Clock,
        *,
        agent: Agent = hang,
        wake: Callable[[], None] = lambda: None,
        save: Saver = escrow.save,
    ) -> None:
        """``agent`` plays every session: it returns an exit status, or None to hang until somebody ends it.

        ``clock`` measures allowances. ``save`` is the escrow; ``pretend_saved`` where there are no clones.
        """
        self.unreachable = False  # True: every question raises TemporaryError, as a dead tmux server does
        self.sessions: dict[str, FakeSession] = {}
        self._clock = clock
        self._agent = agent
        self._wake = wake
        self._save = save
        self._next_pid = 0
        self._lock = threading.RLock()

    # --- the port ------------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> None:
        """Start a session; one that exists is left as it is. Raises as the real runtime does."""
        with self._lock:
            self._check_reachable()
            if launch.session in self.sessions:
                return
            epochs = [known for known in self.sessions.values() if known.launch.run_id == launch.run_id]
            newest = max((known.launch.epoch for known in epochs), default=0)
            if newest > launch.epoch:
                raise Conflict("FLT-RTM-006", f"epoch {newest} of this run was launched already", where=launch.session)
            # a session that has not answered is fenced off: it will never start
            living = [known for known in epochs if known.state == "running"]
            for older in living:
                older.stop_reason = "a newer epoch takes over"
            if living:
                raise TemporaryError("FLT-RTM-005", "an older epoch of this run still lives", where=launch.session)
            for older in epochs:
                older.left_over = ()
                if older.state == "starting":
                    older.state = "vanished"
            self._next_pid -= 1  # no real process has a negative pid
            self.sessions[launch.session] = FakeSession(launch, self._next_pid)

    def observe(self, ref: SessionRef) -> Observation:
        """Look at one session."""
        with self._lock:
            self._check_reachable()
            session = self.sessions.get(ref.session)
            if session is None:
                return Observation("absent")
            pid = 0 if session.state == "starting" else session.pid
            frozen, died = (session.frozen, session.died) if session.live else ("", None)
            return Observation(session.state, pid, session.exit, frozen, died)

    def stop(self, ref: SessionRef, reason: str, *, hold: bool = False) -> None:
        """Ask for the end; it comes with the next step, or with ``hold`` once the work can be saved."""
        with self._lock:
            session = self.sessions.get(ref.session)
            if session is not None and session.live:
                session.stop_reason = reason
                session.hold = hold

    def dismiss(self, ref: SessionRef) -> None:
        """The agent ends by itself with the next step."""
        with self._lock:
            session = self.sessions.get(ref.session)
            if session is not None and session.state == "running" and session.died is None:
                session.dismissed = True

    def answer_death(self, ref: SessionRef, count: int, answer: DeathAnswer) -> None:
        """It is acted upon at once; a resumed agent acts with the next step."""
        with self._lock:
            session = self.sessions.get(ref.session)
            if session is not None and session.live and session.died is not None and session.died.count == count:
                self._answered(session, session.died, answer)

    def sweep(self, ref: SessionRef) -> tuple[int, ...]:
        """End what a vanished session left behind."""
        with self._lock:
            session = self.sessions.get(ref.session)
            if session is not None and not session.live:
                session.left_over = ()
            return ()

    def output(self, ref: SessionRef, *, lines: int = 200) -> str:
        """What was printed."""
        with self._lock:
            self._check_reachable()
            session = self.sessions.get(ref.session)
            shown = session.screen.splitlines() if session is not None else []
            return "".join(f"{line}\n" for line in shown[-lines:]) if lines > 0 else ""

    def attach_argv(self, ref: SessionRef) -> tuple[str, ...]:
        """A command nobody can run. Raises NotFound FLT-RTM-002 when the session does not live."""
        with self._lock:
            self._check_reachable()
            session = self.sessions.get(ref.session)
            if session is None or not session.live:
                raise NotFound("FLT-RTM-002", "there is no running session to attach to", where=ref.session)
            return ("fake-attach", ref.session)

    def close(self, ref: SessionRef) -> None:
        """Nothing to remove: the screen stays."""
        with self._lock:
            self._check_reachable()

    def server_pids(self) -> frozenset[int]:
        """There is no server."""
        return frozenset()

    def watch(self, ref: SessionRef) -> None:
        """Wake when this session answers or ends; at once when it has ended."""
        with self._lock:
            session = self.sessions.get(ref.session)
            if session is None:
                return
            session.watched = True
            ended = not session.live
        if ended:
            self._wake()

    # --- what a test does with it --------------------------------------------------------------------

    def step(self) -> int:
        """Move every live session by one: answer, act, or be ended by stop or allowance; how many moved.

        Agents run in the caller's thread and may call back into the runtime.
        """
        with self._lock:
            live = [session for session in self.sessions.values() if session.live]
        return sum(self._move(session) for session in live)

    def settle(self, *, limit: int = 100) -> None:
        """Step until nothing moves any more. Raises AssertionError when it never does."""
        for _ in range(limit):
            if not self.step():
                return
        raise AssertionError(f"sessions still move after {limit} steps")

    def exit(self, session: str, code: int = 0) -> None:
        """The agent of a session ends by itself, now."""
        self._exit(self.sessions[session], code)

    def vanish(self, session: str, *, left_over: tuple[int, ...] = ()) -> None:
        """The shim of a session is killed; ``left_over`` are the processes it can no longer end."""
        with self._lock:
            gone = self.sessions[session]
            gone.state = "vanished"
            gone.left_over = left_over
        self._notify(gone)

    # --- how it is done ------------------------------------------------------------------------------

    def _move(self, session: FakeSession) -> bool:
        launch = session.launch
        if session.stop_reason is not None:
            before = session.frozen
            self._finish(session, "stopped", _KILLED if session.acted else _STOPPED_BEFORE_START)
            return not session.live or session.frozen != before
        elif session.dismissed:
            session.dismissed = False
            self._exit(session, _STOPPED_BEFORE_START)
        elif session.state == "starting":
            session.state, session.began = "running", self._clock.monotonic()
            self._notify(session)
        elif self._clock.monotonic() - session.began >= launch.allowance_seconds:
            self._finish(session, launch.allowance_kind, _KILLED)
        elif not session.acted:
            session.acted = True
            code = self._agent(session)
            if code is not None and session.live:
                self._exit(session, code)
        else:
            return False
        return True

    def _exit(self, session: FakeSession, code: int) -> None:
        """The agent is gone: that ends the session, or is held for an answer."""
        if not code or not session.launch.again:
            self._finish(session, "exited", code)
            return
        self._save(session.launch.clone, session.launch.bare, session.launch.session)
        session.deaths += 1
        session.died = Death(session.deaths, code, self._clock.now())

    def _answered(self, session: FakeSession, died: Death, answer: DeathAnswer) -> None:
        if answer == "end":
            self._finish(session, "exited", died.code)
            return
        session.died = None
        session.argv = session.launch.again if answer == "resume" else session.launch.argv
        session.acted = False

    def _finish(self, session: FakeSession, reason: ExitReason, code: int) -> None:
        launch = session.launch
        saved = self._save(launch.clone, launch.bare, launch.session)
        if not saved.ref and session.hold:
            session.frozen = saved.error
            return
        used = self._clock.monotonic() - session.began if session.state == "running" else 0.0
        code, session.died = session.died.code if session.died is not None else code, None
        with self._lock:
            session.exit = ExitRecord(code, reason, used, saved.ref, saved.sha, saved.error, (), self._clock.now())
            session.state = "exited"
        self._notify(session)

    def _notify(self, session: FakeSession) -> None:
        if session.watched:
            self._wake()

    def _check_reachable(self) -> None:
        if self.unreachable:
            raise TemporaryError("FLT-RTM-001", "the terminal server cannot be asked: told so by the test")
