"""Loops and storms on a hand-turned clock: each limit tripped, explained, and let go on by a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.core.journal import Draft, Stream
from fleet.core.work import Run, RunState
from fleet.store import journal
from fleet.store.db import Tx
from fleet.testing.scene import Scene, member, usual_members


def let_go(scene: Scene, subject: str, hops: int = 0) -> None:
    """A person's word, as control records it."""

    def record(tx: Tx) -> None:
        draft = Draft(Stream.DECISION, "limit.released", "human:ann", subject=subject, payload={"hops": hops})
        journal.append(tx, draft)

    scene.db.write(record)


def reason(scene: Scene, agent: str) -> str:
    return scene.deliveries(agent)[-1].reason


# -- hops --------------------------------------------------------------------------------------------


def ping_pong(folder: Path, hops: int) -> Scene:
    """Two agents that wake each other with events of their own, about one ticket."""
    crew = (
        member("ping", "docs-writer", "ticket_ready", "pong_said", publishes=("ping_said",)),
        member("pong", "docs-writer", "ping_said", publishes=("pong_said",)),
    )
    return Scene(folder, crew, limits={"hops": hops})


def speak(scene: Scene, run: Run) -> None:
    scene.start(run)
    said = f"{run.agent}_said"
    scene.emit(said, run.subject, actor=f"agent:{run.agent}", run_id=run.id, work_item=run.work_item)
    scene.end(run)
    scene.rest()


def play(scene: Scene, most: int) -> int:
    """Let both answer each other until nobody starts; how many runs that took."""
    for count in range(most):
        live = list(scene.live().values())
        if not live:
            return count
        speak(scene, live[0])
    raise AssertionError("they never stop")


def test_agents_that_wake_each_other_stop_at_the_hop_limit(tmp_path: Path) -> None:
    scene = ping_pong(tmp_path, hops=6)
    scene.ready()
    scene.rest()
    assert play(scene, 50) == 7, "the first by the forge, then six that follow from each other"
    stopped = "pong" if "(limits.hops)" in reason(scene, "pong") else "ping"
    assert "more than 6 starts follow from each other" in reason(scene, stopped)
    assert "fleet limits release ticket/1" in reason(scene, stopped)
    routed = [(entry.payload or {}).get("hops") for entry in scene.entries("event.routed")]
    assert routed[:4] == [0, 1, 2, 3], "each event carries how far it is from its cause"
    let_go(scene, "ticket/1", hops=scene.deliveries(stopped)[-1].hops)
    scene.rest()
    assert play(scene, 50) == 7
    scene.close()


def test_what_a_person_says_begins_a_new_chain(tmp_path: Path) -> None:
    scene = ping_pong(tmp_path, hops=6)
    scene.ready()
    scene.rest()
    play(scene, 50)
    other = f"ticket/{scene.forge.add_ticket('ready').number}"
    scene.emit("ping_said", other, actor="human:ann", work_item=other)
    scene.rest()
    assert scene.live()["pong"].hops == 0
    scene.close()


def test_an_ordinary_chain_is_far_from_the_limit(tmp_path: Path) -> None:
    """One round of review by two reviewers and a merge."""
    scene = Scene(tmp_path)
    scene.ready()
    scene.rest()
    author = scene.start(scene.live()["developer"])
    scene.push(author, "h1")
    scene.end(author)
    scene.rest()
    for name in ("qa-engineer", "tech-lead"):
        run = scene.start(scene.live()[name])
        assert run.hops == 1
        scene.review(run)
        scene.end(run)
    scene.rest()
    assert scene.live()["release-manager"].hops == 2
    scene.close()


# -- rounds of review --------------------------------------------------------------------------------


def round_of(scene: Scene, head: str) -> bool:
    """The author pushes, one reviewer wants changes; False when nobody may review."""
    author = scene.start(scene.live()["developer"])
    scene.push(author, head)
    scene.end(author)
    scene.rest()
    reviewer = scene.live().get("tech-lead")
    if reviewer is None:
        return False
    scene.review(scene.start(reviewer), approve=False)
    scene.end(reviewer)
    scene.rest()
    return True


