"""What was used of budgets, and what people granted on top. The runs are the ledger: nothing is counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.store.db import Tx

_LIVE = "('queued', 'starting', 'running')"


@dataclass(frozen=True, slots=True)
class Use:
    """Seconds that ended runs used, seconds that live ones hold, and how many runs that are.

    ``tokens`` and ``micros`` (millionths of a dollar) are those of ended and live runs as far as they were measured;
    ``unpriced`` how many answers have no price.
    """

    runs: int
    spent: float
    reserved: float
    tokens: int = 0
    micros: int = 0
    unpriced: int = 0

    def plus(self, other: Use) -> Use:
        """Both together."""
        return Use(
            self.runs + other.runs,
            self.spent + other.spent,
            self.reserved + other.reserved,
            self.tokens + other.tokens,
            self.micros + other.micros,
            self.unpriced + other.unpriced,
        )

    def of(self, unit: str) -> int | float:
        """What was used of ``seconds``, ``tokens`` or ``usd`` (millionths of a dollar)."""
        return {"seconds": self.spent, "tokens": self.tokens, "usd": self.micros}[unit]


NOTHING = Use(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person gave: seconds, tokens or millionths of a dollar."""

    scope: str
    name: str
    unit: str
    amount: int
    actor: str
    reason: str
    at: int


def account_names(tx: Tx, agent: str) -> tuple[str, ...]:
    """The agents whose runs count against this agent's budget: itself, and those whose place it took."""
    rows = tx.all(
        "SELECT name FROM agents WHERE account = (SELECT account FROM agents WHERE name = :name) ORDER BY name",
        name=agent,
    )
    return tuple(row[0] for row in rows) or (agent,)


def of_agents(tx: Tx, names: Sequence[str], since: int) -> Use:
    """What the runs of these agents that were queued since then used and hold."""
    found = NOTHING
    for name in names:
        found = found.plus(_use(tx, "agent = :name AND queued_at >= :since", {"name": name, "since": since}))
    return found


def of_work_item(tx: Tx, work_item: str, since: int) -> Use:
    """The same of all runs on one ticket or lone pull request."""
    return _use(tx, "work_item = :item AND queued_at >= :since", {"item": work_item, "since": since})


def of_fleet(tx: Tx, since: int) -> Use:
    """The same of all runs."""
    return _use(tx, "queued_at >= :since", {"since": since})


def _use(tx: Tx, where: str, params: dict[str, object]) -> Use:
    """The sum over ended runs by an index alone, that over live ones by the few that live."""
    ended = tx.one(
        "SELECT count(*), coalesce(sum(used_seconds), 0.0), coalesce(sum(used_tokens), 0),"
        f" coalesce(sum(used_micros), 0), coalesce(sum(unpriced), 0) FROM runs WHERE {where}",
        **params,
    )
    live = tx.one(
        f"SELECT coalesce(sum(allowance_seconds), 0.0) FROM runs WHERE state IN {_LIVE} AND {where}", **params
    )
    assert ended is not None
    assert live is not None
    return Use(int(ended[0]), float(ended[1]), float(live[0]), int(ended[2]), int(ended[3]), int(ended[4]))


def granted(tx: Tx, scope: str, names: Sequence[str], since: int, unit: str = "seconds") -> int:
    """What people gave to these since then, in one unit."""
    total = 0
    for name in names:
        row = tx.one(
            "SELECT coalesce(sum(amount), 0) FROM budget_grants"
            " WHERE scope = :scope AND name = :name AND unit = :unit AND at >= :since",
            scope=scope,
            name=name,
            unit=unit,
            since=since,
        )
        total += int(row[0]) if row else 0
    return total


def grant(tx: Tx, scope: str, name: str, amount: int, *, actor: str, reason: str, unit: str = "seconds") -> str:
    """Keep a grant; its id."""
    grant_id = tx.new_id("g")
    tx.run(
        "INSERT INTO budget_grants (id, scope, name, unit, amount, actor, reason, at)"
        " VALUES (:id, :scope, :name, :unit, :amount, :actor, :reason, :now)",
        id=grant_id,
        scope=scope,
        name=name,
        unit=unit,
        amount=amount,
        actor=actor,
        reason=reason,
        now=tx.now,
    )
    return grant_id


def grants(tx: Tx, *, limit: int = 50) -> list[Grant]:
    """The newest grants, newest first."""
    rows = tx.all(
        "SELECT scope, name, unit, amount, actor, reason, at FROM budget_grants ORDER BY at DESC, id DESC LIMIT :limit",
        limit=limit,
    )
    return [Grant(*row) for row in rows]


def tickets_with_runs(tx: Tx, *, limit: int = 50) -> list[str]:
    """Work items on which something runs now or ran last, newest first."""
    rows = tx.all("SELECT work_item FROM runs WHERE work_item <> '' ORDER BY queued_at DESC LIMIT 500")
    return list(dict.fromkeys(str(row[0]) for row in rows))[:limit]
