"""Write the reference pages that are generated from code: commands, events, states, errors, configuration and so on.

``python scripts/reference.py`` rewrites ``docs/reference/``; a test compares the pages with the code.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from fleet.assess.fit import LEAST_LABELS, LEAST_OF_EACH
from fleet.assess.insights import KINDS
from fleet.assess.risk import PROBATION_CRITICAL, THRESHOLDS, Reading, level_of, score, sigmoid
from fleet.assess.scorecard import DIMENSIONS, MINIMUM, MINIMUM_DIMENSIONS, VERSION
from fleet.assess.signals import CASES, INTERCEPT, INTERCEPT_SPREAD, KEYS, SIGNALS, WINDOW_HOURS
from fleet.cli import main as command_line
from fleet.cli.commands.about import EXIT_CODES
from fleet.cli.remote import COMMON, Local
from fleet.config import catalogue
from fleet.config.budgets import (
    BudgetConfig,
    BudgetsConfig,
    LongPromptConfig,
    PriceConfig,
    TokensConfig,
    UsdConfig,
)
from fleet.config.catalogue import load_roles
from fleet.config.claude import RestartConfig
from fleet.config.gate import DiffConfig, EventConfig, GateConfig, WindowConfig
from fleet.config.model import AgentConfig, FleetConfig, ScheduleConfig, SetupConfig
from fleet.config.prices import shipped, version
from fleet.config.sections import (
    ApprovalsConfig,
    AuditConfig,
    FabricConfig,
    KeepingConfig,
    RetryConfig,
    TeamConfig,
)
from fleet.core.approval import APPROVAL_MOVES
from fleet.core.board import MAIL_MOVES, TASK_MOVES
from fleet.core.catalogue import CATALOGUE
from fleet.core.event import BUILTIN
from fleet.core.journal import Stream
from fleet.core.money import dollars
from fleet.core.price import Price, Rates
from fleet.core.probe import POINTS
from fleet.core.work import DELIVERY_MOVES, RUN_MOVES
from fleet.testing import mallory

MALLORY = Path(__file__).resolve().parent.parent / "tests" / "claude" / "mallory.json"
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
_NOTE = "<!-- Generated from the code by scripts/reference.py. Change the code, then run it. -->\n"


def events_page() -> str:
    """Every journal type, grouped by stream."""
    lines = [
        _NOTE,
        "# Events and facts",
        "",
        "One journal holds everything. *Events* are on the Fabric: they are routed to the agents that subscribe. "
        "*Decisions* say what policy or a person decided, with the facts. *Activity* is what the machinery did.",
        "",
        "An agent may also publish custom events that its `publishes:` declares.",
    ]
    for stream, title in (
        (Stream.EVENT, "Events"),
        (Stream.DECISION, "Decisions"),
        (Stream.ACTIVITY, "Activity"),
    ):
        lines += ["", f"## {title}", "", "| type | produced by | subject | says |", "|---|---|---|---|"]
        lines += [
            f"| `{item.name}` | {', '.join(item.producers)} | {item.subject} | {item.says} |"
            for item in BUILTIN.values()
            if item.stream is stream
        ]
    return "\n".join(lines) + "\n"


def states_page() -> str:
    """The state machines, as tables and drawings."""
    lines = [_NOTE, "# States", "", "Who moves what is in ARCHITECTURE.md; these are the moves that exist."]
    machines: tuple[tuple[str, Mapping[Any, frozenset[Any]]], ...] = (
        ("Deliveries", DELIVERY_MOVES),
        ("Runs", RUN_MOVES),
        ("Approvals", APPROVAL_MOVES),
        ("Tasks", TASK_MOVES),
        ("Messages", MAIL_MOVES),
    )
    for title, moves in machines:
        lines += ["", f"## {title}", "", "```mermaid", "stateDiagram-v2"]
        for state, targets in moves.items():
            lines += [f"    {state} --> {target}" for target in sorted(targets)] or [f"    {state} --> [*]"]
        lines += ["```", "", "| from | to |", "|---|---|"]
        lines += [
            f"| `{state}` | {', '.join(f'`{t}`' for t in sorted(to)) or 'final'} |" for state, to in moves.items()
        ]
    return "\n".join(lines) + "\n"


def evaluation_page() -> str:
    """The six dimensions with formulas and inputs."""
    lines = [
        _NOTE,
        "# Evaluation",
        "",
        f"`fleet eval` makes a scorecard from the journal, for any window, whenever somebody asks: formulas version "
        f"{VERSION}. Nothing is remembered between two evaluations; `fleet eval run` keeps the result as a journal "
        "entry, and no later evaluation reads it. Six dimensions, 0 to 100, more is better. A dimension with fewer "
        f"than {MINIMUM} counted facts says *insufficient data* (`null` in JSON); the overall score is the mean of "
        f"the dimensions that have data, where at least {MINIMUM_DIMENSIONS} have.",
        "",
        "Only types, states, commits, measured seconds and identities are read, never a text that an agent wrote. "
        "Scores stop nobody; what binds is policy, budgets and risk, and none of them reads a score.",
        "",
        "Every score names the journal entries that count for and against it (`for` and `against` in JSON, the newest "
        "50; the inputs count all). Runs that a person cancelled are left out, and so are runs whose beginning lies "
        "in an archive.",
    ]
    for row in DIMENSIONS:
        lines += ["", f"## {row.name}", "", f"{row.asks} `{row.formula}`", "", "| input | counts |", "|---|---|"]
        lines += [f"| `{name}` | {says} |" for name, says in row.inputs.items()]
    return "\n".join(lines) + "\n"


def insights_page() -> str:
    """What fleet insights tells, and when."""
    lines = [
        _NOTE,
        "# Insights",
        "",
        "`fleet insights` looks at the last seven days (`--since`) and tells what a lead should look at, each finding "
        "with the journal entries that it rests on and the command that helps. Findings stop nobody.",
        "",
        "| kind | told when |",
        "|---|---|",
        *(f"| `{kind}` | {says} |" for kind, says in KINDS.items()),
    ]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Every error code with its meaning and remedy."""
    lines = [
        _NOTE,
        "# Error codes",
        "",
        "| exit | means |",
        "|---|---|",
        *(f"| {code} | {means} |" for code, means in EXIT_CODES.items()),
        "",
        "| code | meaning | what to do |",
        "|---|---|---|",
    ]
    lines += [f"| `{code}` | {row.meaning} | {row.remedy} |" for code, row in sorted(CATALOGUE.items())]
    return "\n".join(lines) + "\n"


