"""Sessions that report: their state, and how far their transcripts were read. What they used is in ``store.usage``."""

from __future__ import annotations

from typing import Any

from fleet.core.session import Session, SessionState
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = (
    "session, run_id, epoch, agent, provider, conversation, state, since, heard_at, tool, turns,"
    " tools, told_at, ending, failure, fault, backend, blind"
)


def open_(
    tx: Tx,
    session: str,
    *,
    run_id: str,
    epoch: int,
    agent: str,
    provider: str,
    conversation: str,
    meter_hash: str,
    backend: str,
) -> None:
    """Record a session that is about to be launched; one that is known keeps its facts. ``backend``: whose prices."""
    tx.run(
        "INSERT INTO sessions (session, run_id, epoch, agent, provider, conversation, meter_hash, state, since,"
        " heard_at, backend) VALUES (:session, :run_id, :epoch, :agent, :provider, :conversation, :meter_hash,"
        " 'starting', :now, :now, :backend) ON CONFLICT (session) DO UPDATE SET meter_hash = :meter_hash",
        session=session,
        run_id=run_id,
        epoch=epoch,
        agent=agent,
        provider=provider,
        conversation=conversation,
        meter_hash=meter_hash,
        backend=backend,
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


def works(tx: Tx, session: str, *, tool: str = "", tools: int = 0) -> None:
    """The client reported from inside its turn. Where that is its state already, this is counted and is no news."""
    counted = tx.tally(
        "UPDATE sessions SET heard_at = :now, tool = :tool, tools = tools + :tools"
        " WHERE session = :session AND state = 'working'",
        session=session,
        tool=tool,
        tools=tools,
        now=tx.now,
    )
    if not counted:
        hear(tx, session, SessionState.WORKING, tool=tool, tools=tools)


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


def read_to(tx: Tx, session: str, file: str) -> int:
    """How far a transcript of a session was taken in, in bytes; ``file`` is its name."""
    sql = "SELECT read_to FROM transcripts WHERE session = :session AND file = :file"
    row = tx.one(sql, session=session, file=file)
    return int(row[0]) if row else 0


def read_on(tx: Tx, session: str, file: str, before: int, after: int) -> bool:
    """It was taken in from one byte to another; False when somebody else did that meanwhile."""
    if read_to(tx, session, file) != before:
        return False
    sql = (
        "INSERT INTO transcripts (session, file, read_to) VALUES (:session, :file, :after)"
        " ON CONFLICT (session, file) DO UPDATE SET read_to = :after"
    )
    tx.run(sql, session=session, file=file, after=after)
    return True


def saw(tx: Tx, session: str, *, measured: bool) -> int:
    """A tool is asked for; how many in a row nobody measured, this one included."""
    sql = "UPDATE sessions SET blind = CASE WHEN :measured THEN 0 ELSE blind + 1 END WHERE session = :session"
    tx.tally(sql, session=session, measured=int(measured))
    found = get(tx, session)
    return found.blind if found is not None else 0


def _session(row: Row) -> Session:
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Session(**{**values, "state": SessionState(values["state"])})
