"""What no single key of a ``subscription_gate`` can tell: what stands together, how deep, and which hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet.config.gate import DEEPEST, GateConfig
from fleet.config.timetable import BadTimetable, zone_named
from fleet.config.yamlfile import Document, Path, Problem, shown

GROUPS = ("all_of", "any_of")
# Conditions that can only be met where there is a pull request, and the subjects of events that never have one.
_ABOUT_A_PULL = frozenset({"approved", "approvals", "approved_by_person", "reviewers_answered", "max_diff", "check"})
_NEVER_A_PULL = frozenset({"ticket_created", "ticket_ready", "ticket_shipped", "schedule_due"})

Row = Mapping[str, Any]


def faults(document: Document, path: Path, gate: object) -> Iterator[Problem]:
    """Every fault of one gate that the types alone do not show."""
    yield from _faults(document, path, gate, 1)


def _faults(document: Document, path: Path, gate: object, depth: int) -> Iterator[Problem]:
    if not isinstance(gate, dict):
        return
    known = [name for name in gate if name in GateConfig.model_fields]
    if len(known) > 1:
        hint = "Put each of them into a mapping of its own under all_of or any_of."
        what = f"{shown(known[1])} stands beside {shown(known[0])}"
        yield Problem(document.key_spot((*path, known[1])), what, "one condition in one mapping", hint)
    if not gate or any(gate[name] is None for name in known):
        yield Problem(document.value_spot(path), "there is no condition here", f"one of {', '.join(_names())}")
    if depth > DEEPEST and any(name in gate for name in GROUPS):
        what = f"groups stand {depth} deep"
        yield Problem(document.value_spot(path), what, f"at most {DEEPEST} groups within one another")
        return
    yield from _window(document, (*path, "time_window"), gate.get("time_window"))
    if isinstance(gate.get("check"), str) and document.data.get("forge", "local") != "github":
        what = f"check is {shown(gate['check'])}"
        hint = "With the local forge, let an agent or a person publish an event and ask for that."
        yield Problem(document.key_spot((*path, "check")), what, "forge: github, where there are checks", hint)
    diff = gate.get("max_diff")
    if isinstance(diff, dict) and not {"lines", "files"} & diff.keys():
        yield Problem(document.value_spot((*path, "max_diff")), "max_diff limits nothing", "lines, files or both")
    for name in GROUPS:
        inside = gate.get(name)
        for index, one in enumerate(inside if isinstance(inside, tuple) else ()):
            yield from _faults(document, (*path, name, index), one, depth + 1)


def _window(document: Document, path: Path, window: object) -> Iterator[Problem]:
    """A zone that is unknown, and hours that never come or never end."""
    if not isinstance(window, dict):
        return
    zone = window.get("timezone", "UTC")
    if isinstance(zone, str):
        try:
            zone_named(zone)
        except BadTimetable as fault:
            yield Problem(document.value_spot((*path, "timezone")), f"timezone is {shown(zone)}", str(fault))
    opens, closes = window.get("opens", "00:00"), window.get("closes", "24:00")
    if opens == "24:00":
        yield Problem(document.value_spot((*path, "opens")), "it opens at the end of a day", "00:00 of the next one")
    elif opens == closes:
        spot = document.value_spot((*path, "closes"))
        yield Problem(spot, f"it opens and closes at {shown(opens)}", "two times; for whole days leave both out")
    elif not window.keys() & {"opens", "closes", "days"}:
        yield Problem(document.value_spot(path), "time_window is always open", "opens, closes or days")


def warnings(document: Document, path: Path, row: Row) -> Iterator[Problem]:
    """Conditions about pull requests before starts that never have one."""
    events = row.get("subscribes_to", ())
    events = (events,) if isinstance(events, str) else events
    if not isinstance(events, tuple) or not events or not all(event in _NEVER_A_PULL for event in events):
        return
    for spot_path, name in _conditions(path, row.get("subscription_gate")):
        if name in _ABOUT_A_PULL:
            what = f"{name} before a start on {' or '.join(map(str, events))}"
            yield Problem(
                document.key_spot(spot_path), what, "a condition about tickets: label, event or time_window",
                "There is no pull request yet, so this start would never be allowed.",
            )  # fmt: skip


def _conditions(path: Path, gate: object) -> Iterator[tuple[Path, str]]:
    """Every condition that has to be met, with its place; what stands in any_of may be left unmet."""
    if not isinstance(gate, dict):
        return
    for name, value in gate.items():
        if name == "all_of" and isinstance(value, tuple):
            for index, one in enumerate(value):
                yield from _conditions((*path, name, index), one)
        elif name != "any_of":
            yield (*path, name), str(name)


def _names() -> list[str]:
    return list(GateConfig.model_fields)
