"""What the format knows of one key: its meaning, its type, what is allowed, its default; and its value in a file.

Read from the JSON schema, so that there is one source for the check, for editors and for ``fleet config``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fleet.config.edit import path_of
from fleet.config.model import FleetConfig
from fleet.config.validate import PATTERNS, nearest
from fleet.config.yamlfile import Document, Spot
from fleet.core.errors import NotFound, UsageError

Schema = Mapping[str, Any]
_NONE = object()


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``name`` as people write it; ``allowed`` says in words what may stand there."""

    name: str
    means: str
    allowed: str
    required: bool
    default: object
    schemas: tuple[Schema, ...]  # the alternatives, without references

    @property
    def types(self) -> frozenset[str]:
        """JSON types that may stand there."""
        return frozenset(str(schema.get("type", "object")) for schema in self.schemas)


@dataclass(frozen=True, slots=True)
class Found:
    """A key's value: written in the file at ``spot``, or the default (``spot`` None)."""

    value: object
    spot: Spot | None


def key_named(name: str) -> Key:
    """A key such as ``max_concurrent``, ``retry.attempts`` or ``agents.developer.model``.

    Raises UsageError FLT-CFG-101 for a malformed name, NotFound FLT-CFG-106 for an unknown one.
    """
    root = _schema()
    path = path_of(name)
    around: Schema = root
    schema: Schema = root
    for place, part in enumerate(path):
        around, schema = schema, _below(root, schema, str(part), ".".join(map(str, path[: place + 1])))
    last = str(path[-1])
    return Key(
        name=name,
        means=str(schema.get("description", "")),
        allowed=" or ".join(dict.fromkeys(map(_allowed, _alternatives(root, schema)))),
        required=last in around.get("required", ()),
        default=_default(root, schema),
        schemas=tuple(_alternatives(root, schema)),
    )


@cache
def _schema() -> Schema:
    return FleetConfig.model_json_schema()


def value_in(document: Document, key: Key) -> Found:
    """The key's value in a file that was read, or its default. Raises NotFound FLT-AGT-001, FLT-CFG-107."""
    path = _place(document, key.name)
    value: Any = document.data
    for depth, part in enumerate(path):
        inside = isinstance(value, dict) and part in value
        if not inside and not (isinstance(value, tuple) and isinstance(part, int) and part < len(value)):
            if key.required or any(str(step).isdigit() for step in path[depth:]):
                hint = f"fleet config explain {key.name}"
                raise NotFound("FLT-CFG-107", "the file does not hold this", where=key.name, hint=hint)
            return Found(key.default, None)
        value = value[part]
    return Found(value, document.key_spot(path))


def parse_value(key: Key, text: str) -> object:
    """What a person typed, as the type that the key has: text, number, true or false, JSON, or words with commas.

    Raises UsageError FLT-CFG-110.
    """
    found = _parsed(key, text)
    if found is _NONE:
        raise UsageError("FLT-CFG-110", f"{text[:60]!r} does not fit, expected {key.allowed}", where=key.name)
    return found


def _parsed(key: Key, text: str) -> object:
    types = key.types
    if "null" in types and text in ("null", "none"):
        return None
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    if "integer" in types and text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 19:
        return int(text)
    if types & {"array", "object"} and text[:1] in ("[", "{"):
        return _json(text, types)
    words = "array" in types and not any("$ref" in schema.get("items", {}) for schema in key.schemas)
    if words and ("," in text or "string" not in types):
        return [word.strip() for word in text.split(",") if word.strip()]
    return text if "string" in types else _NONE


def _json(text: str, types: frozenset[str]) -> object:
    try:
        found = json.loads(text)
    except ValueError:
        return _NONE
    kind = "array" if isinstance(found, list) else "object" if isinstance(found, dict) else ""
    return found if kind in types else _NONE


def _place(document: Document, name: str) -> tuple[str | int, ...]:
    """The path of a key in a document, with agents and numbers as places in lists."""
    path: tuple[str | int, ...] = ()
    value: Any = document.data
    for part in map(str, path_of(name)):
        step: str | int = part
        if isinstance(value, tuple):
            names = [str(row.get("name", "")) if isinstance(row, dict) else "" for row in value]
            if path == ("agents",) and part not in names:
                hint = nearest(part, names) or "fleet agent list shows the names"
                raise NotFound("FLT-AGT-001", "no such agent", where=part, hint=hint)
            step = names.index(part) if path == ("agents",) else int(part)
        path = (*path, step)
        here = isinstance(value, dict) and step in value
        deep = isinstance(value, tuple) and isinstance(step, int) and step < len(value)
        value = value[step] if here or deep else None
    return path


def _below(root: Schema, schema: Schema, part: str, name: str) -> Schema:
    """The schema of a key inside another one."""
    known: list[str] = []
    for option in _alternatives(root, schema):
        inner = option.get("properties", {})
        known += inner
        if part in inner:
            return _resolved(root, inner[part])
        if isinstance(option.get("additionalProperties"), dict):
            return _resolved(root, option["additionalProperties"])
        if "items" in option and ((name.startswith("agents.") and name.count(".") == 1) or part.isdigit()):
            return _resolved(root, option["items"])
    hint = nearest(part, known) or (f"Known: {', '.join(known)}." if known else "It holds no keys.")
    raise NotFound("FLT-CFG-106", "there is no such key", where=name, hint=hint)


def _resolved(root: Schema, schema: Schema) -> Schema:
    """The schema itself where there is only a reference to it; what stands beside the reference counts."""
    if "$ref" not in schema:
        return schema
    name = str(schema["$ref"]).rpartition("/")[2]
    return {**root["$defs"][name], **{key: value for key, value in schema.items() if key != "$ref"}}


def _default(root: Schema, schema: Schema) -> object:
    """What counts when nothing is written; a map that is left out has the defaults of its keys."""
    if "default" in schema or "properties" not in schema:
        return schema.get("default")
    return {name: _default(root, _resolved(root, inner)) for name, inner in schema["properties"].items()}


def _alternatives(root: Schema, schema: Schema) -> list[Schema]:
    options = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [_resolved(root, option) for option in options]


def _allowed(schema: Schema) -> str:
    """What may stand there, in words."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "one of " + ", ".join(map(str, values)) if len(values) > 1 else str(values[0])
    kind = schema.get("type")
    if kind == "integer":
        return "a whole number" + _bounds(schema)
    if kind == "string":
        pattern = str(schema.get("pattern", ""))
        longest = f" of at most {schema['maxLength']} characters" if "maxLength" in schema and not pattern else ""
        return PATTERNS.get(pattern, "text") + longest
    words = {"boolean": "true or false", "null": "none", "array": "a list", "number": "a number"}
    return words.get(str(kind), "keys and values")


def _bounds(schema: Schema) -> str:
    least = schema.get("minimum", schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else None)
    most = schema.get("maximum")
    if least is None or most is None:
        return f" of at least {least}" if least is not None else f" of at most {most}" if most is not None else ""
    return f" from {least} to {most}"


def effective_keys(config: FleetConfig) -> list[str]:
    """Every single key of a configuration, by its dotted name; agents in the order of the file."""
    names: list[str] = []
    for name, value in config.model_dump(exclude={"agents"}).items():
        names += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    for agent in config.agents:
        names += [f"agents.{agent.name}.{name}" for name in type(agent).model_fields if name != "name"]
    return names
