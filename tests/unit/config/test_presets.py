"""The first team is picked by what the repository is, and each of them is a team that can work."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.presets import TEAMS, Preset, preset_for
from fleet.config.scaffold import scaffold
from fleet.config.signals import KINDS, kinds_of
from fleet.core.errors import UsageError
from fleet.core.event import BUILTIN
from fleet.testing.playbook import parse_playbook
from fleet.testing.repos import make_checkout


@pytest.mark.parametrize(
    ("names", "team", "sign"),
    [
        (["README.md", "app.py"], "default", ""),
        (["go.mod", "Dockerfile"], "go-service", "go.mod"),
        (["pyproject.toml", "Dockerfile", "main.tf"], "python-service", "pyproject.toml"),
        (["pyproject.toml", "dags/"], "data-pipeline", "dags/"),
        (["dbt_project.yml"], "data-pipeline", "dbt_project.yml"),
        (["package.json", "next.config.mjs", "go.mod"], "fullstack", "next.config.*"),
        (["package.json"], "fullstack", "package.json"),
        (["main.tf", "charts/"], "devops", "*.tf"),
        (["Chart.yaml", "requirements.txt"], "python-service", "requirements.txt"),
        (["Cargo.toml"], "default", ""),
        (["terraform/", "Gemfile"], "default", ""),
    ],
)
def test_a_team_is_picked_by_the_names_at_the_top(tmp_path: Path, names: list[str], team: str, sign: str) -> None:
    for name in names:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text("")
    found, because = preset_for(kinds_of(tmp_path))
    assert (found.name, because) == (team, sign)


def test_every_sign_of_a_team_is_a_kind_of_repository() -> None:
    known = {kind.name for kind in KINDS}
    assert all({*team.signs, *team.without} <= known for team in TEAMS.values())
    assert set(TEAMS) == {"default", "python-service", "go-service", "fullstack", "data-pipeline", "devops"}


@pytest.mark.parametrize("team", TEAMS.values(), ids=lambda team: team.name)
def test_every_team_loads_and_can_bring_a_ticket_to_its_merge(tmp_path: Path, team: Preset) -> None:
    checkout = make_checkout(tmp_path / "shop")
    scaffold(checkout, now=0, template=team.name)
    loaded = load_config(checkout / ".fleet" / "config.yaml", roles=load_roles())
    assert loaded.warnings == ()
    roles = {agent.name: loaded.roles[agent.role] for agent in loaded.config.agents}
    able = {
        verb: [name for name in roles if verb in roles[name].verbs] for verb in ("pr.push", "pr.review", "pr.merge")
    }
    assert [len(able["pr.push"]), len(able["pr.merge"])] == [1, 1], "two developers would both take the ticket"
    assert len(able["pr.review"]) >= 2
    for agent in loaded.config.agents:
        assert set(agent.subscribes_to) == set(loaded.roles[agent.role].hears)
        path = checkout / ".fleet" / "playbooks" / f"{agent.name}.yaml"
        playbook = parse_playbook(path.read_bytes(), str(path))
        assert all(playbook.rule_for(event, 1, 1) for event in agent.subscribes_to)


@pytest.mark.parametrize("team", TEAMS.values(), ids=lambda team: team.name)
def test_every_team_can_be_played_by_claude_code(tmp_path: Path, team: Preset) -> None:
    checkout = make_checkout(tmp_path / "shop")
    auth = {"kind": "key_helper", "command": ["pass", "show", "it's"]}
    made = scaffold(checkout, now=0, template=team.name, vendor="claude-code", auth=auth)
    loaded = load_config(checkout / ".fleet" / "config.yaml", roles=load_roles())
    assert loaded.warnings == ()
    assert {agent.vendor for agent in loaded.config.agents} == {"claude-code"}
    assert all(agent.timeout_seconds >= 2400 for agent in loaded.config.agents)
    assert loaded.config.auth is not None
    assert loaded.config.auth.command == ("pass", "show", "it's")
    assert not any("playbooks" in name for name in made.written)


@pytest.mark.parametrize("team", TEAMS.values(), ids=lambda team: team.name)
def test_in_every_team_each_event_has_somebody_who_hears_it(team: Preset) -> None:
    """What one of the team causes starts another or is for people; what starts one comes from another or the forge."""
    roles = load_roles()
    heard = {event for seat in team.seats for event in seat.subscribes_to}
    said = {event for seat in team.seats for event in roles[seat.role].emits}
    assert FOR_THE_CHAIN & said <= heard | FOR_THE_WATCHER
    for event in heard:
        assert event in said or set(BUILTIN[event].producers) - {"agent"}, event
    assert {"ticket_ready", "pr_needs_review", "pr_changes_requested", "pr_approved", "pr_conflict"} <= heard
    developer, merger = team.seats[0].role, team.seats[-1].role
    assert roles[developer].expected_after("ticket_ready")
    for seat in team.seats[1:-1]:
        assert "pr_approved" in roles[seat.role].expected_after("pr_needs_review")
    assert "pr_merged" in roles[merger].expected_after("pr_approved")
    assert len({seat.role for seat in team.seats}) == len(team.seats)
    assert all(not seat.reports_to or seat.reports_to in {one.role for one in team.seats} for seat in team.seats)


# Events of the chain; the others that a role may cause are words to people or for whoever wants them.
FOR_THE_CHAIN = {"pr_created", "pr_updated", "pr_approved", "pr_changes_requested", "pr_merged"}
# The watcher makes pr_needs_review of a push and ticket_shipped of a merge.
FOR_THE_WATCHER = {"pr_created", "pr_updated", "pr_merged"}


def test_a_team_that_is_not_there_is_said_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        scaffold(make_checkout(tmp_path / "shop"), now=0, template="go-servce")
    assert (caught.value.code, "go-service" in caught.value.hint) == ("FLT-CFG-014", True)
