"""Insights over real control, journal and git, on a hand-turned clock: told when it is time, gone when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.testing.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members."""
    made = Desk(tmp_path)
    yield made
    made.close()


def told(desk: Desk, kind: str) -> list[dict[str, Any]]:
    """The findings of a kind, as a person is told them."""
    return [one for one in desk.ask("insights")["insights"] if one["kind"] == kind]


def test_a_ticket_that_nobody_takes_up_is_stuck_until_somebody_does(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    assert told(desk, "stuck") == []
    desk.clock.advance(4 * 3600)
    (finding,) = told(desk, "stuck")
    assert finding["about"] == f"ticket/{ticket}"
    assert finding["command"].startswith("fleet ")
    desk.run("developer", f"ticket/{ticket}", event="ticket_ready", item=f"ticket/{ticket}")
    assert told(desk, "stuck") == []
