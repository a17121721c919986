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


def test_a_team_that_is_not_there_is_said_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        scaffold(make_checkout(tmp_path / "shop"), now=0, template="go-servce")
    assert (caught.value.code, "go-service" in caught.value.hint) == ("FLT-CFG-014", True)
