"""How people write numbers, times and texts."""

from __future__ import annotations

import time
from pathlib import Path

import click
import pytest

from fleet.cli.door import Door
from fleet.cli.words import EITHER, PR, TICKET, NumberType, body_of, given, since
from fleet.core.clock import SECOND
from fleet.core.errors import UsageError

NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604800), ("2w", 1209600)]
)
def test_ages_are_counted_back_from_now(text: str, seconds: int) -> None:
    assert since(text, NOW) == NOW - seconds * SECOND


def test_an_iso_time_is_an_instant() -> None:
    assert since("2023-11-14T22:13:20+00:00", NOW) == NOW
    local = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(1_700_000_000))
    assert since(local, NOW) == NOW


def test_nothing_means_the_beginning_and_an_age_never_reaches_behind_it() -> None:
    assert since("", NOW) == 0
    assert since("999999w", NOW) == 0


@pytest.mark.parametrize("text", ["1y", "h1", "yesterday", "1.5h", "-1h", "0000001000h", "999999-01-01"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        since(text, NOW)
    assert caught.value.code == "FLT-CLI-015"


@pytest.mark.parametrize(
    ("kind", "text"),
    [(PR, "8"), (PR, "#8"), (PR, "pr/8"), (TICKET, "ticket/8"), (EITHER, "pr/8"), (EITHER, "ticket/8")],
)
def test_numbers_may_carry_their_kind(kind: NumberType, text: str) -> None:
    assert kind.convert(text, None, None) == 8


@pytest.mark.parametrize("text", ["0", "-1", "pr/08", "ticket/8", "8x", "", "1" * 16, "٨"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(click.UsageError):
        PR.convert(text, None, None)


def test_arguments_that_say_nothing_are_left_out() -> None:
    assert given(a="", b=None, c=(), d=0, e=False, f="x") == {"d": 0, "e": False, "f": "x"}


def test_a_body_comes_from_one_place(tmp_path: Path) -> None:
    door = Door({}, str(tmp_path))
    (tmp_path / "body.md").write_text("Grüße\n", encoding="utf-8")
    assert body_of(door, None, "body.md") == "Grüße\n"
    assert body_of(door, "text", None) == "text"
    assert body_of(door, None, None) == ""
    with pytest.raises(UsageError, match="exclude"):
        body_of(door, "text", "body.md")


def test_a_file_that_is_no_text_too_large_or_not_there_is_wrong_usage(tmp_path: Path) -> None:
    door = Door({}, str(tmp_path))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 101)
    (tmp_path / "just").write_bytes(b"x" * 100)
    assert len(door.read("just", 100, "it")) == 100
    for name, code in {
        "bytes": "FLT-CLI-008",
        "large": "FLT-CLI-009",
        "gone": "FLT-CLI-008",
        ".": "FLT-CLI-008",
    }.items():
        with pytest.raises(UsageError) as caught:
            door.read(name, 100, "it")
        assert caught.value.code == code


def test_the_daemon_reads_no_file_for_a_caller(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    with pytest.raises(UsageError) as caught:
        Door({}, str(tmp_path), in_daemon=True).read("secret", 100, "it")
    assert caught.value.code == "FLT-CLI-008"
