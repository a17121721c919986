"""What every store engine must do; the same body for each engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from fleet.core.agent import AgentState
from fleet.core.errors import Conflict, FleetError, NotFound, PermanentError, TimedOut, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, PrincipalKind
from fleet.core.work import DeliveryState, RunState
from fleet.store import agents, capabilities, cursors, deliveries, journal, runs
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon, open_read_only

Opener = Callable[[], Database]


@pytest.fixture(params=["sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """A function that opens the same store again and again, as a restarted daemon would."""
    assert request.param == "sqlite"
    return lambda: open_for_daemon(tmp_path / "fleet.db")


@pytest.fixture
def db(opener: Opener) -> Iterator[Database]:
    """An open store."""
    database = opener()
    yield database
    database.close()


def note(summary: str, **changes: object) -> Draft:
    """A harmless event."""
    fields: dict[str, object] = {"actor": "human:ann", "summary": summary, **changes}
    return Draft(Stream.EVENT, "note", **fields)  # type: ignore[arg-type]


def a_delivery(tx: Tx, *, agent: str = "dev", event_id: str = "e1", item: str = "ticket/1") -> str:
    """A pending delivery."""
    made = deliveries.create(
        tx,
        event_seq=1,
        event_id=event_id,
        event_type="ticket_ready",
        agent=agent,
        subject=item,
        generation="",
        work_item=item,
    )
    assert made is not None
    return made


def a_run(tx: Tx, delivery_id: str, *, agent: str = "dev", item: str = "ticket/1") -> str:
    """A queued run."""
    return runs.create(
        tx,
        delivery_id=delivery_id,
        event_id="e1",
        event_type="ticket_ready",
        agent=agent,
        role="developer",
        subject=item,
        generation="",
        work_item=item,
        attempt=1,
        parent_run="",
        allowance_seconds=60,
        allowance_kind="timeout",
        config_hash="c",
    )


def test_what_was_written_is_there_after_reopening(opener: Opener) -> None:
    first = opener()
    kept = first.write(lambda tx: journal.append(tx, note("remember me")))
    first.close()
    second = opener()
    assert second.read(lambda tx: journal.get(tx, kept.id)).summary == "remember me"
    second.close()


def test_a_function_that_raises_keeps_nothing_and_harms_no_neighbour(db: Database) -> None:
    gate = threading.Event()
    futures: list[Future[object]] = [db.submit(lambda tx: gate.wait(60) and None)]

    def broken(tx: Tx) -> None:
        journal.append(tx, note("from the broken one"))
        raise ValueError("on purpose")

    futures.append(db.submit(lambda tx: journal.append(tx, note("before"))))
    futures.append(db.submit(broken))
    futures.append(db.submit(lambda tx: journal.append(tx, note("after"))))
    gate.set()
    for index in (0, 1, 3):
        futures[index].result(60)
    with pytest.raises(ValueError, match="on purpose"):
        futures[2].result(60)
    entries = db.read(lambda tx: journal.select(tx, journal.Filter()))
    assert [entry.summary for entry in entries] == ["before", "after"]
    assert [entry.seq for entry in entries] == [1, 2]


def test_an_entry_with_a_known_dedup_key_is_written_once(db: Database) -> None:
    first = db.write(lambda tx: journal.append(tx, note("one", dedup_key="k")))
    second = db.write(lambda tx: journal.append(tx, note("two", dedup_key="k")))
    assert first.fresh
    assert not second.fresh
    assert second.id == first.id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET summary = 'x'",
        "DELETE FROM journal",
        "UPDATE journal_payloads SET body = x'00'",
        "DELETE FROM journal_payloads",
    ],
)
def test_the_journal_refuses_update_and_delete(db: Database, statement: str) -> None:
    db.write(lambda tx: journal.append(tx, note("fixed")))
    with pytest.raises(FleetError, match=r"append-only|only be erased"):
        db.write(lambda tx: tx.run(statement))


def test_filters_narrow_and_newest_keeps_order(db: Database) -> None:
    def fill(tx: Tx) -> None:
        for number in range(6):
            journal.append(
                tx,
                note(
                    f"n{number}",
                    subject=f"pr/{number % 2}",
                    work_item="ticket/9" if number < 3 else "",
                    agent="dev" if number == 4 else "",
                    actor="agent:dev" if number == 5 else "human:ann",
                ),
            )

    db.write(fill)

    def found(**fields: object) -> list[str]:
        wanted = journal.Filter(**fields)  # type: ignore[arg-type]
        return [entry.summary for entry in db.read(lambda tx: journal.select(tx, wanted))]

    assert found(subject="pr/1") == ["n1", "n3", "n5"]
    assert found(work_item="ticket/9") == ["n0", "n1", "n2"]
    assert found(work_item="ticket/9", subject="pr/1") == ["n0", "n1", "n2", "n3", "n5"]
    assert found(agent="dev") == ["n4", "n5"]
    assert found(after=4) == ["n4", "n5"]
    newest = db.read(lambda tx: journal.select(tx, journal.Filter(), limit=2, newest=True))
    assert [entry.summary for entry in newest] == ["n4", "n5"]


def test_a_payload_over_the_limit_or_not_json_is_refused(db: Database) -> None:
    with pytest.raises(UsageError, match="limit"):
        db.write(lambda tx: journal.append(tx, note("big", payload={"x": "y" * 300_000})))
    with pytest.raises(UsageError, match="plain JSON"):
        db.write(lambda tx: journal.append(tx, note("nan", payload={"x": float("nan")})))
    with pytest.raises(NotFound):
        db.read(lambda tx: journal.get(tx, "e-none"))


def test_a_summary_is_one_printable_line(db: Database) -> None:
    made = db.write(lambda tx: journal.append(tx, note("a\nb\x1b[31mc" + "d" * 900)))
    summary = db.read(lambda tx: journal.get(tx, made.id)).summary
    assert summary.startswith("a b [31mc")
    assert len(summary) == 500


def test_one_event_has_one_delivery_per_agent(db: Database) -> None:
    db.write(lambda tx: a_delivery(tx))
    again = db.write(
        lambda tx: deliveries.create(
            tx,
            event_seq=1,
            event_id="e1",
            event_type="ticket_ready",
            agent="dev",
            subject="ticket/1",
            generation="",
            work_item="ticket/1",
        )
    )
    assert again is None


def test_of_many_claimers_exactly_one_wins_each_delivery(db: Database) -> None:
    ids = db.write(lambda tx: [a_delivery(tx, event_id=f"e{number}") for number in range(40)])
    won: list[str] = []

    def claimer(name: str) -> None:
        for delivery_id in ids:
            if db.write(lambda tx: deliveries.claim(tx, delivery_id, token=name, until=tx.now + 10**9)):
                won.append(delivery_id)

    threads = [threading.Thread(target=claimer, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == sorted(ids)


def test_only_the_lease_holder_settles_a_claim(db: Database) -> None:
    delivery_id = db.write(lambda tx: a_delivery(tx))
    assert db.write(lambda tx: deliveries.claim(tx, delivery_id, token="mine", until=tx.now + 10**9))
    held = DeliveryState.HELD
    assert not db.write(lambda tx: deliveries.settle(tx, delivery_id, token="other", state=held))
    assert db.write(lambda tx: deliveries.settle(tx, delivery_id, token="mine", state=held, reason="wait"))
    assert db.read(lambda tx: deliveries.get(tx, delivery_id)).reason == "wait"


def test_an_expired_claim_is_given_back_once(db: Database) -> None:
    delivery_id = db.write(lambda tx: a_delivery(tx))
    db.write(lambda tx: deliveries.claim(tx, delivery_id, token="gone", until=tx.now - 1))
    (expired,) = db.read(deliveries.expired_claims)
    assert db.write(lambda tx: deliveries.give_back(tx, expired.id, token=expired.lease_token))
    assert not db.write(lambda tx: deliveries.give_back(tx, expired.id, token=expired.lease_token))
    assert db.read(lambda tx: deliveries.get(tx, delivery_id)).state is DeliveryState.PENDING


def test_an_agent_has_one_live_run_per_work_item(db: Database) -> None:
    db.write(lambda tx: a_run(tx, a_delivery(tx, event_id="e1")))
    with pytest.raises(Conflict) as caught:
        db.write(lambda tx: a_run(tx, a_delivery(tx, event_id="e2")))
    assert (caught.value.code, caught.value.exit_code) == ("FLT-STO-003", 8)
    db.write(lambda tx: a_run(tx, a_delivery(tx, event_id="e3", item="ticket/2"), item="ticket/2"))
    assert len(db.read(runs.live)) == 2


def test_a_stale_epoch_changes_nothing(db: Database) -> None:
    run_id = db.write(lambda tx: a_run(tx, a_delivery(tx)))
    assert db.write(lambda tx: runs.take(tx, run_id, epoch=0, host="h")) == 1
    assert db.write(lambda tx: runs.take(tx, run_id, epoch=0, host="h")) is None
    assert db.write(lambda tx: runs.take(tx, run_id, epoch=1, host="h")) == 2
    assert not db.write(lambda tx: runs.mark_running(tx, run_id, epoch=1))
    assert db.write(lambda tx: runs.mark_running(tx, run_id, epoch=2))

    def end(tx: Tx, epoch: int) -> bool:
        return runs.finish(
            tx, run_id, epoch=epoch, state=RunState.SUCCEEDED, used_seconds=2.5, exit_code=0, outcome="done"
        )

    assert not db.write(lambda tx: end(tx, 1))
    assert db.write(lambda tx: end(tx, 2))
    assert not db.write(lambda tx: end(tx, 2))
    assert db.read(lambda tx: runs.spent_seconds(tx, "dev")) == 2.5


def test_a_capability_holds_only_for_its_live_run_and_epoch(db: Database) -> None:
    run_id = db.write(lambda tx: a_run(tx, a_delivery(tx)))
    epoch = db.write(lambda tx: runs.take(tx, run_id, epoch=0, host="h"))
    assert epoch == 1
    holder = Principal(PrincipalKind.AGENT, "dev", run_id, 1, "developer", frozenset({"pr.push"}))
    token = capabilities.digest("secret")
    db.write(lambda tx: capabilities.issue(tx, holder, token_hash=token, expires_at=tx.now + 10**9))
    assert db.read(lambda tx: capabilities.holder_of(tx, token)) == holder
    assert db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest("guess"))) is None
    db.write(lambda tx: capabilities.extend_subjects(tx, run_id, frozenset({"pr/2"})))
    extended = db.read(lambda tx: capabilities.holder_of(tx, token))
    assert extended is not None
    assert extended.subjects == {"pr/2"}
    db.write(lambda tx: runs.take(tx, run_id, epoch=1, host="h"))
    assert db.read(lambda tx: capabilities.holder_of(tx, token)) is None, "the older epoch must lose its rights"


def test_a_revoked_or_expired_capability_is_nobody(db: Database) -> None:
    run_id = db.write(lambda tx: a_run(tx, a_delivery(tx)))
    db.write(lambda tx: runs.take(tx, run_id, epoch=0, host="h"))
    holder = Principal(PrincipalKind.AGENT, "dev", run_id, 1, "developer")
    db.write(lambda tx: capabilities.issue(tx, holder, token_hash="old", expires_at=tx.now - 1))
    db.write(lambda tx: capabilities.issue(tx, holder, token_hash="new", expires_at=tx.now + 10**9))
    assert db.read(lambda tx: capabilities.holder_of(tx, "old")) is None
    assert db.write(lambda tx: capabilities.revoke_run(tx, run_id)) == 2
    assert db.read(lambda tx: capabilities.holder_of(tx, "new")) is None


def test_a_cursor_never_moves_back(db: Database) -> None:
    db.write(lambda tx: cursors.advance(tx, "router", 9))
    db.write(lambda tx: cursors.advance(tx, "router", 4))
    assert db.read(lambda tx: cursors.position(tx, "router")) == 9


def test_a_reader_of_the_log_by_position_misses_nothing_under_eight_writers(db: Database) -> None:
    total = 8 * 60
    seen: list[int] = []
    done = threading.Event()

    def writer(name: int) -> None:
        for number in range(60):
            db.write(lambda tx: journal.append(tx, note(f"{name}.{number}")))

    def reader() -> None:
        while len(seen) < total and not done.wait(0.001):
            position = seen[-1] if seen else 0
            seen.extend(entry.seq for entry in db.read(lambda tx: journal.events_after(tx, position)))

    tail = threading.Thread(target=reader)
    tail.start()
    threads = [threading.Thread(target=writer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    tail.join(60)
    done.set()
    assert seen == list(range(1, total + 1))


def test_listeners_hear_of_changes_and_not_of_empty_transactions(db: Database) -> None:
    heard: list[int] = []
    db.on_commit(lambda: heard.append(1))
    db.write(lambda tx: None)
    db.write(lambda tx: journal.append(tx, note("x")))
    db.write(lambda tx: None)
    assert heard == [1]


def test_a_read_only_store_reads_and_refuses_to_write(opener: Opener, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no store yet") as missing:
        open_read_only(tmp_path / "fleet.db").read(journal.head)
    assert missing.value.code == "FLT-STO-006"
    writer = opener()
    writer.write(lambda tx: journal.append(tx, note("x")))
    reader = open_read_only(tmp_path / "fleet.db")
    assert reader.read(journal.head)[0] == 1
    for change in (lambda: reader.write(lambda tx: None), reader.empty_log):
        with pytest.raises(PermanentError, match="reading only") as caught:
            change()
        assert caught.value.code == "FLT-STO-005"
    with pytest.raises(FleetError):
        reader.read(lambda tx: tx.run("DELETE FROM cursors"))
    reader.close()
    writer.close()


def test_a_write_that_does_not_end_in_time_says_that_its_outcome_is_unknown(db: Database) -> None:
    gate = threading.Event()
    busy = db.submit(lambda tx: gate.wait(60))
    with pytest.raises(TimedOut) as caught:
        db.write(lambda tx: journal.append(tx, note("late")), timeout=0.05)
    gate.set()
    assert (caught.value.code, caught.value.exit_code) == ("FLT-STO-004", 124)
    assert "look before repeating" in caught.value.hint
    assert busy.result(60)
    db.write(lambda tx: None)
    assert [entry.summary for entry in db.read(lambda tx: journal.select(tx, journal.Filter()))] == ["late"]


def test_what_is_not_there_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound) as no_entry:
        db.read(lambda tx: journal.get(tx, "e0"))
    assert (no_entry.value.code, no_entry.value.where) == ("FLT-JRN-001", "e0")
    with pytest.raises(NotFound) as no_delivery:
        db.read(lambda tx: deliveries.get(tx, "d0"))
    assert (no_delivery.value.code, no_delivery.value.where) == ("FLT-DSP-001", "d0")


@pytest.mark.parametrize("stream", [Stream.EVENT, Stream.ACTIVITY])
def test_a_type_that_is_not_registered_is_not_written(db: Database, stream: Stream) -> None:
    with pytest.raises(UsageError) as caught:
        db.write(lambda tx: journal.append(tx, Draft(stream, "No Such Type", actor="human:ann")))
    assert (caught.value.code, caught.value.exit_code) == ("FLT-JRN-003", 2)
    assert db.read(journal.head)[0] == 0


def test_agents_are_kept_and_moved_by_compare_and_set(db: Database) -> None:
    active, paused = AgentState.ACTIVE, AgentState.PAUSED
    db.write(lambda tx: agents.put(tx, "dev", "developer", active))
    assert db.write(lambda tx: agents.move(tx, "dev", expected=active, state=paused, reason="lunch"))
    assert not db.write(lambda tx: agents.move(tx, "dev", expected=active, state=paused, reason="again"))
    assert db.read(lambda tx: agents.get(tx, "dev")).state is paused
    with pytest.raises(NotFound):
        db.read(lambda tx: agents.get(tx, "nobody"))
