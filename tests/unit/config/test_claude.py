"""Keys of agents played by Claude Code: credentials and backends that do not fit together are named at their place."""

from __future__ import annotations

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.core.errors import ConfigError

ROLES = load_roles()


def problems(*lines: str, agent: str = "vendor: claude-code") -> list[str]:
    """The faults of a configuration with these lines of the fleet's own, and an agent with these keys."""
    member = "".join(f"    {line}\n" for line in ["role: developer", *agent.splitlines()])
    text = "version: 1\n" + "".join(f"{line}\n" for line in lines) + f"agents:\n  - name: dev\n{member}"
    try:
        parse_config(text.encode(), name="c.yaml", roles=ROLES)
    except ConfigError as error:
        return [problem.removeprefix("c.yaml:") for problem in error.problems]
    return []


HELPER = "auth: {kind: key_helper, command: pass show key}"
FILE = "auth: {kind: provider, file: /k/aws, profile: fleet}"


@pytest.mark.parametrize(
    "lines",
    [
        (HELPER,),
        ("auth: {kind: login, folder: /home/me/fleet-login}",),
        (FILE, "backend: {kind: bedrock, region: us-east-1, models: {sonnet: us.s}}"),
        ("auth: {kind: none}", "backend: {kind: vertex, region: r, project: p, base_url: 'http://127.0.0.1:9/v1'}"),
    ],
)
def test_what_fits_is_taken(lines: tuple[str, ...]) -> None:
    assert problems(*lines) == []


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ((), "vendor is claude-code and no auth is given"),
        (("auth: {kind: key_helper}",), "kind is key_helper and there is no command"),
        (("auth: {kind: login, folder: /home/me/.claude}",), "folder is a person's own ~/.claude"),
        (("auth: {kind: login, folder: /x, file: /y}",), "file is given and kind is login"),
        ((FILE,), "kind is provider and the backend is anthropic"),
        ((HELPER, "backend: {kind: vertex, region: r}"), "kind is vertex and there is no project"),
        ((HELPER, "backend: {kind: bedrock, region: r}"), "kind is key_helper and the backend is bedrock"),
        (("auth: {kind: none}",), "kind is none and no gateway is named"),
        ((HELPER, "backend: {base_url: 'ftp://x'}"), "base_url"),
    ],
)
def test_what_does_not_fit_is_named(lines: tuple[str, ...], fault: str) -> None:
    found = problems(*lines)
    assert any(fault in problem for problem in found), found


def test_keys_of_another_vendor_and_modes_that_ask_nobody_are_faults() -> None:
    assert "mode is given and the vendor is 'scripted'" in problems(agent="mode: headless")[0]
    asked = problems(HELPER, agent="vendor: claude-code\npermission_mode: bypassPermissions")
    assert "permission_mode is 'bypassPermissions'" in asked[0]
