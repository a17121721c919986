"""Every condition of a ``subscription_gate`` holds a real chain until it is met, and lets it go on by itself.

Router, dispatcher and reconciler are real, on a real store, a forge in memory and a hand-turned clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fleet.config.gate import GateConfig
from fleet.config.model import AgentConfig
from fleet.core.approval import ApprovalState
from fleet.core.clock import SECOND
from fleet.core.live import LiveCheck
from fleet.core.risk import RiskLevel
from fleet.core.work import Delivery, DeliveryState
from fleet.dispatch.dispatcher import RECHECK, RECHECK_CLOCK
from fleet.store import approvals, deliveries, risk
from fleet.testing.scene import Scene, member, usual_members

REVIEWERS = ("qa-engineer", "tech-lead")
Make = Callable[..., Scene]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A scene whose release manager has a gate; both reviewers have approved ``h1`` of pr/2."""
    made: list[Scene] = []

    def build(gate: dict[str, object], *, at: str = "2026-11-26T14:00", **config: object) -> Scene:
        scene = Scene(tmp_path, gated(gate), **config)
        made.append(scene)
        start = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Europe/Berlin"))
        scene.clock.advance(start.timestamp() - scene.clock.now() / SECOND)
        scene.developed("h1")
        scene.rest()
        approve(scene)
        return scene

    yield build
    for scene in made:
        scene.close()


def gated(gate: dict[str, object]) -> tuple[AgentConfig, ...]:
    """The usual members; a release manager with this gate."""
    checked = GateConfig.model_validate(gate, strict=False)
    kept = [one for one in usual_members() if one.name != "release-manager"]
    return (*kept, member("release-manager", "release-manager", "pr_approved", subscription_gate=checked))


def approve(scene: Scene) -> None:
    """Both reviewers approve the present head."""
    for name in REVIEWERS:
        reviewer = scene.start(scene.live()[name])
        scene.review(reviewer)
        scene.end(reviewer)
    scene.rest()


def release(scene: Scene) -> Delivery:
    """The release manager's newest delivery that is not answered by another one."""
    return scene.deliveries("release-manager")[0]


def held_for(scene: Scene, words: str) -> None:
    """It waits, says for what, and however long nothing changes, nothing more is written."""
    assert "release-manager" not in scene.live()
    found = release(scene)
    assert found.state is DeliveryState.HELD
    assert words in found.reason
    height = scene.height()
    for _ in range(3):
        scene.later(10)
    assert scene.height() == height


def goes_on(scene: Scene) -> None:
    """It starts, at the head that was judged."""
    scene.rest()
    assert scene.live()["release-manager"].generation == "h1"


def test_a_label_that_is_missing_holds_and_lets_go(make: Make) -> None:
    scene = make({"label": "go"})
    held_for(scene, "label go: pr/2 does not carry it")
    scene.forge.label_pull(2, "go")
    scene.later(RECHECK / SECOND)
    goes_on(scene)


def test_a_check_that_is_not_green_at_this_head_holds(make: Make) -> None:
    scene = make({"check": "ci"})
    scene.forge.report("h0", LiveCheck("ci", 1, "passed"))
    held_for(scene, "check ci: nobody reported it at h1")
    scene.forge.report("h1", LiveCheck("ci", 1, "failed"))
    scene.later(RECHECK / SECOND)
    assert "check ci: it failed at h1" in release(scene).reason
    scene.forge.report("h1", LiveCheck("ci", 1, "passed"))
    scene.later(RECHECK / SECOND)
    goes_on(scene)


def test_an_event_counts_at_this_head_only(make: Make) -> None:
    scene = make({"event": "qa_passed"})
    scene.emit("qa_passed", "pr/2", generation="h0", work_item="ticket/1", actor="agent:qa-engineer")
    scene.rest()
    held_for(scene, "event qa_passed: nobody published it at h1")
    scene.emit("qa_passed", "pr/2", generation="h1", work_item="ticket/1", actor="agent:qa-engineer")
    goes_on(scene)


def test_an_event_at_any_head_counts_where_the_gate_says_so(make: Make) -> None:
    scene = make({"event": {"type": "qa_passed", "head": "any"}})
    held_for(scene, "nobody published it about pr/2")
    scene.emit("qa_passed", "pr/2", generation="h0", work_item="ticket/1", actor="agent:qa-engineer")
    goes_on(scene)


