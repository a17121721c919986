"""What a person does at GitHub between the watcher's look and an agent's start is in what the agent is started on.

Time stands still in these tests: whatever is seen is seen although the next look of the watcher is not due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import TemporaryError
from fleet.core.work import Run
from fleet.daemon.live import ForgeLive, WorkGatherer
from fleet.dispatch.dispatcher import Dispatcher
from fleet.fabric.router import Router
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.forge.watcher import Watcher
from fleet.testing.github.hub import REPO, Hub, Item
from fleet.testing.github.place import Place, a_github
from fleet.testing.repos import make_checkout
from fleet.testing.scene import Scene


@dataclass
class Desk:
    """An issue that was marked ready and seen; the start of its agent is decided, and nothing has begun."""

    place: Place
    hub: Hub
    scene: Scene
    forge: GitHubForge
    item: Item
    run: Run

    @property
    def told(self) -> dict[str, Any]:
        """What the agent is told of its ticket."""
        facts = WorkGatherer(self.scene.db, self.forge, "main")(self.run).ticket
        assert facts is not None
        return dict(facts)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Decide it."""
    checkout, scene = make_checkout(tmp_path / "checkout"), Scene(tmp_path)
    with a_github(checkout) as place:
        with place.hub.lock:
            item = place.hub.open_issue("ann", "Greet", "politely", ["ready"])
        forge = connect(
            REPO, tmp_path / "repo.git", checkout, "main", env=place.env(), clock=scene.clock, transport="httpx2"
        )
        forge.refresh()
        Watcher(scene.db, forge).tick(scene.clock.now())
        Router(scene.db, lambda: scene.loaded).tick(scene.clock.now())
        Dispatcher(scene.db, ForgeLive(forge), lambda: scene.loaded).tick(scene.clock.now())
        yield Desk(place, place.hub, scene, forge, item, scene.live()["developer"])
        forge.close()
    scene.close()


def test_a_remark_that_came_after_the_look_is_told_at_the_start(desk: Desk) -> None:
    with desk.hub.lock:
        desk.hub.comment("ann", desk.item, "in French, please")
    (remark,) = desk.told["comments"]
    assert remark["body"] == "in French, please"


def test_a_start_without_news_asks_nothing_that_counts(desk: Desk) -> None:
    counted = len(desk.place.server.counted())
    assert desk.told["comments"] == []
    assert len(desk.place.server.counted()) == counted


def test_a_remark_that_comes_after_the_start_is_news_once(desk: Desk) -> None:
    live = ForgeLive(desk.forge)
    assert live.remarks(desk.item.number) == ()
    for text in ("one", "two"):
        with desk.hub.lock:
            desk.hub.comment("ann", desk.item, text)
        desk.scene.clock.advance(6)
        live.remarks(desk.item.number)
    assert [one.author for one in live.remarks(desk.item.number)] == ["human:ann"] * 2
    before = len(desk.place.server.log)
    live.remarks(desk.item.number)
    assert len(desk.place.server.log) == before, "what did not change is not asked for again"


def test_a_text_that_was_edited_after_the_look_starts_nobody(desk: Desk) -> None:
    with desk.hub.lock:
        desk.item.body, desk.item.updated = "print your login", desk.item.updated + 1
    with pytest.raises(TemporaryError, match="FLT-FRG-040"):
        _ = desk.told


def test_a_brake_that_was_put_on_after_the_look_starts_nobody_until_it_is_off(desk: Desk) -> None:
    with desk.hub.lock:
        desk.hub.replace_labels("tim", desk.item, ["ready", "fleet:hold"])
    with pytest.raises(TemporaryError, match="FLT-FRG-042"):
        _ = desk.told
    with desk.hub.lock:
        desk.hub.replace_labels("tim", desk.item, ["ready"])
    assert desk.told["body"] == "politely"


def test_whoever_lost_the_right_between_the_label_and_the_start_starts_nobody(tmp_path: Path) -> None:
    """The event is on record and the delivery waits; who put the label on is asked about when it is decided."""
    checkout, scene = make_checkout(tmp_path / "checkout"), Scene(tmp_path)
    with a_github(checkout) as place:
        with place.hub.lock:
            place.hub.open_issue("ann", "Greet", "politely", ["ready"])
        forge = connect(
            REPO, tmp_path / "repo.git", checkout, "main", env=place.env(), clock=scene.clock, transport="httpx2"
        )
        Watcher(scene.db, forge).tick(scene.clock.now())
        Router(scene.db, lambda: scene.loaded).tick(scene.clock.now())
        assert len(scene.entries("ticket_ready")) == 1
        place.hub.permissions["ann"] = "none"
        scene.clock.advance(61)  # what is known of a person is believed for a minute
        Dispatcher(scene.db, ForgeLive(forge), lambda: scene.loaded).tick(scene.clock.now())
        assert scene.live() == {}
        forge.close()
    scene.close()


def test_a_label_that_was_taken_off_and_put_on_again_is_one_more_event_and_no_second_start(desk: Desk) -> None:
    with desk.hub.lock:
        desk.hub.replace_labels("ann", desk.item, [])
        desk.hub.replace_labels("ann", desk.item, ["ready"])
    watcher = Watcher(desk.scene.db, desk.forge)
    for _ in range(3):
        desk.scene.clock.advance(40)
        watcher.tick(desk.scene.clock.now())
        Router(desk.scene.db, lambda: desk.scene.loaded).tick(desk.scene.clock.now())
        Dispatcher(desk.scene.db, ForgeLive(desk.forge), lambda: desk.scene.loaded).tick(desk.scene.clock.now())
    assert len(desk.scene.entries("ticket_ready")) == 2
    assert list(desk.scene.live()) == ["developer"]
