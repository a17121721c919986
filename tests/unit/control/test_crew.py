"""Changing who is a member: edits of the configuration file, checked whole, with the files an agent needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.config.loader import load_config
from fleet.control.acceptance import accept_config
from fleet.core.errors import ConfigError, Conflict, NotFound, Refused
from fleet.store import agents
from fleet.testing.desk import ANN, Desk
from fleet.testing.playbook import parse_playbook

FILE = """\
# ours
version: 1
agents:
  - name: developer # the first
    role: developer
    subscribes_to: [ticket_ready]
    budget_seconds: 3600

  - name: tech-lead
    role: tech-lead
    subscribes_to: [pr_needs_review]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A fleet with a configuration file that is in force."""
    made = Desk(tmp_path)
    made.paths.config.parent.mkdir()
    made.paths.config.write_text(FILE)
    loaded = load_config(made.paths.config, roles=made.context.loaded.roles, name=".fleet/config.yaml")
    accept_config(made.db, loaded, ANN)
    made.context.config.replace(loaded)
    yield made
    made.close()


def text(desk: Desk) -> str:
    """The file as it lies."""
    return desk.paths.config.read_text()


def fleet_file(desk: Desk, name: str) -> Path:
    """A file of .fleet/."""
    return desk.paths.config.parent / name


# -- create ----------------------------------------------------------------------------------------


def test_a_new_agent_is_in_the_file_in_force_and_has_what_it_needs(desk: Desk) -> None:
    answer = desk.ask(
        "agent.create", name="second", role="developer", subscribes_to=["qa_failed"], publishes=["built"], reason="load"
    )
    assert answer["files"] == ["playbooks/second.yaml", "prompts/second.md"]
    assert text(desk).startswith(FILE.rstrip("\n")), "comments and order stay"
    assert "- name: second\n    role: developer\n" in text(desk)
    member = desk.context.loaded.config.agent("second")
    assert member is not None
    assert (member.vendor, member.subscribes_to, member.publishes) == ("scripted", ("qa_failed",), ("built",))
    assert "second" in {row.name for row in desk.db.read(agents.every)}
    assert fleet_file(desk, "prompts/second.md").read_text().startswith("# second\n")
    playbook = parse_playbook(fleet_file(desk, "playbooks/second.yaml").read_bytes(), "second.yaml")
    for event in ("qa_failed", "ticket_ready", "agent_start_requested"):
        assert playbook.rule_for(event, 1, 1) is not None
    assert desk.entries("config.accepted")[-1].actor == "human:ann"


def test_a_template_brings_its_usual_events_and_budget_unless_others_are_given(desk: Desk) -> None:
    desk.ask("agent.create", name="pay", role="payments-developer", template=True)
    pay = desk.context.loaded.config.agent("pay")
    assert pay is not None
    assert pay.subscribes_to == ("ticket_ready", "pr_changes_requested", "pr_conflict")
    assert desk.context.loaded.roles["payments-developer"].budget_seconds == 36000
    assert "- name: pay\n    role: payments-developer\n" in text(desk)
    assert "budget_seconds: 36000" in text(desk)
    desk.ask("agent.create", name="slim", role="docs-writer", template=True, subscribes_to=["note"], budget_seconds=60)
    slim = desk.context.loaded.config.agent("slim")
    assert slim is not None
    assert slim.subscribes_to == ("note",)


@pytest.mark.parametrize("role", ["tech-lead", "release-manager", "docs-writer", "backend-developer"])
def test_a_starter_playbook_of_every_kind_of_role_can_be_played(desk: Desk, role: str) -> None:
    desk.ask("agent.create", name="new", role=role, subscribes_to=["ticket_shipped"])
    playbook = parse_playbook(fleet_file(desk, "playbooks/new.yaml").read_bytes(), "new.yaml")
    assert playbook.rule_for("ticket_shipped", 1, 1) is not None
    assert playbook.rule_for("agent_start_requested", 1, 1) is not None


def test_a_program_can_be_a_member_and_needs_no_playbook(desk: Desk) -> None:
    answer = desk.ask(
        "agent.create", name="outside", role="developer", vendor="command", command=["mine", "{brief}"], stdin="brief"
    )
    assert answer["files"] == ["prompts/outside.md"]
    member = desk.context.loaded.config.agent("outside")
    assert member is not None
    assert (member.command, member.stdin) == (("mine", "{brief}"), "brief")


def test_files_that_are_there_are_kept(desk: Desk) -> None:
    fleet_file(desk, "prompts").mkdir()
    fleet_file(desk, "prompts/second.md").write_text("mine")
    answer = desk.ask("agent.create", name="second", role="developer")
    assert answer["files"] == ["playbooks/second.yaml"]
    assert fleet_file(desk, "prompts/second.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "error", "code"),
    [
        ({"name": "developer", "role": "developer"}, Conflict, "FLT-AGT-121"),
        ({"name": "new", "role": "develper"}, NotFound, "FLT-AGT-122"),
        ({"name": "new", "role": "developer", "reports_to": "nobody"}, ConfigError, "FLT-CFG-010"),
        ({"name": "new", "role": "developer", "subscribes_to": ["Not An Event"]}, ConfigError, "FLT-CFG-010"),
        ({"name": "new", "role": "developer", "publishes": ["pr_approved"]}, ConfigError, "FLT-CFG-010"),
        ({"name": "new", "role": "developer", "vendor": "command"}, ConfigError, "FLT-CFG-010"),
        ({"name": "new", "role": "developer", "vendor": "command", "command": ["./x"]}, ConfigError, "FLT-CFG-010"),
    ],
)
def test_an_agent_that_cannot_be_made_leaves_no_trace(
    desk: Desk, args: dict[str, Any], error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        desk.ask("agent.create", **args)
    assert getattr(caught.value, "code", "") == code
    assert text(desk) == FILE
    assert [path for path in desk.paths.config.parent.rglob("new*") if path.is_file()] == []


def test_files_that_cannot_be_written_stop_it(desk: Desk) -> None:
    fleet_file(desk, "playbooks").write_text("not a folder")
    with pytest.raises(Exception, match="cannot be written") as caught:
        desk.ask("agent.create", name="second", role="developer")
    assert getattr(caught.value, "code", "") == "FLT-AGT-124"
    assert text(desk) == FILE
    assert not fleet_file(desk, "prompts/second.md").exists()


# -- budget, revisions, rollback -------------------------------------------------------------------


def test_a_budget_is_changed_in_the_file(desk: Desk) -> None:
    (found,) = desk.ask("agent.set_budget", name="developer", seconds=7200, reason="more")["agents"]
    assert found["budget_seconds"] == 7200
    assert "budget_seconds: 7200" in text(desk)
    assert "# the first" in text(desk)
    (none,) = desk.ask("agent.set_budget", name="developer", seconds=0)["agents"]
    assert none["budget_seconds"] is None
    before = text(desk)
    assert "budget_seconds" not in before
    desk.ask("agent.set_budget", name="developer", seconds=0)
    assert text(desk) == before, "none stays none"
    with pytest.raises(NotFound) as caught:
        desk.ask("agent.set_budget", name="nobody", seconds=1)
    assert caught.value.code == "FLT-AGT-001"


def test_an_agents_block_goes_back_and_the_rest_stays(desk: Desk) -> None:
    desk.ask("agent.set_budget", name="developer", seconds=7200, reason="more")
    desk.ask("agent.create", name="second", role="developer")
    desk.ask("agent.set_budget", name="developer", seconds=100, reason="less")
    found = desk.ask("agent.revisions", name="developer")["revisions"]
    assert [one["block"]["budget_seconds"] for one in found] == [100, 7200, 3600]
    assert [one["reason"] for one in found][:2] == ["less", "more"]
    answer = desk.ask("agent.rollback", name="developer")
    assert answer["from_revision"] == found[1]["revision"]
    assert "budget_seconds: 7200" in text(desk)
    assert desk.context.loaded.config.agent("second") is not None
    oldest = desk.ask("agent.rollback", name="developer", revision=found[2]["revision"])
    assert oldest["from_revision"] == found[2]["revision"]
    assert "budget_seconds: 3600" in text(desk)


def test_what_is_not_kept_cannot_come_back(desk: Desk) -> None:
    with pytest.raises(NotFound) as alone:
        desk.ask("agent.rollback", name="developer")
    assert alone.value.code == "FLT-AGT-123"
    desk.ask("agent.create", name="second", role="developer")
    first = desk.ask("agent.revisions", name="developer")["revisions"][-1]["revision"]
    with pytest.raises(NotFound) as absent:
        desk.ask("agent.rollback", name="second", revision=first)
    assert absent.value.code == "FLT-AGT-123"
    with pytest.raises(NotFound) as unknown:
        desk.ask("agent.rollback", name="second", revision=999)
    assert unknown.value.code == "FLT-CFG-108"
    with pytest.raises(NotFound) as nobody:
        desk.ask("agent.revisions", name="develper")
    assert (nobody.value.code, nobody.value.hint) == ("FLT-AGT-123", "Did you mean `developer`?")


# -- teams -----------------------------------------------------------------------------------------


def test_teams_grow_shrink_and_go(desk: Desk) -> None:
    assert desk.ask("team.add", team="all", agents=["developer"])["agents"] == ["developer"]
    assert desk.ask("team.add", team="all", agents=["tech-lead"])["agents"] == ["developer", "tech-lead"]
    assert desk.ask("team.show", name="all")["agents"]
    assert desk.ask("team.remove", team="all", agents=["developer"])["agents"] == ["tech-lead"]
    desk.ask("team.add", team="other", agents=[])
    desk.ask("team.remove", team="all")
    assert [one["name"] for one in desk.ask("teams")["teams"]] == ["other"]
    desk.ask("team.remove", team="other")
    assert desk.ask("teams")["teams"] == []
    assert text(desk).startswith(FILE.rstrip("\n"))


def test_teams_that_do_not_fit_change_nothing(desk: Desk) -> None:
    desk.ask("team.add", team="all", agents=["developer"])
    before = text(desk)
    for verb, args, error, code in (
        ("team.add", {"team": "all", "agents": ["developer"]}, Conflict, "FLT-AGT-125"),
        ("team.remove", {"team": "all", "agents": ["tech-lead"]}, Conflict, "FLT-AGT-125"),
        ("team.remove", {"team": "ghosts"}, NotFound, "FLT-AGT-103"),
        ("team.add", {"team": "all", "agents": ["nobody"]}, ConfigError, "FLT-CFG-010"),
        ("team.add", {"team": "new", "agents": ["developer", "developer"]}, ConfigError, "FLT-CFG-010"),
    ):
        with pytest.raises(error) as caught:
            desk.ask(verb, **args)
        assert getattr(caught.value, "code", "") == code
    assert text(desk) == before


def test_agents_change_no_member(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    for verb, args in (
        ("agent.create", {"name": "x", "role": "developer"}),
        ("agent.set_budget", {"name": "developer", "seconds": 1}),
        ("agent.rollback", {"name": "developer"}),
        ("team.add", {"team": "x", "agents": []}),
    ):
        with pytest.raises(Refused) as caught:
            desk.ask(verb, who, **args)
        assert caught.value.code == "FLT-AUT-011"
