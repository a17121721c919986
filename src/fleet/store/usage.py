"""What the answers of models used: tokens, and their price by our own table. Each answer counts once.

An answer is reported by up to two witnesses, in any order and any number of times: the client's telemetry and its
transcript. Of each number the larger one counts, so a report can add and never take away; the run's totals, from which
every budget is computed, are renewed in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from fleet.core.price import PriceTable, cost
from fleet.core.session import Answer, Session, Usage
from fleet.store.db import Tx

_PRICED = 500  # answers that get their price in one transaction


def count(tx: Tx, session: Session, answers: Iterable[Answer], source: str, prices: PriceTable) -> int:
    """Take in answers from ``source`` (transcript or telemetry); returns how many were new."""
    before = _answers(tx, session.run_id)
    found = list(answers)
    for one in found:
        tx.run(
            "INSERT INTO usage (run_id, answer, session, agent, model, input, output, cache_read, cache_write,"
            " cache_write_1h, said_micros, source, backend, at) VALUES (:run_id, :answer, :session, :agent, :model,"
            " :input, :output, :cache_read, :cache_write, :hour, :said, :source, :backend, :now)"
            " ON CONFLICT (run_id, answer) DO UPDATE SET output = max(output, :output), input = max(input, :input),"
            " cache_read = max(cache_read, :cache_read), cache_write = max(cache_write, :cache_write),"
            " cache_write_1h = coalesce(max(cache_write_1h, :hour), cache_write_1h, :hour),"
            " said_micros = coalesce(:said, said_micros)",
            run_id=session.run_id,
            answer=one.answer,
            session=session.session,
            agent=session.agent,
            model=one.model,
            input=one.input,
            output=one.output,
            cache_read=one.cache_read,
            cache_write=one.cache_write,
            hour=one.cache_write_1h,
            said=one.said_micros,
            source=source,
            backend=session.backend,
            now=tx.now,
        )
        _price(tx, session.run_id, one.answer, prices)
    if found:
        _total(tx, session.run_id)
    return _answers(tx, session.run_id) - before


def _answers(tx: Tx, run_id: str) -> int:
    row = tx.one("SELECT count(*) FROM usage WHERE run_id = :run_id", run_id=run_id)
    return int(row[0]) if row else 0


def _price(tx: Tx, run_id: str, answer: str, prices: PriceTable) -> None:
    """Give an answer its price as it stands now; one without a price keeps none."""
    row = tx.one(
        "SELECT backend, model, input, output, cache_read, cache_write, cache_write_1h FROM usage"
        " WHERE run_id = :run_id AND answer = :answer",
        run_id=run_id,
        answer=answer,
    )
    if row is None:
        return
    backend, model, input_, output, cache_read, cache_write, hour = row
    price = prices.find(str(backend), str(model))
    if price is None:
        return
    whole = Answer(answer, model, input_, output, cache_read, cache_write, cache_write_1h=hour)
    sql = "UPDATE usage SET cost_micros = :cost, priced_by = :table WHERE run_id = :run_id AND answer = :answer"
    tx.run(sql, cost=cost(price, whole), table=price.table, run_id=run_id, answer=answer)


def _total(tx: Tx, run_id: str) -> None:
    """Renew what a run used in all."""
    tx.run(
        "UPDATE runs SET (used_tokens, used_micros, unpriced) = (SELECT"
        " coalesce(sum(input + output + cache_read + cache_write), 0), coalesce(sum(cost_micros), 0),"
        " count(*) - count(cost_micros) FROM usage WHERE usage.run_id = runs.id) WHERE id = :run_id",
        run_id=run_id,
    )


def unpriced(tx: Tx) -> list[tuple[str, str]]:
    """(backend, model) of answers that have no price."""
    rows = tx.all("SELECT DISTINCT backend, model FROM usage WHERE cost_micros IS NULL ORDER BY backend, model")
    return [(str(backend), str(model)) for backend, model in rows]


def price_again(tx: Tx, backend: str, model: str, prices: PriceTable) -> int:
    """Price answers that had no price, at most so many at once; returns how many got one."""
    rows = tx.all(
        "SELECT run_id, answer FROM usage WHERE cost_micros IS NULL AND backend = :backend AND model = :model"
        " LIMIT :limit",
        backend=backend,
        model=model,
        limit=_PRICED,
    )
    for run_id, answer in rows:
        _price(tx, str(run_id), str(answer), prices)
    for run_id in {str(row[0]) for row in rows}:
        _total(tx, run_id)
    return len(rows)


def of_run(tx: Tx, run_id: str) -> Usage:
    """What the answers of a run add up to."""
    row = tx.one(
        "SELECT count(*), coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(cache_read), 0),"
        " coalesce(sum(cache_write), 0), sum(cost_micros), count(*) - count(cost_micros) FROM usage"
        " WHERE run_id = :run_id",
        run_id=run_id,
    )
    assert row is not None
    answers, sent, said, read, written, micros, without = row
    return Usage(answers, sent, said, read, written, None if without or not answers else micros, without)


def newest(tx: Tx, run_id: str) -> int:
    """When an answer of a run was last reported for the first time, in microseconds; 0 when none was."""
    row = tx.one("SELECT coalesce(max(at), 0) FROM usage WHERE run_id = :run_id", run_id=run_id)
    return int(row[0]) if row else 0
