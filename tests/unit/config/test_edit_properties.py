"""Whatever is edited, in whatever file: all other lines keep their bytes, and success means a file that is accepted."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.edit import Append, Edit, PutAgent, Remove, Set, Unset, apply_edits
from fleet.config.yamlfile import Document, read_yaml
from fleet.core.errors import FleetError
from fleet.testing.rings import examples

WORDS = st.sampled_from(
    ["a", "dev", "x y", "null", "12", "*a", "# no", "it's", "", "ü", "a: b", "- a", '"', "tail \t", "|"]
)
SCALARS = st.one_of(WORDS, st.integers(-5, 10**6), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "l m", "n"]), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["developer", "lead", "qa"]


class Writer:
    """Writes a configuration as people do: comments and blank lines anywhere, every style, every indentation."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.remarks = 0

    def remark(self, word: str) -> str:
        """A comment that no other line has."""
        self.remarks += 1
        return f"# {word} {self.remarks}"

    def gap(self) -> str:
        """What may stand between two lines."""
        blank = self.draw(st.sampled_from(["", "", "\n"]))
        return blank + (
            f"{' ' * self.draw(st.integers(0, 4))}{self.remark('remark')}\n" if self.draw(st.booleans()) else ""
        )

    def tail(self) -> str:
        """What may stand at the end of a line."""
        return f"  {self.remark('tail')}" if self.draw(st.booleans()) else ""

    def events(self, indent: int) -> str:
        """A list that can be written in five ways."""
        pad, kind = " " * indent, self.draw(st.sampled_from(["none", "one", "flow", "block", "long"]))
        return {
            "none": "",
            "one": f"{pad}subscribes_to: ticket_ready{self.tail()}\n",
            "flow": f"{pad}subscribes_to: [ticket_ready, 'pr_conflict']{self.tail()}\n",
            "long": f"{pad}subscribes_to: [ticket_ready,{self.tail()}\n{pad}  pr_conflict ]{self.tail()}\n",
            "block": f"{pad}subscribes_to:{self.tail()}\n{self.gap()}{pad}- ticket_ready{self.tail()}\n"
            f'{pad}- "pr_conflict"{self.tail()}\n',
        }[kind]

    def agent(self, name: str, outer: str) -> str:
        """One member, as a block or on one line."""
        if outer and self.draw(st.booleans()):
            return f"{outer}- {{name: {name}, role: developer}}{self.tail()}\n"
        head = f"{outer}- name: {name}{self.tail()}\n{self.gap()}{outer}  role: 'developer'{self.tail()}\n"
        return head + self.events(len(outer) + 2)

    def retry(self) -> str:
        """A map."""
        inner = " " * self.draw(st.sampled_from([1, 2, 4]))
        return (
            f"retry:{self.tail()}\n{self.gap()}{inner}attempts: 3{self.tail()}\n"
            f"{self.gap()}{inner}backoff_seconds: 1{self.tail()}\n"
        )


@st.composite
def files(draw: st.DrawFn) -> str:
    """A configuration."""
    writer = Writer(draw)
    text = writer.gap() + f"version: 1{writer.tail()}\n" + writer.gap()
    text += f"max_concurrent: 4{writer.tail()}\n" + writer.gap() if draw(st.booleans()) else ""
    text += writer.retry() if draw(st.booleans()) else ""
    text += writer.gap() + f"agents:{writer.tail()}\n"
    outer = " " * draw(st.sampled_from([0, 2, 4]))
    for name in NAMES[: draw(st.integers(1, 3))]:
        text += writer.gap() + writer.agent(name, outer)
    text += writer.gap()
    text = text.rstrip("\n") if draw(st.booleans()) else text
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


PATHS = st.one_of(
    st.sampled_from(
        [("max_concurrent",), ("owner",), ("retry",), ("retry", "attempts"), ("retry", "new"), ("protected_paths",)]
    ),
    st.tuples(st.just("agents"), st.sampled_from(NAMES)),
    st.tuples(
        st.just("agents"), st.sampled_from(NAMES), st.sampled_from(["role", "model", "subscribes_to", "may_start"])
    ),
)
EDITS = st.one_of(
    st.builds(Set, PATHS, VALUES),
    st.builds(Unset, PATHS),
    st.builds(Append, PATHS, SCALARS),
    st.builds(Remove, PATHS, st.sampled_from(["ticket_ready", "pr_conflict", "x"])),
    st.builds(
        PutAgent,
        st.sampled_from([*NAMES, "docs"]),
        st.fixed_dictionaries({"role": st.just("developer")}, optional={"subscribes_to": st.lists(WORDS, max_size=3)}),
    ),
)


def attempt(text: str, edits: list[Edit]) -> str | None:
    """The text after the edits; None where they are refused."""
    try:
        return apply_edits(text.encode(), edits, "config.yaml").decode()
    except FleetError:
        return None


