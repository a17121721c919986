"""``subscription_gate`` in the file: what is taken, and each fault at its line and column."""

from __future__ import annotations

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.gate import names_in
from fleet.config.loader import LoadedConfig, parse_config
from fleet.core.errors import ConfigError

HEAD = """version: 1
agents:
  - name: rel
    role: release-manager
    subscribes_to: {events}
    subscription_gate:
"""
ROLES = load_roles()


def read(gate: str, events: str = "pr_approved") -> LoadedConfig:
    """A file whose only agent has this gate; it begins on line 7."""
    return parse_config((HEAD.replace("{events}", events) + gate).encode(), name="c", roles=ROLES)


def test_a_gate_of_every_condition_is_read() -> None:
    gate = """      all_of:
        - approved: true
        - approvals: 2
        - approved_by_person: true
        - reviewers_answered: true
        - label: go
        - event: qa_passed
        - event: {type: scan_passed, head: any}
        - any_of:
          - time_window: {opens: "22:00", closes: 06:00, days: [fri, sat], timezone: Europe/Berlin}
          - max_diff: {lines: 10, files: 2}
          - max_risk: elevated
"""
    found = read(gate).config.agents[0].subscription_gate
    assert names_in(found) == {
        "all_of", "any_of", "approved", "approvals", "approved_by_person", "reviewers_answered", "label", "event",
        "time_window", "max_diff", "max_risk",
    }  # fmt: skip


FAULTS = [
    ("      approved: false\n", "c:7:17: agents[0].subscription_gate.approved is false, expected true"),
    ("      {}\n", "c:7:7: there is no condition here"),
    ("      label:\n", "c:7:7: there is no condition here"),
    ("      label: a\n      approvals: 2\n", "c:8:7: 'approvals' stands beside 'label', expected one condition"),
    ("      all_of: [{lable: a}]\n", "c:7:17: unknown key 'lable'"),
    ("      all_of: []\n", "c:7:15: agents[0].subscription_gate.all_of is a list, expected at least 1 entry"),
    ("      approvals: 0\n", "c:7:18: agents[0].subscription_gate.approvals is 0"),
    ("      event: Bad\n", "c:7:14: agents[0].subscription_gate.event.type is 'Bad', expected an event name"),
    ("      time_window: {opens: 25:00}\n", "c:7:28: agents[0].subscription_gate.time_window.opens is '25:00'"),
    ("      time_window: {timezone: Berlin}\n", "c:7:31: timezone is 'Berlin', expected a zone"),
    ("      time_window: {opens: 06:00, closes: 06:00}\n", "c:7:43: it opens and closes at '06:00'"),
    ("      time_window: {opens: '24:00'}\n", "c:7:28: it opens at the end of a day"),
    ("      time_window: {timezone: UTC}\n", "c:7:20: time_window is always open"),
    ("      time_window: {days: [monday]}\n", "c:7:28: agents[0].subscription_gate.time_window.days[0] is 'monday'"),
    ("      check: ci\n", "c:7:7: check is 'ci', expected forge: github, where there are checks"),
    ("      max_diff: {}\n", "c:7:17: max_diff limits nothing, expected lines, files or both"),
    ("      max_diff: {lines: 0}\n", "c:7:25: agents[0].subscription_gate.max_diff.lines is 0"),
    (f"      {'{all_of: [' * 5}{{label: a}}{']}' * 5}\n", "groups stand 5 deep, expected at most 4"),
]


@pytest.mark.parametrize(("gate", "words"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_told_at_its_place(gate: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(gate)
    assert any(words in problem for problem in caught.value.problems), caught.value.problems


def test_a_gate_that_no_start_of_the_agent_can_meet_is_warned_of() -> None:
    (warning,) = [one for one in read("      all_of: [{approvals: 1}]\n", "ticket_ready").warnings if ":7:" in one]
    assert "c:7:17: approvals before a start on ticket_ready, expected a condition about tickets" in warning
    assert not [
        one for one in read("      any_of: [{approvals: 1}, {label: a}]\n", "ticket_ready").warnings if ":7:" in one
    ]
    assert not [one for one in read("      approvals: 1\n").warnings if ":7:" in one]
