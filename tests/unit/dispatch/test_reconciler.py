"""The reconciler on a real store: work comes back, three times, and a crash's loose ends are tied."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.errors import Refused, TemporaryError
from fleet.core.work import Run, RunState
from fleet.dispatch.reconciler import Reconciler
from fleet.store import refheads, runs
from fleet.store.refheads import Alarm
from fleet.testing.scene import Scene, member, usual_members


def developing(scene: Scene) -> Run:
    """The developer's run on a ready ticket, running."""
    scene.ready()
    scene.rest()
    return scene.start(scene.live()["developer"])


def reviewed(scene: Scene) -> Run:
    """The release manager's run on an approved pull request, running."""
    author = developing(scene)
    scene.push(author, "h1")
    scene.end(author)
    scene.all_review()
    return scene.start(scene.live()["release-manager"])


# -- broken runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [RunState.LOST, RunState.FAILED, RunState.TIMED_OUT])
def test_the_work_of_a_broken_run_comes_back(scene: Scene, state: RunState) -> None:
    """After a pause, as the next attempt, with the original event."""
    first = developing(scene)
    scene.end(first, state, outcome="no pull request")
    scene.rest()
    assert scene.live() == {}
    (back,) = scene.entries("work_returned")
    assert back.payload is not None
    assert (back.agent, back.payload["attempt"], back.payload["of"]) == ("developer", 2, first.event_id)
    assert back.payload["run"] == first.id
    scene.later(1.9)
    assert scene.live() == {}
    scene.later(0.2)
    second = scene.live()["developer"]
    assert (second.attempt, second.event_type, second.event_id) == (2, "ticket_ready", first.event_id)


def test_the_last_failure_is_a_dead_letter(scene: Scene) -> None:
    """Three attempts, then a person; nothing comes back after that."""
    run = developing(scene)
    for expected in (1, 2, 3):
        assert run.attempt == expected
        scene.end(run, RunState.FAILED, outcome=f"failure {expected}")
        scene.rest()
        if expected < 3:
            scene.later(10)
            run = scene.start(scene.live()["developer"])
    (dead,) = scene.entries("delivery.dead_lettered")
    assert "all 3 attempts" in dead.summary
    assert "failure 3" in dead.summary
    before = scene.height()
    assert scene.later(3600) == 0
    assert (scene.live(), scene.height()) == ({}, before)
    assert len(scene.entries("work_returned")) == 2


def test_a_broken_run_is_dealt_with_once(scene: Scene) -> None:
    """Ticks repeat, the event does not."""
    scene.end(developing(scene), RunState.LOST)
    assert scene.tick(scene.reconciler) == 1
    assert scene.tick(scene.reconciler) == 0
    assert len(scene.entries("work_returned")) == 1


def test_a_stop_by_a_person_is_final(scene: Scene) -> None:
    """Recorded with its reason; the ticket waits for somebody."""
    scene.cancel(developing(scene), "human:ann: wrong ticket")
    scene.later(60)
    assert scene.live() == {}
    (moot,) = scene.entries("delivery.denied")
    assert "wrong ticket" in moot.summary


def test_what_fleet_down_stopped_comes_back_as_the_same_attempt(scene: Scene) -> None:
    """Going down is nobody's failure."""
    scene.cancel(developing(scene), "fleet down by human:ann")
    scene.rest()
    assert scene.live()["developer"].attempt == 1


def test_a_result_on_record_makes_the_return_moot(scene: Scene) -> None:
    """The run pushed and then vanished: its pull request goes on without it."""
    run = developing(scene)
    scene.push(run, "h1")
    scene.end(run, RunState.LOST)
    scene.later(60)
    assert "developer" not in scene.live()
    assert scene.entries("work_returned") == []
    assert "its result is on record: pr_created" in scene.entries("delivery.denied")[0].summary
    assert set(scene.live()) == {"qa-engineer", "tech-lead"}


def test_a_lost_reviewer_comes_back_unless_the_head_moved(scene: Scene) -> None:
    """The live pull request decides."""
    author = developing(scene)
    scene.push(author, "h1")
    scene.rest()
    lost = scene.live()
    scene.end(lost["qa-engineer"], RunState.LOST)
    scene.rest()
    scene.later(3)
    assert (scene.live()["qa-engineer"].attempt, scene.live()["qa-engineer"].generation) == (2, "h1")
    scene.push(author, "h2")
    scene.end(lost["tech-lead"], RunState.LOST)
    scene.later(60)
    (moot,) = [entry for entry in scene.entries("delivery.denied") if entry.run_id == lost["tech-lead"].id]
    assert "has moved on" in moot.summary
    assert scene.live()["tech-lead"].generation == "h2"
    assert scene.live()["tech-lead"].attempt == 1


