"""What an answer of a model costs: a table of prices by backend and model, and the sum in micro-dollars. Pure.

A model that is not in the table has no price. That is not a price of nothing: whoever asks gets None and has to say
that it is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.core.session import Answer

PER = 1_000_000  # prices are for so many tokens

_DATED = re.compile(r"(?:@|-)20[0-9]{6}$")
_BEDROCK = re.compile(r"^(?:[a-z]+(?:-[a-z]+)?\.)?anthropic\.")
_REVISION = re.compile(r"-v[0-9]+(?::[0-9]+)?$")


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars for a million tokens of each kind."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model at a backend. ``long`` holds for answers whose prompt is longer than ``long_above`` tokens.

    ``source`` says where it was read and ``date`` when; ``table`` which table it comes from: a version, or ``config``.
    """

    backend: str
    model: str
    rates: Rates
    source: str
    date: str
    table: str
    long_above: int = 0
    long: Rates | None = None


class PriceTable:
    """Prices by backend and model; of two for the same, the later one counts."""

    def __init__(self, prices: Iterable[Price]) -> None:
        """Take the prices, those that come first under those that override them."""
        self._exact: dict[tuple[str, str], Price] = {}
        for price in prices:
            self._exact[price.backend, price.model.lower()] = price
        self._plain: Mapping[tuple[str, str], Price] = {
            (backend, plain_model(model)): price for (backend, model), price in self._exact.items()
        }

    @property
    def prices(self) -> tuple[Price, ...]:
        """All of them, by backend and model."""
        return tuple(self._exact[key] for key in sorted(self._exact))

    def find(self, backend: str, model: str) -> Price | None:
        """The price of a model as the client names it: of exactly this name, else of the name without its date."""
        return self._exact.get((backend, model.lower())) or self._plain.get((backend, plain_model(model)))


def plain_model(model: str) -> str:
    """A model's name without what a backend or a client puts around it: region, date, revision, context size."""
    name = model.lower().removesuffix("[1m]")
    name = _BEDROCK.sub("", name)
    name = _REVISION.sub("", name)
    return _DATED.sub("", name)


def cost(price: Price, answer: Answer) -> int:
    """Micro-dollars of one answer, rounded up. Where it is not known how long a cache is kept, the dearer counts."""
    prompt = answer.input + answer.cache_read + answer.cache_write
    rates = price.long if price.long is not None and prompt > price.long_above else price.rates
    if answer.cache_write_1h is None:
        writes = answer.cache_write * max(rates.cache_write_5m, rates.cache_write_1h)
    else:
        hour = min(answer.cache_write_1h, answer.cache_write)
        writes = hour * rates.cache_write_1h + (answer.cache_write - hour) * rates.cache_write_5m
    whole = answer.input * rates.input + answer.output * rates.output + answer.cache_read * rates.cache_read + writes
    return -(-whole // PER)
