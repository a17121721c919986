"""What doctor finds of Claude Code: the program, and whether agents could prove themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.claude import AuthConfig
from fleet.config.model import FleetConfig
from fleet.health.client import client, client_checks, sign_in_fault
from fleet.health.words import Check
from fleet.testing.scene import member


def program(folder: Path, says: str = "2.1.330 (Claude Code)") -> str:
    """A program that says a version."""
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def checks(folder: Path, *commands: tuple[str, ...], name: str = "") -> dict[str, Check]:
    """What is said of agents with these key helpers, the first of them the fleet's."""
    auth = [{"kind": "key_helper", "command": command} for command in commands]
    agents = [member("plain", "developer", vendor="claude-code")]
    agents += [member(f"own{n}", "developer", vendor="claude-code", auth=one) for n, one in enumerate(auth[1:])]
    config = FleetConfig.model_validate(
        {"version": 1, "auth": auth[0], "agents": tuple(agents), "claude": {"program": name or program(folder)}}
    )
    return {check.id: check for check in client_checks(config)}


def test_a_fleet_that_lacks_nothing(tmp_path: Path) -> None:
    found = checks(tmp_path, ("echo", "a-key"))
    assert {name: check.state for name, check in found.items()} == {"claude.client": "ok", "claude.auth": "ok"}
    assert "2.1.330" in found["claude.client"].found
    assert "a-key" not in str(found)


def test_each_way_is_looked_at_once_and_named_with_its_agents(tmp_path: Path) -> None:
    found = checks(tmp_path, ("echo", "a"), ("false",), ("false",))
    assert [(check.id, check.state) for check in found.values()] == [
        ("claude.client", "ok"),
        ("claude.auth.1", "ok"),
        ("claude.auth.2", "fail"),
    ]
    assert "auth of own0, own1" in found["claude.auth.2"].found


@pytest.mark.parametrize("says", ["2.1.294 (Claude Code)", "hello"])
def test_a_client_that_is_too_old_is_told(tmp_path: Path, says: str) -> None:
    found = checks(tmp_path, ("echo", "a"), name=program(tmp_path, says))["claude.client"]
    assert (found.state, "2.1.295" in found.found, "npm install" in found.fix) == ("fail", True, True)
    assert client(str(tmp_path / "none")).fault


def test_a_helper_runs_without_a_persons_home_as_with_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("k")
    words = ("sh", "-c", 'cat "$HOME/key"')
    fault, fix = sign_in_fault(AuthConfig(kind="key_helper", command=words))
    assert "ends with exit code 1 where agents run it" in fault
    assert "HOME=/home/you" in fix
    helped = AuthConfig(kind="key_helper", command=("env", f"HOME={tmp_path}", *words))
    assert sign_in_fault(helped) == ("", "")


def test_files_and_logins_that_are_not_there(tmp_path: Path) -> None:
    assert "cannot be read" in sign_in_fault(AuthConfig(kind="provider", file=f"{tmp_path}/aws"))[0]
    (tmp_path / "aws").write_text("")
    assert sign_in_fault(AuthConfig(kind="provider", file=f"{tmp_path}/aws")) == ("", "")
    assert "there is no login" in sign_in_fault(AuthConfig(kind="login", folder=str(tmp_path)))[0]
    (tmp_path / ".credentials.json").write_text("{}")
    assert sign_in_fault(AuthConfig(kind="login", folder=str(tmp_path))) == ("", "")
    assert sign_in_fault(AuthConfig(kind="none")) == ("", "")
    assert sign_in_fault(None)[0] == "no auth is given"


def test_without_such_agents_nothing_is_asked() -> None:
    config = FleetConfig.model_validate({"version": 1, "agents": (member("a", "developer"),)})
    assert list(client_checks(config)) == []