def test_a_lost_run_that_opened_no_record_goes_on_with_its_branch(scene: Scene) -> None:
    """The pull request exists, its event does not: the author finishes what it began."""
    run = developing(scene)
    scene.forge.open_pull(ticket=1, head="h1", author="agent:developer")
    scene.end(run, RunState.LOST)
    scene.rest()
    scene.later(3)
    assert scene.live()["developer"].attempt == 2


def test_work_of_an_agent_that_left_is_a_dead_letter(scene: Scene) -> None:
    """Nobody could receive it."""
    run = developing(scene)
    scene.configure(usual_members()[1:])
    scene.end(run, RunState.LOST)
    scene.rest()
    assert "no longer in the configuration" in scene.entries("delivery.dead_lettered")[0].summary


def test_over_budget_work_waits_for_a_higher_ceiling(tmp_path: Path) -> None:
    """It is not lost, and it does not run."""
    crew = (member("dev", "developer", "ticket_ready", budget_seconds=10, timeout_seconds=60),)
    scene = Scene(tmp_path, crew)
    scene.ready()
    scene.rest()
    scene.end(scene.start(scene.live()["dev"]), RunState.OVER_BUDGET, used=10.0)
    scene.rest()
    scene.later(60)
    assert scene.live() == {}
    assert "budget of dev is exhausted" in scene.deliveries("dev")[-1].reason
    scene.configure((member("dev", "developer", "ticket_ready", budget_seconds=50, timeout_seconds=60),))
    scene.rest()
    assert scene.live()["dev"].attempt == 2
    scene.close()


# -- the forge against the records ------------------------------------------------------------------


def test_a_merge_that_nobody_recorded_is_recorded_and_settled(scene: Scene) -> None:
    """At the second look, in the name of the run that intended it, and only once."""
    run = reviewed(scene)
    intent = scene.emit("merge.allowed", "pr/2", generation="h1", run_id=run.id, actor="agent:release-manager")
    scene.forge.merge_pull(2)
    scene.later(3)
    assert scene.entries("pr_merged") == []
    scene.later(3)
    (merged,) = scene.entries("pr_merged")
    assert (merged.generation, merged.run_id, merged.cause_id) == ("h1", run.id, intent.id)
    ticket, pull = scene.forge.ticket(1), scene.forge.pull(2)
    assert ticket is not None
    assert pull is not None
    assert (ticket.state, sorted(ticket.labels)) == ("closed", ["shipped"])
    assert pull.labels == {"shipped"}
    scene.end(run, RunState.LOST)
    before = len(scene.forge.effects)
    scene.later(30)
    assert len(scene.forge.effects) == before
    assert "its result is on record: pr_merged" in scene.entries("delivery.denied")[-1].summary


def test_what_an_unexplained_movement_of_the_base_brought_in_is_no_merge_until_a_person_said_so(scene: Scene) -> None:
    """Nothing is shipped on the word of whoever moved the branch; a merge that the fleet allowed is another matter."""
    reviewed(scene)
    alarm = Alarm("e1", "refs/heads/main", "h0", "h1", True, "main moved and no entry says why", scene.clock.now(), "")
    scene.db.write(lambda tx: refheads.raise_alarm(tx, alarm))
    scene.forge.merge_pull(2)
    scene.later(3)
    scene.later(30)
    assert scene.entries("pr_merged") == []
    ticket = scene.forge.ticket(1)
    assert ticket is not None
    assert ticket.state == "open"
    scene.db.write(lambda tx: refheads.answer_alarm(tx, "e1", "e2"))
    scene.later(30)
    scene.later(30)
    (merged,) = scene.entries("pr_merged")
    assert merged.summary == "pr/2 was merged past the fleet"


def test_a_recorded_merge_without_its_labels_is_settled(scene: Scene) -> None:
    """The crash came after the record: only the labels are missing."""
    scene.merge(reviewed(scene))
    scene.later(3)
    scene.later(3)
    ticket = scene.forge.ticket(1)
    assert ticket is not None
    assert ticket.state == "closed"
    assert len(scene.entries("pr_merged")) == 1


def test_what_else_follows_a_merge_is_done_too(scene: Scene) -> None:
    """Before the merge counts as settled, so that a crash in it is made good as well."""
    followed: list[int] = []
    scene.reconciler = Reconciler(
        scene.db, scene.forge, scene.forge, lambda: scene.loaded, after_merge=lambda pull: followed.append(pull.number)
    )
    scene.merge(reviewed(scene))
    for _ in range(4):
        scene.later(3)
    assert followed == [2]


