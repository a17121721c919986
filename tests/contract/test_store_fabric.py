"""What every store engine must do for tasks, messages, questions and blockers; the same body for each engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet.core.board import PEOPLE, BlockerState, MailKind, MailState, QuestionState, TaskState
from fleet.core.clock import SECOND
from fleet.core.errors import FleetError, NotFound
from fleet.store import blockers, inbox, questions, tasks
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock turned by hand."""
    return ManualClock()


@pytest.fixture(params=["sqlite"])
def db(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Database]:
    """An open store on that clock."""
    assert request.param == "sqlite"
    made = open_for_daemon(tmp_path / "fleet.db", clock=clock)
    yield made
    made.close()


def offer(tx: Tx, title: str = "work") -> int:
    """An open task."""
    number = tasks.next_number(tx)
    tasks.create(
        tx, number, entry_id=f"e{number}", title=title, body="", subject="", work_item="", offered_by="human:ann"
    )
    return number


def take(tx: Tx, number: int, token: str, seconds: int = 60, holder: str = "agent:dev") -> bool:
    """Claim a task under a token's hash."""
    return tasks.claim(tx, number, holder=holder, run_id="", token_hash=token, until=tx.now + seconds * SECOND)


def write_to(tx: Tx, recipient: str = "agent:dev", body: str = "hello") -> int:
    """A queued message."""
    number = inbox.next_number(tx)
    inbox.put(
        tx,
        number,
        entry_id=f"e{number}",
        recipient=recipient,
        kind=MailKind.MESSAGE,
        sender="human:ann",
        sender_run="",
        subject="",
        work_item="",
        body=body,
    )
    return number


# -- tasks ---------------------------------------------------------------------------------------------


def test_a_task_is_taken_by_one_of_many_claimants_at_once(db: Database) -> None:
    number = db.write(offer)
    start = threading.Barrier(16)

    def claimant(name: int) -> bool:
        start.wait(60)
        return db.write(lambda tx: take(tx, number, f"t{name}", holder=f"agent:a{name}"))

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(claimant, range(16)))
    assert won.count(True) == 1
    task = db.read(lambda tx: tasks.get(tx, number))
    assert (task.holder, task.claims) == (f"agent:a{won.index(True)}", 1)


def test_a_lease_that_ran_out_is_neither_renewed_nor_completed(db: Database, clock: ManualClock) -> None:
    number = db.write(offer)
    assert db.write(lambda tx: take(tx, number, "t", seconds=10))
    clock.advance(10)
    later = clock.now() + SECOND
    assert not db.write(lambda tx: tasks.renew(tx, number, token_hash="t", until=later))
    assert not db.write(lambda tx: tasks.complete(tx, number, token_hash="t", outcome=""))
    assert [one.number for one in db.read(tasks.lapsed)] == [number]
    assert db.write(lambda tx: tasks.give_back(tx, number, token_hash="t"))
    assert not db.write(lambda tx: tasks.give_back(tx, number, token_hash="t"))
    assert db.read(lambda tx: tasks.get(tx, number)).state is TaskState.OPEN


def test_a_token_of_an_earlier_claim_moves_nothing(db: Database) -> None:
    number = db.write(offer)
    assert db.write(lambda tx: take(tx, number, "first"))
    assert db.write(lambda tx: tasks.give_back(tx, number, token_hash="first"))
    assert db.write(lambda tx: take(tx, number, "second"))
    for move in (
        lambda tx: tasks.complete(tx, number, token_hash="first", outcome=""),
        lambda tx: tasks.give_back(tx, number, token_hash="first"),
        lambda tx: tasks.renew(tx, number, token_hash="first", until=1),
    ):
        assert not db.write(move)
    assert db.write(lambda tx: tasks.complete(tx, number, token_hash="second", outcome="done"))
    task = db.read(lambda tx: tasks.get(tx, number))
    assert (task.state, task.holder, task.claims, task.lease_until) == (TaskState.DONE, "agent:dev", 2, 0)


def test_the_list_of_tasks_shows_open_work_and_lets_the_oldest_ended_go(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "KEPT", 2)
    for _ in range(4):
        number = db.write(offer)
        assert db.write(lambda tx: tasks.withdraw(tx, number, outcome="no"))
    last = db.write(offer)
    assert [one.number for one in db.read(tasks.select)] == [last]
    kept = db.read(lambda tx: tasks.select(tx, state=TaskState.WITHDRAWN))
    assert [one.number for one in kept] == [3, 4]
    with pytest.raises(NotFound, match="FLT-FAB-100"):
        db.read(lambda tx: tasks.get(tx, 1))
    assert db.write(offer) == last + 1


def test_the_schema_refuses_a_claim_without_token_or_lease(db: Database) -> None:
    number = db.write(offer)
    for sets in ("state = 'claimed'", "state = 'claimed', token_hash = 'x', lease_until = 5", "token_hash = 'x'"):
        with pytest.raises(FleetError):
            db.write(lambda tx: tx.run(f"UPDATE tasks SET {sets} WHERE number = :number", number=number))


