"""Limits and separation as the dispatcher applies them: on a real store, with real facts."""

from __future__ import annotations

from pathlib import Path

from fleet.core.agent import AgentState
from fleet.core.work import DeliveryState
from fleet.store import agents, runs
from fleet.testing.scene import Scene, member, usual_members


def states(scene: Scene, agent: str) -> list[str]:
    """Delivery states of an agent, oldest first."""
    return [str(one.state) for one in scene.deliveries(agent)]


# -- limits -----------------------------------------------------------------------------------------


def test_an_agent_runs_at_most_max_concurrent_times(tmp_path: Path) -> None:
    """In journal order; the rest waits and follows when a slot is free."""
    scene = Scene(tmp_path, (member("dev", "developer", "ticket_ready", max_concurrent=2),))
    for _ in range(3):
        scene.ready()
    scene.rest()
    assert [run.subject for run in scene.db.read(runs.live)] == ["ticket/1", "ticket/2"]
    assert "max_concurrent (2)" in scene.deliveries("dev")[2].reason
    scene.end(scene.db.read(runs.live)[0])
    scene.rest()
    assert [run.subject for run in scene.db.read(runs.live)] == ["ticket/2", "ticket/3"]
    scene.close()


def test_the_fleet_runs_at_most_max_concurrent_agents(tmp_path: Path) -> None:
    """Counted over all agents."""
    crew = tuple(member(f"dev{number}", "developer", "ticket_ready", max_concurrent=9) for number in range(2))
    scene = Scene(tmp_path, crew, max_concurrent=2)
    for _ in range(3):
        scene.ready()
    scene.rest()
    assert len(scene.db.read(runs.live)) == 2
    assert any("the fleet already has" in one.reason for one in scene.deliveries("dev0"))
    scene.close()


def test_two_developers_share_tickets_instead_of_doubling_them(tmp_path: Path) -> None:
    """One author at a time on a ticket; the second gives way when the pull request opens."""
    scene = Scene(tmp_path, (member("dev1", "developer", "ticket_ready"), member("dev2", "developer", "ticket_ready")))
    scene.ready()
    scene.ready()
    scene.rest()
    assert {(run.agent, run.subject) for run in scene.live().values()} == {("dev1", "ticket/1"), ("dev2", "ticket/2")}
    scene.push(scene.live()["dev1"], "h1")
    scene.end(scene.live()["dev1"])
    scene.rest()
    assert "dev2" in scene.live()
    assert states(scene, "dev2") == ["denied", "dispatched"]
    assert "in hand" in scene.deliveries("dev2")[0].reason
    scene.close()


def test_an_exhausted_budget_holds_the_work(tmp_path: Path) -> None:
    """The last run gets what is left; afterwards a person has to raise the ceiling."""
    crew = (member("dev", "developer", "ticket_ready", budget_seconds=100, timeout_seconds=80),)
    scene = Scene(tmp_path, crew)
    for expected in ((80.0, "timeout"), (20.0, "budget")):
        scene.ready()
        scene.rest()
        run = scene.live()["dev"]
        assert (run.allowance_seconds, run.allowance_kind) == expected
        scene.push(run, f"h{run.subject}")
        scene.end(run, used=expected[0])
    scene.ready()
    scene.rest()
    assert scene.live() == {}
    assert "fleet budget grant dev SECONDS" in scene.deliveries("dev")[-1].reason
    scene.configure((member("dev", "developer", "ticket_ready", budget_seconds=200, timeout_seconds=80),))
    scene.rest()
    assert scene.live()["dev"].allowance_seconds == 80.0
    scene.close()


def test_parallel_runs_share_what_is_left(tmp_path: Path) -> None:
    """Two slots, 100 seconds: 50 each, and a third waits for neither more nor less than a slot."""
    crew = (member("dev", "developer", "ticket_ready", budget_seconds=100, timeout_seconds=80, max_concurrent=2),)
    scene = Scene(tmp_path, crew)
    for _ in range(2):
        scene.ready()
    scene.rest()
    assert [run.allowance_seconds for run in scene.db.read(runs.live)] == [50.0, 50.0]
    scene.close()


