"""What the owner of a store's file can do behind the program's back: for tests of the proofs.

``reseal`` is the strong attack: it recomputes the whole chain, so that only a signature can tell.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from fleet.core.journal import GENESIS, entry_seal, payload_seal

_COLUMNS = (
    "seq, id, writer, stream, type, kind, actor, subject, generation, work_item, agent, run_id, cause_id, dedup_key,"
    " summary, at, payload_hash"
)


def tamper(path: Path, *statements: str) -> None:
    """Run statements on a store's file, every trigger and check removed first."""
    connection = apsw.Connection(str(path))
    try:
        for (name,) in list(connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = 1")
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def reseal(path: Path) -> str:
    """Compute every payload hash, link and seal anew, as the program would; the new head's hash."""
    connection = apsw.Connection(str(path))
    try:
        previous = GENESIS
        rows = list(connection.execute(f"SELECT {_COLUMNS} FROM journal ORDER BY seq"))
        for row in rows:
            parts = list(connection.execute("SELECT salt, body FROM journal_payloads WHERE seq = ?", (row[0],)))
            columns = list(row)
            if parts and parts[0][0] is not None:
                columns[-1] = payload_seal(parts[0][0], parts[0][1])
            seal = entry_seal(previous, tuple(columns))
            connection.execute(
                "UPDATE journal SET payload_hash = ?, prev_hash = ?, hash = ? WHERE seq = ?",
                (columns[-1], previous, seal, row[0]),
            )
            previous = seal
        return previous
    finally:
        connection.close()
