"""YAML in, plain data with the line and column of every key and value out, within our own limits.

YAML 1.2 core schema only. Refused, because they make a file mean something else than what a reader sees:
anchors, aliases, tags, merge keys, directives, duplicate keys, several documents, control characters.
Built on the parser's events, so nothing is constructed before it was checked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from fleet.core.errors import ConfigError

SIZE_LIMIT = 1024 * 1024  # bytes
DEPTH_LIMIT = 32
NODE_LIMIT = 50_000
LINE_LIMIT = 10_000  # characters; some of the parser's steps take the square of a line's length
PROBLEM_LIMIT = 200  # faults collected before we stop reading
_KEY_LIMIT = 200  # characters
_DIGIT_LIMIT = 18  # an integer that fits into 64 bits
_DIRECTION = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SYNTAX_HINT = "Check the indentation, colons and quotes around this place."

Path = tuple[str | int, ...]

# The parser is another's; these are what it raises on malformed text beside its own errors.
_PARSER_FAILURES = (
    YAMLError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    OverflowError,
    NotImplementedError,
)

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A place in a file; both numbers start at 1."""

    line: int
    column: int


START = Spot(1, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault (or warning): where, what is there, what was expected, and what to do."""

    spot: Spot
    what: str
    expected: str = ""
    hint: str = ""

    def render(self, name: str) -> str:
        """The fault as one line: ``file:line:col: what, expected …. hint``."""
        expected = f", expected {self.expected}" if self.expected else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{name}:{self.spot.line}:{self.spot.column}: {self.what}{expected}{hint}"


@dataclass(slots=True)
class Document:
    """A read file: plain data (sequences are tuples), where each key and value stands, and the faults so far."""

    name: str
    data: Any = None
    keys: dict[Path, Spot] = field(default_factory=dict)
    values: dict[Path, Spot] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def key_spot(self, path: Path) -> Spot:
        """Where the key of ``path`` stands; the nearest known place around it otherwise."""
        return self.keys.get(path) or self.value_spot(path)

    def value_spot(self, path: Path) -> Spot:
        """Where the value of ``path`` stands; the nearest known place around it otherwise."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, START)


def invalid(name: str, problems: Iterable[Problem]) -> NoReturn:
    """Raise ConfigError FLT-CFG-010 with every fault, in the order of the file."""
    lines = tuple(problem.render(name) for problem in sorted(problems, key=lambda problem: problem.spot))
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    raise ConfigError("FLT-CFG-010", f"{lines[0]}{more}", problems=lines)


def read_yaml(data: bytes, name: str) -> Document:
    """Parse one YAML file whose root is a mapping.

    ``name`` is how faults call the file. Returns what could be read together with the faults that do not
    hinder reading (duplicate keys, anchors, tags…), so that a caller can add its own before it complains.
    Raises ConfigError FLT-CFG-010 when the text is not readable as YAML at all.
    """
    text = _decode(data, name)
    document = Document(name)
    builder = _Builder(document)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except _Enough as enough:
        document.problems.append(enough.problem)
        invalid(name, document.problems)
    except _PARSER_FAILURES as error:
        document.problems.append(_syntax_problem(error, text))
        invalid(name, document.problems)
    if not isinstance(document.data, dict):
        found = "an empty file" if document.data is None else f"a {_kind(document.data)} at the top"
        document.problems.append(Problem(document.value_spot(()), found, "a mapping of keys to values"))
        invalid(name, document.problems)
    return document


def read_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted word means by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    return float(text) if _FLOAT.fullmatch(text) else text


def shown(value: object) -> str:
    """A value as a fault message quotes it: short, printable, one line."""
    if isinstance(value, dict | tuple | list):
        return f"a {_kind(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "empty"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Enough(Exception):
    """Reading cannot or should not go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """An open mapping or sequence and the path it stands at."""

    path: Path
    mapping: bool
    items: dict[str, Any] | list[Any]
    key: str | None = None  # a mapping's key that waits for its value
    skip_value: bool = False  # the value of a refused key: read, not kept

    def next_path(self, number: int) -> Path:
        """The path of the value that comes next; below a refused key one that nothing else has."""
        if isinstance(self.items, list):
            return (*self.path, len(self.items))
        return (*self.path, self.key if self.key is not None else f"\0{number}")


class _Builder:
    """Turns parser events into a Document, one event at a time, with a stack instead of recursion."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._stack: list[_Frame] = []
        self._documents = 0
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        if isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end()
        elif isinstance(event, AliasEvent | ScalarEvent | MappingStartEvent | SequenceStartEvent):
            self._node(event)

    def _start_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Enough(Problem(_spot(event), "a second document", "one document in the file", "Remove the `---`."))
        if event.version is not None or event.tags:
            self._fault(_spot(event), "a % directive", "plain YAML", "Remove the directive.")

    def _node(self, event: Any) -> None:
        """A scalar, alias or start of a collection: a key or a value of the frame on top."""
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            raise _Enough(Problem(_spot(event), "too many entries", f"at most {NODE_LIMIT} keys and values"))
        self._refuse_references(event)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.mapping and frame.key is None and not frame.skip_value:
            self._key(frame, event)
            return
        path = frame.next_path(self._nodes) if frame is not None else ()
        self._document.values[path] = _spot(event)
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open(event, path)
        else:
            self._store(self._scalar(event))

    def _refuse_references(self, event: Any) -> None:
        spot = _spot(event)
        if isinstance(event, AliasEvent):
            self._fault(spot, f"alias *{event.anchor}", "the value itself", "Write the value out.")
        elif event.anchor:
            self._fault(spot, f"anchor &{event.anchor}", "a plain value", "Remove the anchor.")
        if getattr(event, "tag", None):
            self._fault(spot, f"tag {shown(str(event.tag))}", "a plain value", "Remove the tag.")

    def _open(self, event: Any, path: Path) -> None:
        if len(self._stack) >= DEPTH_LIMIT:
            raise _Enough(Problem(_spot(event), "nesting too deep", f"at most {DEPTH_LIMIT} levels"))
        mapping = isinstance(event, MappingStartEvent)
        self._stack.append(_Frame(path, mapping, {} if mapping else []))

    def _end(self) -> None:
        frame = self._stack.pop()
        self._store(frame.items if isinstance(frame.items, dict) else tuple(frame.items))

    def _store(self, value: Any) -> None:
        """Put a finished value where it belongs."""
        if not self._stack:
            self._document.data = value
            return
        frame = self._stack[-1]
        if isinstance(frame.items, list):
            frame.items.append(value)
            return
        if not frame.skip_value and frame.key is not None:
            frame.items[frame.key] = value
        frame.key, frame.skip_value = None, False

    def _key(self, frame: _Frame, event: Any) -> None:
        """A mapping's key: text, not seen before."""
        spot = _spot(event)
        if not isinstance(event, ScalarEvent):
            raise _Enough(Problem(spot, "a key that is not a plain word", "text as key"))
        frame.skip_value = True
        if event.value == "<<" and event.style is None:
            self._fault(spot, "merge key <<", "the keys themselves", "Write the keys out.")
            return
        key = str(event.value)
        if len(key) > _KEY_LIMIT or not key.isprintable():
            self._fault(spot, f"key {shown(key)}", f"a printable key of at most {_KEY_LIMIT} characters")
            return
        path = (*frame.path, key)
        first = self._document.keys.get(path)
        if first is not None:
            self._fault(
                spot,
                f"key {shown(key)} stands here and on line {first.line}",
                "every key once",
                f"Remove it here or on line {first.line}.",
            )
            return
        self._document.keys[path] = spot
        frame.key, frame.skip_value = key, False

    def _scalar(self, event: Any) -> Any:
        if isinstance(event, AliasEvent):
            return None
        text = str(event.value)
        bad = next((char for char in text if not _may_stand(char)), None)
        if bad is not None:
            self._fault(_spot(event), f"control character U+{ord(bad):04X}", "printable text")
            return "?"
        return text if event.style is not None else self._plain(text, event)

    def _plain(self, text: str, event: Any) -> Any:
        """An unquoted scalar by the YAML 1.2 core schema."""
        if _INT.fullmatch(text) and len(text) > _DIGIT_LIMIT:
            self._fault(_spot(event), f"number {shown(text)}", f"at most {_DIGIT_LIMIT} digits")
            return 0
        return read_scalar(text)

    def _fault(self, spot: Spot, what: str, expected: str, hint: str = "") -> None:
        problems = self._document.problems
        problems.append(Problem(spot, what, expected, hint))
        if len(problems) >= PROBLEM_LIMIT:
            raise _Enough(Problem(spot, "too many faults; reading stopped here"))


def _decode(data: bytes, name: str) -> str:
    """The text of a file; complains about everything that is not clean UTF-8."""
    if len(data) > SIZE_LIMIT:
        invalid(name, [Problem(START, f"{len(data)} bytes", f"at most {SIZE_LIMIT}")])
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        invalid(name, [Problem(START, "a byte order mark", "UTF-8 without one", "Save the file as plain UTF-8.")])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        spot = _spot_at(data[: error.start].decode("utf-8"))
        invalid(name, [Problem(spot, f"byte 0x{data[error.start]:02x} is not UTF-8", "UTF-8 text")])
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            invalid(name, [Problem(Spot(number, 1), f"a line of {len(line)} characters", f"at most {LINE_LIMIT}")])
    bad = next((index for index, char in enumerate(text) if not _may_stand(char) and char != "\r"), None)
    if bad is not None:
        what = f"control character U+{ord(text[bad]):04X}"
        invalid(name, [Problem(_spot_at(text[:bad]), what, "printable text", "Remove it or write it out.")])
    return text


def _may_stand(char: str) -> bool:
    """False for control characters, halves of surrogate pairs and marks that turn the writing direction."""
    if char.isprintable() or char in "\n\t":
        return True
    return unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char not in _DIRECTION


def _spot(event: Any) -> Spot:
    return Spot(event.start_mark.line + 1, event.start_mark.column + 1)


def _spot_at(before: str) -> Spot:
    """The place that follows this text."""
    return Spot(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _syntax_problem(error: Exception, text: str) -> Problem:
    """What the parser said, at the place where it said it."""
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        spot = Spot(mark.line + 1, mark.column + 1) if mark is not None else START
        what = " ".join(part for part in (error.context, error.problem) if part)
        return Problem(spot, f"not YAML: {what or 'syntax error'}", hint=_SYNTAX_HINT)
    if isinstance(error, ReaderError):
        return Problem(_spot_at(text[: error.position]), f"not YAML: {error.reason}")
    return Problem(START, f"not YAML: {type(error).__name__}: {shown(str(error))}", hint=_SYNTAX_HINT)


def _kind(value: object) -> str:
    """The YAML name of a value's type."""
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, tuple | list) else "single value"
