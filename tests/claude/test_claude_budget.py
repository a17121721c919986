"""Budgets in tokens and dollars with the real client: nothing starts after the answer that crossed the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.claude.rig import rig

from fleet.testing.model.scenario import Turn, bash, write
from fleet.testing.repos import git
from fleet.testing.waiting import wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.long, pytest.mark.timeout(600)]

DEAR = 5000  # tokens of each answer that asks for a tool
STEPS = tuple(
    Turn("", bash(f"git status --short > step-{number}.txt").calls, input_tokens=DEAR, output_tokens=0)
    for number in range(2, 9)
)
PRICE = (
    "prices: [{backend: anthropic, model: claude-sonnet-5-5, input: 1000, output: 1000, cache_write_5m: 1000,"
    " cache_write_1h: 1000, cache_read: 1000}]\n"
)


@pytest.mark.parametrize(
    ("agent_keys", "fleet_keys", "words"),
    [
        ("    budget_tokens: 12000\n", "", "the budget of developer is used up"),
        ("    run_usd: 12\n", PRICE, "the budget of one run of developer is used up"),
        ("", "budgets: {fleet_tokens: 12000}\n", "the budget of the fleet is used up"),
    ],
    ids=["tokens of the agent", "dollars of a run", "tokens of the fleet"],
)
def test_a_metered_budget_ends_in_mid_run(client: Path, agent_keys: str, fleet_keys: str, words: str) -> None:
    keys = '    allowed_tools: ["Bash(git status:*)"]\n' + agent_keys
    scenario = (write("half.txt", "half\n"), *STEPS)
    with rig(
        client, {"developer": scenario}, agent_keys=keys, fleet_keys=f"retry: {{attempts: 1}}\n{fleet_keys}"
    ) as fleet:
        fleet.ticket()
        run = fleet.ended("developer")
        assert (run["state"], words in run["outcome"]) == ("over_budget", True), f"{run}\n{fleet.story()}"
        (entry,) = fleet.log("budget.exhausted")
        assert words in entry["summary"]
        asked = fleet.model.of("developer")
        # 120 tokens, then 5,000 each: the third of those crosses the line, and nobody is asked after it
        assert len(asked) == 4, [one.step for one in asked]
        assert git(fleet.paths.bare, "show", f"{run['escrow_ref']}:half.txt") == "half", "its work is saved"
        saved = git(fleet.paths.bare, "ls-tree", "--name-only", run["escrow_ref"]).split()
        assert "step-4.txt" not in saved, "the tool of the answer that crossed the line did not run"

        def used() -> int:
            found = fleet.runs("developer")[0]["usage"]
            return int(found["input"] + found["output"])

        wait_until(lambda: used() >= 120 + 3 * DEAR, what="every answer to be counted")
        assert used() == 120 + 3 * DEAR


def test_a_model_without_a_price_does_not_go_on_under_a_budget_in_dollars(client: Path) -> None:
    keys = "    budget_usd: 100\n    model: mystery-9\n"
    with rig(client, {"developer": (write("half.txt", "half\n"), *STEPS)}, agent_keys=keys) as fleet:
        fleet.ticket()
        run = fleet.ended("developer")
        assert (run["state"], "has no price" in run["outcome"]) == ("over_budget", True), f"{run}\n{fleet.story()}"
        assert len(fleet.model.of("developer")) == 1
        told = fleet.shell.answer("budget", "list")
        assert told["unpriced"] == [{"backend": "anthropic", "model": "mystery-9"}]
