"""When GitHub is looked at next. Pure; the rule in words is in docs/howto/github.md.

What did not change costs nothing, so the pace is that of a person who waits; it slows where GitHub asks
for it, where the hour's requests run short, and where nobody has done anything for long.
"""

from __future__ import annotations

from fleet.core.clock import SECOND

POLL_SECONDS = 5.0
LOOK_COST = 3  # counted requests of a look at which everything changed
SCARCE = 0.1  # of the hour's requests: with less left, they are spread over the time to the next hour
_QUIET = ((3600.0, 3.0), (600.0, 2.0))  # seconds without any change, and how much slower the pace is then


def next_poll(
    now: int,
    *,
    poll_seconds: float = POLL_SECONDS,
    changed_at: int,
    limit: int = -1,
    remaining: int = -1,
    reset_at: int = 0,
    closed_until: int = 0,
) -> int:
    """The instant of the next look. Instants in microseconds, ``reset_at`` in seconds as GitHub gives it.

    ``changed_at`` is when something was new last. Negative ``limit`` or ``remaining``: GitHub said nothing yet.
    """
    quiet = (now - changed_at) / SECOND
    slower = next((factor for seconds, factor in _QUIET if quiet >= seconds), 1.0)
    wait = poll_seconds * slower
    left = reset_at - now / SECOND
    if 0 <= remaining < limit * SCARCE and left > 0:
        wait = max(wait, min(left, left * LOOK_COST / max(remaining, 1)))
    return max(now + round(wait * SECOND), closed_until)
