"""Answers of models in the store: each counts once, whoever reports it, how often and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.config.budgets import PriceConfig
from fleet.config.prices import prices_of
from fleet.core.session import Answer, Session
from fleet.store import budgets, runs, sessions, usage
from fleet.store.db import Tx
from fleet.store.migrate import migrate, shipped
from fleet.store.open import open_for_daemon
from fleet.store.sqlite import SqliteEngine
from fleet.testing.desk import Desk
from fleet.testing.scene import member

DEV = member("developer", "developer", "ticket_ready", vendor="claude-code", max_concurrent=9)
AUTH = {"kind": "key_helper", "command": ("echo", "key")}
PRICES = prices_of(())


class World:
    """A desk with sessions that report."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, (DEV,), auth=AUTH)
        self.number = 0

    def session(self, backend: str = "anthropic") -> Session:
        """A fresh run of the developer, and its session."""
        self.number += 1
        who = self.desk.run("developer", f"ticket/{self.number}", event="ticket_ready")
        name = f"{who.run_id}-e{who.epoch}"

        def known(tx: Tx) -> Session:
            sessions.open_(
                tx, name, run_id=who.run_id, epoch=who.epoch, agent="developer", provider=backend,
                conversation="c", meter_hash=name, backend=backend,
            )  # fmt: skip
            found = sessions.get(tx, name)
            assert found is not None
            return found

        return self.desk.db.write(known)

    def report(self, session: Session, *answers: Answer, source: str = "transcript") -> int:
        """Somebody reports."""
        return self.desk.db.write(lambda tx: usage.count(tx, session, answers, source, PRICES))

    def totals(self, session: Session) -> tuple[int, int, int]:
        """What the run's row says."""
        run = self.desk.db.read(lambda tx: runs.get(tx, session.run_id))
        return run.used_tokens, run.used_micros, run.unpriced


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.desk.close()


def answer(name: str, model: str = "claude-opus-5-5", *, sent: int = 100, said: int = 20) -> Answer:
    return Answer(name, model, sent, said, 0, 0)


def test_two_witnesses_of_one_answer_count_once(world: World) -> None:
    session = world.session()
    assert world.report(session, answer("req_1"), source="telemetry") == 1
    assert world.report(session, answer("req_1"), answer("req_1")) == 0
    assert world.totals(session) == (120, 800, 0)


def test_an_answer_that_was_written_down_before_it_was_whole_grows(world: World) -> None:
    session = world.session()
    world.report(session, answer("req_1", said=1))
    world.report(session, answer("req_1", said=300), source="telemetry")
    world.report(session, answer("req_1", said=1))
    assert world.totals(session)[0] == 400


def test_a_second_model_in_a_run_has_its_own_price(world: World) -> None:
    session = world.session()
    world.report(session, answer("req_1"), answer("req_2", "claude-haiku-4-5-20251001"))
    assert world.totals(session) == (240, 800 + 200, 0)


def test_an_answer_without_a_price_is_counted_as_unknown_and_not_as_nothing(world: World) -> None:
    session = world.session()
    world.report(session, answer("req_1"), answer("req_2", "mystery-1"))
    assert world.totals(session) == (240, 800, 1)
    used = world.desk.db.read(lambda tx: usage.of_run(tx, session.run_id))
    assert (used.cost_micros, used.unpriced) == (None, 1)
    assert world.desk.db.read(usage.unpriced) == [("anthropic", "mystery-1")]


def test_another_backend_has_other_prices(world: World) -> None:
    session = world.session("bedrock")
    world.report(session, answer("req_1"))
    assert world.totals(session) == (120, 0, 1)


def test_an_answer_gets_its_price_once_there_is_one(world: World) -> None:
    session = world.session()
    world.report(session, answer("req_1", "mystery-1"))
    rates = {"input": 1.0, "output": 1.0, "cache_write_5m": 1.0, "cache_write_1h": 1.0, "cache_read": 1.0}
    own = PriceConfig.model_validate({"backend": "anthropic", "model": "mystery-1", **rates})
    prices = prices_of((own,))
    assert world.desk.db.write(lambda tx: usage.price_again(tx, "anthropic", "mystery-1", prices)) == 1
    assert world.totals(session) == (120, 120, 0)


