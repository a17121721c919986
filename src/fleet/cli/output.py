"""What a person or a program reads: text made safe to look at, tables, one JSON object, errors in one line."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from fleet.core.clock import SECOND
from fleet.core.errors import ConfigError, FleetError

SCHEMA_VERSION = 1

# Control, format (bidi marks, zero width), surrogate, private use, unassigned, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = {"\t": " "}

_GAP = "  "  # between two columns of a table
_LEAST_ROOM = 16  # a last column that would have fewer columns of a terminal is left to the terminal
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def visible(text: object, *, lines: bool = False) -> str:
    """Other people's text, safe on a terminal: what would be obeyed or hidden is spelled out instead.

    Control characters, escape sequences, direction marks and zero-width characters become ``\\x1b`` or
    ``\\u202e``. ``lines`` keeps line breaks, for bodies, diffs and output; else they are spelled out too.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(_spelled(char, lines) for char in plain)


def _spelled(char: str, lines: bool) -> str:
    if lines and char == "\n":
        return char
    if char in _PLAIN:
        return _PLAIN[char]
    if unicodedata.category(char) not in _INVISIBLE:
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(frozen=True, slots=True)
class Style:
    """How text for people looks. ``colour`` False gives plain words; nothing is fitted where ``width`` is 0."""

    colour: bool = False
    width: int = 0

    def paint(self, text: str, *names: str) -> str:
        """The text in colours such as ``bold`` or ``red``, if there are any."""
        if not self.colour or not names:
            return text
        return f"\x1b[{';'.join(_COLOURS[name] for name in names)}m{text}\x1b[0m"

    def state(self, word: str, width: int = 0) -> str:
        """A state, coloured by whether it is good news; padded to ``width`` first."""
        return self.paint(word.ljust(width), *_STATE_COLOURS.get(word, ()))


_STATE_COLOURS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("succeeded", "merged", "approved", "ok", "open", "active"), ("green",)),
    **dict.fromkeys(("queued", "starting", "running", "held", "pending", "claimed", "paused"), ("yellow",)),
    **dict.fromkeys(("failed", "timed_out", "over_budget", "lost", "denied", "dead", "quarantined"), ("red",)),
    **dict.fromkeys(("cancelled", "closed", "retired", "disabled"), ("dim",)),
}


def wants_colour(choice: str, env: Mapping[str, str], stream: TextIO) -> bool:
    """Whether to colour: ``--color`` first, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether a terminal reads."""
    if choice in ("always", "never"):
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR"):
        return True
    return env.get("TERM") != "dumb" and stream.isatty()


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], style: Style) -> str:
    """Columns of safe text under headings; words of a state are coloured. Ends with a line break.

    On a terminal that is too narrow the last column is broken into lines; nothing is left out.
    """
    cells = [[visible(value) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(headings, *cells, strict=True)]
    before = sum(width + len(_GAP) for width in widths[:-1])
    room = style.width - before
    fits = not style.width or widths[-1] <= room or room < _LEAST_ROOM
    lines = [_row(headings, widths, lambda text: style.paint(text, "bold"))]
    for row in cells:
        last, *more = [row[-1]] if fits else wrapped(row[-1], room)
        lines.append(_row([*row[:-1], last], widths, style.state))
        lines += [" " * before + piece.lstrip(" ") for piece in more]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(cells: Sequence[str], widths: Sequence[int], paint: object) -> str:
    assert callable(paint)
    return _GAP.join(f"{paint(cell)}{' ' * (width - _width(cell))}" for cell, width in zip(cells, widths, strict=True))


def _width(text: str) -> int:
    """Columns a terminal needs: none for combining marks, two for wide characters."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def shortened(text: str, width: int) -> str:
    """Text that needs at most ``width`` columns; what was cut is marked."""
    if _width(text) <= width:
        return text
    cut = text[: max(0, width - 1)]
    while cut and _width(cut) > width - 1:
        cut = cut[:-1]
    return f"{cut}…"


def wrapped(text: str, width: int, *, indent: str = "") -> list[str]:
    """Text as lines of at most ``width`` columns, broken between words where that can be; nothing is left out.

    Every line but the first begins with ``indent``.
    """
    lines, line = [], ""
    for piece in re.findall(r" *[^ ]+| +$", text):
        if line.strip() and _width(line + piece) > width:
            lines.append(line)
            line, piece = indent, piece.lstrip(" ")
        while piece and _width(line + piece) > width:
            head = _beginning(piece, width - _width(line))
            lines.append(line + head)
            line, piece = indent, piece[len(head) :]
        line += piece
    return [*lines, line]


def _beginning(text: str, width: int) -> str:
    """As much of a text as has room, and one character at least."""
    used = 0
    for at, char in enumerate(text):
        used += _width(char)
        if used > width:
            return text[: max(1, at)]
    return text


def terminal_size(stream: TextIO) -> tuple[int, int] | None:
    """Columns and lines of the terminal behind a stream; None where it is a file or a pipe: nothing is fitted then."""
    if not stream.isatty():
        return None
    size = shutil.get_terminal_size()
    return size.columns, size.lines


def moment(at: int | None) -> str:
    """An instant in microseconds as local time; "-" for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at / SECOND)) if at else "-"


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2s, 1m05s, 1h14m."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun: 1 run, 2 runs; ``many`` where an s is not enough."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def json_line(facts: Mapping[str, object]) -> str:
    """One object with its schema version, on one line of ASCII (which no terminal obeys)."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **facts}) + "\n"


def result_line(result: Mapping[str, object]) -> str:
    """An answer as every command prints it with --json."""
    return json_line({"ok": True, **result})


def error_line(error: FleetError) -> str:
    """An error as every command prints it with --json."""
    return json_line({"ok": False, "error": error.as_dict()})


def error_text(error: FleetError) -> str:
    """An error for people: what happened and where in one line, every fault of a file, then what to do."""
    place = f"{visible(error.where)}: " if error.where else ""
    text = f"fleet: {place}{visible(error.message)} [{error.code}]\n"
    if isinstance(error, ConfigError):
        text += "".join(f"  {visible(problem)}\n" for problem in error.problems if problem != error.message)
    return text + (f"  {visible(error.hint)}\n" if error.hint else "")


def report(error: FleetError, *, as_json: bool) -> int:
    """Print an error where it belongs and return its exit code."""
    if as_json:
        sys.stdout.write(error_line(error))
    else:
        sys.stderr.write(error_text(error))
    return error.exit_code
