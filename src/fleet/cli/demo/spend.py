"""What a demo with real sessions is expected to cost, and what that is made of. Pure.

An estimate: how many requests a model needs is its own affair. The size of a request is held against the real client
by a test; prices are assumed and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Tokens of the first request of a session (the client's own instructions and tools, the handbook, the brief), what each
# further one adds, and what a model writes for each.
FIRST, MORE, WRITES = 24_000, 1_200, 350
# Requests of one session, by what its role does: few, many.
_REQUESTS = {"develop": (10, 20), "review": (8, 16), "ship": (4, 8)}
# Assumed list prices in dollars for a million tokens: read, written. What was sent before is read at a tenth, and kept
# for that at a quarter more.
PRICES: Mapping[str, tuple[float, float]] = {"opus": (5.0, 25.0), "sonnet": (3.0, 15.0), "haiku": (1.0, 5.0)}
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent of the demo: what its role does, and which size of model it asks; another word counts as the dearest."""

    skill: str
    tier: str


@dataclass(frozen=True, slots=True)
class Spend:
    """From and to: dollars, sessions, requests. From: everything is right at once; to: one round of changes more."""

    dollars: tuple[float, float]
    sessions: tuple[int, int]
    requests: tuple[int, int]


def expected(seats: tuple[Seat, ...]) -> Spend:
    """What a demo with these agents is expected to cost."""
    again = tuple(seat for seat in seats if seat.skill != "ship")  # they work once more when changes are requested
    least, most = (tuple(_REQUESTS[seat.skill][side] for seat in seats) for side in (0, 1))
    more = tuple(_REQUESTS[seat.skill][1] for seat in again)
    low = sum(_session(seat, count) for seat, count in zip(seats, least, strict=True))
    high = sum(_session(seat, count) for seat, count in zip((*seats, *again), (*most, *more), strict=True))
    return Spend((low, high), (len(seats), len(seats) + len(again)), (sum(least), sum(most) + sum(more)))


def _session(seat: Seat, requests: int) -> float:
    """Dollars for one session with so many requests."""
    read, written = PRICES.get(seat.tier, max(PRICES.values()))
    fresh = FIRST + MORE * (requests - 1)
    known = sum(FIRST + MORE * number for number in range(requests - 1))
    return (read * (1.25 * fresh + 0.1 * known) + written * WRITES * requests) / _MILLION


def basis() -> str:
    """What the estimate is made of, for people."""
    prices = ", ".join(f"{tier} ${read:g} and ${written:g}" for tier, (read, written) in PRICES.items())
    return (
        f"a session's first request has about {FIRST:,} tokens, each further one {MORE:,} more, and a model writes"
        f" about {WRITES} for each; list prices assumed for a million tokens, read and written: {prices}; what was"
        " sent before is read at a tenth"
    )
