"""The table of prices: what the program ships, and what the configuration adds to it or puts in its place."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from fleet.config.budgets import PriceConfig, RatesConfig
from fleet.core.money import micros_of
from fleet.core.price import Price, PriceTable, Rates

OWN = "config"  # the table of a price that the configuration gives
_KINDS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")


@lru_cache(maxsize=16)
def prices_of(own: tuple[PriceConfig, ...]) -> PriceTable:
    """The table in force for a configuration with these prices of its own."""
    return PriceTable([*shipped(), *(_configured(one) for one in own)])


@lru_cache(maxsize=1)
def shipped() -> tuple[Price, ...]:
    """The prices that this program brings."""
    table = tomllib.loads(resources.files("fleet.config").joinpath("prices.toml").read_text("utf-8"))
    return tuple(_shipped(table, row, model) for row in table["price"] for model in row["models"])


def version() -> str:
    """The version of the shipped table."""
    return shipped()[0].table


def _shipped(table: Mapping[str, Any], row: Mapping[str, Any], model: str) -> Price:
    long = row.get("long")
    return Price(
        backend=row["backend"],
        model=model,
        rates=_rates(row),
        source=row.get("source", table["source"]),
        date=str(row.get("date", table["date"])),
        table=table["version"],
        long_above=int(long["above"]) if long else 0,
        long=_rates(long) if long else None,
    )


def _rates(row: Mapping[str, Any]) -> Rates:
    return Rates(**{kind: micros_of(row[kind]) for kind in _KINDS})


def _configured(one: PriceConfig) -> Price:
    long = one.long_prompt
    return Price(
        backend=one.backend,
        model=one.model,
        rates=_given(one),
        source=one.source,
        date=one.date,
        table=OWN,
        long_above=long.above if long is not None else 0,
        long=_given(long) if long is not None else None,
    )


def _given(one: RatesConfig) -> Rates:
    return Rates(**{kind: micros_of(getattr(one, kind)) for kind in _KINDS})
