"""Scores, quarantines, probations, labels and fitted models: what assessment writes down. Instants: microseconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fleet.core.risk import RiskLevel
from fleet.store.db import Tx
from fleet.store.dialect import Row

KEPT_SCORES = 500  # of one agent; older ones are in the journal where a level changed


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One stored assessment. ``since`` is where its window began; ``readings`` has a record for each signal."""

    number: int
    agent: str
    at: int
    model: str
    probability: float
    level: RiskLevel
    since: int
    readings: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why an agent is kept out of service; ``before`` is the state it came from, ``score`` 0 for a person's."""

    agent: str
    entry_id: str
    actor: str
    reason: str
    before: str
    score: int
    at: int


@dataclass(frozen=True, slots=True)
class Probation:
    """An agent that a person let back; ``ended`` is None while it is watched."""

    agent: str
    since: int
    needed: int
    ended: int | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said about a moment of the past, with the signals as they were."""

    number: int
    about: str
    agent: str
    bad: bool
    readings: dict[str, float]
    actor: str
    reason: str
    as_of: int
    at: int


@dataclass(frozen=True, slots=True)
class Frozen:
    """A session whose processes stand still; ``let_go`` says who decided to end it although its work is not saved."""

    run_id: str
    agent: str
    epoch: int
    error: str
    since: int
    let_go: str


# -- scores ----------------------------------------------------------------------------------------


def put_score(
    tx: Tx,
    agent: str,
    *,
    model: str,
    probability: float,
    level: RiskLevel,
    since: int,
    readings: dict[str, dict[str, Any]],
) -> int:
    """Keep an assessment and drop the oldest of too many; its number."""
    row = tx.one("SELECT coalesce(max(number), 0) + 1 FROM risk_scores")
    number = int(row[0]) if row else 1
    tx.run(
        "INSERT INTO risk_scores (number, agent, at, model, probability, level, since, readings) VALUES (:number,"
        " :agent, :now, :model, :probability, :level, :since, :readings)",
        number=number,
        agent=agent,
        now=tx.now,
        model=model,
        probability=probability,
        level=str(level),
        since=since,
        readings=json.dumps(readings, sort_keys=True),
    )
    tx.run(
        "DELETE FROM risk_scores WHERE agent = :agent AND number <= (SELECT number FROM risk_scores"
        " WHERE agent = :agent ORDER BY number DESC LIMIT 1 OFFSET :kept)"
        " AND number NOT IN (SELECT score FROM quarantines)",
        agent=agent,
        kept=KEPT_SCORES,
    )
    return number


_SCORE = "number, agent, at, model, probability, level, since, readings"


def scores(tx: Tx, agent: str, *, limit: int) -> list[ScoreRow]:
    """The newest assessments of an agent, newest first."""
    rows = tx.all(
        f"SELECT {_SCORE} FROM risk_scores WHERE agent = :agent ORDER BY number DESC LIMIT :limit",
        agent=agent,
        limit=limit,
    )
    return [_score(row) for row in rows]


def last_score(tx: Tx, agent: str) -> ScoreRow | None:
    """How an agent stands; None before its first assessment."""
    return next(iter(scores(tx, agent, limit=1)), None)


def score_at(tx: Tx, number: int) -> ScoreRow | None:
    """One assessment by its number."""
    row = tx.one(f"SELECT {_SCORE} FROM risk_scores WHERE number = :number", number=number)
    return _score(row) if row else None


def level_of_agent(tx: Tx, agent: str) -> RiskLevel | None:
    """The level an agent is at; None before its first assessment."""
    row = last_score(tx, agent)
    return row.level if row is not None else None


def _score(row: Row) -> ScoreRow:
    number, agent, at, model, probability, level, since, readings = row
    return ScoreRow(number, agent, at, model, probability, RiskLevel(level), since, json.loads(readings))


# -- quarantine and probation ----------------------------------------------------------------------


def put_quarantine(tx: Tx, one: Quarantine) -> None:
    """Remember why an agent is kept out; ends a probation that it was in."""
    tx.run(
        "INSERT INTO quarantines (agent, entry_id, actor, reason, before, score, at) VALUES (:agent, :entry_id,"
        " :actor, :reason, :before, :score, :at)",
        agent=one.agent,
        entry_id=one.entry_id,
        actor=one.actor,
        reason=one.reason,
        before=one.before,
        score=one.score,
        at=one.at,
    )
    tx.run("UPDATE probations SET ended = :now WHERE agent = :agent AND ended IS NULL", agent=one.agent, now=tx.now)


def quarantine_of(tx: Tx, agent: str) -> Quarantine | None:
    """The quarantine an agent is in, whether or not it is a member at present."""
    row = tx.one(
        "SELECT agent, entry_id, actor, reason, before, score, at FROM quarantines WHERE agent = :agent", agent=agent
    )
    return Quarantine(*row) if row else None


def end_quarantine(tx: Tx, agent: str) -> bool:
    """A person let it go; False when it was in none."""
    return tx.run("DELETE FROM quarantines WHERE agent = :agent", agent=agent) == 1


def put_probation(tx: Tx, agent: str, *, needed: int, actor: str, reason: str) -> None:
    """Watch an agent from now until ``needed`` of its runs in a row went well."""
    tx.run(
        "INSERT INTO probations (agent, since, needed, ended, actor, reason) VALUES (:agent, :now, :needed, NULL,"
        " :actor, :reason) ON CONFLICT (agent) DO UPDATE SET since = excluded.since, needed = excluded.needed,"
        " ended = NULL, actor = excluded.actor, reason = excluded.reason",
        agent=agent,
        now=tx.now,
        needed=needed,
        actor=actor,
        reason=reason,
    )


def probation_of(tx: Tx, agent: str) -> Probation | None:
    """The newest probation of an agent, also an ended one: its start is where the signals begin."""
    row = tx.one("SELECT agent, since, needed, ended, actor, reason FROM probations WHERE agent = :agent", agent=agent)
    return Probation(*row) if row else None


def on_probation(tx: Tx, agent: str) -> bool:
    """Whether an agent is watched at present."""
    found = probation_of(tx, agent)
    return found is not None and found.ended is None


def end_probation(tx: Tx, agent: str) -> bool:
    """It is like any other agent from now on; False when it was on none."""
    return (
        tx.run("UPDATE probations SET ended = :now WHERE agent = :agent AND ended IS NULL", agent=agent, now=tx.now)
        == 1
    )


# -- frozen sessions -------------------------------------------------------------------------------


def put_frozen(tx: Tx, run_id: str, *, epoch: int, error: str) -> bool:
    """List a session that stands still; False when it is listed with this very error."""
    return (
        tx.run(
            "INSERT INTO frozen_runs (run_id, epoch, error, since) VALUES (:run_id, :epoch, :error, :now)"
            " ON CONFLICT (run_id) DO UPDATE SET error = excluded.error, epoch = excluded.epoch"
            " WHERE error <> excluded.error OR epoch <> excluded.epoch",
            run_id=run_id,
            epoch=epoch,
            error=error,
            now=tx.now,
        )
        == 1
    )


def frozen(tx: Tx, agent: str = "") -> list[Frozen]:
    """The sessions that stand still, of one agent or of all, oldest first."""
    clause = "WHERE r.agent = :agent" if agent else ""
    rows = tx.all(
        "SELECT f.run_id, r.agent, f.epoch, f.error, f.since, f.let_go FROM frozen_runs f"
        f" JOIN runs r ON r.id = f.run_id {clause} ORDER BY f.since, f.run_id",
        **({"agent": agent} if agent else {}),
    )
    return [Frozen(*row) for row in rows]


def let_go(tx: Tx, run_id: str, actor: str) -> bool:
    """A person ends a session although its work is not saved; False when it does not stand still."""
    return (
        tx.run("UPDATE frozen_runs SET let_go = :actor WHERE run_id = :id AND let_go = ''", id=run_id, actor=actor) == 1
    )


def is_let_go(tx: Tx, run_id: str) -> bool:
    """Whether a person decided so."""
    row = tx.one("SELECT let_go FROM frozen_runs WHERE run_id = :id", id=run_id)
    return row is not None and row[0] != ""


def thawed(tx: Tx, run_id: str) -> None:
    """The session has ended."""
    tx.run("DELETE FROM frozen_runs WHERE run_id = :id", id=run_id)


# -- labels and models -----------------------------------------------------------------------------


def put_label(
    tx: Tx, about: str, agent: str, *, bad: bool, readings: dict[str, float], actor: str, reason: str, as_of: int
) -> int:
    """Keep what somebody said about a moment; a later word about the same replaces it. The label's number."""
    row = tx.one("SELECT coalesce(max(number), 0) + 1 FROM risk_labels")
    tx.run("DELETE FROM risk_labels WHERE about = :about", about=about)
    number = int(row[0]) if row else 1
    tx.run(
        "INSERT INTO risk_labels (number, about, agent, bad, readings, actor, reason, as_of, at) VALUES (:number,"
        " :about, :agent, :bad, :readings, :actor, :reason, :as_of, :now)",
        number=number,
        about=about,
        agent=agent,
        bad=int(bad),
        readings=json.dumps(readings, sort_keys=True),
        actor=actor,
        reason=reason,
        as_of=as_of,
        now=tx.now,
    )
    return number


