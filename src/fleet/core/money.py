"""Money as whole millionths of a US dollar: read from what people write, and written for them. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICROS = 1_000_000  # of one dollar
MOST_DOLLARS = 1_000_000_000


def micros_of(value: str | float | Decimal) -> int:
    """Dollars such as 12.5 as whole micro-dollars. Raises ValueError for what is no exact, plain amount."""
    try:
        exact = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no amount of dollars") from error
    if not exact.is_finite() or not 0 <= exact <= MOST_DOLLARS:
        raise ValueError(f"{value!r} is not between 0 and {MOST_DOLLARS} dollars")
    micros = exact * MICROS
    if micros != micros.to_integral_value():
        raise ValueError(f"{value!r} is finer than a millionth of a dollar")
    return int(micros)


def dollars(micros: int) -> str:
    """Micro-dollars for people: two digits behind the point, or as many as there are."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    text = f"{whole // MICROS}.{whole % MICROS:06d}".rstrip("0")
    missing = 2 - len(text.partition(".")[2])
    return f"{sign}${text}{'0' * max(0, missing)}"