# -- messages ------------------------------------------------------------------------------------------


def test_a_message_goes_from_queued_to_delivered_to_consumed_and_never_back(db: Database, clock: ManualClock) -> None:
    number = db.write(write_to)
    clock.advance(1)
    assert db.write(lambda tx: inbox.deliver(tx, [number], "r1")) == [number]
    assert db.write(lambda tx: inbox.deliver(tx, [number], "r2")) == []
    clock.advance(1)
    assert db.write(lambda tx: inbox.consume(tx, number, "r2"))
    assert not db.write(lambda tx: inbox.consume(tx, number, "r2"))
    mail = db.read(lambda tx: inbox.get(tx, number))
    assert mail.state is MailState.CONSUMED
    assert mail.shown_to == "r1"
    assert mail.delivered_at is not None
    assert mail.consumed_at is not None
    assert mail.queued_at < mail.delivered_at < mail.consumed_at


def test_acknowledging_what_was_never_shown_delivers_it_too(db: Database) -> None:
    number = db.write(write_to)
    assert db.write(lambda tx: inbox.consume(tx, number, "r1"))
    mail = db.read(lambda tx: inbox.get(tx, number))
    assert (mail.delivered_at, mail.shown_to) == (mail.consumed_at, "r1")


def test_unread_messages_of_an_agent_that_left_go_to_people_and_say_whose_they_were(db: Database) -> None:
    read, shown, fresh = (db.write(write_to) for _ in range(3))
    other = db.write(lambda tx: write_to(tx, "agent:other"))
    db.write(lambda tx: inbox.consume(tx, read, "r1"))
    db.write(lambda tx: inbox.deliver(tx, [shown], "r1"))
    assert db.write(lambda tx: inbox.give_to_people(tx, "agent:dev")) == [shown, fresh]
    mine = db.read(lambda tx: inbox.unread(tx, PEOPLE))
    assert [(one.number, one.state, one.returned_from) for one in mine] == [
        (shown, MailState.QUEUED, "dev"),
        (fresh, MailState.QUEUED, "dev"),
    ]
    assert db.read(inbox.counts) == {
        PEOPLE: {"queued": 2, "delivered": 0},
        "agent:other": {"queued": 1, "delivered": 0},
    }
    assert db.read(lambda tx: inbox.get(tx, other)).recipient == "agent:other"


def test_consumed_messages_are_let_go_beyond_a_bound_and_unread_ones_never(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "KEPT", 1)
    numbers = [db.write(write_to) for _ in range(5)]
    for number in numbers[1:4]:
        db.write(lambda tx: inbox.consume(tx, number, "r1"))
    assert db.write(lambda tx: inbox.prune(tx, "agent:dev")) == 2
    left = db.read(lambda tx: inbox.newest(tx, "agent:dev"))
    assert [one.number for one in left] == [numbers[0], numbers[3], numbers[4]]


# -- questions and blockers ----------------------------------------------------------------------------


def test_a_question_is_answered_once(db: Database) -> None:
    def put(tx: Tx) -> int:
        number = questions.next_number(tx)
        questions.ask(tx, number, entry_id="e", asker="agent:dev", run_id="r1", subject="", work_item="", body="which?")
        return number

    number = db.write(put)
    assert [one.number for one in db.read(questions.open_ones)] == [number]
    assert db.write(lambda tx: questions.answer(tx, number, by="human:ann", text="this one"))
    assert not db.write(lambda tx: questions.answer(tx, number, by="human:bob", text="that one"))
    found = db.read(lambda tx: questions.get(tx, number))
    assert (found.state, found.answered_by, found.answer) == (QuestionState.ANSWERED, "human:ann", "this one")
    assert db.read(questions.open_ones) == []
    assert [one.number for one in db.read(questions.newest)] == [number]
    with pytest.raises(NotFound, match="FLT-FAB-111"):
        db.read(lambda tx: questions.get(tx, 99))


def test_a_blocker_is_resolved_once(db: Database) -> None:
    def put(tx: Tx) -> int:
        number = blockers.next_number(tx)
        blockers.create(
            tx,
            number,
            entry_id="e",
            opened_by="agent:dev",
            run_id="r1",
            subject="ticket/7",
            work_item="ticket/7",
            body="stuck",
            told=PEOPLE,
        )
        return number

    number = db.write(put)
    assert [one.told for one in db.read(lambda tx: blockers.open_ones(tx, opened_by="agent:dev"))] == [PEOPLE]
    assert db.read(lambda tx: blockers.open_ones(tx, opened_by="agent:other")) == []
    assert db.write(lambda tx: blockers.resolve(tx, number, by="human:ann", text="go on"))
    assert not db.write(lambda tx: blockers.resolve(tx, number, by="human:bob", text="go on"))
    assert db.read(lambda tx: blockers.get(tx, number)).state is BlockerState.RESOLVED
    with pytest.raises(NotFound, match="FLT-FAB-120"):
        db.read(lambda tx: blockers.get(tx, 99))
