"""One login for many repositories: a limit holds all of them, and nobody closes what others use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.forge.github.sharing import Shared
from fleet.testing.clock import ManualClock
from fleet.testing.github.place import Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import make_checkout


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A GitHub."""
    with a_github(make_checkout(tmp_path / "checkout")) as made:
        yield made


def test_a_limit_that_one_repository_meets_holds_all_until_its_time_is_over(place: Place) -> None:
    clock = ManualClock()
    shared = Shared(place.env(), clock)
    shop, api = shared.lend(), shared.lend()
    place.server.faults = lambda number, method, target: Fault(403, '{"message": "slow"}', {"Retry-After": "90"})
    assert shop.request("GET", "user").status == 403
    place.server.faults = lambda number, method, target: None
    clock.advance(30)
    held = api.request("GET", "user")
    assert (held.status, held.headers["retry-after"]) == (403, "60")
    assert len(place.server.log) == 1, "nobody asks meanwhile"
    clock.advance(61)
    assert api.request("GET", "user").status == 200
    shared.shut()


def test_a_fleet_that_ends_closes_nothing_of_the_others(place: Place) -> None:
    shared = Shared(place.env(), ManualClock())
    shop, api = shared.lend(), shared.lend()
    assert shop.request("GET", "user").status == 200
    shop.close()
    assert api.request("GET", "user").status == 200
    assert place.server.connections == 1
    shared.shut()
