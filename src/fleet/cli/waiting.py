"""Waiting for an answer to a read, in steps that the daemon answers, so that its restart is no failure."""

from __future__ import annotations

from collections.abc import Callable

from fleet.cli.door import Door
from fleet.cli.remote import Call, Result, ask
from fleet.core.errors import Unreachable

STEP_SECONDS = 20.0  # one wait of a longer one
_TRIES = 3  # a daemon that ends meanwhile is asked again: its supervisor starts another


def wait_for(door: Door, call: Call, seconds: float, done: Callable[[Result], bool]) -> Result:
    """The answer of a verb that takes ``wait_seconds``, as soon as ``done`` fits it, or the last one.

    Without seconds this is one ordinary read. Raises Unreachable FLT-CLI-001 where no daemon could wait.
    """
    if not seconds:
        return ask(door, call)
    client = door.client()
    deadline = door.clock.monotonic() + seconds
    failures = 0
    try:
        while True:
            left = max(0.0, deadline - door.clock.monotonic())
            args = {**call.args, "wait_seconds": round(min(left, STEP_SECONDS), 3)}
            try:
                answer = client.call(call.verb, args)
            except Unreachable as error:
                failures += 1
                if error.code != "FLT-CLI-005" or failures >= _TRIES:
                    raise
                continue
            if done(answer) or left <= 0:
                return answer
    finally:
        client.close()
