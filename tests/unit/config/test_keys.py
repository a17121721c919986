"""What is known of a key: meaning, type, default; and how a typed value is read."""

from __future__ import annotations

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.keys import effective_keys, key_named, parse_value, value_in
from fleet.config.loader import parse_config
from fleet.config.yamlfile import read_yaml
from fleet.core.errors import FleetError, NotFound, UsageError

FILE = b"""\
version: 1
protected_paths: [deploy/, keys/]
retry: {attempts: 5}
agents:
  - name: "007"
    role: developer
  - name: lead
    role: tech-lead
    subscribes_to: pr_needs_review
"""


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("version", 1, 1),
        ("protected_paths.1", "keys/", 2),
        ("retry.attempts", 5, 3),
        ("retry.backoff_seconds", 2, None),
        ("agents.007.role", "developer", 6),
        ("agents.lead.subscribes_to", "pr_needs_review", 9),
        ("agents.lead.timeout_seconds", 3600, None),
        ("required_label", None, None),
    ],
)
def test_a_value_comes_from_the_file_or_is_the_default(name: str, value: object, line: int | None) -> None:
    found = value_in(read_yaml(FILE, "config.yaml"), key_named(name))
    assert found.value == value
    assert (found.spot.line if found.spot else None) == line


def test_a_map_that_is_left_out_has_the_defaults_of_its_keys() -> None:
    found = value_in(read_yaml(b"version: 1\n", "config.yaml"), key_named("retry"))
    assert found.value == {"attempts": 3, "backoff_seconds": 2}


@pytest.mark.parametrize("name", ["agents.lead.may_start.0", "protected_paths.9"])
def test_an_entry_that_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NotFound) as caught:
        value_in(read_yaml(FILE, "config.yaml"), key_named(name))
    assert caught.value.code == "FLT-CFG-107"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_concurrent", "12", 12),
        ("agents.x.budget_seconds", "none", None),
        ("agents.x.budget_seconds", "60", 60),
        ("agents.x.enabled", "false", False),
        ("owner", "12", "12"),
        ("owner", "a, b", "a, b"),
        ("required_label", "null", None),
        ("agents.x.subscribes_to", "ticket_ready", "ticket_ready"),
        ("agents.x.subscribes_to", "ticket_ready, pr_conflict", ["ticket_ready", "pr_conflict"]),
        ("agents.x.may_start", "a", ["a"]),
        ("agents.x.may_start", '["a", "b"]', ["a", "b"]),
        ("retry", '{"attempts": 2}', {"attempts": 2}),
        ("agents", '[{"name": "a", "role": "developer"}]', [{"name": "a", "role": "developer"}]),
    ],
)
def test_a_typed_value_becomes_what_the_key_takes(name: str, text: str, value: object) -> None:
    assert parse_value(key_named(name), text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("max_concurrent", "1e3"),
        ("max_concurrent", "9" * 30),
        ("max_concurrent", "²"),
        ("agents.x.enabled", "yes"),
        ("retry", "[1]"),
        ("retry", "{"),
        ("agents", "a,b"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_value(key_named(name), text)
    assert caught.value.code == "FLT-CFG-110"


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "retyr", "agents.x.y", "agents.x.y.z", "owner.x", "protected_paths.x"]
)
def test_an_unknown_key_is_refused(name: str) -> None:
    with pytest.raises(FleetError) as caught:
        key_named(name)
    assert caught.value.code in ("FLT-CFG-101", "FLT-CFG-106")


def test_every_key_of_a_configuration_can_be_asked_for() -> None:
    loaded = parse_config(FILE, name="config.yaml", roles=load_roles())
    document = read_yaml(FILE, "config.yaml")
    for name in effective_keys(loaded.config):
        key = key_named(name)
        assert key.means or "." in name, f"{name} has no description"
        assert key.allowed
        value_in(document, key)