def test_a_pull_request_that_is_sent_back_again_and_again_waits_for_a_person(tmp_path: Path) -> None:
    crew = tuple(one for one in usual_members() if one.name in ("developer", "tech-lead"))
    scene = Scene(tmp_path, crew, limits={"review_rounds": 3})
    scene.ready()
    scene.rest()
    assert all(round_of(scene, f"h{number}") for number in range(3))
    assert scene.live() == {}
    assert "pr/2 was sent back 3 times (limits.review_rounds)" in reason(scene, "developer")
    scene.verdict("pr/2", "h2", "human:ann", approve=False)
    scene.rest()
    assert scene.live()["developer"].subject == "pr/2", "a person's own review begins anew"
    assert all(round_of(scene, f"i{number}") for number in range(3))
    let_go(scene, "ticket/1")
    scene.rest()
    assert scene.live()["developer"].subject == "pr/2"
    scene.close()


# -- storms ------------------------------------------------------------------------------------------


def test_the_fleet_starts_no_more_than_so_many_runs_an_hour(tmp_path: Path) -> None:
    crew = (member("dev", "developer", "ticket_ready", max_concurrent=20),)
    scene = Scene(tmp_path, crew, limits={"starts_per_hour": 5}, max_concurrent=50)
    for _ in range(8):
        scene.ready()
    scene.rest()
    assert len(scene.entries("delivery.dispatched")) == 5
    assert "the fleet has started 5 runs within an hour" in reason(scene, "dev")
    scene.later(1800)
    assert len(scene.entries("delivery.dispatched")) == 5
    scene.later(1801)
    assert len(scene.entries("delivery.dispatched")) == 8, "nobody had to do anything"
    scene.close()


# -- the same failure again and again ----------------------------------------------------------------


def fail(scene: Scene, times: int, outcome: str) -> int:
    """Let the developer fail so often, if it starts; how often it did."""
    for count in range(times):
        scene.later(3600)
        live = scene.live()
        if not live:
            return count
        scene.end(scene.start(live["dev"]), RunState.FAILED, outcome=outcome.format(count + 1.5))
    scene.rest()
    return times


def failing(folder: Path) -> Scene:
    """Five tickets for an agent that may fail three times in the same way."""
    crew = (member("dev", "developer", "ticket_ready"),)
    scene = Scene(folder, crew, limits={"same_failures": 3}, retry={"attempts": 2, "backoff_seconds": 1})
    for _ in range(5):
        scene.ready()
    return scene


def test_an_agent_that_fails_in_the_same_way_again_and_again_is_not_started_any_more(tmp_path: Path) -> None:
    scene = failing(tmp_path)
    assert fail(scene, 20, "ended with exit code 3 after {} s") == 3, "not two attempts for each of five tickets"
    assert "3 runs of dev in a row ended the same way (limits.same_failures)" in reason(scene, "dev")
    assert "failed: ended with exit code # after # s" in reason(scene, "dev")
    dead = scene.entries("delivery.dead_lettered")[-1]
    assert "3 runs of dev in a row ended the same way" in dead.summary
    let_go(scene, "agent/dev")
    assert fail(scene, 20, "ended with exit code 3 after {} s") == 3
    scene.close()


@pytest.mark.parametrize("other", ["another failure", "a success", "another configuration"])
def test_what_differs_begins_the_count_anew(tmp_path: Path, other: str) -> None:
    scene = failing(tmp_path)
    assert fail(scene, 2, "ended with exit code 3 after {} s") == 2
    scene.later(3600)
    run = scene.start(scene.live()["dev"])
    if other == "a success":
        scene.push(run, "h1")
        scene.end(run)
    elif other == "another failure":
        scene.end(run, RunState.FAILED, outcome="its setup failed")
    else:
        scene.end(run, RunState.FAILED, outcome="ended with exit code 3 after 1.0 s")
        limits, retry = {"same_failures": 3}, {"attempts": 2, "backoff_seconds": 1}
        scene.configure(scene.loaded.config.agents, limits=limits, retry=retry, digest="d" * 64)
    scene.later(3600)
    assert "dev" in scene.live()
    scene.close()
