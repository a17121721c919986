"""Reading a little of a long history reads little: no question of daily work scans a table that grows for ever."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.core.work import DeliveryState
from fleet.store import budgets, deliveries, forge_local, journal, runs, usage
from fleet.store.db import Tx
from fleet.store.journal import Filter
from fleet.store.migrate import migrate
from fleet.store.sqlite import SqliteEngine
from fleet.testing.clock import ManualClock

FILTERS: dict[str, dict[str, Any]] = {
    "type": {"type": "pr_merged"},
    "agent": {"agent": "developer"},
    "subject": {"subject": "pr/2"},
    "work_item": {"work_item": "ticket/1"},
    "run_id": {"run_id": "r1"},
    "since": {"since": 5},
}

QUESTIONS: dict[str, Callable[[Tx], object]] = {
    "deliveries.open_ones": deliveries.open_ones,
    "deliveries.for_work_item": lambda tx: deliveries.for_work_item(tx, "ticket/1"),
    "deliveries.for_agent": lambda tx: deliveries.for_agent(tx, "developer"),
    "deliveries.in_state": lambda tx: deliveries.in_state(tx, DeliveryState.DEAD),
    "deliveries.counts": deliveries.counts,
    "deliveries.expired_claims": deliveries.expired_claims,
    "runs.live": runs.live,
    "runs.for_work_item": lambda tx: runs.for_work_item(tx, "ticket/1"),
    "runs.recent by agent": lambda tx: runs.recent(tx, agent="developer"),
    "runs.recent": runs.recent,
    "runs.since": lambda tx: runs.since(tx, 5),
    "runs.finished_without_result": runs.finished_without_result,
    "runs.spent_seconds": lambda tx: runs.spent_seconds(tx, "developer"),
    "runs.started_between": lambda tx: runs.started_between(tx, 5, 9),
    "budgets.of_agents": lambda tx: budgets.of_agents(tx, ["developer"], 5),
    "budgets.of_work_item": lambda tx: budgets.of_work_item(tx, "ticket/1", 5),
    "budgets.of_fleet": lambda tx: budgets.of_fleet(tx, 5),
    "budgets.granted": lambda tx: budgets.granted(tx, "agent", ["developer"], 5),
    "budgets.tickets_with_runs": budgets.tickets_with_runs,
    "usage.unpriced": usage.unpriced,
    "usage.of_run": lambda tx: usage.of_run(tx, "r1"),
    "usage.newest": lambda tx: usage.newest(tx, "r1"),
    "journal.events_after": lambda tx: journal.events_after(tx, 0),
    "journal.get": lambda tx: journal.find_dedup(tx, "x"),
    "journal.erased_ids": journal.erased_ids,
    "forge.tickets": lambda tx: forge_local.tickets(tx, recent=10),
    "forge.pulls": lambda tx: forge_local.pulls(tx, recent=10),
    "forge.labels": lambda tx: forge_local.labels_of_current(tx, recent=10),
}


def selecting(*names: str) -> Callable[[Tx], object]:
    """The newest entries that fit some filters together."""
    narrow = {key: value for name in names for key, value in FILTERS[name].items()}
    return lambda tx: journal.select(tx, Filter(**narrow), limit=10, newest=True)


QUESTIONS |= {
    f"journal.select by {' and '.join(names)}": selecting(*names)
    for size in (1, 2)
    for names in itertools.combinations(FILTERS, size)
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_daily_work_is_answered_by_an_index(question: str, tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a.db")
    migrate(engine, backups=tmp_path / "b")
    connection = engine.connect(read_only=True)
    asked: list[tuple[str, Any]] = []

    def remember(_: object, sql: str, params: Any) -> bool:
        asked.append((sql, params))
        return True

    connection._raw.exec_trace = remember
    QUESTIONS[question](Tx(connection, ManualClock()))
    connection._raw.exec_trace = None
    plans = [connection.rows(f"EXPLAIN QUERY PLAN {sql}", params or {}) for sql, params in asked if "BEGIN" not in sql]
    connection.close()
    assert plans
    scans = [row[3] for plan in plans for row in plan if row[3].startswith("SCAN ") and " USING " not in row[3]]
    assert scans == []