def test_a_paused_agent_keeps_its_work(scene: Scene) -> None:
    """Held while paused, started when a person resumes it."""
    scene.db.write(lambda tx: agents.put(tx, "developer", "developer", AgentState.PAUSED))
    scene.ready()
    scene.rest()
    assert scene.live() == {}
    assert "a person has to resume it" in scene.deliveries("developer")[0].reason
    scene.db.write(lambda tx: agents.put(tx, "developer", "developer", AgentState.ACTIVE))
    scene.rest()
    assert "developer" in scene.live()


# -- who may not ------------------------------------------------------------------------------------


def test_an_author_under_another_role_reviews_nothing(tmp_path: Path) -> None:
    """The developer of yesterday is the reviewer of today: denied, and the gate does not wait for it."""
    scene = Scene(tmp_path, (member("pat", "developer", "ticket_ready"),))
    run_to = scene.ready()
    scene.rest()
    scene.push(scene.live()["pat"], "h1")
    scene.end(scene.live()["pat"])
    scene.configure((member("pat", "pr-reviewer", "pr_needs_review"), *usual_members()[1:]))
    scene.rest()
    assert "pat" not in scene.live()
    (refused,) = [one for one in scene.deliveries("pat") if one.event_type == "pr_needs_review"]
    assert refused.state is DeliveryState.DENIED
    assert "an author never reviews it" in refused.reason
    for run in list(scene.live().values()):
        scene.review(run)
    scene.rest()
    assert scene.live()["release-manager"].work_item == f"ticket/{run_to.number}"
    scene.close()


def test_a_reviewer_started_by_the_authors_run_is_refused(scene: Scene) -> None:
    """A sub-run shares the lineage of the run that asked for it."""
    author = scene.developed("h1")
    scene.rest()
    for run in list(scene.live().values()):
        scene.end(run)
    common = {"agent": "qa-engineer", "work_item": "ticket/1"}
    scene.emit("agent_start_requested", "pr/2", actor="agent:developer", run_id=author.id, **common)
    scene.rest()
    assert "qa-engineer" not in scene.live()
    assert scene.deliveries("qa-engineer")[-1].state is DeliveryState.DENIED
    scene.emit("agent_start_requested", "pr/2", actor="human:ann", **common)
    scene.rest()
    assert scene.live()["qa-engineer"].generation == "h1"
    assert scene.live()["qa-engineer"].parent_run == ""


def test_a_co_author_reviews_nothing(scene: Scene) -> None:
    """An agent's address in the commits makes it an author, whoever pushed."""
    scene.ready()
    scene.rest()
    scene.push(scene.live()["developer"], "h1", mail="qa-engineer@agents.fleet.invalid")
    scene.rest()
    assert states(scene, "qa-engineer") == ["denied"]
    assert "tech-lead" in scene.live()


def test_a_persons_pull_request_does_not_start_a_developer(scene: Scene) -> None:
    """Changes requested of a person go to that person."""
    scene.push_by_hand("h1")
    scene.rest()
    scene.review(scene.live()["tech-lead"], approve=False)
    scene.rest()
    assert "human:ann opened this pull request" in scene.deliveries("developer")[0].reason
    assert "developer" not in scene.live()


def test_without_the_flag_a_merge_waits_for_a_person(tmp_path: Path) -> None:
    """Held, with the command a person types."""
    scene = Scene(tmp_path, allow_shared_uid_merge=False)
    scene.developed("h1")
    scene.rest()
    for run in list(scene.live().values()):
        scene.review(run)
    scene.rest()
    assert "release-manager" not in scene.live()
    assert "fleet pr merge 2" in scene.deliveries("release-manager")[0].reason
    scene.close()


def test_ready_taken_off_stops_what_has_not_begun(scene: Scene) -> None:
    """The live ticket is the truth, the event only a hint."""
    ticket = scene.ready()
    scene.forge.change_ticket(ticket.number, labels=frozenset())
    scene.rest()
    assert scene.live() == {}
    assert "was taken off" in scene.deliveries("developer")[0].reason
