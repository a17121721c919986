"""What no single key can tell about budgets: zones that are not known, and bounds that nobody could measure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.config.timetable import BadTimetable, zone_named
from fleet.config.yamlfile import Document, Path, Problem, shown

_WINDOWED = ("seconds", "tokens", "usd")
_MEASURED = ("budget_tokens", "budget_usd", "run_tokens", "run_usd")
_SHARED = ("fleet_tokens", "fleet_usd", "ticket_tokens", "ticket_usd")


def faults(document: Document) -> Iterator[Problem]:
    """Every fault, those of the fleet's own budgets first."""
    own = document.data.get("budgets")
    own = own if isinstance(own, dict) else {}
    for unit in _WINDOWED:
        yield from _zone(document, ("budgets", f"fleet_{unit}"), own.get(f"fleet_{unit}"))
    shared = [key for key in _SHARED if own.get(key) is not None]
    rows = document.data.get("agents")
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if isinstance(row, dict):
            for unit in _WINDOWED:
                key = f"budget_{unit}"
                yield from _zone(document, ("agents", index, key), row.get(key))
            yield from _measured(document, index, row, shared)
    yield from _prices(document)


def _zone(document: Document, path: Path, budget: object) -> Iterator[Problem]:
    zone = budget.get("timezone") if isinstance(budget, dict) else None
    if isinstance(zone, str):
        try:
            zone_named(zone)
        except BadTimetable as fault:
            yield Problem(document.value_spot((*path, "timezone")), f"timezone is {shown(zone)}", str(fault))


def _measured(document: Document, index: int, row: Mapping[str, Any], shared: list[str]) -> Iterator[Problem]:
    """A budget that nobody measures would never end: it is refused, not taken for kept."""
    vendor = row.get("vendor", "scripted")
    if vendor != "claude-code":
        for key in _MEASURED:
            if row.get(key) is not None:
                spot = document.key_spot(("agents", index, key))
                expected = "vendor: claude-code, or budget_seconds and timeout_seconds, which bound every program"
                yield Problem(spot, f"{key} is given and nobody measures what a {vendor} agent uses", expected)
    if "unmetered" in row and vendor != "command":
        spot = document.key_spot(("agents", index, "unmetered"))
        yield Problem(spot, f"unmetered is given and the vendor is {shown(vendor)}", "vendor: command, or no such key")
    if vendor == "command" and shared and row.get("unmetered") is not True:
        spot = document.value_spot(("agents", index, "vendor"))
        what = f"budgets.{shared[0]} is set and nobody measures what a command uses"
        yield Problem(spot, what, "unmetered: true, which leaves it out knowingly, or no such budget")


def _prices(document: Document) -> Iterator[Problem]:
    rows = document.data.get("prices")
    seen: set[tuple[object, object]] = set()
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if not isinstance(row, dict):
            continue
        key = (row.get("backend"), row.get("model"))
        if key in seen:
            spot = document.value_spot(("prices", index, "model"))
            yield Problem(spot, f"{shown(row.get('model'))} has two prices at this backend", "one of them")
        seen.add(key)
