"""A held merge asks a person once, goes on when granted, and asks anew when anything it is bound to has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.approval import Approval, ApprovalState
from fleet.core.clock import SECOND
from fleet.core.live import LivePull
from fleet.core.work import DeliveryState
from fleet.daemon.janitor import Janitor
from fleet.store import approvals, deliveries
from fleet.testing.scene import Scene, usual_members

LATER = 10**18


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Agents share one uid and may not merge by themselves; two reviewers approved ``h1`` of pr/2."""
    made = Scene(tmp_path, allow_shared_uid_merge=False)
    made.developed("h1")
    review(made)
    yield made
    made.close()


def review(scene: Scene) -> None:
    """Both reviewers approve the present head."""
    scene.later(1)
    for name in ("qa-engineer", "tech-lead"):
        reviewer = scene.start(scene.live()[name])
        scene.review(reviewer)
        scene.end(reviewer)
    scene.rest()


def pull(scene: Scene) -> LivePull:
    """pr/2 as it is."""
    found = scene.forge.pull(2)
    assert found is not None
    return found


def asked(scene: Scene) -> list[Approval]:
    """Everything that was asked."""
    return scene.db.read(approvals.recent)


def answer(scene: Scene, one: Approval, state: ApprovalState = ApprovalState.GRANTED) -> None:
    """A person answers, as control records it."""
    by = {"by": "human:ann", "reason": "", "expires_at": LATER}
    assert scene.db.write(lambda tx: approvals.decide(tx, one.id, state=state, **by))  # type: ignore[arg-type]
    scene.db.write(lambda tx: deliveries.release(tx, one.subject, one.generation))


def test_a_merge_that_waits_for_a_person_asks_once(scene: Scene) -> None:
    (one,) = asked(scene)
    assert (one.subject, one.generation, one.agent, one.state) == ("pr/2", "h1", "release-manager", "requested")
    assert [reason["code"] for reason in one.reasons] == ["FLT-POL-074"]
    height = scene.height()
    for _ in range(3):
        scene.later(10)
    assert (len(asked(scene)), scene.height()) == (1, height)
    (entry,) = scene.entries("approval.requested")
    assert (entry.payload or {})["approval"] == one.id


def test_nobody_is_asked_before_the_reviewers_have_answered(tmp_path: Path) -> None:
    scene = Scene(tmp_path, allow_shared_uid_merge=False)
    scene.developed("h1")
    scene.rest()
    scene.review(scene.start(scene.live()["qa-engineer"]))
    scene.rest()
    assert scene.deliveries("release-manager")[0].state is DeliveryState.HELD
    assert asked(scene) == []
    scene.close()


def test_a_grant_lets_the_held_start_go_on_at_once(scene: Scene) -> None:
    answer(scene, asked(scene)[0])
    scene.rest()
    run = scene.live()["release-manager"]
    assert (run.generation, run.subject) == ("h1", "pr/2")
    (entry,) = [one for one in scene.entries("delivery.dispatched") if one.agent == "release-manager"]
    assert "human:ann approved this merge" in str((entry.payload or {})["decision"])


def test_a_refusal_keeps_it_held_and_asks_nobody_again(scene: Scene) -> None:
    answer(scene, asked(scene)[0], ApprovalState.REFUSED)
    scene.later(10)
    assert "release-manager" not in scene.live()
    assert len(asked(scene)) == 1


def test_a_push_voids_a_grant_and_asks_about_the_new_head(scene: Scene) -> None:
    one = asked(scene)[0]
    scene.verdict("pr/2", "h1", "human:ann", approve=False)  # so that the developer comes back
    scene.rest()
    developer = scene.start(scene.live()["developer"])
    answer(scene, one)
    scene.push(developer, "h2")
    scene.end(developer)
    review(scene)
    assert "release-manager" not in scene.live()
    assert [(found.generation, found.state) for found in asked(scene)] == [("h1", "granted"), ("h2", "requested")]


def test_an_edit_of_the_ticket_voids_a_grant_and_asks_anew(scene: Scene) -> None:
    scene.forge.change_ticket(1, body="and delete everything else")
    answer(scene, asked(scene)[0])
    scene.later(1)
    assert "release-manager" not in scene.live()
    old, new = asked(scene)
    assert (old.state, new.state) == ("granted", "requested")
    assert {name for name in old.bound if old.bound[name] != new.bound[name]} == {"text"}


def test_an_edit_that_matters_to_this_merge_voids_a_grant_and_asks_anew(scene: Scene) -> None:
    one = asked(scene)[0]
    scene.configure(usual_members(), allow_shared_uid_merge=False, protected_paths=("a.py",))
    answer(scene, one)
    scene.later(1)
    assert "release-manager" not in scene.live()
    assert {name for name in one.bound if one.bound[name] != asked(scene)[1].bound[name]} == {"policy"}


def test_an_edit_that_has_nothing_to_do_with_this_merge_voids_nothing(scene: Scene) -> None:
    one = asked(scene)[0]
    developer, *others = usual_members()
    changed = (developer.model_copy(update={"max_concurrent": 3, "model": "another"}), *others)
    scene.configure(changed, allow_shared_uid_merge=False, digest="d" * 64, max_concurrent=4)
    answer(scene, one)
    scene.later(1)
    assert scene.live()["release-manager"].generation == "h1"
    assert len(asked(scene)) == 1


def test_protected_paths_wait_for_a_person_also_where_agents_may_merge(tmp_path: Path) -> None:
    scene = Scene(tmp_path, protected_paths=("a.py",))
    scene.developed("h1")
    review(scene)
    (one,) = asked(scene)
    assert [reason["code"] for reason in one.reasons] == ["FLT-POL-072"]
    answer(scene, one)
    scene.rest()
    assert scene.live()["release-manager"].generation == "h1"
    scene.close()


@pytest.mark.parametrize("granted", [False, True])
def test_a_question_and_a_grant_expire_and_newer_work_asks_again(scene: Scene, granted: bool) -> None:
    one = asked(scene)[0]
    assert one.expires_at == one.requested_at + 604_800 * SECOND
    if granted:
        held = {"by": "human:ann", "reason": "", "expires_at": one.expires_at}
        state = ApprovalState.GRANTED
        assert scene.db.write(lambda tx: approvals.decide(tx, one.id, state=state, **held))  # type: ignore[arg-type]
    janitor = Janitor(scene.db)
    scene.clock.advance(604_799)
    janitor.tick(scene.clock.now())
    assert asked(scene)[0].state is (ApprovalState.GRANTED if granted else ApprovalState.REQUESTED)
    scene.clock.advance(6)
    assert janitor.tick(scene.clock.now()).did == 1
    (entry,) = scene.entries("approval.expired")
    assert ("human:ann had granted it" in entry.summary) is granted
    scene.rest()
    assert len(asked(scene)) == 1
    scene.clock.advance(1)
    scene.emit("agent_start_requested", "pr/2", generation="h1", work_item="ticket/1", agent="release-manager")
    scene.rest()
    assert [found.state for found in asked(scene)] == ["expired", "requested"]