def test_a_label_that_may_not_be_written_holds_up_no_other_work(scene: Scene) -> None:
    """The refusal is told after all the rest had its turn, and what it held up is done once it may be."""
    first, second = scene.forge.add_ticket(), scene.forge.add_ticket()
    merged = [
        scene.forge.merge_pull(scene.forge.open_pull(ticket=one.number, head=f"h{one.number}", author="agent:d").number)
        for one in (first, second)
    ]
    scene.forge.locked = {merged[0].number}
    assert scene.tick(scene.reconciler) == 0
    for _ in range(3):
        scene.clock.advance(4)
        with pytest.raises(Refused, match="FLT-GHB-005"):
            scene.reconciler.tick(scene.clock.now())
    assert len(scene.entries("pr_merged")) == 2
    assert [scene.forge.ticket(one.number).state for one in (first, second)] == ["open", "closed"]  # type: ignore[union-attr]
    scene.forge.locked = set()
    scene.later(4)
    scene.later(4)
    assert scene.forge.ticket(first.number).state == "closed"  # type: ignore[union-attr]
    assert len(scene.entries("pr_merged")) == 2


def test_settled_labels_belong_to_people_again(scene: Scene) -> None:
    """A reopened ticket is not closed by machinery that believes it knows better."""
    scene.merge(reviewed(scene))
    scene.later(3)
    scene.later(3)
    scene.forge.change_ticket(1, state="open", labels=frozenset({"ready"}))
    scene.later(30)
    ticket = scene.forge.ticket(1)
    assert ticket is not None
    assert (ticket.state, sorted(ticket.labels)) == ("open", ["ready"])
    scene.end(scene.live()["release-manager"])
    scene.say_ready(1)
    scene.rest()
    assert "developer" in scene.live()


def test_a_head_that_nobody_announced_asks_for_a_review(scene: Scene) -> None:
    """Pushed around the fleet: approvals are void, so the label that wakes reviewers goes on, once."""
    reviewed(scene)
    scene.forge.label_pull(2, "approved")
    scene.forge.move_head(2, "sneaked", ("who@example.org",))
    scene.later(3)
    scene.later(3)
    pull = scene.forge.pull(2)
    assert pull is not None
    assert pull.labels == {"needs-review"}
    scene.forge.label_pull(2)
    scene.later(30)
    pull = scene.forge.pull(2)
    assert pull is not None
    assert pull.labels == frozenset()


def test_work_that_reached_nobody_is_offered_when_somebody_subscribes(tmp_path: Path) -> None:
    """A fleet that hires its developer after the first ticket."""
    reviewers = usual_members()[1:]
    scene = Scene(tmp_path, reviewers)
    scene.ready()
    scene.rest()
    assert scene.deliveries("developer") == []
    scene.configure(usual_members())
    scene.rest()
    scene.later(3)
    assert scene.live()["developer"].event_type == "ticket_ready"
    before = len(scene.entries("work_returned"))
    scene.later(30)
    assert len(scene.entries("work_returned")) == before == 1
    scene.close()


def test_work_that_somebody_heard_of_is_not_offered_to_others(scene: Scene) -> None:
    """A ticket whose developer was stopped does not start the next one by itself."""
    scene.cancel(developing(scene), "human:ann: not now")
    scene.configure((*usual_members(), member("second", "developer", "ticket_ready")))
    scene.rest()
    scene.later(30)
    assert scene.live() == {}


def test_an_idle_reconciler_writes_nothing_and_says_when_it_looks_again(scene: Scene) -> None:
    """Also with open tickets and pull requests around."""
    scene.push(developing(scene), "h1")
    scene.rest()
    before = scene.height()
    for _ in range(3):
        scene.clock.advance(3)
        tick = scene.reconciler.tick(scene.clock.now())
        assert (tick.did, tick.next_at) == (0, scene.clock.now() + 3_000_000)
    assert scene.height() == before


def test_between_looks_the_forge_is_not_asked(scene: Scene) -> None:
    """Every commit wakes the reconciler; the forge must not feel it."""
    scene.tick(scene.reconciler)
    scene.forge.asked.clear()
    for _ in range(5):
        scene.tick(scene.reconciler)
    assert not scene.forge.asked


def test_an_outage_of_the_forge_loses_nothing(scene: Scene) -> None:
    """The broken run is dealt with when the forge answers again."""
    run = developing(scene)
    scene.end(run, RunState.LOST)
    scene.forge.down = True
    with pytest.raises(TemporaryError):
        scene.tick(scene.reconciler)
    scene.forge.down = False
    assert scene.tick(scene.reconciler) == 1
    assert scene.db.read(runs.finished_without_result) == []
