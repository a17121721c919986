"""What doctor says about the credentials of agents."""

from __future__ import annotations

from typing import get_args

from fleet.config.claude import AuthConfig
from fleet.config.model import FleetConfig
from fleet.health.credentials import READABLE, credential_checks, credentials_of
from fleet.testing.scene import member

HELPER = {"kind": "key_helper", "command": ("pass", "show", "key")}


def test_every_kind_of_credential_is_explained() -> None:
    assert set(get_args(AuthConfig.model_fields["kind"].annotation)) == set(READABLE)


def test_each_kind_in_use_is_told_with_its_agents() -> None:
    gateway = {"auth": {"kind": "none"}, "backend": {"base_url": "http://127.0.0.1:1"}}
    agents = (
        member("one", "developer", vendor="claude-code"),
        member("two", "developer", vendor="claude-code", **gateway),
        member("three", "developer"),
    )
    config = FleetConfig.model_validate({"version": 1, "auth": HELPER, "agents": agents})
    checks = {check.id: check.found for check in credential_checks(credentials_of(config))}
    assert checks == {
        "credentials.key_helper": "tools of one can print the key: they can run the same program",
        "credentials.none": "tools of two have nothing to read: a gateway holds the credential",
    }
