"""Cron text in a time zone: what is refused, and when a schedule is due where clocks are changed."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.timetable import COUNTED, BadTimetable, timetable
from fleet.core.clock import SECOND

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CRONS = ("30 2 * * *", "0 3 * * *", "*/30 * * * *", "0 9 * * 1", "15 0 1 * *", "* * * * *", "0 0 29 2 *")


def us(text: str) -> int:
    """An ISO instant in microseconds."""
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    "cron",
    ["", "x", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@daily", "0 9 * * 1#6", " 0 9 * * 1",
     "0 9 * * 1\n", "*/0 * * * *", "0\t9 * * 1"],
)  # fmt: skip
def test_cron_text_that_no_clock_can_follow_is_refused(cron: str) -> None:
    with pytest.raises(BadTimetable, match=r"cron fields|five fields"):
        timetable(cron, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "Europe", "é", "a\0b"])
def test_a_zone_that_the_system_does_not_know_is_refused(zone: str) -> None:
    with pytest.raises(BadTimetable, match="time zone database"):
        timetable("0 9 * * 1", zone)


def test_a_schedule_follows_its_own_zone_through_the_year() -> None:
    times = timetable("0 9 * * 1", "Europe/Berlin")
    summer, winter = times.upcoming(us("2026-10-19T06:00:00+00:00"), 2)
    assert (summer, winter) == (us("2026-10-19T07:00:00+00:00"), us("2026-10-26T08:00:00+00:00"))
    assert [times.local(one)[11:] for one in (summer, winter)] == ["09:00:00+02:00", "09:00:00+01:00"]


def test_a_time_that_the_spring_leaves_out_is_due_right_after_the_gap_once() -> None:
    times = timetable("30 2 * * *", "Europe/Berlin")
    found = times.upcoming(us("2026-03-28T12:00:00+00:00"), 2)
    assert found == [us("2026-03-29T03:00:00+02:00"), us("2026-03-30T02:30:00+02:00")]


@pytest.mark.parametrize(
    "asked_at", ["2026-10-25T00:30:00+00:00", "2026-10-25T00:59:00+00:00", "2026-10-25T01:10:00+00:00"]
)
def test_a_time_that_the_autumn_brings_twice_is_due_once(asked_at: str) -> None:
    """Whenever in the repeated hour it is asked; 02:30 summer time was the one."""
    times = timetable("30 2 * * *", "Europe/Berlin")
    assert times.after(us("2026-10-25T00:00:00+00:00")) == us("2026-10-25T02:30:00+02:00")
    assert times.after(us(asked_at)) == us("2026-10-26T02:30:00+01:00")


def test_a_schedule_of_every_half_hour_follows_real_time_in_the_repeated_hour() -> None:
    found = timetable("*/30 * * * *", "Europe/Berlin").upcoming(us("2026-10-24T23:59:00+00:00"), 5)
    assert [after - before for before, after in pairwise(found)] == [30 * 60 * SECOND] * 4


@given(
    st.sampled_from(ZONES), st.sampled_from(CRONS), st.integers(us("2025-01-01T00:00:00"), us("2027-12-31T00:00:00"))
)
def test_the_next_time_is_always_later_and_asking_between_changes_nothing(zone: str, cron: str, now: int) -> None:
    times = timetable(cron, zone)
    due = times.after(now)
    assert due is not None
    assert due > now
    assert times.after((now + due) // 2) == due
    assert times.after(due - SECOND) == due


def test_missed_times_are_counted_to_a_bound_and_the_latest_is_exact() -> None:
    times = timetable("* * * * *", "UTC")
    first, last = us("2026-01-01T00:00:00+00:00"), us("2026-03-01T12:34:56+00:00")
    assert times.missed(first, first) == (1, first)
    assert times.missed(first, first + 90 * SECOND) == (2, first + 60 * SECOND)
    assert times.missed(first, last) == (COUNTED, us("2026-03-01T12:34:00+00:00"))
