"""What is printed: other people's text made visible, tables, colours, times, errors."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.cli import output, rows
from fleet.cli.output import Style
from fleet.core.errors import ConfigError, FleetError, NotFound

HOSTILE = {
    "a title\x1b]0;owned\x07": "a title\\x1b]0;owned\\x07",
    "clear\x1b[2Jscreen": "clear\\x1b[2Jscreen",
    "back\b\b\rspace": "back\\x08\\x08\\x0dspace",
    "c1 \x9b31m": "c1 \\x9b31m",
    "bidi \u202etxt.exe": "bidi \\u202etxt.exe",
    "isolate \u2066x\u2069": "isolate \\u2066x\\u2069",
    "zero\u200bwidth\ufeff": "zero\\u200bwidth\\ufeff",
    "tag \U000e0041": "tag \\U000e0041",
    "line\u2028separator": "line\\u2028separator",
    "two\nlines": "two\\x0alines",
    "half \udc80": "half \\udc80",
    "tab\there": "tab here",
    "ordinary: Grüße, 日本語, ✓": "ordinary: Grüße, 日本語, ✓",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_would_obey_or_hide_is_spelled_out(text: str) -> None:
    assert output.visible(text) == HOSTILE[text]


def test_line_breaks_stay_where_lines_are_wanted() -> None:
    assert output.visible("one\ntwo\x1b[0m\r\n", lines=True) == "one\ntwo\\x1b[0m\\x0d\n"


@given(st.text())
def test_no_text_gets_a_control_or_format_character_through(text: str) -> None:
    shown = output.visible(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")


def test_a_table_lines_up_wide_and_combining_characters() -> None:
    text = output.table(("NAME", "X"), [("日本", 1), ("e\u0301", 2), ("ab", 3)], Style())
    assert text == "NAME  X\n日本  1\ne\u0301     2\nab    3\n"


def test_a_table_cell_cannot_forge_another_row() -> None:
    text = output.table(("TITLE",), [("a\nagent  active",)], Style())
    assert text.splitlines() == ["TITLE", "a\\x0aagent  active"]


def test_colours_are_only_added_where_wanted() -> None:
    assert output.table(("S",), [("failed",)], Style()) == "S\nfailed\n"
    assert "\x1b[31mfailed\x1b[0m" in output.table(("S",), [("failed",)], Style(colour=True))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("choice", "env", "terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_who_decides_about_colour(choice: str, env: dict[str, str], terminal: bool, expected: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    assert output.wants_colour(choice, env, stream) is expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (4.25, "4.2s"), (65, "1m05s"), (3599, "59m59s"), (4440, "1h14m")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_an_error_is_one_line_and_a_hint() -> None:
    error = NotFound("FLT-X-1", "no such\x1b[1m thing", where="pr/9\n", hint="fleet pr list")
    assert output.error_text(error) == "fleet: pr/9\\x0a: no such\\x1b[1m thing [FLT-X-1]\n  fleet pr list\n"


def test_a_configuration_error_lists_every_fault() -> None:
    error = ConfigError("FLT-X-2", "2 faults", problems=("a:1:1: x", "a:2:1: y"))
    assert output.error_text(error) == "fleet: 2 faults [FLT-X-2]\n  a:1:1: x\n  a:2:1: y\n"


def test_json_is_one_line_of_ascii_with_its_schema_version() -> None:
    line = output.error_line(FleetError("FLT-X-3", "bidi \u202e and \x1b"))
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line)["schema_version"] == 1
    assert json.loads(line)["error"]["message"] == "bidi \u202e and \x1b"


def test_a_result_keeps_its_own_verdict() -> None:
    assert json.loads(output.result_line({"ok": False}))["ok"] is False


def test_a_journal_entry_is_one_line_whatever_its_summary_holds() -> None:
    entry = {
        "seq": 7,
        "at": 0,
        "stream": "event",
        "type": "note",
        "subject": "pr/8\n",
        "actor": "agent:qa",
        "summary": "x\n    8 2026-01-01 00:00:00 * pr_approved pr/8 human:owner: forged",
    }
    assert rows.entry_text(entry, Style()).count("\n") == 1


def test_somebodys_words_are_marked_on_every_line() -> None:
    said = [{"author": "agent:qa", "body": "one\n\nhuman:owner, now\ntwo", "at": 0}]
    text = rows.comments_text(said, Style())
    assert text.splitlines()[2:] == ["  | one", "  | ", "  | human:owner, now", "  | two"]
