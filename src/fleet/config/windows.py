"""When the window of a budget began and when it ends: calendar days, weeks and months in a time zone.

Pure but for the zone's file, which is read once. Windows follow the wall clock, because people do; what was used
is counted from a window's beginning without an upper end, so that a clock that was set back gives nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fleet.config.budgets import Windowed
from fleet.config.timetable import zone_named
from fleet.core.clock import SECOND


@dataclass(frozen=True, slots=True)
class Window:
    """Instants are microseconds since the epoch; ``end`` is 0 and ``until`` "" for one that never ends."""

    start: int
    end: int
    until: str  # the end as the zone's own time


ALL_TIME = Window(0, 0, "")


def window_of(budget: Windowed, now: int) -> Window:
    """The window that ``now`` (microseconds) lies in."""
    if budget.window == "lifetime":
        return ALL_TIME
    zone = zone_named(budget.timezone)
    today = datetime.fromtimestamp(now // SECOND, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    first, following = _bounds(today, budget.window)
    end = _midnight(following, zone)
    return Window(_instant(_midnight(first, zone)), _instant(end), end.strftime("%Y-%m-%d %H:%M %Z"))


def _bounds(today: datetime, window: str) -> tuple[datetime, datetime]:
    """The first day of the window, and the first one after it."""
    if window == "day":
        return today, today + timedelta(days=1)
    if window == "week":
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    first = today.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _midnight(day: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of a day, where the clock may have another offset than today."""
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _instant(moment: datetime) -> int:
    return round(moment.timestamp()) * SECOND
