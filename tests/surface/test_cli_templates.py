"""``fleet init`` with a team that fits the repository, and that team at work."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from fleet.testing.fleets import fleet_in
from fleet.testing.repos import make_checkout
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until


@pytest.mark.long
def test_the_team_is_picked_said_and_may_be_chosen(tmp_path: Path) -> None:
    make_checkout(tmp_path / "shop", {"go.mod": "module shop\n"})
    shell = Shell(tmp_path / "shop", {})
    listed = shell.answer("init", "--list-templates")["templates"]
    assert [(row["name"], row["because"]) for row in listed if row["fits"]] == [("go-service", "go.mod")]
    assert shell.fleet("init", "--list-templates").text.endswith("for this folder: go-service, as go.mod shows\n")
    assert not (tmp_path / "shop" / ".fleet").exists()
    made = shell.fleet("init")
    assert made.text.startswith("team go-service, as go.mod shows: go-developer, backend-lead, qa-engineer, release-m")
    chosen = shell.answer("init", "--force", "--template", "devops")
    assert (chosen["template"], chosen["because"]) == ("devops", None)
    assert ".fleet/prompts/infra-engineer.md" in chosen["written"]
    assert shell.fleet("init", "--force", "--template", "zoo").code == 2
    assert object_of(shell.fleet("init", "--template", "zoo", "--json"))["error"]["code"] == "FLT-CLI-010"


@pytest.mark.long
def test_claude_code_is_offered_where_it_is_and_what_it_still_needs_is_said(tmp_path: Path) -> None:
    make_checkout(tmp_path / "shop")
    (tmp_path / "bin").mkdir()
    client = tmp_path / "bin" / "claude"
    client.write_text("#!/bin/sh\necho '2.1.330 (Claude Code)'\n")
    client.chmod(0o755)
    shell = Shell(tmp_path / "shop", {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert "Claude Code 2.1.330 is here and could play them instead of playbooks:\n" in shell.fleet("init").text
    refused = shell.fleet("init", "--force", "--vendor", "claude-code")
    assert (refused.code, "--key-command 'PROGRAM ARGUMENT', or --login DIR" in refused.error_text) == (2, True)
    made = shell.answer("init", "--force", "--key-command", "false")
    assert (made["vendor"], "the key helper false ends with exit code 1" in made["needs"][0]) == ("claude-code", True)
    assert shell.answer("init", "--force", "--key-command", "echo key")["needs"] == []
    assert "Claude Code" not in shell.fleet("init", "--force", "--vendor", "scripted").text


@pytest.mark.long
@pytest.mark.tmux
def test_a_team_other_than_the_usual_one_brings_a_ticket_to_its_merge() -> None:
    """Four agents of the web team, three of them reviewers; and each run has read a handbook that is on record."""
    with fleet_in({"package.json": "{}\n", "next.config.mjs": "\n"}) as paths:
        shell = Shell(paths.checkout, {})
        leave = ("--allow-shared-uid-merge", "--reason", "a test")
        assert shell.answer("init", "--force", *leave)["template"] == "fullstack"
        shell.answer("up")
        try:
            shell.answer("ticket", "create", "Greet the user", "--label", "ready")

            def shipped() -> bool:
                return bool(shell.answer("ticket", "show", "1")["ticket"]["labels"] == ["shipped"])

            wait_until(shipped, what="the ticket to be shipped")
            entries = shell.answer("log", "--type", "handbook.compiled", "--limit", "100")["entries"]
            assert {entry["agent"] for entry in entries} == {
                "accessibility-reviewer", "frontend-lead", "fullstack-developer", "qa-engineer", "release-manager",
            }  # fmt: skip
            for entry in entries:
                file = paths.runs / entry["payload"]["session"] / "handbook.md"
                assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["payload"]["sha256"]
                assert stat.S_IMODE(file.stat().st_mode) == 0o400
        finally:
            shell.fleet("down")
