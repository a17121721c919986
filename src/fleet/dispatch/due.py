"""What becomes of a schedule now: nothing, a start, a start that makes up for missed ones, or none for them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from fleet.core.clock import SECOND

GRACE = 60 * SECOND  # a restart of the daemon makes no start late


class Times(Protocol):
    """The due times of a schedule, as config.timetable computes them."""

    def after(self, instant: int) -> int | None:
        """The first due time later than this one."""

    def missed(self, first: int, last: int) -> tuple[int, int]:
        """How many due times from the first on, and the latest of them."""


@dataclass(frozen=True, slots=True)
class Move:
    """``set``: only the due time changes. ``fire``: start for ``due``. ``skip``: ``count`` times are left out.

    ``count`` is how many due times this answers; ``next_due`` the one after all of them.
    """

    kind: Literal["set", "fire", "skip"]
    due: int
    count: int
    next_due: int


def move(times: Times, now: int, due: int | None, *, can_start: bool, catch_up: bool) -> Move | None:
    """Judge one schedule; None when there is nothing to do. ``due`` is the stored due time, None when there is none.

    An agent that cannot start lets its times pass, and is treated like one that was away once it can again. A due
    time further off than the next one by the clock comes from a clock that has been set back since: it is
    corrected, and the record of what was fired keeps anything from starting twice.
    """
    coming = times.after(now)
    if coming is None:
        return None
    if due is None or due > coming:
        return Move("set", coming, 0, coming)
    if due > now or not can_start:
        return None
    count, latest = times.missed(due, now)
    if now - latest <= GRACE:
        return Move("fire", latest, count, coming)
    return Move("fire" if catch_up else "skip", latest, count, coming)
