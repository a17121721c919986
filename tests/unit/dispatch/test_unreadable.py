"""A pull request whose commits cannot be read waits alone: told once, and it goes on by itself."""

from __future__ import annotations

import pytest

from fleet.config.model import AgentConfig
from fleet.core.live import LiveCheck, LivePull
from fleet.core.work import DeliveryState
from fleet.dispatch.unreadable import unreadable_now
from fleet.store import deliveries, runs
from fleet.testing.scene import Scene, member, usual_members

FAILED, RECOVERED = "pull.read_failed", "pull.read_recovered"


def two_pulls(scene: Scene) -> tuple[LivePull, LivePull]:
    """Two pull requests of the fleet's own, both on record; the first one cannot be read any more."""
    made = []
    for _ in range(2):
        ticket = scene.forge.add_ticket("ready")
        pull = scene.forge.open_pull(ticket=ticket.number, head=f"h{ticket.number}", author="agent:developer")
        made.append(pull)
        scene.emit("pr_created", pull.subject, generation=pull.head_sha, work_item=pull.work_item)
    scene.forge.unreadable = {made[0].number}
    return made[0], made[1]


def looks(scene: Scene, count: int = 4, *, members: tuple[AgentConfig, ...] = usual_members()) -> None:
    """Several looks, the last ones by a reconciler that was just started."""
    for _ in range(count):
        scene.later(3)
    scene.configure(members)
    for _ in range(count):
        scene.later(3)


def test_it_is_told_once_with_what_to_do_and_holds_up_no_other(scene: Scene) -> None:
    bad, good = two_pulls(scene)
    scene.forge.set_conflict(good.number, "conflicts in a.py")
    scene.forge.report(good.head_sha, LiveCheck("build", 1, "failed"))
    looks(scene)
    (told,) = scene.entries(FAILED)
    assert (told.subject, told.generation) == (bad.subject, bad.head_sha)
    assert "Push anew." in told.summary
    assert [entry.subject for entry in scene.entries("pr_conflict")] == [good.subject]
    assert [entry.subject for entry in scene.entries("ci_fail")] == [good.subject]


def test_it_goes_on_by_itself_once_it_can_be_read_and_is_told_again_if_that_ends(scene: Scene) -> None:
    bad, _ = two_pulls(scene)
    looks(scene)
    scene.forge.unreadable = set()
    scene.forge.set_conflict(bad.number, "conflicts in a.py")
    looks(scene)
    assert len(scene.entries(RECOVERED)) == 1
    assert [entry.subject for entry in scene.entries("pr_conflict")] == [bad.subject], "what was missed is caught up"
    assert scene.db.read(unreadable_now) == ()
    scene.forge.unreadable = {bad.number}
    scene.forge.change_pull(bad.number, base_sha="another")
    looks(scene)
    assert [entry.subject for entry in scene.entries(FAILED)] == [bad.subject, bad.subject]


def test_a_start_that_depends_on_it_waits_and_the_others_start(scene: Scene) -> None:
    reviewers = (member("tech-lead", "tech-lead", "pr_needs_review", max_concurrent=2),)
    scene.configure(reviewers)
    bad, good = two_pulls(scene)
    for pull in (bad, good):
        scene.emit("pr_needs_review", pull.subject, generation=pull.head_sha, work_item=pull.work_item)
    scene.rest()
    assert {run.subject for run in scene.db.read(runs.live)} == {good.subject}
    assert len(scene.entries(FAILED)) == 1
    waiting = scene.db.read(lambda tx: deliveries.in_state(tx, DeliveryState.PENDING, limit=10))
    assert {one.subject for one in waiting} == {bad.subject}
    scene.forge.unreadable = set()
    looks(scene, members=reviewers)
    scene.later(6)
    assert {run.subject for run in scene.db.read(runs.live)} == {good.subject, bad.subject}
    assert len(scene.entries(FAILED)) == len(scene.entries(RECOVERED)) == 1


@pytest.mark.parametrize("end", ["closed", "gone", "pushed"])
def test_it_is_no_trouble_any_more_once_it_is_closed_or_has_another_head(scene: Scene, end: str) -> None:
    bad, _ = two_pulls(scene)
    looks(scene)
    if end == "closed":
        scene.forge.close_by_hand(bad.number)
    elif end == "gone":
        scene.forge.change_pull(bad.number, head_sha="")
    else:
        scene.forge.unreadable = set()
        scene.forge.move_head(bad.number, "h9", ("dev@example.org",))
    looks(scene)
    assert scene.db.read(unreadable_now) == ()
    assert len(scene.entries(RECOVERED)) == 1


def test_another_head_that_cannot_be_read_either_is_told_too(scene: Scene) -> None:
    bad, _ = two_pulls(scene)
    looks(scene)
    scene.forge.move_head(bad.number, "h9", ("dev@example.org",))
    looks(scene)
    assert [entry.generation for entry in scene.entries(FAILED)] == [bad.head_sha, "h9"]
    assert scene.entries("pr_head_moved") == [], "whether it was force-pushed cannot be said yet"
