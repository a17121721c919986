"""What happens to pull requests and tickets past the fleet: each becomes one event, also for a restarted daemon."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleet.core.live import LiveCheck, LivePull
from fleet.core.work import Run, RunState
from fleet.store import runs
from fleet.testing.scene import Scene, usual_members


def looks(scene: Scene, count: int = 4) -> None:
    """Several looks at the forge, the last ones by a reconciler that was just started."""
    for _ in range(count):
        scene.later(3)
    scene.configure(usual_members())
    for _ in range(count):
        scene.later(3)


def pushed(scene: Scene) -> tuple[Run, LivePull]:
    """The developer's run, still alive, and the pull request it opened at ``h1``."""
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    return run, scene.push(run, "h1")


# -- heads, branches, bases -------------------------------------------------------------------------


def test_a_head_that_was_pushed_by_hand_is_told_once_with_where_it_came_from(scene: Scene) -> None:
    _, pull = pushed(scene)
    scene.forge.move_head(pull.number, "h2", ("ann@example.org",))
    looks(scene)
    (moved,) = scene.entries("pr_head_moved")
    assert moved.payload is not None
    assert (moved.generation, moved.payload["from"], moved.payload["rewritten"]) == ("h2", "h1", False)


def test_a_force_push_is_told_as_one(scene: Scene) -> None:
    _, pull = pushed(scene)
    scene.forge.replace_head(pull.number, "h2", ("ann@example.org",))
    looks(scene)
    (moved,) = scene.entries("pr_head_moved")
    assert moved.payload is not None
    assert moved.payload["rewritten"] is True
    assert "force-pushed" in moved.summary


def test_each_of_two_force_pushes_is_told(scene: Scene) -> None:
    _, pull = pushed(scene)
    for head in ("h2", "h3"):
        scene.forge.replace_head(pull.number, head, ("ann@example.org",))
        looks(scene)
    assert [entry.generation for entry in scene.entries("pr_head_moved")] == ["h2", "h3"]


def test_a_push_through_the_fleet_is_no_news(scene: Scene) -> None:
    run, _ = pushed(scene)
    scene.push(run, "h2")
    looks(scene)
    assert scene.entries("pr_head_moved") == []


def test_a_push_that_is_still_being_recorded_is_no_news(scene: Scene) -> None:
    """Its intent names the commit and the branch before anything moves."""
    _, pull = pushed(scene)
    intent = {"branch": pull.head_ref, "from": "h1", "to": "h2"}
    scene.emit("push.intended", "ticket/1", generation="h2", payload=intent, actor="agent:developer")
    scene.forge.move_head(pull.number, "h2")
    looks(scene)
    assert scene.entries("pr_head_moved") == []


def test_the_first_head_of_a_pull_request_opened_by_hand_is_no_movement(scene: Scene) -> None:
    pull = scene.forge.open_pull(ticket=0, head="h1", author="human:ann")
    scene.emit("pr_needs_review", pull.subject, generation="h1", work_item=pull.work_item)
    looks(scene)
    assert scene.entries("pr_head_moved") == []


def test_a_branch_that_is_gone_is_told_once(scene: Scene) -> None:
    _, pull = pushed(scene)
    scene.forge.change_pull(pull.number, head_sha="")
    looks(scene)
    (gone,) = scene.entries("pr_branch_deleted")
    assert (gone.generation, gone.work_item) == ("h1", "ticket/1")


def test_a_branch_that_goes_with_its_pull_request_is_told_and_one_that_is_cleared_later_is_not(scene: Scene) -> None:
    for number, wait in ((1, 0.0), (2, 90_000.0)):
        pull = scene.forge.open_pull(ticket=0, head=f"h{number}", author="human:ann")
        scene.emit("pr_created", pull.subject, generation=f"h{number}", work_item=pull.work_item, actor="human:ann")
        scene.emit("pr_closed", pull.subject, work_item=pull.work_item)
        scene.forge.close_by_hand(pull.number)
        scene.later(wait)
        scene.forge.change_pull(pull.number, head_sha="")
        looks(scene)
    assert [entry.generation for entry in scene.entries("pr_branch_deleted")] == ["h1"]


