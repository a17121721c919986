"""When a window of hours is open, and when it opens next. Pure; instants are microseconds since the epoch, UTC.

A window belongs to the day on which it opens. Where the clock is put forward over a time, that time comes when the
clock is put; where an hour is repeated, its times are those of the first pass. So a window opens once a day, and a
window of some hours is never open twice.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from fleet.config.gate import DAYS, WindowConfig
from fleet.config.timetable import zone_named
from fleet.core.clock import SECOND

_AHEAD = 15  # days: a week, and another one in case the only opening of this one falls into a gap


def opens_at(window: WindowConfig, now: int) -> int | None:
    """None while it is open, else the instant at which it opens next."""
    zone = zone_named(window.timezone)
    today = datetime.fromtimestamp(now // SECOND, zone).date()
    for ahead in range(-1, _AHEAD):
        first, last = _span(window, zone, today + timedelta(days=ahead))
        if first >= last:
            continue
        if first <= now < last:
            return None
        if now < first:
            return first
    raise AssertionError("a window that never opens is refused when the configuration is read")


def in_words(window: WindowConfig) -> str:
    """The window as people say it: ``mon-fri 22:00-06:00 Europe/Berlin``."""
    chosen = [name for name in DAYS if name in window.days]
    places = [DAYS.index(name) for name in chosen]
    run = len(chosen) > 2 and places == list(range(places[0], places[-1] + 1))
    days = "" if len(chosen) == len(DAYS) else f"{chosen[0]}-{chosen[-1]} " if run else f"{','.join(chosen)} "
    return f"{days}{window.opens}-{window.closes} {window.timezone}"


def _span(window: WindowConfig, zone: ZoneInfo, day: date) -> tuple[int, int]:
    """From when to when the window of a day is open; nothing on days that are not its."""
    if DAYS[day.weekday()] not in window.days:
        return 0, 0
    until = day + timedelta(days=1) if window.closes <= window.opens else day
    return _instant(zone, day, window.opens), _instant(zone, until, window.closes)


def _instant(zone: ZoneInfo, day: date, clock: str) -> int:
    """The first instant at which the clock of a zone shows this time of a day, or has been put past it."""
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    wall = datetime.combine(day, time.fromisoformat(clock), zone)
    sooner, later = _seconds(wall.replace(fold=0)), _seconds(wall.replace(fold=1))
    if later >= sooner:  # an ordinary time, or one of an hour that is repeated
        return sooner * SECOND
    sooner, later = later, sooner  # the clock jumps over this time between these two instants
    before = datetime.fromtimestamp(sooner, zone).utcoffset()
    while later - sooner > 1:
        middle = (sooner + later) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            sooner = middle
        else:
            later = middle
    return later * SECOND


def _seconds(wall: datetime) -> int:
    return round(wall.astimezone(UTC).timestamp())
