"""What is different between two configurations, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel

from fleet.config.loader import LoadedConfig
from fleet.config.model import FleetConfig
from fleet.config.ownroles import texts_of

_MOST = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """``agents_changed`` names the keys of each changed agent; ``keys`` are those of the fleet itself.

    ``lines`` says the same for people, one change a line, and which of the repository's own roles differ.
    """

    agents_added: tuple[str, ...]
    agents_removed: tuple[str, ...]
    agents_changed: dict[str, tuple[str, ...]]
    keys: tuple[str, ...]
    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        """True when anything that counts is different (comments and order do not)."""
        return bool(self.lines)

    def bounded(self) -> list[str]:
        """The lines for a record of limited size: at most a hundred, each cut at 200 characters."""
        more = [f"and {len(self.lines) - _MOST} more"] if len(self.lines) > _MOST else []
        return [line[:200] for line in self.lines[:_MOST]] + more

    def as_dict(self) -> dict[str, object]:
        """For answers."""
        return {
            "agents_added": list(self.agents_added),
            "agents_removed": list(self.agents_removed),
            "agents_changed": {name: list(keys) for name, keys in self.agents_changed.items()},
            "keys": list(self.keys),
            "lines": list(self.lines),
        }


def compare(old: FleetConfig, new: FleetConfig) -> Changes:
    """Everything that differs; values that are not written count as their defaults."""
    before, after = {agent.name: agent for agent in old.agents}, {agent.name: agent for agent in new.agents}
    added = tuple(name for name in after if name not in before)
    removed = tuple(name for name in before if name not in after)
    changed: dict[str, tuple[str, ...]] = {}
    lines = [f"agent {name} joins as {after[name].role}" for name in added]
    lines += [f"agent {name} leaves" for name in removed]
    for name in after:
        if name in before and (keys := _differing(before[name], after[name])):
            changed[name] = keys
            lines += _lines(f"agents.{name}.", before[name], after[name], keys)
    keys = tuple(key for key in _differing(old, new) if key != "agents")
    lines += _lines("", old, new, keys)
    return Changes(added, removed, changed, keys, tuple(lines))


def compare_loaded(old: LoadedConfig, new: LoadedConfig) -> Changes:
    """The same for configurations with the repository's own roles."""
    found = compare(old.config, new.config)
    return replace(found, lines=(*found.lines, *_roles(texts_of(old.roles), texts_of(new.roles))))


def _roles(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"role {name} is new"
        elif name not in new:
            yield f"role {name} is gone"
        elif old[name] != new[name]:
            yield f"role {name} is another"


def said(value: object) -> str:
    """A value as people read it in a sentence."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(said, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {said(inner)}" for key, inner in value.items() if inner is not None) + "}"
    return str(value) if value != "" else '""'


def _differing(old: BaseModel, new: BaseModel) -> tuple[str, ...]:
    return tuple(key for key in type(new).model_fields if getattr(old, key) != getattr(new, key))


def _lines(label: str, old: BaseModel, new: BaseModel, keys: Iterable[str]) -> list[str]:
    """One line a key; those inside a map of keys each for itself."""
    lines: list[str] = []
    for key in keys:
        before, after = getattr(old, key), getattr(new, key)
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            lines += _lines(f"{label}{key}.", before, after, _differing(before, after))
        else:
            lines.append(f"{label}{key}: {said(_plain(before))} -> {said(_plain(after))}")
    return lines


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.model_dump() if isinstance(value, BaseModel) else value
