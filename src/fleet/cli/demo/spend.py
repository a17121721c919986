"""What a demo with real sessions is expected to cost, and what that is made of. Pure.

An estimate: how many requests a model needs is its own affair. The size of a request is held against the real client
by a test, the prices are those of the fleet's table.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.core.price import PER, Price, PriceTable, Rates

# Tokens of the first request of a session (the client's own instructions and tools, the handbook, the brief), what each
# further one adds, and what a model writes for each.
FIRST, MORE, WRITES = 24_000, 1_200, 350
# Requests of one session, by what its role does: few, many.
_REQUESTS = {"develop": (10, 20), "review": (8, 16), "ship": (4, 8)}
# What the client takes for each size of model, as a test with it shows.
TAKEN = {"opus": "claude-opus-5-5", "sonnet": "claude-sonnet-5-5", "haiku": "claude-haiku-5-5"}
_DEAREST = "opus"
_DOLLAR = 1_000_000  # micro-dollars


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent of the demo: what its role does, which model it asks (a size or a full id), and where."""

    skill: str
    model: str
    backend: str = "anthropic"


@dataclass(frozen=True, slots=True)
class Spend:
    """From and to: dollars, sessions, requests. From: everything is right at once; to: one round of changes more.

    ``unpriced`` are models whose price is not in the table; for those another one's was taken.
    """

    dollars: tuple[float, float]
    sessions: tuple[int, int]
    requests: tuple[int, int]
    unpriced: tuple[str, ...]


def expected(seats: tuple[Seat, ...], table: PriceTable) -> Spend:
    """What a demo with these agents is expected to cost."""
    again = tuple(seat for seat in seats if seat.skill != "ship")  # they work once more when changes are requested
    least, most = (tuple(_REQUESTS[seat.skill][side] for seat in seats) for side in (0, 1))
    more = tuple(_REQUESTS[seat.skill][1] for seat in again)
    low = sum(_session(seat, count, table) for seat, count in zip(seats, least, strict=True))
    high = sum(_session(seat, count, table) for seat, count in zip((*seats, *again), (*most, *more), strict=True))
    unpriced = dict.fromkeys(f"{seat.model} at {seat.backend}" for seat in seats if _price(seat, table) is None)
    requests = (sum(least), sum(most) + sum(more))
    return Spend((low, high), (len(seats), len(seats) + len(again)), requests, tuple(unpriced))


def _price(seat: Seat, table: PriceTable) -> Price | None:
    return table.find(seat.backend, TAKEN.get(seat.model, seat.model))


def _rates(seat: Seat, table: PriceTable) -> Rates:
    """The prices of a seat; where they are not known, those of its size at the usual place, or of the dearest."""
    found = _price(seat, table) or table.find("anthropic", TAKEN.get(seat.model, TAKEN[_DEAREST]))
    assert found is not None, "the shipped table has the models that the client takes"
    return found.rates


def _session(seat: Seat, requests: int, table: PriceTable) -> float:
    """Dollars for one session with so many requests."""
    rates = _rates(seat, table)
    fresh = FIRST + MORE * (requests - 1)
    known = sum(FIRST + MORE * number for number in range(requests - 1))
    whole = rates.cache_write_5m * fresh + rates.cache_read * known + rates.output * WRITES * requests
    return whole / PER / _DOLLAR


def basis(version: str) -> str:
    """What the estimate is made of, for people; ``version`` is that of the table of prices."""
    return (
        f"a session's first request has about {FIRST:,} tokens, each further one {MORE:,} more, and a model writes"
        f" about {WRITES} for each; what was sent before is read from the cache; prices of the table {version}"
    )