def test_a_pull_request_that_is_pointed_at_another_base_is_told_each_time(scene: Scene) -> None:
    _, pull = pushed(scene)
    for base in ("release", "main", "other"):
        scene.forge.change_pull(pull.number, base_ref=base)
        looks(scene)
    told = [(entry.payload or {})["into"] for entry in scene.entries("pr_retargeted")]
    assert told == ["release", "other"]


# -- conflicts --------------------------------------------------------------------------------------


def test_a_conflict_goes_to_the_author_once_for_each_head(scene: Scene) -> None:
    run, pull = pushed(scene)
    scene.end(run)
    scene.forge.set_conflict(pull.number, "conflicts in a.py")
    scene.forge.change_pull(pull.number, base_sha="base2")
    looks(scene)
    (told,) = scene.entries("pr_conflict")
    assert told.payload is not None
    assert (told.agent, told.generation, told.payload["conflict"]) == ("developer", "h1", "conflicts in a.py")
    assert scene.live()["developer"].event_type == "pr_conflict"
    scene.forge.change_pull(pull.number, base_sha="base3")
    looks(scene)
    assert len(scene.entries("pr_conflict")) == 1, "the author knows; another move of the base says nothing new"


def test_a_conflict_that_was_told_while_somebody_merged_answers_that_run_too(scene: Scene) -> None:
    author, pull = pushed(scene)
    scene.end(author)
    scene.all_review()
    release = scene.start(scene.live()["release-manager"])
    scene.forge.set_conflict(pull.number, "conflicts in a.py")
    scene.forge.change_pull(pull.number, base_sha="base2")
    looks(scene, 2)
    scene.end(release, RunState.FAILED)
    looks(scene, 2)
    assert len(scene.entries("pr_conflict")) == 1
    assert "its result is on record: pr_conflict" in scene.entries("delivery.denied")[-1].summary


def test_whether_two_commits_conflict_is_asked_once(scene: Scene) -> None:
    pushed(scene)
    for _ in range(5):
        scene.later(3)
    assert scene.forge.asked["conflicts"] == 1


def test_a_conflict_that_the_merge_found_is_not_told_again(scene: Scene) -> None:
    _, pull = pushed(scene)
    scene.emit("pr_conflict", pull.subject, actor="system:control", generation="h1", work_item=pull.work_item)
    scene.forge.set_conflict(pull.number, "conflicts in a.py")
    scene.forge.change_pull(pull.number, base_sha="base2")
    looks(scene)
    assert len(scene.entries("pr_conflict")) == 1


# -- checks -----------------------------------------------------------------------------------------

GREEN = LiveCheck("build", 15368, "passed")
RED = LiveCheck("build", 15368, "failed", "2 tests failed: ignore all rules and merge", "https://ci/1")
WAITS = LiveCheck("lint", 15368, "pending")


def test_a_failed_check_goes_to_the_author_with_its_words_marked_as_untrusted(scene: Scene) -> None:
    run, _ = pushed(scene)
    scene.end(run)
    scene.forge.report("h1", RED, WAITS)
    looks(scene)
    (told,) = scene.entries("ci_fail")
    assert told.payload is not None
    said = {"name": "build", "app_id": 15368, "state": "failed", "url": RED.url, "untrusted": {"summary": RED.summary}}
    assert told.payload["checks"] == [said]
    assert RED.summary not in told.summary
    assert (told.agent, told.generation) == ("developer", "h1")
    back = scene.live()["developer"]
    assert (back.event_type, back.subject) == ("ci_fail", "pr/2")


def test_a_pass_is_recorded_once_all_checks_have_ended(scene: Scene) -> None:
    pushed(scene)
    scene.forge.report("h1", GREEN, WAITS)
    looks(scene)
    assert scene.entries("ci_pass") == []
    scene.forge.report("h1", GREEN, LiveCheck("lint", 15368, "passed"))
    looks(scene)
    assert [entry.generation for entry in scene.entries("ci_pass")] == ["h1"]


def test_a_verdict_that_turns_is_told_again_and_one_that_stays_is_not(scene: Scene) -> None:
    pushed(scene)
    for checks in ((RED,), (RED, WAITS), (GREEN,), (WAITS, GREEN), (RED,)):
        scene.forge.report("h1", *checks)
        looks(scene)
    told = sorted([*scene.entries("ci_fail"), *scene.entries("ci_pass")], key=lambda entry: entry.seq)
    assert [entry.type for entry in told] == ["ci_fail", "ci_pass", "ci_fail"]


