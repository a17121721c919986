"""Sessions that report: their state, and what their models used. Nobody but control, keeper and runner writes here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.core.session import Answer, Session, SessionState, Usage
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = (
    "session, run_id, epoch, agent, provider, conversation, read_to, state, since, heard_at, tool, turns,"
    " tools, told_at, ending, failure, fault"
)


def open_(
    tx: Tx, session: str, *, run_id: str, epoch: int, agent: str, provider: str, conversation: str, meter_hash: str
) -> None:
    """Record a session that is about to be launched; one that is known keeps its facts."""
    tx.run(
        "INSERT INTO sessions (session, run_id, epoch, agent, provider, conversation, meter_hash, state, since,"
        " heard_at) VALUES (:session, :run_id, :epoch, :agent, :provider, :conversation, :meter_hash, 'starting',"
        " :now, :now) ON CONFLICT (session) DO UPDATE SET meter_hash = :meter_hash",
        session=session,
        run_id=run_id,
        epoch=epoch,
        agent=agent,
        provider=provider,
        conversation=conversation,
        meter_hash=meter_hash,
        now=tx.now,
    )


def get(tx: Tx, session: str) -> Session | None:
    """One session; None for one that does not report, or is not known."""
    row = tx.one(f"SELECT {_COLUMNS} FROM sessions WHERE session = :session", session=session)
    return _session(row) if row else None


def metered(tx: Tx, meter_hash: str) -> Session | None:
    """The session whose meter token has this hash, while it has not ended."""
    sql = f"SELECT {_COLUMNS} FROM sessions WHERE meter_hash = :meter_hash AND state <> 'ended'"
    row = tx.one(sql, meter_hash=meter_hash)
    return _session(row) if row else None


def open_ones(tx: Tx) -> list[Session]:
    """Sessions that have not ended, oldest first."""
    return [_session(row) for row in tx.all(f"SELECT {_COLUMNS} FROM sessions WHERE state <> 'ended' ORDER BY session")]


def hear(
    tx: Tx,
    session: str,
    state: SessionState,
    *,
    tool: str = "",
    turns: int = 0,
    tools: int = 0,
) -> None:
    """The client reported: its state is this from now on. ``turns`` and ``tools`` are added."""
    tx.run(
        "UPDATE sessions SET since = CASE WHEN state = :state THEN since ELSE :now END, state = :state,"
        " heard_at = :now, tool = :tool, turns = turns + :turns, tools = tools + :tools"
        " WHERE session = :session AND state <> 'ended'",
        session=session,
        state=str(state),
        tool=tool,
        turns=turns,
        tools=tools,
        now=tx.now,
    )


def tell(tx: Tx, session: str) -> bool:
    """It is being told what is missing; False when it was told before."""
    sql = "UPDATE sessions SET told_at = :now WHERE session = :session AND told_at IS NULL"
    return tx.run(sql, session=session, now=tx.now) == 1


def settle(tx: Tx, session: str, ending: str, failure: str = "", *, fault: str = "") -> bool:
    """What becomes of it: done or failed. The first word counts, but done outweighs a failure before it ended."""
    return (
        tx.run(
            "UPDATE sessions SET ending = :ending, failure = :failure, fault = :fault WHERE session = :session"
            " AND state <> 'ended' AND (ending = '' OR (ending = 'failed' AND :ending = 'done'))",
            session=session,
            ending=ending,
            failure=failure,
            fault=fault,
        )
        == 1
    )


def reopen(tx: Tx, session: str) -> None:
    """Its program died and is to be resumed: what a refusal had settled is open again, and nothing was heard yet."""
    tx.run(
        "UPDATE sessions SET ending = '', failure = '', fault = '', tool = '', state = 'starting', since = :now"
        " WHERE session = :session AND state <> 'ended'",
        session=session,
        now=tx.now,
    )


def close(tx: Tx, session: str) -> None:
    """Its run has ended, or another epoch took over: nothing is heard of it any more."""
    sql = "UPDATE sessions SET state = 'ended', since = :now, tool = '' WHERE session = :session AND state <> 'ended'"
    tx.run(sql, session=session, now=tx.now)


def read_on(tx: Tx, session: str, before: int, after: int) -> bool:
    """Its transcript was taken in from one byte to another; False when somebody else did that meanwhile."""
    sql = "UPDATE sessions SET read_to = :after WHERE session = :session AND read_to = :before"
    return tx.run(sql, session=session, before=before, after=after) == 1


def count_answers(tx: Tx, session: Session, answers: Iterable[Answer], source: str) -> int:
    """Count answers once each; returns how many were new. What the transcript says replaces what was measured."""
    new = 0
    for one in answers:
        known = tx.one(
            "SELECT source, output FROM usage WHERE run_id = :run_id AND answer = :answer",
            run_id=session.run_id,
            answer=one.answer,
        )
        new += known is None
        tx.run(
            "INSERT INTO usage (run_id, answer, session, agent, model, input, output, cache_read, cache_write,"
            " cost_micros, source, at) VALUES (:run_id, :answer, :session, :agent, :model, :input, :output,"
            " :cache_read, :cache_write, :cost, :source, :now) ON CONFLICT (run_id, answer) DO UPDATE SET"
            " output = max(output, :output), input = max(input, :input), cache_read = max(cache_read, :cache_read),"
            " cache_write = max(cache_write, :cache_write), cost_micros = coalesce(:cost, cost_micros)",
            run_id=session.run_id,
            answer=one.answer,
            session=session.session,
            agent=session.agent,
            model=one.model,
            input=one.input,
            output=one.output,
            cache_read=one.cache_read,
            cache_write=one.cache_write,
            cost=one.cost_micros,
            source=source,
            now=tx.now,
        )
    return new


def usage_of(tx: Tx, run_id: str) -> Usage:
    """What the answers of a run add up to."""
    row = tx.one(
        "SELECT count(*), coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(cache_read), 0),"
        " coalesce(sum(cache_write), 0), sum(cost_micros) FROM usage WHERE run_id = :run_id",
        run_id=run_id,
    )
    assert row is not None
    return Usage(*row)


def _session(row: Row) -> Session:
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Session(**{**values, "state": SessionState(values["state"])})
