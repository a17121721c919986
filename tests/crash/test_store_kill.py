"""kill -9 of a process in which eight writers publish: what was acknowledged is there, and the chain holds."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from fleet.audit.verify import verify_journal
from fleet.process import end_group, spawn
from fleet.store import journal
from fleet.store.open import open_for_daemon
from fleet.testing.waiting import PATIENCE

WRITERS = """
import os, sys, threading
from pathlib import Path
from fleet.core.journal import Draft, Stream
from fleet.store import journal
from fleet.store.open import open_for_daemon
from fleet.testing.waiting import PATIENCE

db = open_for_daemon(Path(sys.argv[1]))

def write(name):
    for number in range(100_000):
        draft = Draft(Stream.EVENT, "note", "human:ann", summary=f"{name}.{number}")
        made = db.write(lambda tx: journal.append(tx, draft))
        os.write(1, f"{made.id}\\n".encode())

for name in range(8):
    threading.Thread(target=write, args=(name,)).start()
"""


def acknowledged_until(child_out: int, wanted: int) -> bytes:
    """Read acknowledgements until enough arrived, with a deadline."""
    said = b""
    deadline = time.monotonic() + PATIENCE
    while said.count(b"\n") < wanted:
        ready, _, _ = select.select([child_out], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, "the writers stalled"
        said += os.read(child_out, 65536)
    return said


@pytest.mark.crash
def test_no_acknowledged_event_is_lost_when_eight_writers_are_killed(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    acknowledged: list[str] = []
    for wanted in (1, 40, 333, 900):
        child = spawn([sys.executable, "-c", WRITERS, str(path)])
        assert child.stdout is not None
        try:
            said = acknowledged_until(child.stdout.fileno(), wanted)
            os.kill(child.pid, signal.SIGKILL)
            child.wait(PATIENCE)
            said += child.stdout.read()
        finally:
            end_group(child)
        lines = said.split(b"\n")
        acknowledged += [line.decode() for line in lines[:-1]]
        db = open_for_daemon(path)
        stored = {entry.id for entry in db.read(lambda tx: journal.select(tx, journal.Filter(), limit=10**6))}
        found = verify_journal(db)
        db.close()
        assert found.ok, found.fault
        assert set(acknowledged) <= stored
    assert len(acknowledged) > 1000
