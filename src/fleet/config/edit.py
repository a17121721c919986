"""Change a configuration file as a person would: bytes and edits in, bytes out; what no edit names stays as it is.

Comments, order, quotes and blank lines are kept, because only the named piece of the text is replaced. Every
step is read back and compared with what it was meant to do; a file for which that fails is refused, not guessed.
Takes no look at what the values mean: the whole file is checked by whoever writes it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.config.model import FleetConfig
from fleet.config.splice import append_item, insert_key, remove_child, replace_value
from fleet.config.validate import dotted, model_at, nearest
from fleet.config.yamlfile import DEPTH_LIMIT, invalid, read_yaml
from fleet.config.yamltree import Node, column, tree_of
from fleet.core.errors import ConfigError, NotFound, UsageError

Path = tuple[str | int, ...]
MAX_EDITS = 100


@dataclass(frozen=True, slots=True)
class Set:
    """Give a key this value, whether it is there or not. In ``agents`` a member is named by its name."""

    path: Path
    value: object


@dataclass(frozen=True, slots=True)
class Unset:
    """Take a key, or one entry of a list, out of the file; a map or key that is left empty goes with it."""

    path: Path


@dataclass(frozen=True, slots=True)
class Append:
    """Add an entry to the end of a list, which is made where there is none."""

    path: Path
    value: object


@dataclass(frozen=True, slots=True)
class Remove:
    """Take every entry that equals the value out of a list."""

    path: Path
    value: object


@dataclass(frozen=True, slots=True)
class PutAgent:
    """Make the block of one agent say exactly this; a new agent comes last. ``fields`` without the name."""

    name: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DropAgent:
    """Take the block of one agent out."""

    name: str


Edit = Set | Unset | Append | Remove | PutAgent | DropAgent


_OPS: dict[str, type[Set | Append | Remove]] = {"set": Set, "append": Append, "remove": Remove}


def edit_of(op: str, key: str, value: object) -> Edit:
    """An edit as doors send it: ``set``, ``unset``, ``append`` or ``remove``, and a key such as ``retry.attempts``.

    Raises UsageError FLT-CFG-101.
    """
    path = path_of(key)
    if op == "unset":
        return Unset(path)
    if op not in _OPS:
        raise UsageError("FLT-CFG-101", f"there is no edit {op!r}", hint="set, unset, append or remove")
    return _OPS[op](path, value)


def path_of(key: str) -> Path:
    """``agents.developer.model`` as a path. Raises UsageError FLT-CFG-101 for a key with an empty part."""
    parts = tuple(key.split("."))
    if not all(parts):
        raise UsageError("FLT-CFG-101", "a key is words with dots between them", where=key, hint="retry.attempts")
    return parts


def apply_edits(data: bytes, edits: Sequence[Edit], name: str) -> bytes:
    """The file with every edit done, in order. ``name`` is how messages call the file.

    Raises ConfigError FLT-CFG-010 for a text that cannot be read or uses anchors, tags and the like, FLT-CFG-102
    for one that cannot be edited this way; UsageError FLT-CFG-101 for an edit that does not fit the file, NotFound
    FLT-AGT-001 for an agent that is not in it.
    """
    if len(edits) > MAX_EDITS:
        raise UsageError("FLT-CFG-101", f"{len(edits)} edits at once", hint=f"At most {MAX_EDITS} in one change.")
    text = _Text(data, name)
    for edit in edits:
        text.apply(edit)
    return text.text.encode("utf-8")


class _Text:
    """A text under change, with its tree and its data."""

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        self.data = self._read(data)
        self.text = data.decode("utf-8")

    def _read(self, data: bytes) -> dict[str, object]:
        document = read_yaml(data, self._name)
        if document.problems:
            invalid(self._name, document.problems)
        plain = _listed(document.data)
        assert isinstance(plain, dict)
        return plain

    def apply(self, edit: Edit) -> None:
        """Do one edit."""
        if isinstance(edit, PutAgent):
            self._put_agent(edit)
        elif isinstance(edit, DropAgent):
            self._unset(("agents", edit.name))
        elif isinstance(edit, Set):
            self._set(edit.path, _plain(edit.value))
        elif isinstance(edit, Unset):
            self._unset(edit.path)
        elif isinstance(edit, Append):
            self._append(edit.path, _plain(edit.value))
        else:
            self._remove(edit.path, _plain(edit.value))

    # -- the edits -------------------------------------------------------------------------------

    def _put_agent(self, edit: PutAgent) -> None:
        fields = _plain({"name": edit.name, **edit.fields})
        if fields["name"] != edit.name:
            raise UsageError("FLT-CFG-101", "an agent cannot be renamed by an edit", where=edit.name)
        if edit.name in _names(self.data.get("agents")):
            self._set(("agents", edit.name), fields)
            return
        order = list(model_at(FleetConfig, ("agents",)).model_fields)
        ranked = sorted(fields.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))
        self._append(("agents",), dict(ranked))

    def _set(self, path: Path, value: object) -> None:
        path = self._resolved(path)
        present, there = _lookup(self.data, path)
        if there and _same(present, value):
            return
        if isinstance(present, dict) and isinstance(value, dict) and present and value:
            for key in [key for key in present if key not in value]:
                self._unset((*path, key))
            for key, inner in value.items():
                self._set((*path, key), inner)
        elif isinstance(present, list) and isinstance(value, list) and self._merge(path, present, value):
            return
        elif there:
            node, key_column = self._node(path)
            self._became(replace_value(self.text, node, value, key_column), _with(self.data, path, value))
        else:
            self._insert(path, value)

    def _merge(self, path: Path, present: list[object], value: list[object]) -> bool:
        """Turn one list into the other by removing and appending; False where that is not all there is to do."""
        kept, wanted = list(range(len(present))), iter(value)
        ahead = next(wanted, None)
        kept = []
        for place, old in enumerate(present):
            if ahead is not None and _same(old, ahead):
                kept.append(place)
                ahead = next(wanted, None)
        if not kept or not value:
            return False
        for place in reversed(range(len(present))):
            if place not in kept:
                self._unset((*path, place))
        for inner in value[len(kept) :]:
            self._append(path, inner)
        return True

    def _insert(self, path: Path, value: object) -> None:
        """A key that is not there, with the maps around it that are not there either."""
        known = path
        while known and not _lookup(self.data, known)[1]:
            known = known[:-1]
        above = _lookup(self.data, known)[0]
        key, wrapped = path[len(known)], value
        for part in reversed(path[len(known) + 1 :]):
            wrapped = {str(part): wrapped}
        if not isinstance(key, str) or not (above is None or isinstance(above, dict)):
            raise _unfit(path, f"{dotted(known)} holds no keys")
        node, key_column = self._node(known)
        if above is None or not above:
            text = replace_value(self.text, node, {key: wrapped}, key_column)
        else:
            text = insert_key(self.text, node, key, wrapped, _order(known))
        self._became(text, _with(self.data, known, {**(above or {}), key: wrapped}))

    def _unset(self, path: Path) -> None:
        path = self._resolved(path)
        if not path or not _lookup(self.data, path)[1]:
            raise _unfit(path, "it is not in the file", near=self._near(path))
        above, last = path[:-1], path[-1]
        around = _lookup(self.data, above)[0]
        assert isinstance(around, dict | list)
        if len(around) == 1:
            if isinstance(around, dict) and above:
                self._unset(above)
                return
            node, key_column = self._node(above)
            if not above:
                raise _unfit(path, "it is the only key of the file")
            self._became(replace_value(self.text, node, [], key_column), _with(self.data, above, []))
            return
        node, _ = self._node(above)
        place = node.index(last)
        assert place is not None
        self._became(remove_child(self.text, node, place), _without(self.data, path))

    def _append(self, path: Path, value: object) -> None:
        path = self._resolved(path)
        present, there = _lookup(self.data, path)
        if not there or present is None:
            self._set(path, [value])
        elif isinstance(present, str):
            self._set(path, [present, value])  # one event name means a list of one
        elif not isinstance(present, list):
            raise _unfit(path, "it is no list")
        else:
            node, key_column = self._node(path)
            filled = present and not (node.flow and isinstance(value, dict))
            longer = [*present, value]
            text = append_item(self.text, node, value) if filled else replace_value(self.text, node, longer, key_column)
            self._became(text, _with(self.data, path, longer))

    def _remove(self, path: Path, value: object) -> None:
        path = self._resolved(path)
        present, _ = _lookup(self.data, path)
        entries = [present] if isinstance(present, str) else present
        if not isinstance(entries, list) or not any(_same(entry, value) for entry in entries):
            raise _unfit(path, "the list does not hold this entry")
        self._set(path, [entry for entry in entries if not _same(entry, value)])

    # -- the text --------------------------------------------------------------------------------

    def _node(self, path: Path) -> tuple[Node, int]:
        """The node of a path that exists, and the column of its key."""
        node, key_column = tree_of(self.text), -2
        for part in path:
            place = node.index(part)
            assert place is not None
            if node.kind == "map":
                key_column = column(self.text, node.keys[place].start)
            node = node.children[place]
        return node, key_column

    def _became(self, text: str, wanted: dict[str, object]) -> None:
        """Take the new text if it says exactly what it should; otherwise this file is not for us."""
        try:
            data = self._read(text.encode("utf-8"))
        except (ConfigError, UnicodeEncodeError) as error:
            raise self._stuck() from error
        if not _same(data, wanted):
            raise self._stuck()
        self.text, self.data = text, data

    def _stuck(self) -> ConfigError:
        hint = "Edit it by hand, then: fleet reload"
        return ConfigError("FLT-CFG-102", "this cannot be written into this file", where=self._name, hint=hint)

    def _resolved(self, path: Path) -> Path:
        """The path with names of agents, and numbers that people write, as places in the list."""
        if len(path) < 2 or path[0] != "agents" or not isinstance(path[1], str):
            return self._numbered(path)
        names = _names(self.data.get("agents"))
        if path[1] not in names:
            hint = nearest(path[1], [name for name in names if name]) or "fleet agent list shows the names"
            raise NotFound("FLT-AGT-001", "no such agent", where=path[1], hint=hint)
        return self._numbered(("agents", names.index(path[1]), *path[2:]))

    def _numbered(self, path: Path) -> Path:
        found: Path = ()
        for part in path:
            around = _lookup(self.data, found)[0]
            is_place = isinstance(around, list) and isinstance(part, str) and part.isascii() and part.isdigit()
            found = (*found, int(part) if is_place else part)
        return found

    def _near(self, path: Path) -> str:
        around = _lookup(self.data, path[:-1])[0] if path else None
        return nearest(str(path[-1]), list(around)) if isinstance(around, dict) else ""


# -- plain data ------------------------------------------------------------------------------------


def _plain(value: Any, depth: int = 0) -> Any:
    """A copy made of nothing but maps, lists and single values. Raises UsageError FLT-CFG-101."""
    if depth > DEPTH_LIMIT or (isinstance(value, float) and not math.isfinite(value)):
        raise UsageError("FLT-CFG-101", "this value cannot stand in a configuration")
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, depth + 1) for inner in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise UsageError("FLT-CFG-101", f"a {type(value).__name__} cannot stand in a configuration")


def _listed(value: object) -> object:
    """Read data with lists where the reader gives tuples."""
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, tuple) else value


def _same(one: object, other: object) -> bool:
    """Equal in value and type: 1 is not true, and not 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other


