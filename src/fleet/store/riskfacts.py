"""What risk is computed from, read for one agent and one stretch of time. Instants are microseconds.

Ends of runs come from the runs table, which no archive shortens; refusals and starts from the journal. ``until``
lets a moment of the past be read as it was, as far as it is still on record.
"""

from __future__ import annotations

import json

from fleet.core.risk import EndedRun, Facts, Mark, Silence
from fleet.store import audits, journal
from fleet.store.db import Tx

_MOST = 2000  # entries of one agent in one window; a flood of more says nothing new


def facts(tx: Tx, agent: str, since: int, until: int) -> Facts:
    """What is on record about an agent after ``since``, up to ``until``."""
    start = journal.seq_before(tx, since)
    archived = audits.last_archive(tx)
    return Facts(
        runs=_ended(tx, agent, since, until),
        restarts=_restarts(tx, agent, start, until),
        refusals=_refusals(tx, agent, start, until),
        blocked=_blocked(tx, agent, start, until),
        silent=_silent(tx, agent),
        whole=archived is None or archived.last_seq <= start,
    )


def _ended(tx: Tx, agent: str, since: int, until: int) -> tuple[EndedRun, ...]:
    """Ended runs, newest first."""
    rows = tx.all(
        "SELECT r.id, r.state, r.subject, r.finished_at, coalesce(j.seq, a.seq, 0), coalesce(j.id, a.id, ''), p.body"
        " FROM runs r LEFT JOIN journal j ON j.dedup_key = 'run.finished:' || r.id AND j.dedup_key IS NOT NULL"
        " LEFT JOIN archived_keys a ON a.dedup_key = 'run.finished:' || r.id"
        " LEFT JOIN journal_payloads p ON p.seq = j.seq"
        " WHERE r.agent = :agent AND r.finished_at > :since AND r.finished_at <= :until"
        " ORDER BY r.finished_at DESC, r.id DESC LIMIT :most",
        agent=agent,
        since=since,
        until=until,
        most=_MOST,
    )
    found = []
    for run_id, state, subject, at, seq, entry, body in rows:
        said = json.loads(body) if body is not None else {}
        reason, had = str(said.get("reason", "")), bool(said.get("events"))
        found.append(EndedRun(run_id, state, subject, at, reason, had, seq, entry))
    return tuple(found)


def _restarts(tx: Tx, agent: str, start: int, until: int) -> tuple[Mark, ...]:
    """Starts after the first of the same work, and of the same run."""
    rows = tx.all(
        "SELECT j.seq, j.id, j.summary, j.at, p.body FROM journal j JOIN journal_payloads p ON p.seq = j.seq"
        " WHERE j.agent = :agent AND j.agent <> '' AND j.seq > :start AND j.type = 'run.starting' AND j.at <= :until"
        " ORDER BY j.seq DESC LIMIT :most",
        agent=agent,
        start=start,
        until=until,
        most=_MOST,
    )
    marks = []
    for seq, entry, text, at, body in rows:
        said = json.loads(body) if body is not None else {}
        if int(said.get("epoch", 1)) > 1 or int(said.get("attempt", 1)) > 1:
            marks.append(Mark(seq, entry, text, at))
    return tuple(marks)


def _refusals(tx: Tx, agent: str, start: int, until: int) -> tuple[Mark, ...]:
    """What the agent's own runs were refused."""
    rows = tx.all(
        "SELECT seq, id, summary, at FROM journal WHERE actor = :actor AND seq > :start AND type = 'request.refused'"
        " AND at <= :until ORDER BY seq DESC LIMIT :most",
        actor=f"agent:{agent}",
        start=start,
        until=until,
        most=_MOST,
    )
    return tuple(Mark(*row) for row in rows)


def _blocked(tx: Tx, agent: str, start: int, until: int) -> tuple[Mark, ...]:
    """Blockers of the agent that were open then, and its dead letters that nobody had settled, newest first."""
    stuck = tx.all(
        "SELECT coalesce(j.seq, 0), b.entry_id, 'blocker/' || b.number || ': ' || b.body, b.opened_at FROM blockers b"
        " LEFT JOIN journal j ON j.id = b.entry_id"
        " WHERE b.opened_by = :actor AND b.opened_at <= :until"
        " AND (b.resolved_at IS NULL OR b.resolved_at > :until)",
        actor=f"agent:{agent}",
        until=until,
    )
    dead = tx.all(
        "SELECT j.seq, j.id, j.summary, j.at FROM journal j WHERE j.type = 'delivery.dead_lettered'"
        " AND j.agent = :agent AND j.seq > :start AND j.at <= :until AND NOT EXISTS"
        " (SELECT 1 FROM journal r WHERE r.dedup_key = 'dead_letter:' || j.id AND r.at <= :until)",
        agent=agent,
        start=start,
        until=until,
    )
    return tuple(sorted((Mark(*row) for row in (*stuck, *dead)), key=lambda mark: (-mark.at, mark.entry)))


def _silent(tx: Tx, agent: str) -> tuple[Silence, ...]:
    """Live runs that nobody asked to end, with their last sign of life."""
    rows = tx.all(
        "SELECT r.id, r.started_at, (SELECT max(j.seq) FROM journal j WHERE j.run_id = r.id AND j.run_id <> '')"
        " FROM runs r WHERE r.agent = :agent AND r.state = 'running' AND r.cancel_reason = ''"
        " AND r.started_at IS NOT NULL",
        agent=agent,
    )
    found = []
    for run_id, started, seq in rows:
        entry = journal.at(tx, seq) if seq else None
        since = max(started, entry.at) if entry is not None else started
        found.append(Silence(run_id, since, entry.seq if entry else 0, entry.id if entry else ""))
    return tuple(found)


def touched_since(tx: Tx, seq: int) -> frozenset[str]:
    """Agents that an entry after ``seq`` is about or by."""
    rows = tx.all("SELECT DISTINCT agent, actor FROM journal WHERE seq > :seq", seq=seq)
    by = {actor.removeprefix("agent:") for _, actor in rows if actor.startswith("agent:")}
    return frozenset({agent for agent, _ in rows if agent} | by)
