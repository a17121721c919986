"""One change to a YAML text by replacing, inserting or removing a piece of it; all other characters stay. Pure.

Each function takes the text, the node that holds the change and what to do, and gives the new text. Comments
and blank lines are never part of a node, so they stay unless they stand inside the lines of what is removed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleet.config.yamltree import Node, column, line_end, line_start
from fleet.config.yamlwrite import block, entry, inline, item

_BLANK_LINE_AT_END = re.compile(r"(\n)[ \t]*\r?\n\Z")
_BLANK_LINE_AT_START = re.compile(r"[ \t]*\r?\n")


def replace_value(text: str, node: Node, value: object, key_column: int) -> str:
    """Write another value where ``node`` stands; its key begins in ``key_column`` (-2 for the root's own)."""
    style = node.style if node.style in ("'", '"') else ""
    if node.kind == "scalar" and node.empty:
        return text[: node.start] + " " + inline(value) + text[node.end :]
    if node.kind == "scalar" or node.flow:
        return text[: node.start] + inline(value, style) + text[node.end :]
    if isinstance(value, dict | list) and value:
        lines = block(value, column(text, node.start)).lstrip(" ")
        return text[: node.start] + _ends(text, lines) + text[node.end :]
    # A block becomes a single value: on its own line, deeper than the key, which is as good as beside it.
    begin = line_start(text, node.start)
    return text[:begin] + " " * (key_column + 2) + inline(value) + text[node.end :]


def insert_key(text: str, node: Node, key: str, value: object, order: Sequence[str]) -> str:
    """A new key in a filled or empty map, behind the nearest key that ``order`` puts before it."""
    before = _predecessor(node, key, order)
    if node.flow:
        return _insert_flow(text, node, f"{inline(key)}: {inline(value)}", before)
    indent = column(text, node.keys[0].start)
    lines = entry(key, value, indent)
    if before < 0:
        first = node.keys[0].start
        return text[:first] + _ends(text, lines + "\n" + " " * indent) + text[first:]
    return _insert_lines(text, node.children[before].end, " " * indent + lines)


def append_item(text: str, node: Node, value: object) -> str:
    """A new entry at the end of a list; with a blank line before it where the last two have one."""
    if node.flow:
        return _insert_flow(text, node, inline(value), len(node.children) - 1)
    indent = column(text, node.dashes[0])
    lines = " " * indent + item(value, indent)
    if len(node.children) > 1 and re.search(r"\n[ \t\r]*\n", text[node.children[-2].end : node.dashes[-1]]):
        lines = "\n" + lines
    return _insert_lines(text, node.children[-1].end, lines)


def remove_child(text: str, node: Node, place: int) -> str:
    """Take one of several children out of a map or list."""
    if node.flow:
        return _remove_flow(text, node, place)
    start = node.keys[place].start if node.kind == "map" else node.dashes[place]
    end = node.children[place].end
    begin = line_start(text, start)
    if not text[begin:start].strip():
        before, after = text[:begin], text[min(line_end(text, end) + 1, len(text)) :]
        if _BLANK_LINE_AT_END.search(before) and (not after or _BLANK_LINE_AT_START.match(after)):
            before = _BLANK_LINE_AT_END.sub("\\1", before)  # one of the two blank lines around it goes with it
        return before + after
    # It begins behind a dash, which stays; what follows moves up to it, unless a comment stands in between.
    following = node.keys[place + 1].start if node.kind == "map" else node.dashes[place + 1]
    return text[:start] + text[following if not text[end:following].strip() else end :]


def _predecessor(node: Node, key: str, order: Sequence[str]) -> int:
    """The place of the key behind which a new one belongs; -1 for the front."""
    if key not in order:
        return len(node.keys) - 1
    ahead = set(order[: list(order).index(key)])
    return max((place for place, known in enumerate(node.keys) if known.name in ahead), default=-1)


def _insert_lines(text: str, end: int, lines: str) -> str:
    """Whole lines behind the line that holds ``end``."""
    place = line_end(text, end)
    if place == len(text):
        return text + _ends(text, "\n" + lines + ("" if text.endswith("\n") else "\n"))
    return text[: place + 1] + _ends(text, lines + "\n") + text[place + 1 :]


def _ends(text: str, lines: str) -> str:
    """Lines with the line breaks of the file."""
    first = line_end(text, 0)
    return lines.replace("\n", "\r\n") if text[first - 1 : first] == "\r" else lines


def _start(node: Node, place: int) -> int:
    return node.keys[place].start if node.kind == "map" else node.children[place].start


def _insert_flow(text: str, node: Node, piece: str, before: int) -> str:
    if not node.children:
        return text[: node.start + 1] + piece + text[node.start + 1 :]
    if before < 0:
        return text[: node.start + 1] + piece + ", " + text[_start(node, 0) :]
    place = node.children[before].end
    return text[:place] + ", " + piece + text[place:]


def _remove_flow(text: str, node: Node, place: int) -> str:
    """Out with one entry and one comma; comments and line breaks of a long list stay."""
    start, end = _start(node, place), node.children[place].end
    behind = re.compile(r"[ \t]*,[ \t]*").match(text, end)
    if behind is not None:
        return text[:start] + text[behind.end() :]
    ahead = re.search(r",[ \t]*$", text[:start])
    return text[: ahead.start() if ahead is not None else start] + text[end:]
