"""The part of the configuration that is about budgets: seconds, tokens and dollars in a window, and prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fleet.config.kinds import StrictModel
from fleet.core.money import MOST_DOLLARS, micros_of

_SECONDS_LIMIT = 1_000_000_000  # about 31 years; keeps sums far from any overflow
_TOKENS_LIMIT = 1_000_000_000_000


def _number_alone(unit: str, most: int) -> Callable[[object], object]:
    """A reader that lets a whole number of a unit, from 1 to ``most``, stand for a budget without a window."""

    def read(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 < value <= most:
                raise PydanticCustomError("budget", f"{unit} from 1 to {most}, or none")
            return {unit: value}
        return _mapping_or_none(value, f"a whole number of {unit}, or a mapping with {unit}, window and timezone")

    return read


def _dollars_alone(value: object) -> object:
    """A number of dollars by itself means a budget without a window."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        _exact_dollars(value)
        return {"usd": value}
    return _mapping_or_none(value, "dollars such as 12.5, or a mapping with usd, window and timezone")


def _mapping_or_none(value: object, wanted: str) -> object:
    """What the model itself reads; anything else is told what is wanted."""
    if value is None or isinstance(value, dict | BaseModel):
        return value
    raise PydanticCustomError("budget", wanted)


def _exact_dollars(value: float) -> float:
    """An amount that can be counted in whole millionths of a dollar."""
    try:
        found = micros_of(value)
    except ValueError as error:
        raise PydanticCustomError("dollars", "dollars with at most six digits behind the point") from error
    if not found:
        raise PydanticCustomError("dollars", f"dollars above 0, up to {MOST_DOLLARS}")
    return value


def _exact_rate(value: float) -> float:
    """A price for a million tokens; 0 is a price as well."""
    try:
        micros_of(value)
    except ValueError as error:
        raise PydanticCustomError("dollars", "dollars with at most six digits behind the point") from error
    return value


Seconds = Annotated[int, Field(gt=0, le=_SECONDS_LIMIT)]
Tokens = Annotated[int, Field(gt=0, le=_TOKENS_LIMIT)]
Dollars = Annotated[float, Field(gt=0, le=MOST_DOLLARS), AfterValidator(_exact_dollars)]
Rate = Annotated[float, Field(ge=0, le=1_000_000), AfterValidator(_exact_rate)]


WindowName = Annotated[
    Literal["lifetime", "day", "week", "month"],
    Field(description="What the budget is for: all time, or each calendar day, week (from Monday) or month."),
]
ZoneName = Annotated[
    str, Field(max_length=64, description="Zone whose midnight begins a window, such as Europe/Berlin.")
]


class Windowed(Protocol):
    """A budget for a time; with the next window all of it is there again."""

    @property
    def window(self) -> str:
        """What it is for."""

    @property
    def timezone(self) -> str:
        """Whose midnight begins it."""


class BudgetConfig(StrictModel):
    """Run time that may be used in a window."""

    seconds: Seconds = Field(description="Run time in seconds.")
    window: WindowName = "lifetime"
    timezone: ZoneName = "UTC"

    @property
    def amount(self) -> int:
        """The ceiling in whole units."""
        return self.seconds


class TokensConfig(StrictModel):
    """Tokens that may be used in a window: those read, written, and written to and read from a cache."""

    tokens: Tokens = Field(description="Tokens of all kinds together.")
    window: WindowName = "lifetime"
    timezone: ZoneName = "UTC"

    @property
    def amount(self) -> int:
        """The ceiling in whole units."""
        return self.tokens


class UsdConfig(StrictModel):
    """Money that may be spent in a window, by the table of prices."""

    usd: Dollars = Field(description="US dollars, such as 12.5.")
    window: WindowName = "lifetime"
    timezone: ZoneName = "UTC"

    @property
    def amount(self) -> int:
        """The ceiling in millionths of a dollar."""
        return micros_of(self.usd)


Budget = Annotated[
    BudgetConfig | None,
    BeforeValidator(_number_alone("seconds", _SECONDS_LIMIT), json_schema_input_type=Seconds | BudgetConfig | None),
]
TokenBudget = Annotated[
    TokensConfig | None,
    BeforeValidator(_number_alone("tokens", _TOKENS_LIMIT), json_schema_input_type=Tokens | TokensConfig | None),
]
UsdBudget = Annotated[
    UsdConfig | None, BeforeValidator(_dollars_alone, json_schema_input_type=Dollars | UsdConfig | None)
]


class BudgetsConfig(StrictModel):
    """What more than one agent may use together, and when people hear that a budget ends."""

    fleet_seconds: Budget = Field(
        default=None, description="Run time of all agents together, as a number or the mapping below; none = unlimited."
    )
    fleet_tokens: TokenBudget = Field(
        default=None, description="Tokens of all agents together, as a number or a mapping; none = unlimited."
    )
    fleet_usd: UsdBudget = Field(
        default=None, description="Dollars of all agents together, as a number or a mapping; none = unlimited."
    )
    ticket_seconds: Seconds | None = Field(
        default=None, description="Run time of all agents on one ticket together, in seconds; none = unlimited."
    )
    ticket_tokens: Tokens | None = Field(
        default=None, description="Tokens of all agents on one ticket together; none = unlimited."
    )
    ticket_usd: Dollars | None = Field(
        default=None, description="Dollars of all agents on one ticket together; none = unlimited."
    )
    warn_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=80, description="Part of a budget after which people are told, once in each window."
    )

    @property
    def metered(self) -> bool:
        """Whether tokens or money of more than one agent are bounded."""
        found = (self.fleet_tokens, self.fleet_usd, self.ticket_tokens, self.ticket_usd)
        return any(one is not None for one in found)


class RatesConfig(StrictModel):
    """US dollars for a million tokens of each kind."""

    input: Rate = Field(description="Dollars for a million tokens that were sent.")
    output: Rate = Field(description="The same for tokens that the model wrote.")
    cache_write_5m: Rate = Field(description="The same for tokens written to a cache for five minutes.")
    cache_write_1h: Rate = Field(description="The same for tokens written to a cache for an hour.")
    cache_read: Rate = Field(description="The same for tokens read from a cache.")


class LongPromptConfig(RatesConfig):
    """What holds instead for answers to long prompts."""

    above: Tokens = Field(description="Tokens of a prompt, cached ones included, above which these rates hold.")


class PriceConfig(RatesConfig):
    """The price of a model: one that the shipped table lacks, or another than it says."""

    backend: str = Field(
        min_length=1, max_length=60, description="Whose price: the backend's `kind`, or its `price_list`."
    )
    model: str = Field(
        min_length=1, max_length=200, description="The model as the client names it; without a date, any date."
    )
    long_prompt: LongPromptConfig | None = Field(default=None, description="Rates for answers to long prompts.")
    source: str = Field(default="", max_length=500, description="Where the price was read.")
    date: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="When it was read: 2026-11-26.")
