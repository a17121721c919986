"""The one shape of everything that runs by itself: a service has a single method, one step of work.

There is no loop, thread or wait in a service. ``daemon/service.py`` owns the only loop, so a unit test
is one call, and a test of the whole fleet calls the ticks in turn until none has anything left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tick:
    """What one step came to.

    ``did`` counts the things that changed: more than zero means *call me again at once*. ``next_at`` is
    when time alone gives the service something to do (microseconds), None when only news can.
    """

    did: int
    next_at: int | None = None


class Service(Protocol):
    """One step of work, called by one thread at a time."""

    name: str

    def tick(self, now: int) -> Tick:
        """Do what is due at ``now`` (microseconds) and say what came of it.

        A tick that changes nothing writes nothing and returns ``did=0``. Raises TemporaryError when it
        should be tried again later; what GitHub refuses is tried again too. Any other error stops the daemon.
        """


def earliest(*instants: int | None) -> int | None:
    """The earliest of several instants, of which any may be None."""
    known = [instant for instant in instants if instant is not None]
    return min(known) if known else None