def test_k_approvals_are_k_principals_that_do_not_descend_from_one_another(make: Make) -> None:
    scene = make({"approvals": 3})
    held_for(scene, "approvals 3: 2 of 3")
    scene.verdict("pr/2", "h1", "agent:qa-engineer")  # said again by the same one
    scene.verdict("pr/2", "h0", "human:ann")  # of another head
    scene.verdict("pr/2", "h1", "agent:developer")  # by the author
    scene.rest()
    held_for(scene, "approvals 3: 2 of 3")
    scene.verdict("pr/2", "h1", "human:ann")
    goes_on(scene)


def test_somebody_of_another_lineage_has_to_approve_before_any_start_on_it(tmp_path: Path) -> None:
    gate = GateConfig(approved=True)
    deployer = member("deployer", "release-manager", "pr_closed", "staging_wanted", subscription_gate=gate)
    scene = Scene(tmp_path, (*usual_members(), deployer))
    scene.developed("h1")
    scene.emit("staging_wanted", "pr/2", generation="h1", work_item="ticket/1", actor="human:ann")
    scene.verdict("pr/2", "h1", "agent:developer")
    scene.rest()
    (found,) = scene.deliveries("deployer")
    assert "approved: 0 of 1 (nobody)" in found.reason
    scene.close()


def test_a_persons_approval_is_asked_for_once_and_lets_it_go_on(make: Make) -> None:
    scene = make({"approved_by_person": True})
    held_for(scene, "no person has approved this head")
    (one,) = scene.db.read(approvals.recent)
    assert (one.asked, one.agent, one.generation) == ("merge", "release-manager", "h1")
    assert [reason["code"] for reason in one.reasons] == ["FLT-POL-112"]
    grant(scene, one.id)
    goes_on(scene)


def test_a_person_is_asked_before_a_start_that_merges_nothing(tmp_path: Path) -> None:
    """A stage of one's own: the auditor looks at a pull request only after a person said so."""
    gate = GateConfig(approved_by_person=True)
    auditor = member("auditor", "tech-lead", "audit_wanted", subscription_gate=gate)
    scene = Scene(tmp_path, (*usual_members(), auditor))
    scene.developed("h1")
    scene.emit("audit_wanted", "pr/2", generation="h1", work_item="ticket/1", actor="human:ann")
    scene.rest()
    (one,) = scene.db.read(approvals.recent)
    assert (one.asked, one.agent) == ("start", "auditor")
    grant(scene, one.id)
    scene.rest()
    assert scene.live()["auditor"].generation == "h1"
    scene.close()


def grant(scene: Scene, approval_id: str) -> None:
    """A person grants it, as control records it."""
    far = 1 << 61
    by = {"by": "human:ann", "reason": "", "expires_at": far}
    state = ApprovalState.GRANTED
    assert scene.db.write(lambda tx: approvals.decide(tx, approval_id, state=state, **by))  # type: ignore[arg-type]
    scene.db.write(lambda tx: deliveries.release(tx, "pr/2", "h1"))


def test_nobody_is_asked_while_something_else_is_missing(make: Make) -> None:
    scene = make({"all_of": [{"approved_by_person": True}, {"label": "go"}]})
    held_for(scene, "no person has approved this head")
    assert scene.db.read(approvals.recent) == []
    scene.forge.label_pull(2, "go")
    scene.later(RECHECK / SECOND)
    assert len(scene.db.read(approvals.recent)) == 1


def test_a_person_is_asked_in_the_day_for_what_starts_at_night(make: Make) -> None:
    night = {"time_window": {"opens": "22:00", "closes": "06:00", "timezone": "Europe/Berlin"}}
    scene = make({"all_of": [{"approved_by_person": True}, night]})
    (one,) = scene.db.read(approvals.recent)
    grant(scene, one.id)
    scene.rest()
    held_for(scene, "time 22:00-06:00 Europe/Berlin: it is closed")
    scene.later(8 * 3600)
    goes_on(scene)


def test_every_reviewer_has_to_answer_also_before_a_start_that_merges_nothing(tmp_path: Path) -> None:
    gate = GateConfig(reviewers_answered=True)
    writer = member("writer", "tech-lead", "pr_approved", subscription_gate=gate)
    scene = Scene(tmp_path, (*usual_members(), writer))
    scene.developed("h1")
    scene.rest()
    scene.review(scene.start(scene.live()["qa-engineer"]))
    scene.rest()
    (found,) = scene.deliveries("writer")
    assert (found.state, "waiting for tech-lead" in found.reason) == (DeliveryState.HELD, True)
    scene.review(scene.start(scene.live()["tech-lead"]))
    scene.rest()
    assert "writer" in scene.live()
    scene.close()