def labels(tx: Tx) -> list[Label]:
    """Every label, oldest first."""
    rows = tx.all(
        "SELECT number, about, agent, bad, readings, actor, reason, as_of, at FROM risk_labels ORDER BY number"
    )
    return [Label(*[*row[:3], bool(row[3]), json.loads(row[4]), *row[5:]]) for row in rows]


def put_model(tx: Tx, weights: dict[str, float], report: dict[str, Any], *, actor: str, entry_id: str) -> int:
    """Keep fitted coefficients, which hold from now on; their version."""
    row = tx.one("SELECT coalesce(max(version), 0) + 1 FROM risk_models")
    version = int(row[0]) if row else 1
    tx.run(
        "INSERT INTO risk_models (version, weights, report, actor, entry_id, at) VALUES (:version, :weights, :report,"
        " :actor, :entry_id, :now)",
        version=version,
        weights=json.dumps(weights, sort_keys=True),
        report=json.dumps(report, sort_keys=True),
        actor=actor,
        entry_id=entry_id,
        now=tx.now,
    )
    return version


def newest_model(tx: Tx) -> tuple[int, dict[str, float]] | None:
    """Version and coefficients of the newest fit; None while the shipped ones hold."""
    row = tx.one("SELECT version, weights FROM risk_models ORDER BY version DESC LIMIT 1")
    return (int(row[0]), json.loads(row[1])) if row else None
