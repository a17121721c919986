"""Labels at GitHub with a common prefix: what wakes, what holds, what is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.errors import Refused
from fleet.core.label import LabelSpec
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.repos import make_checkout


class Desk:
    """A forge whose labels have a prefix at GitHub."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Open it over kept connections."""
        self.place, self.clock = place, ManualClock()
        self.forge: GitHubForge = connect(
            REPO,
            folder / "state" / "repo.git",
            folder / "checkout",
            "main",
            env=place.env(),
            clock=self.clock,
            transport="httpx2",
            label_prefix="fleet/",
        )

    def issue(self, *labels: str, login: str = "ann") -> int:
        """Somebody opens an issue and labels it."""
        with self.place.hub.lock:
            item = self.place.hub.open_issue("ann", "A wish", "text", ())
            self.place.hub.replace_labels(login, item, labels)
        return item.number

    def seen(self, number: int) -> list[str]:
        """The labels as the fleet has them, at a fresh look."""
        self.clock.advance(61)
        return [mark.name for mark in self.forge.ticket(number).labels]

    def there(self, number: int) -> list[str]:
        """The labels as GitHub has them."""
        return sorted(self.place.hub.items[number].labels)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open it."""
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        made = Desk(tmp_path, place)
        yield made
        made.forge.close()


def test_labels_with_the_prefix_are_the_fleets_and_plain_ones_somebody_elses(desk: Desk) -> None:
    assert desk.seen(desk.issue("fleet/ready", "bug")) == ["bug", "ready"]
    assert desk.seen(desk.issue("ready", "needs-review")) == ["needs-review (no prefix)", "ready (no prefix)"]


def test_behind_a_prefix_too_a_label_wakes_only_by_somebody_who_may_write(desk: Desk) -> None:
    number = desk.issue("fleet/ready", "fleet/approved", login="tim")
    assert desk.seen(number) == ["approved"]
    with desk.place.hub.lock:
        for labels in ([], ["fleet/ready"]):
            desk.place.hub.replace_labels("ann", desk.place.hub.items[number], labels)
    assert desk.seen(number) == ["ready"]


@pytest.mark.parametrize("name", ["fleet/hold", "fleet:hold"])
def test_the_brake_holds_under_both_names_and_comes_off_under_either(desk: Desk, name: str) -> None:
    number = desk.issue(name, login="tim")
    assert desk.seen(number) == ["fleet:hold"]
    assert desk.forge.set_labels(number, add=("fleet:hold", "ready"), actor="human:ann") == ("fleet:hold", "ready")
    assert desk.there(number) == sorted([name, "fleet/ready"])
    assert desk.forge.set_labels(number, remove=("fleet:hold",), actor="human:ann") == ("ready",)
    assert desk.there(number) == ["fleet/ready"]


def test_both_brakes_are_one_and_come_off_together(desk: Desk) -> None:
    number = desk.issue("fleet/hold", "fleet:hold")
    assert desk.seen(number) == ["fleet:hold"]
    assert desk.forge.set_labels(number, remove=("fleet:hold",), actor="human:ann") == ()
    assert desk.there(number) == []


def test_what_the_fleet_writes_has_the_prefix_and_leaves_other_labels_alone(desk: Desk) -> None:
    number = desk.forge.create_ticket("T", "", author="human:ann", labels=("ready", "bug")).number
    assert desk.there(number) == ["bug", "fleet/ready"]
    with desk.place.hub.lock:
        desk.place.hub.replace_labels("ann", desk.place.hub.items[number], [*desk.there(number), "ready"])
    after = desk.forge.set_labels(number, add=("shipped",), remove=("ready",), actor="human:ann")
    assert (after, desk.there(number)) == (("bug", "ready (no prefix)", "shipped"), ["bug", "fleet/shipped", "ready"])


def test_a_login_that_may_not_make_labels_is_told_so(desk: Desk) -> None:
    desk.place.hub.permissions["fleet-bot"] = "triage"
    with pytest.raises(Refused) as caught:
        desk.forge.keep_label(LabelSpec("fleet/ready", "0075ca"))
    assert caught.value.code == "FLT-GHB-005"
