"""How people write amounts of tokens and dollars on the command line."""

from __future__ import annotations

import re

import click

from fleet.core.money import micros_of

_TOKENS = re.compile(r"([0-9]{1,12})([kM]?)")
_UNITS = {"": 1, "k": 1000, "M": 1_000_000}


class TokensType(click.ParamType[int]):
    """Tokens written 250000, 250k or 2M; ``none`` is 0."""

    name = "tokens"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int) or value == "none":
            return value if isinstance(value, int) else 0
        found = _TOKENS.fullmatch(str(value))
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is not a number of tokens such as 250000, 250k, 2M or none", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


class DollarsType(click.ParamType[int]):
    """US dollars written 5 or 12.5, as millionths of a dollar; ``none`` is 0."""

    name = "dollars"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The micro-dollars."""
        if isinstance(value, int) or value == "none":
            return value if isinstance(value, int) else 0
        try:
            found = micros_of(str(value))
        except ValueError:
            found = 0
        if not found:
            self.fail(f"{value!r} is not an amount of US dollars such as 5, 12.5 or none", param, ctx)
        return found


TOKENS = TokensType()
DOLLARS = DollarsType()
