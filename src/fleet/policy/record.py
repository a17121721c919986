"""The facts of a decision as the journal keeps them: whole, compact, and with a version. Pure.

A field that has its default is left out; so a later program reads what an earlier one wrote, as long as a new field
has the default that says what the earlier program would have seen. What is too large is not cut: it is said that it
is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from fleet.policy.facts import (
    AttemptFacts,
    BrokenFacts,
    CallOffFacts,
    MergeFacts,
    ReviewFacts,
    StartFacts,
    WarnFacts,
)

VERSION = 1
SIZE_LIMIT = 64 * 1024  # characters of JSON; a journal entry takes four times as much

Facts = StartFacts | MergeFacts | ReviewFacts | BrokenFacts | AttemptFacts | CallOffFacts | WarnFacts
KINDS: Mapping[str, type[Any]] = {
    "start": StartFacts,
    "merge": MergeFacts,
    "review": ReviewFacts,
    "broken": BrokenFacts,
    "attempt": AttemptFacts,
    "call_off": CallOffFacts,
    "warn": WarnFacts,
}
_NAMES = {cls: name for name, cls in KINDS.items()}


class NotReplayable(Exception):
    """Why a recorded decision cannot be made again, in words."""


def recorded(facts: Facts) -> dict[str, object]:
    """The facts for a journal entry."""
    kind = _NAMES[type(facts)]
    plain = _plain(facts)
    if len(json.dumps(plain)) > SIZE_LIMIT:
        return {"v": VERSION, "kind": kind, "too_large": True}
    return {"v": VERSION, "kind": kind, "facts": plain}


def read_record(data: object) -> Facts:
    """The facts of a journal entry. Raises NotReplayable."""
    if not isinstance(data, Mapping):
        raise NotReplayable("recorded without its facts, by an earlier program")
    if data.get("v") != VERSION or data.get("kind") not in KINDS:
        raise NotReplayable("recorded by another version of the program")
    if data.get("too_large"):
        raise NotReplayable("its facts were too large to be recorded")
    try:
        found: Facts = _value(KINDS[data["kind"]], data.get("facts"))
    except (AttributeError, TypeError, ValueError, KeyError, ValidationError) as error:
        raise NotReplayable("its record is not one that this program understands") from error
    return found


def _plain(value: Any) -> Any:
    """A fact as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if is_dataclass(value):
        kept = ((one, getattr(value, one.name)) for one in fields(value))
        return {one.name: _plain(held) for one, held in kept if not _is_default(one, held)}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Enum) else value


def _is_default(one: Field[Any], held: object) -> bool:
    return one.default is not MISSING and bool(held == one.default)


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


def _value(hint: Any, data: Any) -> Any:
    """The fact that JSON stands for. Raises what the classes raise on what they do not know."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        return None if data is None else _value(next(one for one in inner if one is not NoneType), data)
    if origin is frozenset:
        return frozenset(data)
    if origin is tuple:
        hints = inner[:1] * len(data) if inner[1:] == (...,) else inner
        return tuple(_value(one, item) for one, item in zip(hints, data, strict=True))
    if is_dataclass(hint):
        known = _hints(hint)  # type: ignore[arg-type]
        return hint(**{name: _value(known[name], item) for name, item in data.items()})  # type: ignore[operator]
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.model_validate_json(json.dumps(data))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if hint in (int, str, float, bool) and not (isinstance(data, hint) or (hint is float and isinstance(data, int))):
        raise TypeError(f"{data!r} is no {hint}")
    return data
