"""The daemon's sign of life: said only while every service gets on with its work.

Goes to the supervisor through a pipe, or, without a supervisor, to the service manager itself. A daemon that lives and
does nothing is worse than a dead one, because nobody starts it again: so whoever does not hear this for a while does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, MutableMapping
from contextlib import suppress

from fleet.daemon import notify
from fleet.daemon.notify import Notifier

PIPE = "FLEET_PULSE_FD"  # in the daemon's environment: the descriptor of the pipe to the supervisor
PERIOD_SECONDS = 5.0
LIMIT_SECONDS = 60.0  # a supervisor that heard something once ends a daemon that is silent for so long

_LONGEST_LINE = 200  # bytes


class Pulse:
    """Where signs of life go. Never fails and never waits."""

    def __init__(self, descriptor: int = -1, notifier: Notifier | None = None) -> None:
        """``descriptor`` is a pipe to the supervisor, -1 for none; then ``notifier`` hears everything."""
        self._descriptor = descriptor
        self._notifier = notifier or Notifier()
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
            os.set_blocking(descriptor, False)

    def ready(self, text: str) -> None:
        """Calls are answered from now on. ``text`` says by whom, in one line."""
        self._say(f"ready {text}", notify.READY, f"STATUS={text}")

    def alive(self) -> None:
        """Everything still gets on."""
        self._say("alive", notify.WATCHDOG)

    def stopping(self) -> None:
        """An orderly end has begun."""
        self._say("stopping", notify.STOPPING)

    def _say(self, word: str, *lines: str) -> None:
        if self._descriptor < 0:
            self._notifier.say(*lines)
            return
        with suppress(OSError):  # a full pipe, or nobody reads: then nobody counts on us either
            os.write(self._descriptor, word.encode("ascii", "replace")[:_LONGEST_LINE] + b"\n")


def take_pulse(env: MutableMapping[str, str]) -> Pulse:
    """Where ``env`` wants the signs of life; taken out of it, for no child of the daemon may give them."""
    notifier = notify.take_notifier(env)
    number = env.pop(PIPE, "")
    return Pulse(int(number)) if number.isdigit() else Pulse(notifier=notifier)


async def beat(pulse: Pulse, well: Callable[[], bool], period: float = PERIOD_SECONDS) -> None:
    """Give a sign of life every ``period`` seconds, as long as ``well`` says so; until cancelled.

    It runs on the event loop that answers calls, so it stops when that does.
    """
    while True:
        if well():
            pulse.alive()
        await asyncio.sleep(period)