def test_a_window_opens_to_the_second_and_is_not_polled_for(make: Make) -> None:
    """Held at 14:00 for a night in Berlin that begins at 22:00."""
    scene = make({"time_window": {"opens": "22:00", "closes": "06:00", "timezone": "Europe/Berlin"}})
    held_for(scene, "time 22:00-06:00 Europe/Berlin: it is closed")
    now = scene.clock.now()
    assert scene.dispatcher.tick(now).next_at == now + RECHECK_CLOCK  # in case the clock is put forward
    opens = int(datetime(2026, 11, 26, 22, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND
    scene.clock.advance((opens - now) / SECOND - 20)
    assert scene.dispatcher.tick(scene.clock.now()).next_at == opens
    scene.later(19)
    assert "release-manager" not in scene.live()
    scene.later(1)
    goes_on(scene)


def test_a_window_that_was_missed_waits_for_its_next_day(make: Make) -> None:
    """Approved on Thursday; it opens on Mondays only."""
    scene = make({"time_window": {"opens": "09:00", "closes": "10:00", "days": ["mon"], "timezone": "Europe/Berlin"}})
    held_for(scene, "time mon 09:00-10:00 Europe/Berlin")
    scene.later(3 * 86_400)
    assert "release-manager" not in scene.live()
    scene.later(86_400 - 5 * 3600)
    goes_on(scene)


def test_a_diff_that_is_too_large_never_starts_and_says_so(make: Make) -> None:
    scene = make({"label": "go"})
    scene.forge.change_size(2, files=3, lines=401)
    scene.configure(gated({"max_diff": {"lines": 400, "files": 3}}))
    scene.later(1)
    found = release(scene)
    assert found.state is DeliveryState.DENIED
    assert "a diff of at most 400 lines and 3 files: it is 401 lines in 3 files" in found.reason
    entry = scene.entries("delivery.denied")[0]
    assert "FLT-POL-113" in str(entry.payload)


def test_a_diff_that_is_small_enough_starts(make: Make) -> None:
    scene = make({"max_diff": {"lines": 400}})
    goes_on(scene)


def test_one_condition_of_any_of_is_enough(make: Make) -> None:
    """A small change goes by itself, a large one with a label; the diff that never shrinks does not end the wait."""
    scene = make({"any_of": [{"all_of": [{"label": "now"}, {"approvals": 2}]}, {"event": "qa_passed"}]})
    held_for(scene, "label now: pr/2 does not carry it")
    scene.forge.label_pull(2, "now")
    scene.later(RECHECK / SECOND)
    goes_on(scene)


def test_a_gate_stands_before_a_start_by_hand_too(make: Make) -> None:
    scene = make({"label": "go"})
    scene.emit("agent_start_requested", "pr/2", actor="human:ann", work_item="ticket/1", agent="release-manager")
    scene.later(10)
    assert "release-manager" not in scene.live()


def test_a_gate_that_is_taken_out_of_the_configuration_lets_go(make: Make) -> None:
    scene = make({"label": "go"})
    held_for(scene, "label go")
    scene.configure(usual_members())
    scene.later(RECHECK / SECOND)
    goes_on(scene)


def assess(scene: Scene, level: RiskLevel, *names: str) -> None:
    """The assessor's newest word on these agents."""
    for name in names:
        kept: dict[str, Any] = {"model": "m", "probability": 0.1, "level": level, "since": 0, "readings": {}}
        scene.db.write(partial(risk.put_score, agent=name, **kept))


def test_a_risky_author_holds_the_release_and_so_does_one_that_nobody_assessed(make: Make) -> None:
    scene = make({"max_risk": "elevated"})
    held_for(scene, "risk at most elevated: developer, release-manager was not assessed yet")
    assess(scene, RiskLevel.LOW, "release-manager")
    assess(scene, RiskLevel.HIGH, "developer")
    scene.rest()
    held_for(scene, "risk at most elevated: developer is at high")
    assess(scene, RiskLevel.ELEVATED, "developer")
    scene.rest()
    goes_on(scene)
