"""When a schedule is due: five-field cron text in a time zone. Pure but for the zone's file, which is read once.

The library knows cron's days and what Debian's cron does when clocks change: a time that the spring leaves out
runs right after the gap, one that the autumn brings twice runs once; schedules of every hour follow real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from fleet.core.clock import SECOND

CRON_FIELDS = 5
COUNTED = 1000  # missed times; nobody needs to know how many minutes a month has


class BadTimetable(ValueError):
    """What is wrong with a cron text or a zone: ``what`` it should be, in words for a person."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A checked schedule. Instants are microseconds since the epoch, UTC."""

    cron: str
    zone: ZoneInfo

    def after(self, instant: int) -> int | None:
        """The first due time later than ``instant``; None when there is none in the next decades."""
        return next(self._following(instant), None)

    def upcoming(self, instant: int, count: int) -> list[int]:
        """The next ``count`` due times after ``instant``."""
        return [due for due, _ in zip(self._following(instant), range(count), strict=False)]

    def missed(self, first: int, last: int) -> tuple[int, int]:
        """How many due times lie from ``first`` (one of them) to ``last``, at most COUNTED, and the latest of them."""
        count, latest = 1, first
        for due in self._following(first):
            if due > last:
                return count, latest
            if count == COUNTED:
                return count, self._latest(last)
            count, latest = count + 1, due
        return count, latest

    def local(self, instant: int) -> str:
        """An instant as the zone's own time, ISO 8601 with its offset."""
        return datetime.fromtimestamp(instant // SECOND, self.zone).isoformat()

    def _latest(self, last: int) -> int:
        """The last due time up to ``last``."""
        backwards = CronSim(self.cron, datetime.fromtimestamp(last // SECOND + 1, self.zone), reverse=True)
        return next(due for due in map(_microseconds, backwards) if due <= last)

    def _following(self, instant: int) -> Iterator[int]:
        """Due times later than ``instant``. In the hour that autumn repeats, the library may begin too early."""
        found = map(_microseconds, CronSim(self.cron, datetime.fromtimestamp(instant // SECOND, self.zone)))
        return (due for due in found if due > instant)


def timetable(cron: str, zone: str) -> Timetable:
    """Check both texts. Raises BadTimetable."""
    known = zone_named(zone)
    if len(cron.split()) != CRON_FIELDS or cron != cron.strip() or not cron.isprintable():
        raise BadTimetable("five fields: minute, hour, day of month, month, day of week, such as `0 9 * * 1`")
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=known))
    except CronSimError as error:
        raise BadTimetable(f"cron fields that a day can match ({str(error).lower()})") from error
    return Timetable(cron, known)


def zone_named(name: str) -> ZoneInfo:
    """A time zone by its name in the zone database. Raises BadTimetable."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise BadTimetable("a zone of the system's time zone database, such as UTC or Europe/Berlin") from error


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * SECOND
