"""How people write an instant: so long ago, or a date and time."""

from __future__ import annotations

import re
from datetime import datetime

from fleet.core.clock import SECOND
from fleet.core.errors import UsageError

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def instant(text: str, now: int, *, where: str) -> int:
    """An instant in microseconds: ``90s``, ``30m``, ``1h``, ``7d``, ``2w`` ago, or an ISO date and time; "" is 0.

    A time without zone is local time; ``where`` is what the writer calls it. Raises UsageError FLT-CLI-015.
    """
    if not text:
        return 0
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, now - int(ago[1]) * _UNITS[ago[2]] * SECOND)
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * SECOND))
    except (ValueError, OverflowError) as error:
        raise UsageError(
            "FLT-CLI-015", f"{text!r} is not a time", where=where, hint="Write 30m, 1h, 7d or 2026-11-24T09:30."
        ) from error
