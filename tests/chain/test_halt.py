"""``fleet halt`` and ``fleet resume`` of a whole fleet on a hand-turned clock, with real sessions and a dead daemon."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import Conflict
from fleet.core.work import Run, RunState
from fleet.daemon.halting import end_runs, halt_without_daemon
from fleet.keeping.sessions import living_sessions
from fleet.runtime import escrow, halting, proctree
from fleet.runtime.sessions import MARKER, TmuxRuntime
from fleet.runtime.tmux import Tmux
from fleet.store import runs
from fleet.testing.ensemble import Ensemble
from fleet.testing.repos import git
from fleet.testing.scene import member
from fleet.testing.waiting import is_written, wait_until

DAY = 86_400.0
# Deaf to what asks it to end, with a child that has left its session.
DONE = "half done"
STUBBORN = f"""
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    open("half.txt", "w").write("{DONE}")
while True:
    time.sleep(600)
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Ensemble]:
    """One developer that works on two tickets at once, in real sessions."""
    command = (sys.executable, "-I", "-c", STUBBORN)
    crew = (member("developer", "developer", "ticket_ready", vendor="command", command=command, max_concurrent=2),)
    tmux: list[Tmux] = []

    def real(paths: FleetPaths) -> TmuxRuntime:
        paths.tmux_socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        tmux.append(Tmux(paths.tmux_socket))
        return TmuxRuntime(tmux[0], wake=lambda: None)

    made = Ensemble(tmp_path, crew, runtime=real)
    yield made
    halting.end_everything(made.desk.paths)
    tmux[0].kill_server()
    made.close()


def at_work(fleet: Ensemble, count: int) -> list[Run]:
    """So many runs whose agent has begun to work, in the order of their start."""

    def look() -> list[Run]:
        fleet.rest()
        live = [run for run in fleet.desk.db.read(runs.live) if run.state is RunState.RUNNING]
        begun = [run for run in live if is_written(fleet.desk.paths.clones / run.session / "half.txt")]
        return begun if len(begun) == count else []

    return sorted(wait_until(look, what=f"{count} runs at work"), key=lambda run: run.queued_at)


def saved(paths: FleetPaths) -> set[str]:
    """The sessions whose half done work is in the fleet's repository."""
    refs = git(paths.bare, "for-each-ref", "--format=%(refname)", escrow.REF_PREFIX).splitlines()
    return {ref.removeprefix(escrow.REF_PREFIX) for ref in refs if git(paths.bare, "show", f"{ref}:half.txt") == DONE}


def until_nobody_runs(fleet: Ensemble) -> None:
    """Let the fleet tick until every end is judged: real processes take their time."""

    def look() -> bool:
        fleet.rest()
        return not fleet.live()

    wait_until(look, what="the runs to be judged")


@pytest.mark.tmux
def test_a_halt_without_a_daemon_ends_everything_and_nothing_starts_until_a_person_resumes(fleet: Ensemble) -> None:
    desk = fleet.desk
    fleet.ready("one")
    fleet.ready("two")
    before = at_work(fleet, 2)
    sessions = sorted(run.session for run in before)

    # the daemon is dead from here on: nothing ticks
    halt_without_daemon(desk.paths, "wrong files", desk.clock)
    done = end_runs(desk.paths)
    assert (sorted((*done.ended, *done.killed)), done.survivors) == (sessions, ())
    assert living_sessions(desk.paths) == ()
    assert proctree.marked_as(MARKER, sessions) == ()
    assert set(done.ended) <= saved(desk.paths), "who ended in time had its work saved, by its own shim"

    fleet.restart()
    until_nobody_runs(fleet)
    assert set(sessions) <= saved(desk.paths), "what a slow machine had killed first, from its clone"
    (entry,) = desk.entries("fleet.halted")
    assert "wrong files" in entry.summary
    assert len(desk.entries("run.cancelled")) == 2, "a halt is nobody's verdict on the work"
    third = fleet.ready("three")
    for _ in range(3):
        fleet.later(DAY)
    assert (fleet.live(), len(desk.entries("delivery.dispatched"))) == ({}, 2)

    assert desk.ask("fleet.resume", reason="mended")["halt"]["reason"] == "wrong files"
    after = at_work(fleet, 2)
    assert {(run.attempt, run.subject) for run in after} == {(1, run.subject) for run in before}, "each comes back once"
    assert [(entry.payload or {})["attempt"] for entry in desk.entries("work_returned")] == [1, 1]
    desk.ask("agent.stop", name="developer", reason="make room")
    (last,) = at_work(fleet, 1)
    assert (last.subject, last.attempt) == (f"ticket/{third}", 1), "what came in meanwhile has its turn"
    with pytest.raises(Conflict, match="not halted"):
        desk.ask("fleet.resume")


def test_every_step_of_a_halt_is_bounded_and_all_of_them_together_take_less_than_ten_seconds() -> None:
    """The limits that ``end_everything`` waits by: for the shims, to freeze, to end the shims, to end what is left."""
    assert halting.MOST_SECONDS < 10.0
