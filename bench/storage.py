"""How fast events become durable and work is claimed, against the disk's own floor and a known queue."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import apsw
from huey import SqliteHuey

from bench.measure import Result, interleaved, spread, summary, table, timed
from fleet.core.journal import Draft, Stream
from fleet.store import deliveries, journal
from fleet.store.db import Database
from fleet.store.open import open_for_daemon

PAYLOAD = {"text": "x" * 280}
BODY = b"x" * 300


def fdatasync_loop(folder: Path, count: int) -> Result:
    """Append one 4 KiB block and wait for the disk, again and again: no durable store can be faster unbatched."""
    fd = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    block = b"\0" * 4096

    def step() -> None:
        os.write(fd, block)
        os.fdatasync(fd)

    start = time.perf_counter()
    spent = timed(step, count)
    seconds = time.perf_counter() - start
    os.close(fd)
    return summary("floor", seconds, spent)


def direct_sqlite(folder: Path, count: int) -> Result:
    """One connection, one row a transaction, synchronous=FULL: no chain, no thread, no checks."""
    connection = apsw.Connection(str(folder / "direct.db"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", 2)
    connection.execute("CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, topic TEXT, body BLOB)")

    def step() -> None:
        connection.execute("INSERT INTO event (topic, body) VALUES ('note', ?)", (BODY,))

    start = time.perf_counter()
    spent = timed(step, count)
    seconds = time.perf_counter() - start
    connection.close()
    return summary("sqlite", seconds, spent)


def fleet_publish(db: Database, count: int, writers: int) -> Result:
    """The store as the daemon uses it: sealed entry, payload apart, group commit."""
    draft = Draft(Stream.EVENT, "note", "human:bench", summary="a note", payload=PAYLOAD)
    seconds, spent = spread(
        writers, lambda: timed(lambda: db.write(lambda tx: journal.append(tx, draft)), count // writers)
    )
    return summary("fleet", seconds, spent)


def fleet_claims(db: Database, count: int, writers: int, turn: list[int]) -> Result:
    """Claim deliveries one by one, each durable, by several claimers."""
    turn[0] += 1

    def fill(number: int) -> str:
        made = db.write(
            lambda tx: deliveries.create(
                tx,
                event_seq=1,
                event_id=f"e{turn[0]}.{number}",
                event_type="note",
                agent="a",
                subject="pr/1",
                generation="",
                work_item="pr/1",
            )
        )
        assert made is not None
        return made

    waiting = [fill(number) for number in range(count)]
    lock = threading.Lock()

    def claim() -> None:
        with lock:
            delivery_id = waiting.pop()
        won = db.write(lambda tx: deliveries.claim(tx, delivery_id, token="t", until=tx.now + 10**9))
        assert won

    seconds, spent = spread(writers, lambda: timed(claim, count // writers))
    return summary("claims", seconds, spent)


def huey_enqueue(folder: Path, count: int) -> Result:
    """The same no-op job put on huey's SQLite queue with fsync on."""
    queue = SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=True, immediate=False)
    task = queue.task(name="noop")(lambda text: None)
    start = time.perf_counter()
    spent = timed(lambda: task(PAYLOAD["text"]), count)
    seconds = time.perf_counter() - start
    queue.storage.close()
    return summary("huey", seconds, spent)


def report(folder: Path, *, count: int, rounds: int) -> str:
    """Run everything and give the tables."""
    db = open_for_daemon(folder / "fleet.db")
    turn = [0]
    publish = interleaved(
        rounds,
        {
            "bare fdatasync loop, 4 KiB": lambda: fdatasync_loop(folder, count),
            "direct SQLite, 1 writer": lambda: direct_sqlite(folder, count),
            "fleet publish, 1 writer": lambda: fleet_publish(db, count, 1),
            "fleet publish, 8 writers": lambda: fleet_publish(db, count, 8),
            "huey enqueue (SQLite, fsync on), 1 writer": lambda: huey_enqueue(folder, count),
        },
    )
    claims = interleaved(
        rounds,
        {
            "fleet claim, 1 claimer": lambda: fleet_claims(db, count, 1, turn),
            "fleet claim, 8 claimers": lambda: fleet_claims(db, count, 8, turn),
        },
    )
    db.close()
    return (
        table("Durable publish", "A 300-byte payload; every call returns after the disk has it.", publish)
        + "\n"
        + table("Claims", "One delivery a claim; every claim is durable before it counts.", claims)
    )
