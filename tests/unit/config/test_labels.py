"""The common prefix of labels, and labels that are written with it where they need none."""

from __future__ import annotations

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.core.errors import ConfigError

FILE = """\
version: 1
{keys}
agents:
  - name: dev
    role: developer
    subscribes_to: [ticket_ready]
    subscription_gate: {{any_of: [{{label: {label}}}, {{all_of: [{{label: urgent}}]}}]}}
"""


def parsed(keys: str, label: str = "urgent") -> tuple[str, ...]:
    """The faults of a file with these."""
    try:
        parse_config(FILE.format(keys=keys, label=label).encode(), name="c", roles=load_roles())
    except ConfigError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("prefix", ["", "fleet/", "fleet:", "x", "A1.b_c-", "f" * 30])
def test_a_prefix_is_a_beginning_of_a_label(prefix: str) -> None:
    assert parsed(f'label_prefix: "{prefix}"', "team") == ()


@pytest.mark.parametrize("prefix", ["/fleet", " ", "fleet ", "fl\u0435et", "f" * 31, "a,b"])
def test_what_no_label_begins_with_is_refused(prefix: str) -> None:
    assert len(parsed(f'label_prefix: "{prefix}"')) == 1


def test_a_label_of_the_fleet_is_written_without_the_prefix() -> None:
    assert parsed("label_prefix: fleet/\nrequired_label: fleet/team", "fleet/other") == ()
    required, gate = parsed("label_prefix: fleet/\nrequired_label: fleet/ready", "fleet/hold")
    assert required.startswith("c:3:17:")
    assert "ready: the prefix is put before it there" in required
    assert "'fleet/hold' has the prefix of label_prefix" in gate
    assert "fleet:hold: the prefix" in gate