def _lookup(data: object, path: Path) -> tuple[object, bool]:
    """The value at a path, and whether there is one."""
    for part in path:
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list):
            if not isinstance(part, int) or not 0 <= part < len(data):
                return None, False
            data = data[part]
        else:
            return None, False
    return data, True


def _with(data: dict[str, object], path: Path, value: object) -> dict[str, object]:
    """A copy with another value at a path that exists."""
    made = copy.deepcopy(data)
    if not path:
        assert isinstance(value, dict)
        return value
    around: Any = _lookup(made, path[:-1])[0]
    around[path[-1]] = value
    return made


def _without(data: dict[str, object], path: Path) -> dict[str, object]:
    """A copy without what a path names."""
    made = copy.deepcopy(data)
    around: Any = _lookup(made, path[:-1])[0]
    del around[path[-1]]
    return made


def _names(agents: object) -> list[str]:
    """The name of each entry of the agents' list; "" for one without."""
    rows = agents if isinstance(agents, list) else []
    return [str(row.get("name", "")) if isinstance(row, dict) else "" for row in rows]


def _order(path: Path) -> list[str]:
    return list(model_at(FleetConfig, path).model_fields)


def _unfit(path: Path, why: str, near: str = "") -> UsageError:
    return UsageError("FLT-CFG-101", why, where=dotted(path), hint=near)
