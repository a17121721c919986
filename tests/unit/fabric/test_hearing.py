"""An org hears its repositories: each event once, with its place, and nothing of their own wiring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.core.journal import Draft, Entry, Stream
from fleet.fabric.hearing import Hearing
from fleet.store import journal
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon


@dataclass
class Pair:
    """A repository's store and the org's."""

    there: Database
    home: Database
    hearing: Hearing

    def happens(self, kind: str, subject: str = "", **more: object) -> None:
        """An event in the repository."""
        draft = Draft(Stream.EVENT, kind, "agent:developer", subject=subject, summary="s", payload=more)
        self.there.write(lambda tx: journal.append(tx, draft))

    def listen(self) -> None:
        """Tick until there is nothing more."""
        while self.hearing.tick(0).did:
            pass

    def heard(self) -> list[Entry]:
        """What is on record in the org."""
        return self.home.read(lambda tx: journal.events_after(tx, 0, 1000))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Both empty; the org has listened once."""
    there, home = open_for_daemon(tmp_path / "there.db"), open_for_daemon(tmp_path / "home.db")
    made = Pair(there, home, Hearing(home, there, "acme/shop"))
    made.listen()
    made.happens("note")  # the first entry of a store is a beginning, not news
    made.listen()
    yield made
    home.close()
    there.close()


def test_an_event_names_its_repository_and_carries_what_it_said(pair: Pair) -> None:
    before = len(pair.heard())
    pair.happens("pr_approved", "pr/7", head="abc")
    pair.listen()
    (event,) = pair.heard()[before:]
    assert (event.type, event.subject, event.actor) == ("pr_approved", "repo/acme/shop/pr/7", "forge:acme/shop")
    assert event.kind == "decision"
    assert event.payload is not None
    assert event.payload["sender"] == "agent:developer"
    assert event.payload["repo"] == "acme/shop"
    assert event.payload["subject"] == "pr/7"
    assert event.payload["said"] == {"head": "abc"}


def test_each_event_is_heard_once_whatever_becomes_of_the_position(pair: Pair) -> None:
    for number in range(250):
        pair.happens("ticket_ready", f"ticket/{number}")
    pair.listen()
    count = len(pair.heard())

    def back(tx: Tx) -> None:
        tx.run("UPDATE cursors SET position = 1 WHERE name = 'heard:acme/shop'")

    pair.home.write(back)
    pair.listen()
    assert len(pair.heard()) == count
    assert len({event.subject for event in pair.heard() if event.type == "ticket_ready"}) == 250


def test_what_happened_before_the_repository_joined_is_not_told(tmp_path: Path, pair: Pair) -> None:
    pair.happens("ticket_ready", "ticket/1")
    other = Hearing(pair.home, pair.there, "acme/late")
    while other.tick(0).did:
        pass
    assert [event for event in pair.heard() if event.actor == "forge:acme/late"] == []


@pytest.mark.parametrize("kind", ["work_returned", "schedule_due", "agent_start_requested", "claim", "task"])
def test_the_wiring_of_a_repository_stays_there(pair: Pair, kind: str) -> None:
    before = len(pair.heard())
    pair.happens(kind, "ticket/1")
    pair.happens("note", addressed="no")
    pair.there.write(lambda tx: journal.append(tx, Draft(Stream.EVENT, "note", "human:ann", agent="developer")))
    pair.listen()
    assert [event.type for event in pair.heard()[before:]] == ["note"]


def test_a_very_long_event_is_told_without_what_it_said(pair: Pair) -> None:
    before = len(pair.heard())
    pair.happens("note", "pr/7", text="x" * 100_000)
    pair.listen()
    (event,) = pair.heard()[before:]
    assert event.payload is not None
    assert event.payload["said"] is None
