"""Which changed paths only a person may let through."""

from __future__ import annotations

import pytest

from fleet.config.model import FleetConfig
from fleet.policy.scope import protected_among

DEFAULT = FleetConfig.model_fields["protected_paths"].default


@pytest.mark.parametrize(
    "path",
    [
        ".fleet/config.yaml",
        ".fleet",
        ".github/workflows/ci.yml",
        ".GitHub/workflows/ci.yml",
        ".claude/settings.json",
        "docs/.claude/settings.json",
        ".mcp.json",
        "CLAUDE.md",
        "claude.md",
        "src/deep/CLAUDE.md",
        "AGENTS.md",
        "docs/CODEOWNERS",
        ".mcp.json/inside",
    ],
)
def test_protected(path: str) -> None:
    """At any depth, in any case, the name itself and everything below it."""
    assert protected_among([path, "src/app.py"], DEFAULT) == (path,)


@pytest.mark.parametrize("path", ["fleet/config.yaml", "src/CLAUDE.md.txt", "github/x", ".fleetx/y", "README.md", ""])
def test_not_protected(path: str) -> None:
    """Names that only look alike."""
    assert protected_among([path], DEFAULT) == ()


def test_a_rule_with_a_slash_is_a_path_from_the_root() -> None:
    """And spelling variants of Unicode are one name."""
    assert protected_among(["src/auth/x.py", "lib/src/auth/x.py", "src/auth"], ("src/auth/",)) == (
        "src/auth",
        "src/auth/x.py",
    )
    assert protected_among(["cafe\u0301/x"], ("caf\u00e9/",)) == ("cafe\u0301/x",)
    assert protected_among(["a/b"], ("", "/")) == ()