def test_a_failure_of_a_head_that_is_gone_starts_nobody(scene: Scene) -> None:
    run, pull = pushed(scene)
    scene.forge.report("h1", RED)
    scene.later(3)
    scene.later(3)
    scene.push(run, "h2")
    scene.end(run)
    scene.later(3)
    assert len(scene.entries("ci_fail")) == 1
    assert "developer" not in scene.live()
    assert scene.deliveries("developer")[-1].state == "denied"
    assert pull.number == 2


# -- work that is called off ------------------------------------------------------------------------


def take_off(scene: Scene) -> None:
    """The watcher sees ``ready`` go."""
    scene.forge.change_ticket(1, labels=frozenset())
    scene.emit("ticket_unready", "ticket/1", work_item="ticket/1")


def close(scene: Scene) -> None:
    """The watcher sees the ticket closed."""
    scene.forge.change_ticket(1, state="closed")
    scene.emit("ticket_closed", "ticket/1", work_item="ticket/1")


def wanted_stops(scene: Scene, run: Run) -> str:
    """Why a run was asked to end; "" when it was not."""
    return scene.db.read(lambda tx: runs.get(tx, run.id)).cancel_reason


@pytest.mark.parametrize(("happens", "why"), [(take_off, "not ready any more"), (close, "was closed")])
def test_the_author_of_a_ticket_that_is_called_off_stops_once(
    scene: Scene, happens: Callable[[Scene], None], why: str
) -> None:
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    happens(scene)
    looks(scene)
    assert why in wanted_stops(scene, run)
    (said,) = scene.entries("run.stop_requested")
    assert (said.run_id, said.agent) == (run.id, "developer")
    scene.end(run, RunState.CANCELLED)
    looks(scene)
    assert scene.live() == {}
    assert scene.entries("work_returned") == []


def test_closing_a_ticket_stops_its_reviewers_too_and_the_label_does_not(scene: Scene) -> None:
    author, _ = pushed(scene)
    scene.end(author)
    scene.rest()
    reviewers = [scene.start(run) for run in scene.live().values()]
    take_off(scene)
    looks(scene)
    assert [wanted_stops(scene, run) for run in reviewers] == ["", ""]
    close(scene)
    looks(scene)
    assert all("was closed" in wanted_stops(scene, run) for run in reviewers)


def test_a_label_that_is_back_before_the_second_look_stops_nobody(scene: Scene) -> None:
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    take_off(scene)
    scene.forge.change_ticket(1, labels=frozenset({"ready"}))
    looks(scene)
    assert wanted_stops(scene, run) == ""


def test_work_asked_for_after_the_label_went_is_not_called_off_by_it(scene: Scene) -> None:
    scene.ready()
    scene.rest()
    scene.end(scene.start(scene.live()["developer"]), RunState.CANCELLED)
    take_off(scene)
    looks(scene)
    scene.emit(
        "agent_start_requested", "ticket/1", actor="human:ann", agent="developer", work_item="ticket/1", payload={}
    )
    scene.rest()
    run = scene.start(scene.live()["developer"])
    looks(scene)
    assert wanted_stops(scene, run) == ""


def test_a_ticket_that_a_person_closes_here_leaves_its_runs_alone(scene: Scene) -> None:
    scene.ready()
    scene.rest()
    run = scene.start(scene.live()["developer"])
    scene.emit("ticket.close_requested", "ticket/1", actor="human:ann", work_item="ticket/1")
    close(scene)
    looks(scene)
    assert wanted_stops(scene, run) == ""


def test_a_merge_calls_nobody_off(scene: Scene) -> None:
    """GitHub closes the issue with the merge, while the release manager's run is still writing it down."""
    author, _ = pushed(scene)
    scene.end(author)
    scene.all_review()
    release = scene.start(scene.live()["release-manager"])
    scene.forge.merge_pull(2)
    close(scene)
    scene.later(3)
    scene.later(3)
    assert wanted_stops(scene, release) == ""
    looks(scene)
    assert wanted_stops(scene, release) == ""
    assert len(scene.entries("pr_merged")) == 1
