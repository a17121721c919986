"""Service: tells people once in each window that a budget is nearly used up. It stops nothing: policy and shims do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.config.loader import LoadedConfig
from fleet.config.model import FleetConfig
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.service import Tick, earliest
from fleet.core.work import Run
from fleet.dispatch.budgets import agent_limit, fleet_limit, ticket_limit
from fleet.policy.budget import amount, is_nearly_used, label
from fleet.policy.ceilings import UNITS
from fleet.policy.facts import Limit, WarnFacts
from fleet.policy.record import recorded
from fleet.store import budgets, journal, runs
from fleet.store.db import Database, Tx

_KEYS = {"seconds": "seconds", "tokens": "tokens", "usd": "micros"}  # of payloads


class BudgetWatch:
    """What was used against ``budgets.warn_percent``. One instance runs at a time."""

    name = "budgetwatch"

    def __init__(self, db: Database, config: Callable[[], LoadedConfig]) -> None:
        """Take the store, and who knows the configuration in force."""
        self._db = db
        self._config = config
        self._actor = str(system(self.name))

    def tick(self, now: int) -> Tick:
        """Say what passed its mark; ``did`` counts warnings, ``next_at`` is when the next mark is reached."""
        loaded = self._config()
        due, next_at = self._db.read(lambda tx: _due(tx, loaded))
        if due:
            self._db.write(lambda tx: self._warn(tx, due, loaded))
        return Tick(len(due), next_at)

    def _warn(self, tx: Tx, due: list[tuple[Limit, float]], loaded: LoadedConfig) -> None:
        for limit, used in due:
            journal.append(tx, self._warning(limit, used, loaded))

    def _warning(self, limit: Limit, used: float, loaded: LoadedConfig) -> Draft:
        whose = label(limit)
        window = "" if limit.window == "lifetime" else f" of this {limit.window} (until {limit.until})"
        return Draft(
            Stream.DECISION,
            "budget.warned",
            self._actor,
            subject=whose if "/" in whose else "",
            work_item=limit.name if limit.scope == "ticket" else "",
            agent=limit.name if limit.scope == "agent" else "",
            dedup_key=warning_key(limit),
            summary=f"{loaded.config.budgets.warn_percent} % of the budget of {limit.title}{window} are used:"
            f" {used_of_total(limit, used)}",
            payload={
                "budget": whose,
                f"used_{_KEYS[limit.unit]}": round(used, 3),
                f"budget_{_KEYS[limit.unit]}": limit.total,
                "window": limit.window,
                "until": limit.until,
                "facts": recorded(WarnFacts(limit, used, loaded.config.budgets.warn_percent)),
            },
        )


def used_of_total(limit: Limit, used: float) -> str:
    """So much of so much, in the unit of a budget."""
    if limit.unit == "seconds":
        return f"{used:.0f} of {limit.total:g} s"
    return f"{amount(used, limit.unit)} of {amount(limit.total, limit.unit)}"


def warning_key(limit: Limit) -> str:
    """What makes a warning the only one of its window; another ceiling is another mark."""
    unit = "" if limit.unit == "seconds" else f":{limit.unit}"
    return f"budget.warned:{label(limit)}:{limit.since}:{limit.total:g}{unit}"


def limits_in_use(tx: Tx, loaded: LoadedConfig) -> Iterator[tuple[Limit, list[Run]]]:
    """Every budget, each with the live runs that use it up."""
    live = runs.live(tx)
    for unit in UNITS:
        yield from _in_use(tx, loaded.config, live, unit)


def _in_use(tx: Tx, config: FleetConfig, live: list[Run], unit: str) -> Iterator[tuple[Limit, list[Run]]]:
    for member in config.agents:
        limit = agent_limit(tx, member, config, unit)
        if limit is not None:
            names = budgets.account_names(tx, member.name)
            yield limit, [run for run in live if run.agent in names and run.queued_at >= limit.since]
    for item in sorted({run.work_item for run in live if run.work_item}):
        limit = ticket_limit(tx, item, config, unit)
        if limit is not None:
            yield limit, [run for run in live if run.work_item == item]
    limit = fleet_limit(tx, config, unit)
    if limit is not None:
        yield limit, [run for run in live if run.queued_at >= limit.since]


def used_so_far(limit: Limit, live: list[Run], now: int) -> float:
    """What was used up to now: of seconds those of ended runs and of live ones; the rest is measured as it is used."""
    if limit.unit != "seconds":
        return limit.spent
    return limit.spent + sum(_elapsed(run, now) for run in live)


def _elapsed(run: Run, now: int) -> float:
    if run.started_at is None:
        return 0.0
    return min(run.allowance_seconds, max(0.0, (now - run.started_at) / SECOND))


def _due(tx: Tx, loaded: LoadedConfig) -> tuple[list[tuple[Limit, float]], int | None]:
    """Budgets past their mark that nobody was told of, and when the next one gets there."""
    found: list[tuple[Limit, float]] = []
    next_at: int | None = None
    part = loaded.config.budgets.warn_percent / 100
    for limit, live in limits_in_use(tx, loaded):
        used, mark = used_so_far(limit, live, tx.now), limit.total * part
        if journal.find_dedup(tx, warning_key(limit)) is not None:
            continue
        running = sum(run.started_at is not None for run in live) if limit.unit == "seconds" else 0
        if is_nearly_used(WarnFacts(limit, used, loaded.config.budgets.warn_percent)):
            found.append((limit, used))
        elif running:
            next_at = earliest(next_at, tx.now + round((mark - used) / running * SECOND) + 1)
    return found, next_at
