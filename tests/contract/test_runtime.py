"""What every runtime promises, tried on the fake and on real tmux by the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.errors import Conflict, NotFound, TemporaryError
from fleet.runtime.escrow import verified
from fleet.runtime.port import SessionRef
from fleet.testing.runtime_contract import DIED, FROZEN, FakeRig, Rig, TmuxRig, git
from fleet.testing.waiting import PATIENCE, wait_until


@pytest.fixture(params=["fake", pytest.param("tmux", marks=pytest.mark.tmux)])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made: Rig = FakeRig(tmp_path / "world") if request.param == "fake" else TmuxRig(tmp_path / "world")
    yield made
    made.end()


def start(rig: Rig, behaviour: str, run_id: str = "r1", epoch: int = 1) -> SessionRef:
    """Launch an agent that behaves so."""
    rig.runtime.launch(rig.world.prepare(rig.argv(behaviour), run_id, epoch))
    return rig.world.ref(run_id, epoch)


def test_what_was_never_launched_is_absent_and_harmless_to_handle(rig: Rig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), "r2"))  # the server runs, our session does not
    ref = rig.world.ref("r1")
    rig.runtime.stop(ref, "no reason")
    rig.runtime.close(ref)
    rig.runtime.watch(ref)
    assert rig.runtime.sweep(ref) == ()
    assert rig.runtime.output(ref) == ""
    assert rig.runtime.observe(ref).state == "absent"
    with pytest.raises(NotFound, match="FLT-RTM-002"):
        rig.runtime.attach_argv(ref)


def test_a_launched_session_answers_and_runs(rig: Rig) -> None:
    ref = start(rig, "hang")
    assert rig.runtime.observe(ref).state in ("starting", "running")
    seen = rig.reach(ref, "running")
    assert seen.shim_pid
    assert seen.exit is None


def test_the_exit_status_and_the_time_used_are_recorded(rig: Rig) -> None:
    seen = rig.reach(start(rig, "fail"), "exited")
    assert seen.exit is not None
    assert (seen.exit.code, seen.exit.reason, seen.exit.survivors) == (7, "exited", ())
    assert 0 <= seen.exit.used_seconds < PATIENCE
    assert seen.exit.ended_at > 0


def test_what_an_agent_left_uncommitted_is_in_the_bare_repository_when_it_has_ended(rig: Rig) -> None:
    ref = start(rig, "write")
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert seen.exit.escrow_error == ""
    assert seen.exit.escrow_ref == f"refs/fleet/escrow/{ref.session}"
    assert verified(rig.world.bare, seen.exit.escrow_ref, seen.exit.escrow_sha)
    assert git(rig.world.bare, "show", f"{seen.exit.escrow_sha}:work.txt") == "work"


def test_launching_twice_starts_once(rig: Rig) -> None:
    launch = rig.world.prepare(rig.argv("count"))
    ref = rig.world.ref("r1")
    rig.runtime.launch(launch)
    rig.runtime.launch(launch)
    rig.reach(ref, "running")
    rig.runtime.launch(launch)
    rig.runtime.stop(ref, "enough")
    rig.reach(ref, "exited")
    rig.runtime.launch(launch)
    rig.runtime.close(ref)
    rig.runtime.launch(launch)
    assert rig.runtime.observe(ref).state == "exited"
    assert rig.world.starts() <= 1


@pytest.mark.parametrize("kind", ["timeout", "budget"])
def test_the_allowance_ends_a_run_with_its_own_reason(rig: Rig, kind: str) -> None:
    launch = rig.world.prepare(rig.argv("hang"), allowance=0.5, kind="timeout" if kind == "timeout" else "budget")
    rig.runtime.launch(launch)
    ref = rig.world.ref("r1")
    rig.reach(ref, "running", "exited")  # a machine under load may not let us look before it is over
    rig.pass_time(0.5)
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert (seen.exit.reason, seen.exit.code) == (kind, 137)
    assert seen.exit.used_seconds >= 0.5


def test_a_stop_saves_the_work_and_ends_the_run(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.reach(ref, "running")
    rig.runtime.stop(ref, "somebody asked")
    rig.runtime.stop(ref, "and again")
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert seen.exit.reason == "stopped"
    assert verified(rig.world.bare, seen.exit.escrow_ref, seen.exit.escrow_sha)
    rig.runtime.stop(ref, "too late")
    assert rig.runtime.observe(ref) == seen


def test_with_hold_a_session_whose_work_cannot_be_saved_stays_frozen_until_it_can(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.reach(ref, "running")
    inside = rig.world.clones / ref.session / ".git"
    inside.rename(inside.with_name("hidden"))
    rig.runtime.stop(ref, "quarantined", hold=True)
    seen = rig.reach(ref, FROZEN)
    assert (seen.state, seen.exit) == ("running", None)
    assert "is no clone any more" in seen.frozen
    rig.restart()
    assert rig.reach(ref, FROZEN).frozen == seen.frozen, "a new daemon finds it so"
    inside.with_name("hidden").rename(inside)
    rig.runtime.stop(ref, "quarantined", hold=True)
    ended = rig.reach(ref, "exited").exit
    assert ended is not None
    assert ended.reason == "stopped"
    assert verified(rig.world.bare, ended.escrow_ref, ended.escrow_sha)


def test_a_frozen_session_ends_unsaved_when_it_is_asked_without_hold(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.reach(ref, "running")
    inside = rig.world.clones / ref.session / ".git"
    inside.rename(inside.with_name("hidden"))
    rig.runtime.stop(ref, "quarantined", hold=True)
    rig.reach(ref, FROZEN)
    rig.runtime.stop(ref, "let go of it")
    ended = rig.reach(ref, "exited").exit
    assert ended is not None
    assert (ended.escrow_ref, ended.survivors) == ("", ())
    assert "is no clone any more" in ended.escrow_error


def test_an_answer_and_an_end_wake(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.runtime.watch(ref)
    rig.runtime.watch(ref)
    rig.reach(ref, "running")
    assert wait_until(rig.woken.is_set, what="the wake-up for the answer")
    rig.woken.clear()
    rig.runtime.stop(ref, "to see it end")
    rig.reach(ref, "exited")
    wait_until(rig.woken.is_set, what="the wake-up")


def test_watching_what_has_ended_wakes_at_once(rig: Rig) -> None:
    ref = start(rig, "exit")
    rig.reach(ref, "exited")
    rig.woken.clear()
    rig.runtime.watch(ref)
    wait_until(rig.woken.is_set, what="the wake-up")


def test_a_killed_shim_is_seen_as_vanished_and_its_session_can_be_swept(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.reach(ref, "running")
    rig.runtime.watch(ref)
    rig.woken.clear()
    rig.kill_shim(ref)
    wait_until(rig.woken.is_set, what="the wake-up")
    seen = rig.reach(ref, "vanished")
    assert seen.exit is None
    assert rig.runtime.sweep(ref) == ()
    rig.runtime.close(ref)
    assert rig.runtime.observe(ref).state == "vanished"


def test_an_older_epoch_is_refused_once_a_newer_one_was_launched(rig: Rig) -> None:
    older = rig.world.prepare(rig.argv("count"), epoch=1)
    start(rig, "hang", epoch=2)
    with pytest.raises(Conflict, match="FLT-RTM-006"):
        rig.runtime.launch(older)
    assert rig.runtime.observe(rig.world.ref("r1", 1)).state == "absent"
    assert rig.world.starts() == 0


def test_a_newer_epoch_waits_until_the_older_one_has_ended(rig: Rig) -> None:
    older = start(rig, "hang", epoch=1)
    rig.reach(older, "running")
    newer = rig.world.prepare(rig.argv("count"), epoch=2)
    with pytest.raises(TemporaryError, match="FLT-RTM-005"):
        rig.runtime.launch(newer)
    rig.reach(older, "exited")
    rig.runtime.launch(newer)
    rig.reach(rig.world.ref("r1", 2), "running")


def test_the_terminal_can_be_read_before_and_after_the_session_is_closed(rig: Rig) -> None:
    ref = start(rig, "print")
    rig.reach(ref, "exited")
    assert "hello from the agent" in rig.runtime.output(ref)
    rig.runtime.close(ref)
    rig.runtime.close(ref)
    assert rig.runtime.output(ref, lines=1) == "hello from the agent\n"
    assert rig.runtime.output(ref, lines=0) == ""
    assert rig.runtime.observe(ref).state == "exited"


def test_a_person_attaches_to_a_session_that_runs_and_to_no_other(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.reach(ref, "running")
    assert any(ref.session in word for word in rig.runtime.attach_argv(ref))
    rig.runtime.stop(ref, "enough")
    rig.reach(ref, "exited")
    rig.runtime.close(ref)
    with pytest.raises(NotFound, match="FLT-RTM-002"):
        rig.runtime.attach_argv(ref)


def test_closing_leaves_a_session_alone_that_runs(rig: Rig) -> None:
    ref = start(rig, "hang")
    rig.reach(ref, "running")
    rig.runtime.close(ref)
    assert rig.runtime.observe(ref).state == "running"
    assert rig.runtime.sweep(ref) == ()
    assert rig.runtime.observe(ref).state == "running"
    assert rig.runtime.attach_argv(ref)


def test_a_new_daemon_finds_its_sessions_again(rig: Rig) -> None:
    ref = start(rig, "hang")
    before = rig.reach(ref, "running")
    rig.restart()
    assert rig.runtime.observe(ref) == before
    rig.runtime.watch(ref)
    rig.runtime.stop(ref, "enough")
    rig.reach(ref, "exited")
    wait_until(rig.woken.is_set, what="the wake-up")


def test_sessions_do_not_disturb_each_other(rig: Rig) -> None:
    first = start(rig, "hang", "r1")
    second = start(rig, "hang", "r11")  # a name that begins like the other's
    rig.reach(first, "running")
    rig.reach(second, "running")
    rig.runtime.stop(first, "only this one")
    rig.reach(first, "exited")
    rig.runtime.close(first)
    assert rig.runtime.observe(second).state == "running"


def start_again(rig: Rig, behaviour: str, then: str, *, allowance: float = 60.0) -> SessionRef:
    """Launch an agent that may be resumed."""
    launch = rig.world.prepare(rig.argv(behaviour), again=rig.argv(then), allowance=allowance)
    rig.runtime.launch(launch)
    return rig.world.ref("r1")


def test_a_death_is_held_until_it_is_answered_and_the_agent_resumed_in_its_session(rig: Rig) -> None:
    ref = start_again(rig, "fail", "write")
    died = rig.reach(ref, DIED).died
    assert died is not None
    assert (died.count, died.code) == (1, 7)
    rig.restart()
    rig.runtime.answer_death(ref, 2, "resume")  # of another death: nothing happens
    assert rig.reach(ref, DIED).died == died, "a new daemon finds it so"
    rig.runtime.answer_death(ref, 1, "resume")
    ended = rig.reach(ref, "exited").exit
    assert ended is not None
    assert (ended.code, ended.reason, ended.survivors) == (0, "exited", ())
    assert git(rig.world.bare, "show", f"{ended.escrow_sha}:work.txt") == "work"
    rig.runtime.answer_death(ref, 1, "resume")
    assert rig.runtime.observe(ref).exit == ended, "an old answer wakes nothing"


def test_a_death_that_is_answered_with_the_end_is_the_end_that_it_would_have_been(rig: Rig) -> None:
    ref = start_again(rig, "fail", "hang")
    rig.reach(ref, DIED)
    rig.runtime.answer_death(ref, 1, "end")
    ended = rig.reach(ref, "exited").exit
    assert ended is not None
    assert (ended.code, ended.reason) == (7, "exited")
    assert verified(rig.world.bare, ended.escrow_ref, ended.escrow_sha)


def test_an_agent_that_dies_again_is_held_again_and_may_begin_afresh(rig: Rig) -> None:
    ref = start_again(rig, "fail", "fail")
    rig.reach(ref, DIED)
    rig.runtime.answer_death(ref, 1, "resume")

    def second() -> bool:
        died = rig.reach(ref, DIED).died
        return died is not None and died.count == 2

    assert wait_until(second, what="the second death")
    rig.runtime.answer_death(ref, 2, "end")
    assert rig.reach(ref, "exited").exit is not None


def test_an_agent_that_ends_with_zero_is_not_held(rig: Rig) -> None:
    ended = rig.reach(start_again(rig, "exit", "hang"), "exited").exit
    assert ended is not None
    assert (ended.code, ended.reason) == (0, "exited")


@pytest.mark.parametrize("how", ["stopped", "timeout"])
def test_the_time_of_a_run_goes_on_while_a_death_is_held_and_a_stop_is_heard(rig: Rig, how: str) -> None:
    ref = start_again(rig, "fail", "hang", allowance=60.0 if how == "stopped" else 4.0)
    if how == "stopped":
        rig.reach(ref, DIED)
        rig.runtime.stop(ref, "somebody asked")
    elif isinstance(rig, FakeRig):
        rig.reach(ref, DIED)
        rig.pass_time(4.0)
    ended = rig.reach(ref, "exited").exit
    assert ended is not None
    assert (ended.reason, ended.code) == (how, 7)
