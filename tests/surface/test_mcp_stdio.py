"""`fleet mcp serve`: the SDK's own client, as a peer, drives a real fleet over standard input and output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell

pytestmark = pytest.mark.tmux

ERAS = ["legacy", "auto"]


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A fleet that is up, with one ticket that nobody takes."""
    with fleet_in() as paths, Shell(paths.checkout, {}).up() as found:
        found.answer("ticket", "create", "Greet the user", "--body", "Kindly.")
        yield found


def through(shell: Shell, era: str, *calls: tuple[str, dict[str, Any]]) -> tuple[set[str], list[Any]]:
    """The names of the tools, and the results of these calls, by one client of one era."""
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "fleet", "mcp", "serve"], cwd=shell.folder, env=dict(os.environ)
    )

    async def talk() -> tuple[set[str], list[Any]]:
        with anyio.fail_after(120):
            async with Client(stdio_client(server), mode=era) as client:
                listed = await client.list_tools()
                return {tool.name for tool in listed.tools}, [await client.call_tool(*call) for call in calls]

    return anyio.run(talk)


@pytest.mark.parametrize("era", ERAS)
def test_a_persons_client_lists_and_calls_in_both_eras_of_the_protocol(shell: Shell, era: str) -> None:
    names, (status, shown) = through(
        shell, era, ("fleet_status", {}), ("fleet_ticket_show", {"number": 1})
    )  # fmt: skip
    assert {"fleet_status", "fleet_approve", "fleet_eval", "fleet_ticket_create"} <= names
    assert (status.is_error, status.structured_content["mode"]) == (False, "shared-uid")
    assert shown.structured_content["ticket"]["title"] == "Greet the user"
    assert json.loads(shown.content[0].text)["ok"] is True


def test_what_changes_something_is_done_as_the_person_who_runs_it(shell: Shell) -> None:
    _, (made, refused) = through(
        shell,
        "auto",
        ("fleet_ticket_create", {"title": "By a tool", "labels": ["later"]}),
        ("fleet_ticket_show", {"number": 99}),
    )
    number = made.structured_content["ticket"]["number"]
    assert shell.answer("ticket", "show", str(number))["ticket"]["title"] == "By a tool"
    assert refused.is_error
    assert refused.structured_content["error"]["code"] == "FLT-FRG-001"


def test_a_wrong_call_is_answered_with_its_code_and_the_server_goes_on(shell: Shell) -> None:
    _, (unknown, wrong, fine) = through(
        shell, "auto", ("fleet_self_destruct", {}), ("fleet_log", {"colour": "red"}), ("fleet_log", {"limit": 1})
    )
    assert "FLT-MCP-001" in unknown.content[0].text
    assert "FLT-MCP-002" in wrong.content[0].text
    assert len(fine.structured_content["entries"]) == 1


def test_the_tools_are_listed_without_a_client(shell: Shell) -> None:
    tools = {one["name"]: one for one in shell.answer("mcp", "tools")["tools"]}
    assert (tools["fleet_approve"]["harm"], tools["fleet_status"]["reads_only"]) == (True, True)
    text = shell.fleet("mcp", "tools").text
    assert "!  fleet_approve" in text
