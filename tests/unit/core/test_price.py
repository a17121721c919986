"""Money and prices: exact, whole, never negative, and never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.budgets import PriceConfig
from fleet.config.prices import prices_of, shipped, version
from fleet.core.money import MICROS, dollars, micros_of
from fleet.core.price import Price, Rates, cost, plain_model
from fleet.core.session import Answer

TOKENS = st.integers(0, 1 << 40)
RATE = st.integers(0, 100 * MICROS)
RATES = st.builds(Rates, RATE, RATE, RATE, RATE, RATE)


def price_of(rates: Rates, *, above: int = 0, long: Rates | None = None) -> Price:
    return Price("b", "m", rates, "", "", "t", above, long)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    sent, said, read, written = (draw(TOKENS) for _ in range(4))
    hour = draw(st.none() | st.integers(0, written))
    return Answer("a", "m", sent, said, read, written, cache_write_1h=hour)


@given(RATES, answers())
def test_a_cost_is_whole_and_never_negative(rates: Rates, one: Answer) -> None:
    found = cost(price_of(rates), one)
    assert isinstance(found, int)
    assert found >= 0


@given(RATES, answers(), st.sampled_from(["input", "output", "cache_read", "cache_write"]), st.integers(0, 1 << 30))
def test_more_tokens_never_cost_less(rates: Rates, one: Answer, kind: str, more: int) -> None:
    grown = {name: getattr(one, name) for name in ("input", "output", "cache_read", "cache_write")}
    grown[kind] += more
    larger = Answer("a", "m", **grown, cache_write_1h=one.cache_write_1h)
    assert cost(price_of(rates), larger) >= cost(price_of(rates), one)


@given(RATES, answers())
def test_a_cache_of_unknown_length_costs_at_least_what_it_may_turn_out_to_cost(rates: Rates, one: Answer) -> None:
    """What the transcript says later never raises it: a budget that held was not too generous."""
    unsaid = Answer("a", "m", one.input, one.output, one.cache_read, one.cache_write)
    assert cost(price_of(rates), unsaid) >= cost(price_of(rates), one)


@given(RATES, answers())
def test_a_cost_is_the_exact_sum_rounded_up(rates: Rates, one: Answer) -> None:
    hour = one.cache_write if one.cache_write_1h is None else one.cache_write_1h
    dearer = max(rates.cache_write_5m, rates.cache_write_1h) if one.cache_write_1h is None else rates.cache_write_1h
    exact = Decimal(
        one.input * rates.input
        + one.output * rates.output
        + one.cache_read * rates.cache_read
        + hour * dearer
        + (one.cache_write - hour) * rates.cache_write_5m
    ) / Decimal(MICROS)
    assert 0 <= cost(price_of(rates), one) - exact < 1


def test_a_long_prompt_has_its_own_rates() -> None:
    short, long = Rates(1, 1, 1, 1, 1), Rates(10, 10, 10, 10, 10)
    price = price_of(short, above=100, long=long)
    assert cost(price, Answer("a", "m", 60 * MICROS, 0, 0, 0)) == 600
    assert cost(price_of(short), Answer("a", "m", 60 * MICROS, 0, 0, 0)) == 60
    assert cost(price, Answer("a", "m", 50, 0, 50, 0)) == 1


@pytest.mark.parametrize(
    ("written", "micros"), [("12.5", 12_500_000), (0.000001, 1), (5, 5_000_000), ("$3", 3_000_000), (0, 0)]
)
def test_dollars_are_read_exactly(written: str | float, micros: int) -> None:
    assert micros_of(written) == micros


@pytest.mark.parametrize("written", ["0.0000001", "-1", "nan", "inf", "", "1,5", "1e30", "five"])
def test_what_is_no_exact_amount_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="dollar"):
        micros_of(written)


@given(st.integers(0, 10**15))
def test_dollars_for_people_say_all_of_it(micros: int) -> None:
    text = dollars(micros)
    assert micros_of(text) == micros
    assert len(text.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    "name",
    [
        "claude-opus-4-5",
        "claude-opus-4-5-20251101",
        "claude-opus-4-5@20251101",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "anthropic.claude-opus-4-5-20251101-v1:0",
        "Claude-Opus-4-5[1m]",
    ],
)
def test_a_model_is_known_under_the_names_that_backends_give_it(name: str) -> None:
    assert plain_model(name) == "claude-opus-4-5"


def test_an_unknown_model_or_backend_has_no_price() -> None:
    table = prices_of(())
    assert table.find("anthropic", "claude-opus-5-5") is not None
    assert table.find("anthropic", "claude-opus-9") is None
    assert table.find("bedrock", "us.anthropic.claude-opus-5-5") is None, "another seller has prices of its own"
    assert table.find("anthropic", "claude-opus-5-5 (fast)") is None, "what is charged apart is not taken for the same"


def test_the_shipped_table_says_where_each_price_was_read() -> None:
    assert version() == shipped()[0].table
    for price in shipped():
        assert price.source.startswith("https://")
        assert len(price.date) == len("2026-10-24")
        rates = price.rates
        assert 0 < rates.cache_read < rates.input < rates.cache_write_5m < rates.cache_write_1h < rates.output


def test_the_configuration_adds_prices_and_overrides_them() -> None:
    rates = {"input": 1.0, "output": 2.0, "cache_write_5m": 1.0, "cache_write_1h": 1.0, "cache_read": 0.0}
    names = (("anthropic", "claude-opus-5-5"), ("our-gateway", "local-70b"))
    own = [PriceConfig.model_validate({"backend": backend, "model": model, **rates}) for backend, model in names]
    table = prices_of(tuple(own))
    changed = table.find("anthropic", "claude-opus-5-5-20260901")
    assert changed is not None
    assert (changed.table, changed.rates.output) == ("config", 2 * MICROS)
    added = table.find("our-gateway", "local-70b")
    assert added is not None
    assert added.rates.cache_read == 0, "a price of nothing is a price"
    assert len(table.prices) == len(shipped()) + 1
