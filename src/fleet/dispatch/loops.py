"""How often something has happened since a person last let it go on: chains of causes, rounds, starts, failures."""

from __future__ import annotations

import re

from fleet.config.loader import LoadedConfig
from fleet.core.clock import SECOND
from fleet.core.journal import Entry
from fleet.core.work import Delivery, Run, RunState
from fleet.policy.facts import LoopFacts
from fleet.policy.under import loops_under
from fleet.store import journal, runs
from fleet.store.db import Tx
from fleet.store.journal import Filter

HOUR = 3600 * SECOND
_FAILURES = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})
_VERDICTS = ("pr_changes_requested", "pr_approved")
_MANY = 1000
_CHANGING = re.compile(r"[0-9a-f]{8,}|[0-9]+(?:\.[0-9]+)?")  # hashes, ids, numbers


def loop_facts(tx: Tx, delivery: Delivery, loaded: LoadedConfig) -> LoopFacts:
    """What a start on this delivery has to know."""
    failures, cause = same_failures(tx, delivery.agent, loaded)
    facts = LoopFacts(
        hops=delivery.hops - _hops_let_go(tx, delivery.work_item),
        rounds=_rounds(tx, delivery),
        starts=runs.started_between(tx, tx.now - HOUR, tx.now + HOUR),
        failures=failures,
        cause=cause,
    )
    return loops_under(facts, loaded.config)


def same_failures(tx: Tx, agent: str, loaded: LoadedConfig) -> tuple[int, str]:
    """How many of an agent's newest runs ended in the same failure, and in which.

    A changed configuration, a success and a person's word (limits release, a replayed dead letter) begin anew.
    """
    most = loaded.config.limits.same_failures
    since = max(_let_go_at(tx, f"agent/{agent}"), _replayed_at(tx, agent))
    # live ones and those cut off by people or a budget say nothing
    found = [
        run for run in runs.recent(tx, agent=agent, limit=2 * most) if run.state in (*_FAILURES, RunState.SUCCEEDED)
    ]
    found.sort(key=lambda run: run.finished_at or 0, reverse=True)
    cause, count = "", 0
    for run in found:
        own = cause_of(run)
        if not own or (cause and own != cause) or run.config_hash != loaded.digest or (run.finished_at or 0) <= since:
            break
        cause, count = own, count + 1
    return count, cause


def cause_of(run: Run) -> str:
    """In which failure a run ended, without what differs from one time to the next; "" for a success."""
    if run.state not in _FAILURES:
        return ""
    return _CHANGING.sub("#", f"{run.state.replace('_', ' ')}: {run.outcome}")[:200]


def _rounds(tx: Tx, delivery: Delivery) -> int:
    """Heads of a pull request that were sent back since a person last reviewed it or let it go on."""
    if not delivery.subject.startswith("pr/"):
        return 0
    said = [
        entry
        for kind in _VERDICTS
        for entry in journal.select(tx, Filter(type=kind, stream="event", subject=delivery.subject), limit=_MANY)
    ]
    since = max([entry.seq for entry in said if entry.actor.startswith("human:")], default=0)
    since = max(since, _let_go_seq(tx, delivery.work_item))
    return len({entry.generation for entry in said if entry.type == _VERDICTS[0] and entry.seq > since})


def _let_go(tx: Tx, subject: str) -> Entry | None:
    found = journal.select(tx, Filter(type="limit.released", subject=subject), limit=1, newest=True) if subject else []
    return found[0] if found else None


def _let_go_seq(tx: Tx, subject: str) -> int:
    entry = _let_go(tx, subject)
    return entry.seq if entry is not None else 0


def _let_go_at(tx: Tx, subject: str) -> int:
    entry = _let_go(tx, subject)
    return entry.at if entry is not None else 0


def _hops_let_go(tx: Tx, work_item: str) -> int:
    """The hops at which a person last let this work go on."""
    entry = _let_go(tx, work_item)
    base = (entry.payload or {}).get("hops", 0) if entry is not None else 0
    return base if isinstance(base, int) else 0


def _replayed_at(tx: Tx, agent: str) -> int:
    found = journal.select(tx, Filter(type="dead_letter.replayed", agent=agent), limit=1, newest=True)
    return found[0].at if found else 0
