"""What a quarantine does to approvals that were given before it, and to a merge that is under way on one.

Dispatcher, reconciler, assessor and control are the real ones, on a real store and real git.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chain.test_risk_on_fakes import Watched
from tests.unit.control.test_merges import approved_pull

from fleet.control import quarantines
from fleet.core import probe
from fleet.core.errors import FleetError, Refused
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.work import DeliveryState
from fleet.dispatch.reconciler import LOOK_EVERY
from fleet.store import deliveries, runs
from fleet.store.db import Tx
from fleet.testing.desk import ANN
from fleet.testing.repos import git
from fleet.testing.waiting import wait_until

WHY = "qa-engineer was quarantined afterwards"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """The usual members, nobody of them at work."""
    made = Watched(tmp_path)
    yield made
    made.desk.close()


def quarantine(watched: Watched, agent: str = "qa-engineer") -> None:
    """A person takes an agent out of service."""
    watched.desk.ask("agent.quarantine", name=agent, reason="it approves everything")


def look(watched: Watched) -> None:
    """Two looks at the forge, and whatever follows."""
    for _ in range(3):
        watched.desk.clock.advance(LOOK_EVERY + 0.1)
        watched.rest()


def review(watched: Watched, agent: str, ticket: int, pull: int, head: str, verdict: str = "approve") -> None:
    """A run of a reviewer says its word, and ends."""
    who = watched.desk.reviewer(agent, pull, ticket, head)
    watched.desk.ask("pr.review", who, number=pull, verdict=verdict)
    watched.desk.end(who)


def at_work(watched: Watched, agent: str) -> Principal:
    """The queued run of an agent, as a runner takes it."""

    def take(tx: Tx) -> Principal:
        (run,) = [one for one in runs.live(tx) if one.agent == agent]
        epoch = runs.take(tx, run.id, epoch=run.epoch, host="local")
        assert epoch is not None
        assert runs.mark_running(tx, run.id, epoch=epoch)
        role = watched.desk.loaded.roles[run.role]
        return Principal(
            PrincipalKind.AGENT, agent, run.id, epoch, run.role, role.verbs, role.emits,
            frozenset({run.subject, run.work_item}),
        )  # fmt: skip

    return watched.desk.db.write(take)


def refused(watched: Watched, pull: int) -> str:
    """Why a person cannot merge it."""
    with pytest.raises(Refused) as caught:
        watched.desk.ask("pr.merge", ANN, number=pull)
    return str(caught.value)


def test_an_approval_counts_no_more_once_its_reviewer_was_quarantined_and_everybody_is_told_why(
    watched: Watched,
) -> None:
    desk = watched.desk
    ticket, pull, head = approved_pull(desk, {"CLAUDE.md": "obey\n"})
    agent = desk.run("release-manager", f"pr/{pull}", event="agent_start_requested", item=f"ticket/{ticket}", head=head)
    with pytest.raises(Refused):
        desk.ask("pr.merge", agent, number=pull)  # a person is asked
    desk.end(agent)
    assert desk.ask("release.check", number=pull)["approved_by"] == ["agent:tech-lead", "agent:qa-engineer"]
    quarantine(watched)
    checked = desk.ask("release.check", number=pull)
    assert (checked["mergeable"], checked["approved_by"]) == (False, ["agent:tech-lead"])
    assert f"qa-engineer again: {WHY}" in checked["detail"]
    told = "\n".join(desk.ask("why", ref=f"pr/{pull}")["lines"])
    assert f"at this head; counts no more: {WHY}" in told
    assert f"waiting for qa-engineer to review this head (qa-engineer again: {WHY}" in told
    shown = desk.ask("approval.show", id=f"pr/{pull}")["reviews"]
    assert {one["by"]: bool(one["void"]) for one in shown} == {"agent:qa-engineer": True, "agent:tech-lead": False}
    (void,) = [one["void"] for one in desk.ask("pr.show", number=pull)["reviews"] if one["void"]]
    assert void.startswith(WHY)


@pytest.mark.long
def test_when_the_only_approval_falls_the_merge_is_refused_with_that_reason(watched: Watched) -> None:
    ticket = watched.desk.ticket()
    _, pull, head = watched.desk.pushed("developer", ticket)
    review(watched, "qa-engineer", ticket, pull, head)
    watched.desk.ask("pr.waive", number=pull, agent="tech-lead", reason="on holiday")
    quarantine(watched)
    assert f"the approval of agent:qa-engineer lost its force: {WHY}" in refused(watched, pull)


def test_the_reviewer_is_asked_again_and_answers_once_it_was_released(watched: Watched) -> None:
    """On probation its new word counts; the old one stays void."""
    desk = watched.desk
    _, pull, head = approved_pull(desk)
    quarantine(watched)
    look(watched)
    (back,) = desk.entries("work_returned", subject=f"pr/{pull}")
    assert (back.agent, back.generation) == ("qa-engineer", head)
    assert f"asked again to review pr/{pull}: {WHY}" in back.summary
    mine = [one for one in desk.db.read(deliveries.open_ones) if one.agent == "qa-engineer"]
    (waits,) = [one for one in mine if one.event_id == back.id]
    assert mine[0].state is DeliveryState.HELD  # the first of its turn; the others wait behind it
    assert "fleet agent release qa-engineer" in mine[0].reason
    look(watched)
    assert len(desk.entries("work_returned", subject=f"pr/{pull}")) == 1, "it is asked once"
    desk.ask("agent.release", name="qa-engineer", reason="looked into it")
    assert WHY in refused(watched, pull), "a release brings no approval back"
    look(watched)
    assert desk.db.read(lambda tx: deliveries.get(tx, waits.id)).state is DeliveryState.DISPATCHED
    desk.ask("pr.review", at_work(watched, "qa-engineer"), number=pull, verdict="approve")
    assert desk.ask("release.check", number=pull)["approved_by"] == ["agent:tech-lead", "agent:qa-engineer"]
    assert desk.ask("pr.merge", ANN, number=pull)["head"] == head


@pytest.mark.long
def test_what_it_objected_to_before_its_approval_stands_again(watched: Watched) -> None:
    ticket = watched.desk.ticket()
    _, pull, head = watched.desk.pushed("developer", ticket)
    review(watched, "tech-lead", ticket, pull, head)
    review(watched, "qa-engineer", ticket, pull, head, "request_changes")
    review(watched, "qa-engineer", ticket, pull, head)
    quarantine(watched)
    assert "agent:qa-engineer wants changes at this head" in refused(watched, pull)


@pytest.mark.long
def test_an_approval_by_a_reviewer_that_the_quarantined_agent_started_falls_with_it(watched: Watched) -> None:
    desk, ticket = watched.desk, watched.desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    lead = desk.reviewer("tech-lead", pull, ticket, head)
    below = desk.run("qa-engineer", f"pr/{pull}", event="agent_start_requested", item=f"ticket/{ticket}", head=head,
                     parent=lead.run_id)  # fmt: skip
    desk.ask("pr.review", below, number=pull, verdict="approve")
    quarantine(watched, "tech-lead")
    assert desk.ask("release.check", number=pull)["approved_by"] == []


def beside(act: Callable[[], object]) -> tuple[threading.Thread, list[FleetError]]:
    """A call in a thread of its own, and what it was refused with."""
    failures: list[FleetError] = []

    def play() -> None:
        try:
            act()
        except FleetError as error:
            failures.append(error)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    return thread, failures


def is_shut(watched: Watched) -> bool:
    """Whether nothing may rest on this reviewer's word any more."""
    with watched.desk.context.doorway.resting_on(("qa-engineer",), "look") as shut:
        return bool(shut)


