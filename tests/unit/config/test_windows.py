"""When the window of a budget begins and ends, where clocks change too."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.budgets import BudgetConfig
from fleet.config.windows import ALL_TIME, window_of
from fleet.core.clock import SECOND


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("window", "zone", "now", "start", "end"),
    [
        ("day", "UTC", "2026-11-26T13:00Z", "2026-11-26T00:00Z", "2026-11-27T00:00Z"),
        ("day", "UTC", "2026-11-26T00:00Z", "2026-11-26T00:00Z", "2026-11-27T00:00Z"),
        ("day", "Europe/Berlin", "2026-11-26T23:30Z", "2026-11-26T23:00Z", "2026-11-27T23:00Z"),
        ("day", "Europe/Berlin", "2026-03-29T10:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ("day", "Europe/Berlin", "2026-10-25T10:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),
        ("week", "UTC", "2026-11-26T13:00Z", "2026-11-23T00:00Z", "2026-11-30T00:00Z"),
        ("week", "UTC", "2026-11-30T00:00Z", "2026-11-30T00:00Z", "2026-12-07T00:00Z"),
        ("month", "UTC", "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
        ("month", "Asia/Kolkata", "2026-01-31T19:00Z", "2026-01-31T18:30Z", "2026-02-28T18:30Z"),
    ],
)
def test_a_window_is_a_calendar_day_week_or_month_of_its_zone(
    window: str, zone: str, now: str, start: str, end: str
) -> None:
    budget = BudgetConfig.model_validate({"seconds": 60, "window": window, "timezone": zone})
    found = window_of(budget, instant(now))
    assert (found.start, found.end) == (instant(start), instant(end))
    assert found.until


def test_without_a_window_all_time_counts() -> None:
    assert window_of(BudgetConfig(seconds=60), instant("2026-11-26T13:00Z")) == ALL_TIME


@given(
    st.integers(0, 4_000_000_000),
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_every_instant_lies_in_its_window_and_windows_follow_each_other(at: int, window: str, zone: str) -> None:
    budget = BudgetConfig.model_validate({"seconds": 60, "window": window, "timezone": zone})
    found = window_of(budget, at * SECOND)
    assert found.start <= at * SECOND < found.end
    assert window_of(budget, found.start) == found
    assert window_of(budget, found.end).start == found.end
