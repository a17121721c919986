"""Claims of killed workers go back, once, when their lease has run out and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.clock import SECOND
from fleet.core.work import DeliveryState
from fleet.daemon.janitor import Janitor
from fleet.store import deliveries, journal
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock turned by hand."""
    return ManualClock()


@pytest.fixture
def db(tmp_path: Path, clock: ManualClock) -> Iterator[Database]:
    """An open store on that clock."""
    made = open_for_daemon(tmp_path / "fleet.db", clock=clock)
    yield made
    made.close()


def claimed(tx: Tx, seconds: int) -> str:
    """A delivery under a lease of so many seconds."""
    made = deliveries.create(
        tx,
        event_seq=1,
        event_id=f"e{seconds}",
        event_type="ticket_ready",
        agent="dev",
        subject="ticket/1",
        generation="",
        work_item="ticket/1",
    )
    assert made is not None
    assert deliveries.claim(tx, made, token="t", until=tx.now + seconds * SECOND)
    return made


def test_an_expired_claim_goes_back_and_is_on_record(db: Database, clock: ManualClock) -> None:
    short = db.write(lambda tx: claimed(tx, 10))
    long = db.write(lambda tx: claimed(tx, 100))
    janitor = Janitor(db)
    assert janitor.tick(clock.now()).did == 0
    clock.advance(11)
    tick = janitor.tick(clock.now())
    assert tick.did == 1
    assert tick.next_at is not None
    assert db.read(lambda tx: deliveries.get(tx, short)).state is DeliveryState.PENDING
    assert db.read(lambda tx: deliveries.get(tx, long)).state is DeliveryState.CLAIMED
    (entry,) = db.read(lambda tx: journal.select(tx, journal.Filter(type="delivery.returned")))
    assert (entry.payload or {})["delivery"] == short


def test_between_two_looks_it_rests_and_a_clock_set_back_does_not_stop_it(db: Database, clock: ManualClock) -> None:
    janitor = Janitor(db)
    first = janitor.tick(clock.now())
    assert janitor.tick(clock.now() + 1) == first
    db.write(lambda tx: claimed(tx, 10))
    clock.jump(-3600)
    tick = janitor.tick(clock.now())
    assert tick.next_at is not None
    assert tick.next_at < clock.now() + 10 * SECOND
