"""Where everything stands in a YAML text: a tree of keys and values with their first and last character.

Only spans; what the values mean is read by ``yamlfile``. Built from the parser's marks, corrected for what they
leave open: a block ends with its last content (not with the comments that follow), an empty value stands right
behind its colon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

Kind = Literal["scalar", "map", "list"]


@dataclass(slots=True)
class Node:
    """A value: ``start`` and ``end`` are positions in the text, ``end`` behind the last character.

    ``keys`` has one entry for each child of a map, ``dashes`` one for each child of a block list: where it begins.
    """

    kind: Kind
    start: int
    end: int
    flow: bool = False
    style: str = ""
    children: list[Node] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    dashes: list[int] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True for a value that is not written at all."""
        return self.start == self.end

    def child(self, part: str | int) -> Node | None:
        """The value of a key or at an index, if there is one."""
        place = self.index(part)
        return self.children[place] if place is not None else None

    def index(self, part: str | int) -> int | None:
        """Which child a key or an index names."""
        if isinstance(part, int):
            return part if self.kind == "list" and 0 <= part < len(self.children) else None
        names = [key.name for key in self.keys]
        return names.index(part) if part in names else None


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a map: its name, and where it begins."""

    name: str
    start: int


def tree_of(text: str) -> Node:
    """The tree of a text that ``read_yaml`` has read without complaint."""
    return _node(text, YAML(typ="safe", pure=True).compose(text))


def line_start(text: str, position: int) -> int:
    """Where the line of a position begins."""
    return text.rfind("\n", 0, position) + 1


def line_end(text: str, position: int) -> int:
    """Where the line of a position ends: at its line break, or at the end of the text."""
    found = text.find("\n", position)
    return len(text) if found < 0 else found


def column(text: str, position: int) -> int:
    """How many characters stand before a position on its line."""
    return position - line_start(text, position)


def _node(text: str, raw: Any) -> Node:
    start, end = raw.start_mark.index, raw.end_mark.index
    if isinstance(raw, ScalarNode):
        style = raw.style or ""
        if style in ("|", ">"):
            end = start + len(text[start:end].rstrip())
        return Node("scalar", start, end, style=style)
    flow = bool(raw.flow_style)
    node = Node("map" if isinstance(raw, MappingNode) else "list", start, end, flow=flow)
    if isinstance(raw, MappingNode):
        for key, value in raw.value:
            node.keys.append(Key(str(key.value), key.start_mark.index))
            node.children.append(_placed(_node(text, value), _after_colon(text, key.end_mark.index, flow)))
    elif isinstance(raw, SequenceNode):
        for value in raw.value:
            child = _node(text, value)
            if not flow:
                dash = _dash(text, start, child.start)
                node.dashes.append(dash)
                child = _placed(child, dash + 1)
            node.children.append(child)
    if not flow and node.children:
        node.end = node.children[-1].end
    return node


def _placed(node: Node, behind: int) -> Node:
    """An empty value moved to where it would be written: right behind its colon or dash."""
    if node.kind == "scalar" and node.empty:
        node.start = node.end = behind
    return node


def _after_colon(text: str, position: int, flow: bool) -> int:
    """Behind the colon that follows a key; behind the key where a flow map leaves it out."""
    found = position
    while found < len(text) and text[found] in " \t":
        found += 1
    if found < len(text) and text[found] == ":":
        return found + 1
    return position if flow else text.index(":", position) + 1


def _dash(text: str, first: int, start: int) -> int:
    """The dash of a list's entry. All dashes of a block list stand in the column of the first one."""
    indent = column(text, first)
    line = line_start(text, start)
    while line > first:
        place = line + indent
        if place < start + 1 and text[place : place + 1] == "-" and not text[line:place].strip():
            return place
        line = line_start(text, line - 1)
    return first