@given(files(), st.lists(EDITS, min_size=1, max_size=3))
@settings(max_examples=examples(40, 120))
def test_an_edit_that_succeeds_leaves_a_file_that_reads_and_says_what_was_asked(text: str, edits: list[Edit]) -> None:
    new = attempt(text, edits)
    if new is None:
        return
    document = read_yaml(new.encode(), "config.yaml")
    assert document.problems == []
    last = edits[-1]
    if isinstance(last, Set) and (last.path[0] != "agents" or len(last.path) > 2):
        assert same(lookup(document.data, last.path), last.value)
    if "\r\n" in text:
        assert new.count("\n") == new.count("\r\n")


@given(files(), EDITS)
@settings(max_examples=examples(40, 120))
def test_every_line_that_an_edit_does_not_touch_keeps_its_bytes_and_its_place(text: str, edit: Edit) -> None:
    """What goes is one piece of the file, what comes is another; before and behind them not a byte differs."""
    if isinstance(edit, PutAgent) or (isinstance(edit, Set) and isinstance(edit.value, dict | list)):
        return  # several pieces; the comments are counted below
    new = attempt(text, [edit])
    if new is None or new == text:
        return
    old_lines, new_lines = text.splitlines(keepends=True), new.splitlines(keepends=True)
    if not text.endswith("\n"):
        old_lines[-1] = old_lines[-1].rstrip("\r\n")
    head = next(
        (n for n, (a, b) in enumerate(zip(old_lines, new_lines, strict=False)) if a.rstrip() != b.rstrip()), None
    )
    if head is None:
        head = min(len(old_lines), len(new_lines))
    rest_old, rest_new = old_lines[head:], new_lines[head:]
    back = 0
    while back < min(len(rest_old), len(rest_new)) and rest_old[-1 - back].rstrip() == rest_new[-1 - back].rstrip():
        back += 1
    gone = rest_old[: len(rest_old) - back]
    path = getattr(edit, "path", ("?",))
    # A piece is at most the lines of what the edit names; comments of their own in there are counted below.
    assert len(gone) <= 1 + span_of(text, path), (path, gone)


@given(files(), st.builds(Set, PATHS, SCALARS) | st.builds(Append, PATHS, SCALARS))
@settings(max_examples=examples(40, 120))
def test_setting_and_appending_keeps_every_comment(text: str, edit: Edit) -> None:
    """Except those inside a block of keys or entries that gives way to a single value."""
    new = attempt(text, [edit])
    if new is None:
        return
    before = read_yaml(text.encode(), "config.yaml").data
    if isinstance(edit, Set) and isinstance(lookup(before, edit.path), dict | tuple):
        return
    assert remarks(new) == remarks(text)


@given(files(), st.builds(Unset, PATHS.filter(lambda path: len(path) != 2 or path[0] == "agents")))
@settings(max_examples=examples(40, 120))
def test_what_is_taken_out_takes_no_comment_of_its_neighbours_along(text: str, edit: Unset) -> None:
    new = attempt(text, [edit])
    if new is None:
        return
    document = read_yaml(text.encode(), "config.yaml")
    if edit.path[0] == "agents" and len(document.data["agents"]) == 1:
        return  # what stands around the only entry is not told apart
    first, last = lines_of(document, edit.path)
    lines = text.splitlines()
    neighbours = remarks("\n".join([*lines[: first - 1], *lines[last:]]))
    assert [one for one in remarks(new) if one in neighbours] == neighbours


def lines_of(document: Document, path: Any) -> tuple[int, int]:
    """The first and the last line of what stands at a path, its key included."""
    place: tuple[Any, ...] = tuple(path)
    if path[0] == "agents" and len(path) > 1:
        names = [row.get("name") for row in document.data["agents"]]
        place = ("agents", names.index(path[1]), *path[2:])
    spots = [*document.values.items(), *document.keys.items()]
    lines = [spot.line for known, spot in spots if known[: len(place)] == place]
    return min(lines), max(lines)


def remarks(text: str) -> list[str]:
    """Every comment, in order."""
    return re.findall(r"# (?:remark|tail) \d+", text)


def lookup(data: Any, path: Any) -> Any:
    """The value at a path, with agents by name; None when there is none."""
    for part in path:
        if isinstance(data, tuple):
            data = next((row for row in data if isinstance(row, dict) and row.get("name") == part), None)
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def same(one: Any, other: Any) -> bool:
    """Equal, with lists as tuples."""
    if isinstance(other, list):
        return isinstance(one, tuple) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(other, dict):
        return isinstance(one, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in other)
    return type(one) is type(other) and one == other


def span_of(text: str, path: Any) -> int:
    """How many lines the value at a path takes at most: from its key to the next place that is known behind it."""
    document = read_yaml(text.encode(), "config.yaml")
    resolved: tuple[Any, ...] = ()
    data: Any = document.data
    for part in path:
        if isinstance(data, tuple):
            names = [row.get("name") if isinstance(row, dict) else None for row in data]
            part = names.index(part) if part in names else 0
            data = data[part]
        else:
            data = data.get(part) if isinstance(data, dict) else None
        resolved = (*resolved, part)
    lines = [spot.line for known, spot in document.values.items() if known[: len(resolved)] == resolved]
    keys = [spot.line for known, spot in document.keys.items() if known[: len(resolved)] == resolved]
    return max([*lines, 0]) - min([*lines, *keys, 1 << 30]) + 2 if lines else 1
