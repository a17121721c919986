"""Plain data as YAML text: short things on one line, maps and lists of maps as blocks. Pure.

Everything that could be read as something else than the text it is, is quoted; so no value can bring in an
alias, a tag, a comment or another key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from fleet.config.yamlfile import read_scalar

_PLAIN = re.compile(r"[A-Za-z.][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
_OLD_WORDS = frozenset(["y", "n", "yes", "no", "on", "off"])  # truth values of YAML 1.1: quoted for other readers


def inline(value: object, style: str = "") -> str:
    """A value on one line; ``style`` is the quote that stood there before and is kept where it can be."""
    if isinstance(value, str):
        return _text(value, style)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(key))}: {inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def entry(key: str, value: object, indent: int) -> str:
    """A key and its value as lines without the first indent and the last line break."""
    if _on_one_line(value):
        return f"{_text(key)}: {inline(value)}"
    return f"{_text(key)}:\n{block(value, indent + 2)}"


def item(value: object, indent: int) -> str:
    """An entry of a block list, dash included, as lines without the first indent and the last line break."""
    if isinstance(value, Mapping) and value:
        return "- " + block(value, indent + 2).lstrip(" ")
    return f"- {inline(value)}"


def block(value: object, indent: int) -> str:
    """A filled map or list as lines, each with its indent, without the last line break."""
    pad = " " * indent
    if isinstance(value, Mapping):
        return "\n".join(f"{pad}{entry(str(key), inner, indent)}" for key, inner in value.items())
    assert isinstance(value, Sequence)
    return "\n".join(f"{pad}{item(inner, indent)}" for inner in value)


def _on_one_line(value: object) -> bool:
    """Everything but a filled map and a list that holds maps or lists."""
    if isinstance(value, Mapping):
        return not value
    if isinstance(value, str) or not isinstance(value, Sequence):
        return True
    return not any(isinstance(inner, Mapping) or _is_list(inner) for inner in value)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _text(text: str, style: str = "") -> str:
    if style == '"':
        return json.dumps(text, ensure_ascii=False)
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    plain = _PLAIN.fullmatch(text) and isinstance(read_scalar(text), str) and text.lower() not in _OLD_WORDS
    return text if plain and not text.startswith("...") else json.dumps(text, ensure_ascii=False)
