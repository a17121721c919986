"""When GitHub is looked at next: as a table."""

from __future__ import annotations

import pytest

from fleet.core.clock import SECOND
from fleet.forge.github.pace import next_poll

NOW = 1_800_000_000 * SECOND


def wait(**facts: float) -> float:
    """Seconds to the next look; ``quiet``: since the last change, ``reset``: to the next hour, ``closed`` as said."""
    found = next_poll(
        NOW,
        changed_at=NOW - round(facts.get("quiet", 0) * SECOND),
        limit=int(facts.get("limit", 5000)),
        remaining=int(facts.get("remaining", 5000)),
        reset_at=NOW // SECOND + int(facts.get("reset", 3600)),
        closed_until=NOW + round(facts["closed"] * SECOND) if "closed" in facts else 0,
        poll_seconds=facts.get("poll", 5.0),
    )
    return (found - NOW) / SECOND


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({}, 5),
        ({"poll": 30}, 30),
        ({"limit": -1, "remaining": -1}, 5),
        ({"quiet": 599}, 5),
        ({"quiet": 600}, 10),
        ({"quiet": 3599}, 10),
        ({"quiet": 3600}, 15),
        ({"quiet": -50}, 5),  # a clock that was set back
        ({"closed": 90}, 90),
        ({"closed": 2}, 5),
        ({"remaining": 500}, 5),
        ({"remaining": 499, "reset": 3600}, 3600 * 3 / 499),
        ({"remaining": 30, "reset": 1800}, 180),
        ({"remaining": 1, "reset": 1800}, 1800),
        ({"remaining": 0, "reset": 1800}, 1800),
        ({"remaining": 0, "reset": 0}, 5),
        ({"remaining": 0, "reset": -60}, 5),
        ({"remaining": 30, "reset": 1800, "closed": 600}, 600),
    ],
)
def test_the_pace(facts: dict[str, float], seconds: float) -> None:
    assert wait(**facts) == pytest.approx(seconds, abs=1e-5)
