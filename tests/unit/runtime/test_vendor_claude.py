"""What a session of Claude Code is started with: no key and no foreign word in an argument, guards that fail closed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.model import AgentConfig
from fleet.core.errors import PermanentError
from fleet.runtime.vendors import VENDORS
from fleet.runtime.vendors.claude_code import GUARDS, PROMPT, REPORTS
from fleet.runtime.vendors.port import VendorLaunch
from fleet.testing.starts import a_start

HELPER = {"kind": "key_helper", "command": ("pass", "show", "my key")}


def program(folder: Path, says: str = "2.1.330 (Claude Code)") -> str:
    """A program that says a version."""
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def launched(folder: Path, agent: dict[str, object] | None = None, **keys: object) -> VendorLaunch:
    """The start of a developer's session."""
    member = AgentConfig.model_validate({"name": "dev", "role": "developer", "vendor": "claude-code", **(agent or {})})
    keys.setdefault("auth", HELPER)
    if "claude" not in keys:
        keys["claude"] = {"program": program(folder)}
    return VENDORS["claude-code"].launch(a_start(member, folder, folder / "r1x-e1", **keys))


def settings(launch: VendorLaunch) -> dict[str, Any]:
    """The settings file."""
    found = json.loads(launch.secret_files["settings.json"])
    assert isinstance(found, dict)
    return found


def test_every_guard_refuses_when_nobody_answers_and_no_report_does(tmp_path: Path) -> None:
    hooks = settings(launched(tmp_path))["hooks"]
    assert set(hooks) == {*GUARDS, *REPORTS}
    for event, ((handler,),) in ((event, (one["hooks"] for one in rows)) for event, rows in hooks.items()):
        assert handler["url"] == f"http://127.0.0.1:1/hooks/{event}"
        assert handler["headers"] == {"Authorization": f"Bearer {'5' * 64}"}
        assert handler.get("onFailure") == ("block" if event in GUARDS else None)
    assert hooks["PermissionRequest"][0]["hooks"][0]["timeout"] > 600


def test_no_secret_and_nothing_foreign_is_in_argument_or_environment(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    words = " ".join([*launch.argv, *launch.env, *launch.env.values()])
    assert "5" * 64 not in words
    assert "my key" not in words
    assert launch.argv[-1] == PROMPT
    assert settings(launch)["apiKeyHelper"] == "pass show 'my key'"
    told = launch.files["system-prompt.md"].decode()
    assert told.startswith("# A handbook\n")
    assert f"`{tmp_path}/r1x-e1/brief.json`" in told
    assert json.loads(launch.files["home/.claude.json"])["hasCompletedOnboarding"] is True
    assert "--strict-mcp-config" in launch.argv
    mode = launch.argv[launch.argv.index("--permission-mode") + 1]
    assert mode == "acceptEdits"
    assert settings(launch)["permissions"]["disableBypassPermissionsMode"] == "disable"


def test_the_model_is_the_agents_or_the_tier_of_its_role_mapped_for_its_backend(tmp_path: Path) -> None:
    def model(launch: VendorLaunch) -> str:
        return launch.argv[launch.argv.index("--model") + 1]

    assert model(launched(tmp_path)) == "sonnet"
    assert model(launched(tmp_path, {"model": "opus"})) == "opus"
    cloud = {"kind": "bedrock", "region": "us-east-1", "models": {"sonnet": "us.s-5", "opus": ""}}
    bedrock = launched(tmp_path, backend=cloud, auth={"kind": "provider", "file": "/k/aws", "profile": "fleet"})
    assert model(bedrock) == "us.s-5"
    assert bedrock.env["AWS_SHARED_CREDENTIALS_FILE"] == "/k/aws"
    assert "CLAUDE_CODE_SKIP_BEDROCK_AUTH" not in bedrock.env
    assert "apiKeyHelper" not in settings(bedrock)
    gateway = {"kind": "vertex", "region": "r", "project": "p", "base_url": "http://127.0.0.1:9/v1"}
    vertex = launched(tmp_path, backend=gateway, auth={"kind": "none"})
    assert vertex.env["CLAUDE_CODE_SKIP_VERTEX_AUTH"] == "1"
    assert vertex.env["ANTHROPIC_VERTEX_BASE_URL"] == "http://127.0.0.1:9/v1"


def test_the_skill_of_its_role_comes_as_a_plugin_of_this_session(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    assert launch.argv[launch.argv.index("--plugin-dir") + 1] == f"{tmp_path}/r1x-e1/skills"
    found = {name: data for name, data in launch.files.items() if name.startswith("skills/")}
    assert sorted(found) == ["skills/.claude-plugin/plugin.json", "skills/skills/fleet-develop/SKILL.md"]
    added = {part.title: part.text for part in VENDORS["claude-code"].adds(load_roles()["developer"])}
    assert found["skills/skills/fleet-develop/SKILL.md"].decode() == added["fleet-develop"]
    said = launch.files["system-prompt.md"].decode()
    assert said.endswith(added["This session"].replace("RUN/", f"{tmp_path}/r1x-e1/"))


def test_a_login_is_linked_and_its_absence_told(tmp_path: Path) -> None:
    auth = {"kind": "login", "folder": str(tmp_path / "login")}
    with pytest.raises(PermanentError) as caught:
        launched(tmp_path, auth=auth)
    assert caught.value.code == "FLT-AGT-142"
    (tmp_path / "login").mkdir()
    (tmp_path / "login" / ".credentials.json").write_text("{}")
    found = launched(tmp_path, auth=auth)
    assert found.links == {"home/.claude/.credentials.json": tmp_path / "login" / ".credentials.json"}


def test_a_headless_session_has_its_own_words(tmp_path: Path) -> None:
    assert launched(tmp_path, {"mode": "headless"}).argv[1:5] == ("-p", "--output-format", "stream-json", "--verbose")


@pytest.mark.parametrize(("says", "code"), [("2.1.294 (Claude Code)", "FLT-AGT-141"), ("hello", "FLT-AGT-141")])
def test_a_client_that_lets_tools_run_unasked_is_refused(tmp_path: Path, says: str, code: str) -> None:
    with pytest.raises(PermanentError) as caught:
        launched(tmp_path, claude={"program": program(tmp_path, says)})
    assert caught.value.code == code


def test_a_missing_client_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        launched(tmp_path, claude={"program": str(tmp_path / "none")})
    assert caught.value.code == "FLT-AGT-140"