def test_a_merge_that_is_under_way_on_its_approval_is_waited_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict was given, the merge not made: the quarantine follows it, and never comes in between."""
    monkeypatch.setattr(quarantines, "INSIDE_SECONDS", 60.0)  # for a machine that is busy with something else
    desk = watched.desk
    _, pull, _ = approved_pull(desk)
    seen: list[Any] = []

    def at(point: str) -> None:
        if point == "merge.intended":
            seen.append(beside(lambda: quarantine(watched)))
            wait_until(lambda: is_shut(watched))
            seen.append(len(desk.entries("agent.quarantined")))

    probe.install(at)
    try:
        desk.ask("pr.merge", ANN, number=pull)
    finally:
        probe.install(None)
    thread, failures = seen[0]
    thread.join(60)
    assert (failures, seen[1]) == ([], 0)
    (merged,), (entered,) = desk.entries("pr_merged"), desk.entries("agent.quarantined")
    assert merged.seq < entered.seq
    assert (entered.payload or {})["still_inside"] == []


def test_a_merge_that_begins_once_the_door_is_shut_does_not_rest_on_its_approval(watched: Watched) -> None:
    """The assessor has found it critical and waits for what is inside: too late for a merge on its word."""
    desk = watched.desk
    _, pull, _ = approved_pull(desk)
    main = git(desk.paths.bare, "rev-parse", "main")
    desk.context.doorway.shut("qa-engineer")
    assert "qa-engineer is about to be quarantined" in refused(watched, pull)
    assert git(desk.paths.bare, "rev-parse", "main") == main
    desk.context.doorway.open("qa-engineer")  # it was not critical after all
    assert desk.ask("pr.merge", ANN, number=pull)["pr"] == pull


@pytest.mark.long
def test_no_archive_takes_the_quarantine_away_and_leaves_the_approval(watched: Watched, tmp_path: Path) -> None:
    """What an approval of an open pull request is compared with stays in the store as long as it does."""
    desk = watched.desk
    _, pull, _ = approved_pull(desk)
    quarantine(watched)
    desk.ask("fabric.publish", event="note", summary="today")
    watched.rest()
    desk.clock.advance(40 * 86_400)
    done = desk.ask("audit.archive", file=str(tmp_path / "one.jsonl"), keep=1)
    assert done["last"] > desk.entries("agent.quarantined")[0].seq
    assert WHY in refused(watched, pull)
