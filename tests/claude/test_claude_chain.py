"""From a ticket to a merged branch, every agent played by the real client in real tmux, its model by a script."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.claude.rig import rig

from fleet.testing.model.scenario import Call, Turn, bash, read_brief, write
from fleet.testing.repos import git
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

DEVELOPER = (
    read_brief(),
    write("hello.txt", "hello\n"),
    bash("git add -A && git commit --quiet -m 'Say hello'"),
    Turn("", (Call("mcp__fleet__fleet_pr_create", {"title": "Say hello"}),)),
    Turn("The pull request is open."),
)
REVIEWER = (
    read_brief(),
    bash("git log --oneline -3"),
    Turn("", (Call("Write", {"file_path": "{tmp}/review.md", "content": "Looks right, read twice."}),)),
    bash("fleet pr review {pr} --approve --body-file {tmp}/review.md"),
    Turn("Approved."),
)
RELEASER = (read_brief(), bash("fleet pr merge {pr}"), Turn("Merged."))


@pytest.mark.timeout(420)
def test_a_ticket_becomes_a_merged_branch(client: Path) -> None:
    scenarios = {"developer": DEVELOPER, "tech-lead": REVIEWER, "release-manager": RELEASER}
    with rig(client, scenarios, agents=tuple(scenarios)) as fleet:
        number = fleet.ticket()
        for agent in scenarios:
            run = fleet.ended(agent)
            assert run["state"] == "succeeded", fleet.story()
        (verdict,) = fleet.log("pr_approved")
        assert verdict["payload"]["body"] == "Looks right, read twice.", "a file beside the clone, in its own tmp"
        (pull,) = fleet.shell.answer("ticket", "show", str(number))["pulls"]
        assert (pull["author"], pull["state"]) == ("agent:developer", "merged")
        wait_until(lambda: (fleet.paths.checkout / "hello.txt").exists(), what="the checkout to follow")
        assert git(fleet.paths.bare, "show", "main:hello.txt") == "hello"
        asked = fleet.model.of("developer")
        assert "ticket_ready" in asked[1].conversation.results[0], "the brief was read"
        assert '"created":true' in asked[-1].conversation.results[-1], "handed in by a tool of the fleet's own server"