def test_a_cache_of_unknown_length_is_priced_as_the_dearer_until_it_is_known(world: World) -> None:
    session = world.session()
    written = Answer("req_1", "claude-opus-5-5", 0, 0, 0, 1_000_000)
    world.report(session, written, source="telemetry")
    assert world.totals(session)[1] == 8_000_000
    world.report(session, Answer("req_1", "claude-opus-5-5", 0, 0, 0, 1_000_000, cache_write_1h=0))
    assert world.totals(session)[1] == 5_000_000


REPORTS = st.lists(
    st.tuples(
        st.integers(0, 2),  # session
        st.sampled_from(["req_1", "req_2", "req_3"]),
        st.sampled_from(["claude-opus-5-5", "claude-haiku-4-5", "mystery-1"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.sampled_from(["transcript", "telemetry"]),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REPORTS, st.randoms(use_true_random=False))
def test_no_order_and_no_repetition_changes_what_was_used(
    world: World, reports: list[tuple[int, str, str, int, int, str]], chance: random.Random
) -> None:
    """Totals never fall, equal what the newest reports say, and add up to those of the agent and of the fleet."""
    models: dict[tuple[int, str], str] = {}  # an answer has one model, whoever names it
    mine = [world.session() for _ in range(3)]
    others = [world.session() for _ in range(3)]
    before = world.desk.db.read(lambda tx: budgets.of_fleet(tx, 0))
    told = [
        (who, name, models.setdefault((who, name), model), sent, said, source)
        for who, name, model, sent, said, source in reports
    ]
    seen = [0, 0, 0]
    for who, name, model, sent, said, source in told:
        world.report(mine[who], answer(name, model, sent=sent, said=said), source=source)
        tokens = world.totals(mine[who])[0]
        assert tokens >= seen[who] >= 0
        seen[who] = tokens
    again = [*told, *told]
    chance.shuffle(again)
    for who, name, model, sent, said, source in again:
        world.report(others[who], answer(name, model, sent=sent, said=said), source=source)
    assert [world.totals(one) for one in mine] == [world.totals(one) for one in others]
    after = world.desk.db.read(lambda tx: budgets.of_fleet(tx, 0))
    of_agent = world.desk.db.read(lambda tx: budgets.of_agents(tx, ["developer"], 0))
    assert (after.tokens, after.micros, after.unpriced) == (of_agent.tokens, of_agent.micros, of_agent.unpriced)
    grown = [world.totals(one) for one in (*mine, *others)]
    assert after.tokens - before.tokens == sum(one[0] for one in grown)
    assert after.micros - before.micros == sum(one[1] for one in grown)
    assert after.unpriced - before.unpriced == sum(one[2] for one in grown)


def test_a_store_from_before_prices_keeps_its_answers_and_prices_them_anew(tmp_path: Path) -> None:
    """What the client claimed is kept apart; what was read of a transcript is not read again."""
    engine = SqliteEngine(tmp_path / "old.db")
    migrate(engine, backups=tmp_path / "b", migrations=[one for one in shipped() if one.number < 20])
    connection = engine.connect(read_only=False)
    connection.run(
        "INSERT INTO sessions (session, run_id, epoch, agent, provider, conversation, meter_hash, read_to, state,"
        " since, heard_at) VALUES ('r1-e1', 'r1', 1, 'dev', 'anthropic me', 'c', 'h', 77, 'ended', 1, 1)", {}
    )  # fmt: skip
    connection.run(
        "INSERT INTO usage (run_id, answer, session, agent, model, input, output, cache_read, cache_write, cost_micros,"
        " source, at) VALUES ('r1', 'req_1', 'r1-e1', 'dev', 'claude-opus-5-5', 1000, 0, 0, 0, 9, 'telemetry', 1)", {}
    )  # fmt: skip
    connection.close()
    migrate(engine, backups=tmp_path / "b")
    db = open_for_daemon(tmp_path / "old.db")
    assert db.read(usage.unpriced) == [("anthropic", "claude-opus-5-5")]
    assert db.read(lambda tx: sessions.read_to(tx, "r1-e1", "c.jsonl")) == 77
    assert db.write(lambda tx: usage.price_again(tx, "anthropic", "claude-opus-5-5", PRICES)) == 1
    assert db.read(lambda tx: usage.of_run(tx, "r1")).cost_micros == 4000
    assert db.read(lambda tx: tx.one("SELECT said_micros FROM usage")) == (9,)
    db.close()
