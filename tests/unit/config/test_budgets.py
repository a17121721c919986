"""Keys of budgets: amounts are exact, zones are known, and nothing is bounded that nobody could measure."""

from __future__ import annotations

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import LoadedConfig, parse_config
from fleet.core.errors import ConfigError
from fleet.policy.ceilings import ceiling_of, meters

ROLES = load_roles()
CLAUDE = "vendor: claude-code\nauth: {kind: key_helper, command: pass show key}"
RATES = "input: 1, output: 2, cache_write_5m: 1, cache_write_1h: 1, cache_read: 0"


def loaded(agent: str, *lines: str) -> LoadedConfig:
    """A configuration of one agent with these keys, below these lines of the fleet's own."""
    member = "".join(f"    {line}\n" for line in ["role: developer", *agent.splitlines()])
    text = "version: 1\n" + "".join(f"{line}\n" for line in lines) + f"agents:\n  - name: dev\n{member}"
    return parse_config(text.encode(), name="c.yaml", roles=ROLES)


def problems(agent: str, *lines: str) -> str:
    try:
        loaded(agent, *lines)
    except ConfigError as error:
        return "\n".join(error.problems)
    return ""


@pytest.mark.parametrize(
    ("keys", "scope", "unit", "ceiling"),
    [
        ("budget_tokens: 5", "agent", "tokens", 5),
        ("budget_tokens: {tokens: 7, window: day}", "agent", "tokens", 7),
        ("budget_usd: 12.5", "agent", "usd", 12_500_000),
        ("budget_usd: {usd: 0.000001, window: month, timezone: Europe/Berlin}", "agent", "usd", 1),
        ("run_tokens: 9", "run", "tokens", 9),
        ("run_usd: 3", "run", "usd", 3_000_000),
    ],
)
def test_a_budget_is_a_number_or_a_mapping(keys: str, scope: str, unit: str, ceiling: int) -> None:
    config = loaded(f"{CLAUDE}\n{keys}").config
    assert ceiling_of(config, "dev", scope, unit) == ceiling
    assert meters(config, "dev")


@pytest.mark.parametrize(
    ("agent", "line", "fault"),
    [
        (f"{CLAUDE}\nbudget_tokens: 0", "", "tokens from 1"),
        (f"{CLAUDE}\nbudget_tokens: 1.5", "", "a whole number of tokens"),
        (f"{CLAUDE}\nbudget_usd: -1", "", "dollars"),
        (f"{CLAUDE}\nbudget_usd: 0.0000001", "", "at most six digits"),
        (f"{CLAUDE}\nbudget_usd: five", "", "dollars such as 12.5"),
        (f"{CLAUDE}\nbudget_usd: {{usd: 5, window: day, timezone: Mars/X}}", "", "timezone is 'Mars/X'"),
        ("enabled: true", "budgets: {fleet_tokens: {tokens: 5, window: day, timezone: Mars/X}}", "'Mars/X'"),
        ("budget_tokens: 5", "", "nobody measures what a scripted agent uses"),
        ("vendor: command\ncommand: [x]\nrun_usd: 5", "", "nobody measures what a command agent uses"),
        ("vendor: command\ncommand: [x]", "budgets: {ticket_usd: 5}", "nobody measures what a command uses"),
        ("unmetered: true", "", "unmetered is given and the vendor is 'scripted'"),
        (
            "enabled: true",
            f"prices: [{{backend: b, model: m, {RATES}}}, {{backend: b, model: m, {RATES}}}]",
            "two prices",
        ),
        ("enabled: true", "prices: [{backend: b, model: m, input: 1}]", "missing"),
    ],
)
def test_what_cannot_hold_is_refused(agent: str, line: str, fault: str) -> None:
    assert fault in problems(agent, *([line] if line else []))


def test_a_program_is_left_out_of_shared_budgets_only_knowingly() -> None:
    config = loaded(
        "vendor: command\ncommand: [x]\nunmetered: true", "budgets: {fleet_usd: 5, ticket_tokens: 9}"
    ).config
    assert not meters(config, "dev")
    assert ceiling_of(config, "", "fleet", "usd") == 5_000_000


def test_playbooks_may_work_under_a_shared_budget() -> None:
    assert problems("enabled: true", "budgets: {fleet_usd: 5}") == ""