def config_page() -> str:
    """Every key of the configuration."""
    lines = [_NOTE, "# .fleet/config.yaml", "", "`fleet config schema` prints the same as a JSON schema for editors."]
    models: list[tuple[str, type[BaseModel]]] = [
        ("Top level", FleetConfig),
        ("`agents[]`", AgentConfig),
        ("`agents[].schedule`", ScheduleConfig),
        ("`agents[].subscription_gate`, and each condition in it", GateConfig),
        ("`time_window` of a gate", WindowConfig),
        ("`max_diff` of a gate", DiffConfig),
        ("`event` of a gate", EventConfig),
        ("`teams[]`", TeamConfig),
        ("`approvals`", ApprovalsConfig),
        ("`budgets`", BudgetsConfig),
        ("`budget_seconds`, `fleet_seconds`", BudgetConfig),
        ("`budget_tokens`, `fleet_tokens`", TokensConfig),
        ("`budget_usd`, `fleet_usd`", UsdConfig),
        ("`prices[]`", PriceConfig),
        ("`long_prompt` of a price", LongPromptConfig),
        ("`setup`", SetupConfig),
        ("`retry`", RetryConfig),
        ("`restart`", RestartConfig),
        ("`keeping`", KeepingConfig),
        ("`fabric`", FabricConfig),
        ("`audit`", AuditConfig),
    ]
    for title, model in models:
        lines += ["", f"## {title}", "", "| key | default | meaning |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            if field.is_required():
                default = "required"
            elif field.default_factory is not None:
                default = "see below"
            else:
                default = f"`{_yaml(field.default)}`"
            lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _yaml(value: object) -> str:
    """A default as one writes it in YAML."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value) if value != "" else '""'


def prices_page() -> str:
    """The shipped table of prices."""
    rows = shipped()
    lines = [
        _NOTE,
        "# Prices of models",
        "",
        f"Version {version()} of the table, in US dollars for a million tokens: what budgets in dollars and the costs",
        "that are shown rest on. A model or backend that is not here has no price. That is shown as unknown, and",
        "where a budget in dollars has to hold, nothing goes on; [budgets](../howto/budgets.md) says how to add a",
        "price or to put another in its place.",
        "",
        "| backend | model | input | output | cache write, 5 min | cache write, 1 h | cache read | read at | on |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for price in rows:
        lines.append(_price_row(price, price.model, price.rates))
        if price.long is not None:
            lines.append(_price_row(price, f"the same, prompts over {price.long_above:,} tokens", price.long))
    return "\n".join(lines) + "\n"


def _price_row(price: Price, name: str, rates: Rates) -> str:
    numbers = (rates.input, rates.output, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read)
    shown = " | ".join(dollars(number) for number in numbers)
    return f"| {price.backend} | {name} | {shown} | {price.source} | {price.date} |"


def points_page() -> str:
    """Every crash point with the promise at stake."""
    lines = [
        _NOTE,
        "# Crash points",
        "",
        "The crash ring kills the real daemon with signal 9 at each of these points and restarts it.",
        "",
        "| point | the promise |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {promise} |" for name, promise in POINTS.items()]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command with its options, exit codes and examples."""
    lines = [
        _NOTE,
        "# Commands",
        "",
        "`fleet help COMMAND` prints the same. Every command also takes `--json` (one object with `schema_version`), "
        "`--color auto|always|never` and `-h`. What the exit codes mean is on the [page of errors](errors.md).",
    ]
    for section in dict.fromkeys(row[0] for row in command_line.COMMANDS.values()):
        lines += ["", f"## {section}"]
        top = click.Context(command_line.root, info_name="fleet", **command_line.root.context_settings)
        for name, row in command_line.COMMANDS.items():
            if row[0] == section:
                command = command_line.root.get_command(top, name)
                assert command is not None
                lines += _command(command, click.Context(command, info_name=name, parent=top))
    return "\n".join(lines) + "\n"


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """One command, or all those of a group."""
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=ctx))
        return
    assert isinstance(command, Local)
    usage = " ".join(word for param in command.params for word in param.get_usage_pieces(ctx))
    yield from (
        "",
        f"### {ctx.command_path}",
        "",
        f"`{ctx.command_path}{' [OPTIONS]' + ' ' + usage if usage else ' [OPTIONS]'}`",
        "",
    )
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    rows = [record for option in options if option.name not in COMMON and (record := option.get_help_record(ctx))]
    if rows:
        yield from ("", "| option | meaning |", "|---|---|")
        yield from (
            f"| `{names.replace('|', chr(92) + '|')}` | {means.replace('|', chr(92) + '|')} |" for names, means in rows
        )
    if command.exits:
        yield from ("", "| exit | means |", "|---|---|")
        yield from (f"| {code} | {means} |" for code, means in command.exits.items())
    if command.examples:
        yield from ("", "```console", *(f"$ {line}" for line in command.examples), "```")


