"""Skills in Claude Code's format: the same steps as the handbook, and the tools of the role."""

from __future__ import annotations

import json
import re

from fleet.config.catalogue import load_roles
from fleet.config.roles import SKILLS
from fleet.config.yamlfile import read_yaml
from fleet.runtime.handbook import skill_steps
from fleet.runtime.skills import MARK, PLUGIN, skill_files, skill_named, skill_text, skills

ROLES = load_roles()


def head(text: str) -> dict[str, str]:
    """The front matter of a SKILL.md."""
    _, block, _ = text.split("---\n", 2)
    data: dict[str, str] = read_yaml(block.encode(), "SKILL.md").data
    return data


def test_there_is_a_skill_for_every_way_of_working_and_it_says_when_to_use_it() -> None:
    assert [one.name for one in skills()] == list(SKILLS)
    for one in skills():
        text = skill_text(one)
        facts = head(text)
        assert set(facts) == {"name", "description", "allowed-tools"}
        assert facts["name"] == one.folder == f"fleet-{one.name}"
        assert "Use when" in facts["description"] or "Use for" in facts["description"]
        assert re.fullmatch(r"[a-z][a-z0-9-]{1,63}", facts["name"])
        assert len(facts["description"]) <= 1024
        assert skill_steps(one.name) in text
        assert MARK in text


def test_a_skill_of_a_role_may_use_what_the_role_may() -> None:
    reviewer = ROLES["security-reviewer"]
    tools = head(skill_text(skill_named("review"), reviewer))["allowed-tools"].split(", ")
    assert tools[:3] == ["Read", "Grep", "Glob"]
    assert "Bash(semgrep:*)" in tools
    assert "Bash(pwd)" in tools
    assert "Edit" not in tools
    assert "Bash(fleet pr create:*)" not in tools
    plain = head(skill_text(skill_named("review")))["allowed-tools"]
    assert "semgrep" not in plain
    assert "Bash(fleet pr review:*)" in plain


def test_a_plugin_has_its_own_description_and_only_the_skill_of_its_role() -> None:
    files = skill_files(ROLES["release-manager"], as_plugin=True)
    assert sorted(files) == [PLUGIN, "skills/fleet-ship/SKILL.md"]
    facts = json.loads(files[PLUGIN])
    assert facts["name"] == "fleet"
    assert "release-manager" in facts["description"]
    assert sorted(skill_files()) == [f"fleet-{name}/SKILL.md" for name in sorted(SKILLS)]


def test_people_may_open_a_ticket_and_runs_may_not() -> None:
    assert "fleet ticket create" in skill_text(skill_named("ticket"))
    assert "fleet ticket create" not in skill_text(skill_named("ticket"), ROLES["product-manager"])
