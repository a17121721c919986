"""``fleet role`` and ``fleet handbook`` as people type them; neither needs a fleet that is up."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.testing.repos import make_checkout
from fleet.testing.shell import Shell, object_of


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A repository with the first team, whose daemon was never started."""
    make_checkout(tmp_path / "shop")
    found = Shell(tmp_path / "shop", {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")})
    found.answer("init", "--vendor", "scripted")
    return found


def test_roles_are_listed_searched_and_shown_anywhere(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    listed = shell.answer("role", "list", "--department", "release")["roles"]
    assert "release-manager" in {row["name"] for row in listed}
    assert {row["department"] for row in listed} == {"release"}
    found = shell.answer("role", "search", "merge", "pr_merged")["roles"]
    assert "release-manager" in {row["name"] for row in found}
    shown = shell.answer("role", "show", "release-manager")["role"]
    assert shown["verbs"].count("pr.merge") == 1
    assert shown["expects"] == {"*": ["pr_merged", "pr_conflict"]}
    text = shell.fleet("role", "show", "release-manager").text
    assert "never\n  - Write code, push a branch or resolve a conflict.\n" in text
    assert "may change: nothing\n" in text


def test_what_is_not_there_is_said_with_the_nearest(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    for words, hint in (
        (["role", "show", "realease-manager"], "release-manager"),
        (["role", "list", "--department", "releas"], "release"),
        (["role", "search", "zeppelins"], "fleet role list"),
    ):
        failed = shell.fleet(*words)
        assert failed.code == 4, words
        assert hint in failed.error_text
        assert object_of(shell.fleet(*words, "--json"))["error"]["code"] == "FLT-CFG-130"
    assert shell.fleet("role", "search").code == 2


def test_a_handbook_is_shown_before_the_fleet_was_ever_up(shell: Shell) -> None:
    found = shell.answer("handbook", "show", "tech-lead")
    assert found["role"] == "tech-lead"
    assert found["text"].startswith("# Handbook of tech-lead\n")
    assert found["parts"][-1]["sources"][0]["name"] == ".fleet/prompts/tech-lead.md"
    assert shell.fleet("handbook", "show", "tech-lead").text == found["text"]
    table = shell.fleet("handbook", "show", "tech-lead", "--sources").text
    assert "role tech-lead (catalog/tech-lead.yaml)" in table
    (shell.folder / ".fleet" / "prompts" / "tech-lead.md").write_text("Ask Ann about {{ fleet.base }}.\n")
    again = shell.answer("handbook", "show", "tech-lead")
    assert again["text"].endswith("Ask Ann about main.\n")
    assert again["sha256"] != found["sha256"]


def test_a_handbook_that_cannot_be_made_says_where(shell: Shell) -> None:
    failed = shell.fleet("handbook", "show", "tech-lad")
    assert (failed.code, "tech-lead" in failed.error_text) == (4, True)
    (shell.folder / ".fleet" / "prompts" / "developer.md").write_text("# x\n\n{{ wat }}\n")
    failed = shell.fleet("handbook", "show", "developer")
    assert failed.code == 1
    assert failed.error_text.startswith(
        "fleet: .fleet/prompts/developer.md:3: the instructions cannot be used: 'wat' is"
    )
    assert object_of(shell.fleet("handbook", "show", "developer", "--json"))["error"]["code"] == "FLT-AGT-130"


def test_skills_are_listed_and_written_only_where_somebody_said(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"HOME": str(tmp_path / "home")})
    assert [one["folder"] for one in shell.answer("skills", "list")["skills"]][:2] == ["fleet-develop", "fleet-review"]
    assert shell.fleet("skills", "install").code == 2
    planned = shell.answer("skills", "install", "--target", "skills", "--dry-run")
    assert len(planned["written"]) == 5
    assert not (tmp_path / "skills").exists()
    assert shell.answer("skills", "install", "--target", "skills")["written"] == planned["written"]
    assert (tmp_path / "skills" / "fleet-ship" / "SKILL.md").read_text().startswith("---\nname: fleet-ship\n")
    again = shell.fleet("skills", "install", "--target", "skills").text
    assert again.startswith("unchanged fleet-develop/SKILL.md\n")
    assert not (tmp_path / "home").exists()
    plugin = shell.answer("skills", "install", "--target", "p", "--plugin", "--role", "qa-engineer")
    assert plugin["written"] == [".claude-plugin/plugin.json", "skills/fleet-review/SKILL.md"]


def test_a_skill_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {})
    mine = tmp_path / "skills" / "fleet-ship" / "SKILL.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    refused = shell.fleet("skills", "install", "--target", "skills")
    assert (refused.code, "FLT-CFG-131" in refused.error_text) == (8, True)
    assert [path.name for path in (tmp_path / "skills").iterdir()] == ["fleet-ship"]
    assert mine.read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert "FLT-CFG-132" in shell.fleet("skills", "install", "--target", "file").error_text
    assert shell.fleet("skills", "install", "--target", "x", "--role", "qa").code == 4