def roles_page() -> str:
    """Every role of the catalogue by department, with what is told and what is enforced."""
    roles = load_roles()
    lines = [
        _NOTE,
        "# Roles",
        "",
        f"The {len(roles)} roles that come with Fleet, by department. All about one: `fleet role show ROLE`. How to "
        "choose one and fit it to a repository: [roles](../howto/roles.md).",
    ]
    for department in sorted({role.department for role in roles.values()}):
        lines += [
            "",
            f"## {department}",
            "",
            "| role | mission | starts on | done with | tier |",
            "|---|---|---|---|---|",
        ]
        for role in (role for role in roles.values() if role.department == department):
            done = dict.fromkeys(event for events in role.expects.values() for event in events)
            hears = ", ".join(f"`{event}`" for event in role.hears)
            ends = ", ".join(f"`{event}`" for event in done)
            lines.append(f"| `{role.name}` | {role.mission} | {hears} | {ends} | {role.default_tier} |")
    return "\n".join(lines) + "\n"


def risk_page() -> str:
    """The signals of risk with the reasoning for each coefficient, the levels, and the cases they were checked on."""
    low = sigmoid(INTERCEPT)
    lines = [
        _NOTE,
        "# Risk",
        "",
        "How likely an agent is to do harm if it goes on, as a probability: logistic regression over signals that the "
        "journal and the runs table hold. Risk says nothing about quality; that is "
        "[evaluation](evaluation.md), and neither reads the other. Only *critical* has consequences by itself: the "
        "agent is [quarantined](../howto/quarantine.md).",
        "",
        "`probability = 1 / (1 + exp(-(intercept + sum of coefficient * value)))`. Each value lies between 0 and its "
        f"cap. Signals look back {WINDOW_HOURS} hours, and never past an agent's last release. What cannot be read "
        "counts as it was last read.",
        "",
        f"The intercept is {INTERCEPT:+g}: an agent of which nothing is known against it stands at {low:.1%}.",
        "",
        "| signal | unit | cap | coefficient | at most | where it is read |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{one.key}` | {one.unit} | {one.cap:g} | {one.coefficient:+g} | {one.coefficient * one.cap:+.2f}"
        f" | {one.source} |"
        for one in SIGNALS
    ]
    lines += ["", "## Why these coefficients", "", "They are in log-odds for one unit: +0.69 doubles the odds.", ""]
    lines += [f"- **{one.key.replace('_', ' ')}**: {one.why}" for one in SIGNALS]
    lines += [
        "",
        "No signal is critical by itself. The shipped coefficients were checked on cases a person judged:",
        "",
    ]
    lines += ["| case | probability | level |", "|---|---|---|"]
    for case, values in CASES.items():
        found = score({key: Reading(values.get(key, 0.0)) for key in KEYS}, {}).probability
        lines.append(f"| {case} | {found:.0%} | {level_of(found)} |")
    lines += [
        "",
        "## Levels",
        "",
        "A level is entered at once and left only below a lower bound, so that it does not flap. On probation "
        f"*critical* begins at {PROBATION_CRITICAL.enter:.0%}, until below {PROBATION_CRITICAL.leave:.0%}.",
        "",
        "| level | from | until below |",
        "|---|---|---|",
        *(f"| {one.level} | {one.enter:.0%} | {one.leave:.0%} |" for one in THRESHOLDS),
        "",
        "## Fitting",
        "",
        "`fleet risk fit` finds the coefficients that are most probable after people's labels, with the shipped ones "
        f"as prior: each may move by its own spread. It takes {LEAST_LABELS} labels, of each kind {LEAST_OF_EACH}. A "
        "coefficient stays at 0 or above: a fault never counts in an agent's favour. `--apply` lets the result hold "
        "from then on, as a version on record.",
        "",
        "| coefficient | shipped | spread |",
        "|---|---|---|",
        f"| intercept | {INTERCEPT:+g} | {INTERCEPT_SPREAD:g} |",
        *(f"| `{one.key}` | {one.coefficient:+g} | {one.spread:g} |" for one in SIGNALS),
    ]
    return "\n".join(lines) + "\n"


def mallory_page() -> str:
    """What a hostile model can do, from the results that the real client's test recorded."""
    return _NOTE + "\n" + mallory.page(json.loads(MALLORY.read_text("utf-8")))


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "evaluation.md": evaluation_page,
    "insights.md": insights_page,
    "risk.md": risk_page,
    "events.md": events_page,
    "states.md": states_page,
    "errors.md": errors_page,
    "configuration.md": config_page,
    "crash-points.md": points_page,
    "prices.md": prices_page,
    "roles.md": roles_page,
    "mallory.md": mallory_page,
}
CATALOGUE_INDEX = Path(catalogue.__file__).parent / "catalog" / catalogue.INDEX


def stale() -> Iterator[str]:
    """Names of the pages that differ from what the code says."""
    for name, make in PAGES.items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != make():
            yield name
    if CATALOGUE_INDEX.read_text("utf-8") != catalogue.index_text():
        yield catalogue.INDEX


def main() -> int:
    """Write every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), "utf-8")
    CATALOGUE_INDEX.write_text(catalogue.index_text(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
