"""A repository with roles of its own: listed, made into agents, at work, on record; and never those of a branch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet.testing.fleets import fleet_in
from fleet.testing.ownroles import TILL, bring_role
from fleet.testing.repos import git, make_checkout
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A repository with a first team and a role of its own, whose daemon was never started."""
    make_checkout(tmp_path / "shop")
    found = Shell(tmp_path / "shop", {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")})
    found.answer("init", "--vendor", "scripted")
    bring(tmp_path / "shop", TILL)
    return found


def bring(checkout: Path, text: str) -> None:
    """Write the role's file."""
    bring_role(checkout / ".fleet", text)


def test_own_roles_are_listed_found_and_shown_with_where_they_are_from(shell: Shell) -> None:
    (own,) = shell.answer("role", "list", "--own")["roles"]
    assert (own["name"], own["from"], own["extends"]) == (
        "till-developer",
        ".fleet/roles/till-developer.yaml",
        "developer",
    )
    every = {row["name"]: row["from"] for row in shell.answer("role", "list")["roles"]}
    assert every["developer"] == "Fleet"
    assert list(every) == sorted(every)
    assert [row["name"] for row in shell.answer("role", "search", "tills")["roles"]] == ["till-developer"]
    shown = shell.answer("role", "show", "till-developer")["role"]
    assert (shown["from"], shown["verbs"].count("pr.push")) == (".fleet/roles/till-developer.yaml", 1)
    assert "(engineering, .fleet/roles/till-developer.yaml)" in shell.fleet("role", "show", "till-developer").text
    planned = shell.answer("skills", "install", "--target", "s", "--role", "till-developer", "--dry-run")
    assert planned["written"] == ["fleet-develop/SKILL.md"]


@pytest.mark.long
def test_a_faulty_one_is_said_with_its_place_by_whoever_reads_it(shell: Shell) -> None:
    bring(shell.folder, TILL.replace("extends: developer", "extends: devloper"))
    for words in (["role", "list"], ["config", "validate"], ["up"], ["handbook", "show", "developer"]):
        failed = shell.fleet(*words)
        assert failed.code == 3, (words, failed.error_text)
        assert ".fleet/roles/till-developer.yaml:1:1: extends names 'devloper'" in failed.error_text
    assert object_of(shell.fleet("role", "show", "developer", "--json"))["error"]["code"] == "FLT-CFG-010"
    bring(shell.folder, TILL)
    (shell.folder / ".fleet/roles/till-developer.yaml").rename(shell.folder / ".fleet/roles/developer.yaml")
    failed = shell.fleet("config", "validate")
    assert "a role 'developer' comes with Fleet, expected a name of its own" in failed.error_text


@pytest.mark.long
def test_an_unknown_role_is_answered_with_the_nearest_own_one(shell: Shell) -> None:
    failed = shell.fleet("role", "show", "till-develper")
    assert (failed.code, "till-developer" in failed.error_text) == (4, True)


@pytest.mark.tmux
@pytest.mark.long
def test_an_agent_in_an_own_role_works_by_the_checkout_and_not_by_a_branch() -> None:
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        bring(paths.checkout, TILL.replace("Try every", "OF THE BRANCH"))
        git(paths.checkout, "add", "-f", ".fleet/roles")
        git(paths.checkout, "commit", "--quiet", "-m", "A role")
        bring(paths.checkout, TILL)
        before = shell.answer("config", "validate")["digest"]
        shell.answer("up")
        try:
            made = shell.answer("agent", "create", "till", "--template", "till-developer", "--disabled")
            assert (made["role"], made["changes"]["lines"]) == (
                "till-developer",
                ["agent till joins as till-developer"],
            )
            shell.answer("config", "set", "agents.till.enabled", "true")
            shell.answer("config", "set", "agents.developer.enabled", "false")
            shell.answer("ticket", "create", "Sell", "--label", "ready")

            def read() -> list[dict[str, object]]:
                entries = shell.answer("log", "--type", "handbook.compiled", "--limit", "100")["entries"]
                return [dict(entry) for entry in entries if entry["agent"] == "till"]

            entry = wait_until(read, timeout=90, what="the agent to start")[0]
            payload = entry["payload"]
            assert isinstance(payload, dict)
            assert "role till-developer (.fleet/roles/till-developer.yaml)" in str(payload["parts"])
            handbook = paths.runs / str(payload["session"]) / "handbook.md"
            wait_until(handbook.exists, timeout=60, what="what was put on record to be written for the agent")
            told = handbook.read_text()
            assert "Try every change on a till that is offline." in told
            assert "OF THE BRANCH" not in told
            shown = shell.answer("handbook", "show", "till")
            assert shown["sha256"] == payload["sha256"]

            bring(paths.checkout, TILL.replace("Keep", "Hold"))
            assert shell.answer("handbook", "show", "till")["sha256"] == payload["sha256"], "not before it is in force"
            difference = shell.answer("config", "diff")
            assert (difference["same"], difference["changes"]["lines"]) == (False, ["role till-developer is another"])
            assert "+mission: Hold the tills" in difference["diff"]
            done = shell.answer("reload", "--reason", "better words")
            assert (done["changed"], done["changes"]["lines"]) == (True, ["role till-developer is another"])
            assert done["hash"] != before
            assert "Hold the tills" in shell.answer("handbook", "show", "till")["text"]
            (paths.checkout / ".fleet/roles/till-developer.yaml").unlink()
            refused = shell.fleet("reload")
            assert (refused.code, "unknown role 'till-developer'" in refused.error_text) == (3, True)
            revisions = shell.answer("config", "revisions")["revisions"]
            role = paths.checkout / ".fleet/roles/till-developer.yaml"
            back = shell.fleet("config", "rollback", "2", "--reason", "as it was").text
            assert re.search(r"\n  as they were: \.fleet/.*\.fleet/roles/till-developer\.yaml\n", back), back
            assert role.read_text() == TILL
            assert shell.fleet("config", "rollback", "99").code == 4
        finally:
            shell.fleet("down")
        bring(paths.checkout, "name: [faulty")
        assert shell.fleet("up").code == 3
        newest = max(row["revision"] for row in revisions)
        alone = shell.answer("config", "rollback", str(newest))
        assert (alone["running"], alone["hash"]) == (False, done["hash"])
        assert "roles/till-developer.yaml" in alone["files"]
        assert "kept as till-developer.yaml.replaced" in alone["warnings"][0]
        assert role.read_text() == TILL.replace("Keep", "Hold")
