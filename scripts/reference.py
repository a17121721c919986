"""Write the reference pages that are generated from code: events, states, errors, configuration, crash points.

``python scripts/reference.py`` rewrites ``docs/reference/``; a test compares the pages with the code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel

from fleet.config.model import AgentConfig, FleetConfig, RetryConfig
from fleet.core.catalogue import CATALOGUE
from fleet.core.event import BUILTIN
from fleet.core.journal import Stream
from fleet.core.probe import POINTS
from fleet.core.work import DELIVERY_MOVES, RUN_MOVES

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
    """The two state machines, as tables and drawings."""
    lines = [_NOTE, "# States", "", "Who moves what is in ARCHITECTURE.md; these are the moves that exist."]
    for title, moves in (("Deliveries", DELIVERY_MOVES), ("Runs", RUN_MOVES)):
        lines += ["", f"## {title}", "", "```mermaid", "stateDiagram-v2"]
        for state, targets in moves.items():
            lines += [f"    {state} --> {target}" for target in sorted(targets)] or [f"    {state} --> [*]"]
        lines += ["```", "", "| from | to |", "|---|---|"]
        lines += [
            f"| `{state}` | {', '.join(f'`{t}`' for t in sorted(to)) or 'final'} |" for state, to in moves.items()
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
        "| 0 | ok |",
        "| 1 | failed (`release check`: not mergeable) |",
        "| 2 | usage, bad payload |",
        "| 3 | configuration invalid |",
        "| 4 | not found |",
        "| 5 | daemon unreachable |",
        "| 6 | refused by policy, or approval pending |",
        "| 7 | budget or quarantine |",
        "| 8 | conflict, or lock held |",
        "| 124 | timed out |",
        "| 130 | interrupted |",
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
        ("`retry`", RetryConfig),
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


PAGES: dict[str, Callable[[], str]] = {
    "events.md": events_page,
    "states.md": states_page,
    "errors.md": errors_page,
    "configuration.md": config_page,
    "crash-points.md": points_page,
}


def stale() -> Iterator[str]:
    """Names of the pages that differ from what the code says."""
    for name, make in PAGES.items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != make():
            yield name


def main() -> int:
    """Write every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
