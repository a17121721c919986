"""MCP tools: each a verb under another name, described by the verb's own arguments, offered to whoever may call it."""

from __future__ import annotations

import json

import pytest

from fleet.control.arguments import checked
from fleet.control.verbs import VERBS, Access
from fleet.core.clock import SECOND
from fleet.core.errors import UsageError
from fleet.core.principal import Principal, PrincipalKind, human
from fleet.mcp.tools import BY_NAME, TOOLS, arguments, named, offered, schema

NOW = 1_000_000 * SECOND

# The tools of the public product that have a counterpart here: its users look for these names.
KNOWN = (
    "fleet_status", "fleet_agent_list", "fleet_agent_start", "fleet_agent_stop", "fleet_agent_detail",
    "fleet_agent_output", "fleet_agent_budget", "fleet_team_list", "fleet_team_detail", "fleet_log",
    "fleet_fabric_events", "fleet_fabric_publish", "fleet_task_assign", "fleet_eval", "fleet_inbox",
)  # fmt: skip


def run_of(*verbs: str) -> Principal:
    """A run on ticket 7 whose role has these verbs."""
    return Principal(
        PrincipalKind.AGENT, "developer", "r1", 1, "developer", frozenset(verbs), frozenset(), frozenset({"ticket/7"})
    )


def test_names_are_unique_and_every_tool_is_a_verb() -> None:
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)
    assert {tool.verb for tool in TOOLS} <= set(VERBS)
    assert set(KNOWN) <= set(BY_NAME)


def test_what_only_people_may_call_is_offered_to_people_only() -> None:
    agents = {tool.name for tool in offered(run_of(*VERBS))}
    for tool in TOOLS:
        if VERBS[tool.verb].access is Access.HUMAN:
            assert tool.whose == "people", tool.name
            assert tool.name not in agents


def test_an_agent_is_offered_what_its_role_may_and_nothing_else() -> None:
    developer = {tool.name for tool in offered(run_of("pr.push", "fabric.publish", "inbox.ack"))}
    assert {"fleet_pr_create", "fleet_note", "fleet_ack", "fleet_status"} <= developer
    assert developer.isdisjoint({"fleet_pr_review", "fleet_pr_merge", "fleet_approve", "fleet_agent_stop"})


def test_a_person_is_not_offered_what_only_a_run_can_do() -> None:
    people = {tool.name for tool in offered(human("ann"))}
    assert {"fleet_approve", "fleet_eval", "fleet_task_assign"} <= people
    assert people.isdisjoint({"fleet_pr_create", "fleet_claim", "fleet_handoff"})


def test_everything_that_cannot_be_taken_back_is_marked() -> None:
    harmful = {tool.verb for tool in TOOLS if tool.harm}
    for verb in ("approval.grant", "approval.deny", "pr.merge", "pr.review", "ticket.cancel", "agent.stop", "answer"):
        assert verb in harmful
    assert not any(tool.harm and tool.reads_only for tool in TOOLS)
    changing = {tool.verb for tool in TOOLS if not tool.reads_only}
    assert {verb.name for verb in VERBS.values() if verb.access in (Access.ROLE, Access.START)} & harmful <= changing


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_schema_names_the_verbs_own_arguments_and_what_it_takes_the_verb_takes(tool: object) -> None:
    assert tool in TOOLS
    found = next(one for one in TOOLS if one is tool)
    described = schema(found)
    known = {arg.name for arg in VERBS[found.verb].args}
    assert set(described["properties"]) <= known
    assert set(described["required"]) == {
        arg.name for arg in VERBS[found.verb].args if arg.required and arg.name not in (found.fixed or {})
    }
    json.dumps(described)
    given = arguments(found, {}, NOW)
    if not described["required"]:
        checked(VERBS[found.verb], given)


def test_times_and_payloads_are_written_as_people_and_models_write_them() -> None:
    assert arguments(named("fleet_log"), {"since": "1h", "limit": 5}, NOW) == {"since": NOW - 3600 * SECOND, "limit": 5}
    found = arguments(named("fleet_fabric_publish"), {"event": "qa_passed", "payload": {"a": 1}}, NOW)
    assert found == {"event": "qa_passed", "payload": '{"a": 1}'}
    assert arguments(named("fleet_note"), {"summary": "x"}, NOW) == {"kind": "note", "summary": "x"}


@pytest.mark.parametrize(
    ("tool", "given", "code"),
    [
        ("fleet_log", {"colour": "red"}, "FLT-MCP-002"),
        ("fleet_log", {"wait_seconds": 60}, "FLT-MCP-002"),
        ("fleet_note", {"kind": "decision"}, "FLT-MCP-002"),
        ("fleet_pr_create", {"ref": "main"}, "FLT-MCP-002"),
        ("fleet_log", {"since": "yesterday"}, "FLT-CLI-015"),
    ],
)
def test_what_a_tool_does_not_take_is_refused_by_name(tool: str, given: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as wrong:
        arguments(named(tool), given, NOW)
    assert wrong.value.code == code


def test_an_unknown_tool_is_refused() -> None:
    with pytest.raises(UsageError) as wrong:
        named("fleet_self_destruct")
    assert wrong.value.code == "FLT-MCP-001"
