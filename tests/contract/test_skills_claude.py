"""What we write for Claude Code, held against the real client. FLEET_CLAUDE names its program; without it: skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.control.skillfiles import install
from fleet.process import Completed, run

CLIENT = os.environ.get("FLEET_CLAUDE", "")

pytestmark = pytest.mark.skipif(
    not CLIENT, reason="NO CLAUDE CODE: set FLEET_CLAUDE to the program of the pinned client"
)


def validated(folder: Path, home: Path) -> Completed:
    """What the client says of a plugin; it needs no account and no network for that."""
    surroundings = {"HOME": str(home), "PATH": "/usr/bin:/bin", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return run([CLIENT, "plugin", "validate", "--strict", str(folder)], timeout=60, env=surroundings)


@pytest.mark.parametrize(
    "role", ["", "qa-engineer", "ci-engineer", "release-manager", "product-manager", "fleet-operator"]
)
def test_the_client_takes_every_skill_as_a_plugin(tmp_path: Path, role: str) -> None:
    install(tmp_path / "plugin", role=load_roles()[role] if role else None, as_plugin=True)
    done = validated(tmp_path / "plugin", tmp_path)
    assert done.ok, done.text + done.error_text


def test_the_client_would_notice_a_damaged_skill(tmp_path: Path) -> None:
    install(tmp_path / "plugin", as_plugin=True)
    skill = tmp_path / "plugin" / "skills" / "fleet-ship" / "SKILL.md"
    skill.write_text(skill.read_text().replace("description:", "descripton: [", 1))
    assert not validated(tmp_path / "plugin", tmp_path).ok
