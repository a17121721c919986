"""Verbs about agents: stop, start, output, attach, logs, drain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import NotFound, Refused, UsageError
from fleet.store import runs
from fleet.testing.desk import Desk
from fleet.testing.scene import member


def test_stopping_asks_every_live_run_of_the_agent_to_end(desk: Desk) -> None:
    one = desk.run("developer", "ticket/1")
    two = desk.run("developer", "ticket/2")
    other = desk.run("tech-lead", "pr/3", head="a" * 40)
    answer = desk.ask("agent.stop", name="developer", reason="lunch")
    assert sorted(answer["stopping"]) == sorted([one.run_id, two.run_id])
    reasons = {run.id: run.cancel_reason for run in desk.db.read(runs.live)}
    assert reasons[one.run_id] == reasons[two.run_id] == "stopped by human:ann: lunch"
    assert reasons[other.run_id] == ""
    (entry,) = desk.entries("agent.stop_requested")
    assert (entry.actor, entry.agent, entry.subject) == ("human:ann", "developer", "agent/developer")


def test_an_unknown_agent_cannot_be_stopped(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.stop", name="nobody")
    assert caught.value.code == "FLT-AGT-001"
    assert desk.entries("agent.stop_requested") == []


def test_an_agent_cannot_stop_another(desk: Desk) -> None:
    with pytest.raises(Refused) as caught:
        desk.ask("agent.stop", desk.run("developer", "ticket/1"), name="tech-lead")
    assert caught.value.code == "FLT-AUT-011"


def test_a_start_by_hand_is_an_event_addressed_to_the_agent(desk: Desk) -> None:
    ticket = desk.ticket()
    _, pull, head = desk.pushed("developer", ticket)
    desk.ask("agent.start", name="tech-lead", subject=f"pr/{pull}")
    (event,) = desk.entries("agent_start_requested")
    assert (event.agent, event.subject, event.generation) == ("tech-lead", f"pr/{pull}", head)
    assert (event.work_item, event.actor, event.run_id) == (f"ticket/{ticket}", "human:ann", "")


def test_a_run_starts_only_whom_its_agent_may_start_and_its_sub_run_is_known_as_such(desk: Desk) -> None:
    ticket = desk.ticket()
    who = desk.run("developer", f"ticket/{ticket}")
    desk.ask("agent.start", who, name="scribe", subject=f"ticket/{ticket}")
    assert desk.entries("agent_start_requested")[0].run_id == who.run_id
    with pytest.raises(Refused) as caught:
        desk.ask("agent.start", who, name="tech-lead", subject=f"ticket/{ticket}")
    assert caught.value.code == "FLT-AUT-014"


@pytest.mark.parametrize(("subject", "code"), [("ticket/99", "FLT-FRG-001"), ("pr/99", "FLT-FRG-002")])
def test_a_start_on_nothing_is_not_found(desk: Desk, subject: str, code: str) -> None:
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.start", name="developer", subject=subject)
    assert caught.value.code == code


def test_an_agent_is_not_started_on_an_agent(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.start", name="developer", subject="agent/developer")
    assert caught.value.code == "FLT-CTL-011"


def test_output_and_attach_need_a_run(desk: Desk) -> None:
    for verb in ("agent.output", "agent.attach"):
        with pytest.raises(NotFound) as caught:
            desk.ask(verb, name="developer")
        assert caught.value.code == "FLT-CTL-010"
    who = desk.run("developer", "ticket/1")
    assert desk.ask("agent.output", name="developer")["run"] == who.run_id
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.attach", name="developer")
    assert caught.value.code == "FLT-RTM-002"


def test_draining_stops_new_starts_and_asks_every_run_to_end(desk: Desk) -> None:
    one = desk.run("developer", "ticket/1")
    two = desk.run("tech-lead", "pr/2", head="a" * 40)
    answer = desk.ask("fleet.drain", reason="upgrade")
    assert sorted(answer["stopping"]) == sorted([one.run_id, two.run_id])
    assert desk.context.switch.paused
    assert {run.cancel_reason for run in desk.db.read(runs.live)} == {"fleet down: upgrade"}
    assert desk.ask("fleet.drain")["stopping"] == []


def test_the_nearest_name_is_hinted(desk: Desk) -> None:
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.stop", name="develper")
    assert caught.value.hint == "Did you mean `developer`?"


@pytest.mark.parametrize("args", [{}, {"name": "developer", "all": True}, {"team": "x", "all": True}])
def test_whom_a_call_is_about_is_said_in_one_way(desk: Desk, args: dict[str, Any]) -> None:
    for verb in ("agent.stop", "agent.pause", "agent.resume"):
        with pytest.raises(UsageError) as caught:
            desk.ask(verb, **args, reason="x")
        assert caught.value.code == "FLT-AGT-102"


def test_all_enabled_agents_are_asked_to_start_and_no_run_may_do_that(desk: Desk) -> None:
    ticket = desk.ticket()
    asked = desk.ask("agent.start", all=True, subject=f"ticket/{ticket}")["asked"]
    names = [member.name for member in desk.loaded.config.agents]
    assert [one["agent"] for one in asked] == [entry.agent for entry in desk.entries("agent_start_requested")] == names
    with pytest.raises(Refused) as caught:
        desk.ask("agent.start", desk.run("developer", f"ticket/{ticket}"), all=True, subject=f"ticket/{ticket}")
    assert caught.value.code == "FLT-AUT-014"


def test_one_agent_that_is_switched_off_stops_the_whole_team(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path,
        (member("dev", "developer"), member("off", "developer", enabled=False)),
        teams=({"name": "both", "agents": ("dev", "off")},),
    )
    ticket = desk.ticket()
    with pytest.raises(Refused) as caught:
        desk.ask("agent.start", team="both", subject=f"ticket/{ticket}")
    assert caught.value.code == "FLT-CTL-009"
    assert desk.entries("agent_start_requested") == []
    desk.close()


def test_logs_show_run_after_run_within_the_lines_asked_for(desk: Desk) -> None:
    first = desk.run("developer", "ticket/1")
    desk.end(first)
    second = desk.run("developer", "ticket/2")
    for who, text in ((first, "one\ntwo\n"), (second, "three\nfour\n\x1b[31mfive\n")):
        desk.screen(who, text)
    found = desk.ask("agent.logs", name="developer", lines=4)
    assert [(run["id"], run["lines"], run["more"]) for run in found["runs"]] == [
        (first.run_id, ["two"], True),
        (second.run_id, ["three", "four", "\x1b[31mfive"], False),
    ]
    assert not found["more"]
    newest = desk.ask("agent.logs", name="developer", lines=2)
    assert [run["id"] for run in newest["runs"]] == [second.run_id]
    assert newest["more"]
    one = desk.ask("agent.logs", name="developer", run=first.run_id)
    assert [run["lines"] for run in one["runs"]] == [["one", "two"]]


def test_logs_of_a_run_of_somebody_else_are_not_found(desk: Desk) -> None:
    who = desk.run("tech-lead", "pr/3", head="a" * 40)
    for run in (who.run_id, "r-nothing"):
        with pytest.raises(NotFound) as caught:
            desk.ask("agent.logs", name="developer", run=run)
        assert caught.value.code == "FLT-AGT-105"
    assert desk.ask("agent.logs", name="developer") == {"agent": "developer", "runs": [], "more": False}
