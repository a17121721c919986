"""Named sets of command patterns, so that a role says ``@python`` and not forty patterns. Data in commandsets.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from fleet.config.scope import command_covered, command_fault
from fleet.config.yamlfile import read_yaml

_FILE = "commandsets.yaml"


@cache
def command_sets() -> Mapping[str, tuple[str, ...]]:
    """The sets by name, without the @. Raises ConfigError FLT-CFG-010 when the file is not readable."""
    data = resources.files("fleet.config").joinpath(_FILE).read_bytes()
    return {str(name): tuple(map(str, patterns)) for name, patterns in read_yaml(data, _FILE).data.items()}


def commands_of(entries: Iterable[str]) -> tuple[tuple[str, ...], list[tuple[int, str]]]:
    """The patterns that a list of patterns and @sets means; and what is wrong: which entry, what was expected."""
    found: dict[str, None] = {}
    faults: list[tuple[int, str]] = []
    for place, entry in enumerate(entries):
        if entry.startswith("@"):
            known = command_sets()
            if entry[1:] in known:
                found.update(dict.fromkeys(known[entry[1:]]))
            else:
                faults.append((place, f"one of the sets {', '.join(f'@{name}' for name in known)}"))
            continue
        fault = command_fault(entry) or _not_for_agents(entry)
        if fault:
            faults.append((place, fault))
        found[entry] = None
    return tuple(found), faults


def _not_for_agents(pattern: str) -> str:
    """What is wrong with a command of fleet itself: only those of the sets are for agents."""
    if pattern.split(" ")[0] != "fleet" or command_covered(pattern, _ours()):
        return ""
    return "a command of fleet that one of the sets holds, such as @fleet; the others are for people"


@cache
def _ours() -> tuple[str, ...]:
    """Every pattern of the sets that begins with fleet."""
    return tuple(entry for entries in command_sets().values() for entry in entries if entry.startswith("fleet "))
