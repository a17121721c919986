"""The dispatcher on a real store: what starts, what waits, what is refused, and what is on record about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.core.agent import AgentState
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict, TemporaryError
from fleet.core.journal import Draft, Entry, Stream
from fleet.core.work import DeliveryState, RunState
from fleet.dispatch.dispatcher import LEASE, _claim, _move
from fleet.store import agents, deliveries, journal, runs
from fleet.store.db import Tx
from fleet.testing.scene import Scene, member

AtPoint = dict[str, Callable[[], None]]


def give_back_expired(scene: Scene) -> int:
    """What the janitor does."""

    def work(tx: Tx) -> int:
        return sum(deliveries.give_back(tx, one.id, token=one.lease_token) for one in deliveries.expired_claims(tx))

    return scene.db.write(work)


def states(scene: Scene, agent: str) -> list[str]:
    """Delivery states of an agent, oldest first."""
    return [str(one.state) for one in scene.deliveries(agent)]


def reasons_of(entry: Entry) -> list[dict[str, object]]:
    """The reasons in a journaled decision."""
    assert entry.payload is not None
    decision = entry.payload["decision"]
    assert isinstance(decision, dict)
    found = decision["reasons"]
    assert isinstance(found, list)
    return found


# -- starting ---------------------------------------------------------------------------------------


def test_a_ready_ticket_starts_the_developer_once(scene: Scene) -> None:
    """One queued run with its allowance, the delivery dispatched, and every reason on record."""
    ticket = scene.ready()
    scene.rest()
    (run,) = scene.db.read(runs.live)
    assert (run.agent, run.role, run.subject, run.state) == ("developer", "developer", "ticket/1", RunState.QUEUED)
    assert (run.allowance_seconds, run.allowance_kind, run.attempt) == (3600.0, "timeout", 1)
    assert (run.work_item, run.config_hash) == (f"ticket/{ticket.number}", "c" * 64)
    (entry,) = scene.entries("delivery.dispatched")
    assert (entry.run_id, entry.agent, entry.work_item) == (run.id, "developer", "ticket/1")
    assert {reason["verdict"] for reason in reasons_of(entry)} == {"allow"}
    (delivery,) = scene.deliveries("developer")
    assert (delivery.state, delivery.run_id) == (DeliveryState.DISPATCHED, run.id)


def test_an_idle_tick_does_nothing_and_writes_nothing(scene: Scene) -> None:
    """At rest, with held deliveries around, ticks change no row and say when to look again."""
    scene.developed("h1")
    scene.rest()
    scene.review(scene.live()["qa-engineer"])
    scene.rest()
    assert states(scene, "release-manager") == ["held"]
    before = scene.height(), scene.db.read(deliveries.open_ones)
    for _ in range(5):
        tick = scene.dispatcher.tick(scene.clock.now())
        assert tick.did == 0
        assert tick.next_at is not None
        assert tick.next_at > scene.clock.now()
    assert (scene.height(), scene.db.read(deliveries.open_ones)) == before


def test_two_reviewers_start_in_parallel(scene: Scene) -> None:
    """At the pushed head, each with its own run."""
    scene.developed("h1")
    scene.rest()
    assert {(run.agent, run.subject, run.generation) for run in scene.live().values()} == {
        ("qa-engineer", "pr/2", "h1"),
        ("tech-lead", "pr/2", "h1"),
    }


def test_the_first_approval_holds_the_release_until_the_last_answer(scene: Scene) -> None:
    """Held with the name of who is awaited; started once, for both approvals."""
    scene.developed("h1")
    scene.rest()
    scene.review(scene.live()["tech-lead"])
    scene.rest()
    (held,) = scene.entries("delivery.held")
    assert "waiting for qa-engineer" in held.summary
    assert "release-manager" not in scene.live()
    scene.review(scene.live()["qa-engineer"])
    scene.rest()
    release = scene.live()["release-manager"]
    assert (release.subject, release.generation) == ("pr/2", "h1")
    assert states(scene, "release-manager") == ["dispatched", "dispatched"]
    assert {one.run_id for one in scene.deliveries("release-manager")} == {release.id}
    assert len(scene.entries("delivery.held")) == 1


def test_a_request_for_changes_brings_the_author_back(scene: Scene) -> None:
    """The developer starts on the pull request, the release manager keeps waiting."""
    scene.developed("h1")
    scene.rest()
    scene.review(scene.live()["tech-lead"])
    scene.review(scene.live()["qa-engineer"], approve=False)
    scene.rest()
    back = scene.live()["developer"]
    assert (back.subject, back.event_type, back.generation, back.work_item) == (
        "pr/2",
        "pr_changes_requested",
        "h1",
        "ticket/1",
    )
    assert "release-manager" not in scene.live()
    assert "qa-engineer wants changes" in scene.deliveries("release-manager")[0].reason


def test_when_the_head_moves_old_deliveries_are_denied(scene: Scene) -> None:
    """The held release, and the second request for changes that waited for the first."""
    scene.developed("h1")
    scene.rest()
    reviewers = scene.live()
    scene.review(reviewers["tech-lead"])
    scene.rest()
    scene.verdict("pr/2", "h1", "human:ann", approve=False)
    scene.rest()
    back = scene.start(scene.live()["developer"])
    scene.review(reviewers["qa-engineer"], approve=False)  # a verdict of its own, while the developer is at it
    scene.rest()
    for run in reviewers.values():
        scene.end(run)
    scene.push(back, "h2")
    scene.end(back)
    scene.rest()
    assert states(scene, "release-manager") == ["denied"]
    assert states(scene, "developer") == ["dispatched", "dispatched", "denied"]
    denied = {entry.agent: entry for entry in scene.entries("delivery.denied")}
    assert denied.keys() == {"release-manager", "developer"}
    assert all("has moved on to h2" in entry.summary for entry in denied.values())
    assert {run.generation for run in scene.live().values()} == {"h2"}


def test_like_deliveries_are_answered_by_one_run(scene: Scene) -> None:
    """Two requests for changes at the same head, one return of the author."""
    scene.developed("h1")
    scene.rest()
    for run in scene.live().values():
        scene.review(run, approve=False)
    scene.rest()
    first, *together = scene.deliveries("developer")[1:]
    assert [one.run_id for one in together] == [first.run_id]
    entry = scene.entries("delivery.dispatched")[-1]
    assert entry.payload is not None
    assert entry.payload["answers_too"] == [{"delivery": together[0].id, "event": together[0].event_id}]


def test_remarks_are_not_answered_together(tmp_path: Path) -> None:
    """What carries its own content gets its own run, one after the other."""
    scene = Scene(tmp_path, (member("writer", "docs-writer", "note"),))
    for _ in range(2):
        scene.emit("note", "ticket/1", actor="human:ann", work_item="ticket/1")
    scene.forge.add_ticket()
    scene.rest()
    assert states(scene, "writer") == ["dispatched", "pending"] or states(scene, "writer") == ["dispatched", "held"]
    scene.end(scene.live()["writer"])
    scene.rest()
    assert states(scene, "writer") == ["dispatched", "dispatched"]
    scene.close()


# -- crashes and races ------------------------------------------------------------------------------


def test_a_crash_between_claim_and_verdict_is_given_back(scene: Scene, crash_at: list[str]) -> None:
    """The claim expires, the janitor gives it back, and the work starts once."""
    scene.ready()
    crash_at.append("dispatch.claimed")
    with pytest.raises(Exception, match=r"dispatch\.claimed"):
        scene.rest()
    crash_at.clear()
    assert states(scene, "developer") == ["claimed"]
    assert scene.rest() == 0
    assert give_back_expired(scene) == 0
    scene.clock.advance(LEASE / SECOND + 1)
    assert give_back_expired(scene) == 1
    scene.rest()
    assert len(scene.db.read(runs.live)) == 1
    assert len(scene.entries("delivery.dispatched")) == 1


def test_a_crash_after_the_commit_starts_nothing_twice(scene: Scene, crash_at: list[str]) -> None:
    """The queued run is there, and stays the only one."""
    scene.ready()
    crash_at.append("dispatch.after_commit")
    with pytest.raises(Exception, match=r"dispatch\.after_commit"):
        scene.rest()
    crash_at.clear()
    scene.rest()
    assert len(scene.db.read(runs.live)) == 1


def test_a_held_delivery_that_was_given_back_is_journaled_once(scene: Scene, crash_at: list[str]) -> None:
    """The same reasons after a crash are no news."""
    scene.db.write(lambda tx: agents.put(tx, "developer", "developer", AgentState.PAUSED))
    scene.ready()
    scene.rest()
    (held,) = scene.deliveries("developer")
    until = scene.clock.now() + SECOND
    assert scene.db.write(lambda tx: deliveries.claim(tx, held.id, token="gone", until=until))
    scene.clock.advance(2)
    assert give_back_expired(scene) == 1
    scene.rest()
    assert states(scene, "developer") == ["held"]
    assert len(scene.entries("delivery.held")) == 1


def test_facts_that_change_after_the_first_look_are_judged_again(scene: Scene, at_point: AtPoint) -> None:
    """A pause that comes between the look and the claim still counts: the deciding transaction looks itself."""

    def pause() -> None:
        scene.db.write(lambda tx: agents.put(tx, "developer", "developer", AgentState.PAUSED))

    scene.ready()
    at_point["dispatch.claimed"] = pause
    scene.rest()
    assert states(scene, "developer") == ["held"]
    assert scene.db.read(runs.live) == []


def test_a_lease_that_ran_out_keeps_nothing(scene: Scene, at_point: AtPoint) -> None:
    """Somebody else settled the delivery meanwhile: no run, no entry, no error."""

    def lose_the_lease() -> None:
        scene.clock.advance(LEASE / SECOND + 1)
        give_back_expired(scene)
        del at_point["dispatch.claimed"]

    scene.ready()
    at_point["dispatch.claimed"] = lose_the_lease
    scene.tick(scene.router)
    assert scene.tick(scene.dispatcher) == 0
    assert scene.entries("delivery.dispatched") == []
    scene.rest()
    assert len(scene.db.read(runs.live)) == 1


def test_settling_under_a_lost_lease_keeps_nothing_of_its_transaction(scene: Scene) -> None:
    scene.ready()
    scene.tick(scene.router)
    (delivery,) = scene.db.read(deliveries.open_ones)
    token = scene.db.write(lambda tx: _claim(tx, delivery))
    scene.clock.advance(LEASE / SECOND + 1)
    give_back_expired(scene)

    def settle(tx: Tx) -> None:
        journal.append(tx, Draft(Stream.EVENT, "note", actor="human:ann"))
        _move(tx, delivery, token, DeliveryState.HELD, "too late")

    with pytest.raises(Conflict) as caught:
        scene.db.write(settle)
    assert (caught.value.code, caught.value.where) == ("FLT-DSP-002", delivery.id)
    assert scene.entries("note") == []
    assert states(scene, "developer") == ["pending"]


def test_an_outage_of_the_forge_leaves_everything_as_it_is(scene: Scene) -> None:
    """TemporaryError goes up to the loop; nothing is claimed or denied meanwhile."""
    scene.ready()
    scene.tick(scene.router)
    scene.forge.down = True
    with pytest.raises(TemporaryError):
        scene.tick(scene.dispatcher)
    assert states(scene, "developer") == ["pending"]
    scene.forge.down = False
    scene.rest()
    assert "developer" in scene.live()


def test_one_tick_asks_the_forge_each_question_once(scene: Scene) -> None:
    """Several deliveries about one pull request share one look."""
    scene.developed("h1")
    scene.tick(scene.router)
    scene.forge.asked.clear()
    scene.tick(scene.dispatcher)
    assert scene.forge.asked["pull"] == 1
    assert scene.forge.asked["commits"] == 1


def test_waiting_work_costs_no_git(scene: Scene) -> None:
    """Commits and paths of the same head and base are not asked for again; those of a new head are."""
    author = scene.developed("h1")
    scene.rest()
    scene.review(scene.live()["qa-engineer"])
    scene.rest()
    scene.forge.asked.clear()
    for _ in range(3):
        scene.tick(scene.dispatcher)
    assert scene.forge.asked["pull"] == 3
    assert scene.forge.asked["commits"] == scene.forge.asked["changed_paths"] == 0
    scene.push(author, "h2")
    scene.rest()
    assert scene.forge.asked["commits"] == 1
