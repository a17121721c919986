"""The journal's statements: append with the seal, read back, erase a payload. Nobody updates or deletes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fleet.core.errors import IntegrityError, NotFound, UsageError
from fleet.core.event import BUILTIN, is_event_name
from fleet.core.journal import (
    GENESIS,
    SUMMARY_LIMIT,
    Draft,
    Entry,
    Stream,
    encode_payload,
    entry_seal,
    payload_seal,
    sealed_columns,
)
from fleet.store.db import Tx
from fleet.store.dialect import Row

WRITER = "local"  # one chain on an embedded store

_COLUMNS = (
    "j.seq, j.id, j.writer, j.stream, j.type, j.kind, j.actor, j.subject, j.generation, j.work_item, j.agent,"
    " j.run_id, j.cause_id, j.dedup_key, j.summary, j.at, j.payload_hash, j.prev_hash, j.hash, p.body"
)
_FROM = "FROM journal j LEFT JOIN journal_payloads p ON p.seq = j.seq"


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an entry stands; ``fresh`` is False when its dedup key was already on record."""

    seq: int
    id: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """What to read: every field narrows; empty means all. ``since`` is microseconds, ``after`` a seq."""

    stream: str = ""
    type: str = ""
    agent: str = ""
    subject: str = ""
    work_item: str = ""
    run_id: str = ""
    since: int = 0
    after: int = 0
    generation: str = ""


def newest_events(tx: Tx, subject: str, *, limit: int = 200) -> list[tuple[str, str, int, str]]:
    """Of each type and head the newest event about a subject: type, generation, seq, actor; by seq."""
    rows = tx.all(
        "SELECT type, generation, seq, actor FROM journal WHERE seq IN (SELECT max(seq) FROM journal"
        " WHERE subject = :subject AND subject <> '' AND stream = 'event' GROUP BY type, generation)"
        " ORDER BY seq DESC LIMIT :limit",
        subject=subject,
        limit=limit,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows][::-1]


def append(tx: Tx, draft: Draft) -> Appended:
    """Seal and write one entry. With a dedup key that is on record, nothing is written.

    Raises UsageError FLT-JRN-003 for a type that is neither in the registry nor a custom event's name.
    """
    if draft.type not in BUILTIN and not (draft.stream is Stream.EVENT and is_event_name(draft.type)):
        raise UsageError("FLT-JRN-003", "this type is not in the registry of core.event", where=draft.type)
    if draft.dedup_key is not None:
        known = find_dedup(tx, draft.dedup_key)
        if known is not None:
            return known
    body = encode_payload(draft.payload)
    salt = tx.entropy(16)
    last = tx.one("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
    seq, prev_hash = (last[0] + 1, last[1]) if last else (1, GENESIS)
    entry = Entry(
        seq=seq,
        id=tx.new_id("e"),
        writer=WRITER,
        stream=draft.stream,
        type=draft.type,
        kind=draft.kind,
        actor=draft.actor,
        subject=draft.subject,
        generation=draft.generation,
        work_item=draft.work_item,
        agent=draft.agent,
        run_id=draft.run_id,
        cause_id=draft.cause_id,
        dedup_key=draft.dedup_key,
        summary=one_line(draft.summary),
        at=tx.now,
        payload_hash=payload_seal(salt, body),
        prev_hash=prev_hash,
        hash="",
    )
    columns = sealed_columns(entry)
    names = (
        "seq", "id", "writer", "stream", "type", "kind", "actor", "subject", "generation", "work_item",
        "agent", "run_id", "cause_id", "dedup_key", "summary", "at", "payload_hash",
    )  # fmt: skip
    tx.run(
        "INSERT INTO journal (seq, id, writer, stream, type, kind, actor, subject, generation, work_item, agent,"
        " run_id, cause_id, dedup_key, summary, at, payload_hash, prev_hash, hash) VALUES (:seq, :id, :writer,"
        " :stream, :type, :kind, :actor, :subject, :generation, :work_item, :agent, :run_id, :cause_id,"
        " :dedup_key, :summary, :at, :payload_hash, :prev_hash, :hash)",
        **dict(zip(names, columns, strict=True)),
        prev_hash=prev_hash,
        hash=entry_seal(prev_hash, columns),
    )
    tx.run("INSERT INTO journal_payloads (seq, salt, body) VALUES (:seq, :salt, :body)", seq=seq, salt=salt, body=body)
    return Appended(seq, entry.id, fresh=True)


def one_line(text: str) -> str:
    """A summary is one printable line: control characters become spaces, the rest is cut at the limit."""
    return "".join(char if char.isprintable() else " " for char in text)[:SUMMARY_LIMIT]


def events_after(tx: Tx, position: int, limit: int = 200) -> list[Entry]:
    """Fabric events past a cursor, in journal order."""
    rows = tx.all(
        f"SELECT {_COLUMNS} {_FROM} WHERE j.stream = 'event' AND j.seq > :position ORDER BY j.seq LIMIT :limit",
        position=position,
        limit=limit,
    )
    return [_entry(row) for row in rows]


def get(tx: Tx, entry_id: str) -> Entry:
    """One entry by id. Raises NotFound FLT-JRN-001."""
    row = tx.one(f"SELECT {_COLUMNS} {_FROM} WHERE j.id = :id", id=entry_id)
    if row is None:
        archived = tx.one("SELECT seq FROM archived_keys WHERE id = :id", id=entry_id)
        where = f"entry {archived[0]}, which lies in an archive" if archived else entry_id
        raise NotFound("FLT-JRN-001", "no such journal entry here", where=where)
    return _entry(row)


def at(tx: Tx, seq: int) -> Entry | None:
    """The entry with this number, when it is here."""
    row = tx.one(f"SELECT {_COLUMNS} {_FROM} WHERE j.seq = :seq", seq=seq)
    return _entry(row) if row else None


def seqs_to(tx: Tx, last: int) -> Iterator[int]:
    """The numbers of the entries up to ``last`` that are here, in order."""
    return (int(row[0]) for row in tx.all("SELECT seq FROM journal WHERE seq <= :last ORDER BY seq", last=last))


def find_dedup(tx: Tx, key: str) -> Appended | None:
    """Where the entry with this dedup key stands, also when it went to an archive; None when there was none."""
    row = tx.one("SELECT seq, id FROM journal WHERE dedup_key = :key", key=key)
    if row is None:
        row = tx.one("SELECT seq, id FROM archived_keys WHERE dedup_key = :key", key=key)
    return Appended(row[0], row[1], fresh=False) if row else None


def select(tx: Tx, wanted: Filter, *, limit: int = 500, newest: bool = False) -> list[Entry]:
    """Entries that fit, in journal order; with ``newest`` the last ``limit`` of them.

    ``agent`` fits entries about the agent as well as entries by it; ``subject`` and ``work_item``
    given together mean either.
    """
    clauses, params = _where(wanted)
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    # Time alone narrows: the plus sign keeps the order from choosing the way, which would be through everything.
    place = "+j.seq" if wanted.since and len(clauses) == 1 else "j.seq"
    order = f"{place} {'DESC' if newest else 'ASC'}"
    rows = tx.all(f"SELECT {_COLUMNS} {_FROM} {where} ORDER BY {order} LIMIT :limit", **params, limit=limit)
    entries = [_entry(row) for row in rows]
    return entries[::-1] if newest else entries


def where(tx: Tx, clause: str, params: Mapping[str, object]) -> list[Entry]:
    """Entries that fit a clause of this package's own making, in journal order. For the store's other files only."""
    return [_entry(row) for row in tx.all(f"SELECT {_COLUMNS} {_FROM} WHERE {clause} ORDER BY j.seq", **params)]


def dead_letters(tx: Tx, *, limit: int, resolved: bool = False) -> list[Entry]:
    """The newest work that was given up, oldest first; ``resolved``: also what a person dealt with."""
    unless = (
        "" if resolved else (" AND NOT EXISTS (SELECT 1 FROM journal r WHERE r.dedup_key = 'dead_letter:' || j.id)")
    )
    rows = tx.all(
        f"SELECT {_COLUMNS} {_FROM} WHERE j.type = 'delivery.dead_lettered'{unless} ORDER BY j.seq DESC LIMIT :limit",
        limit=limit,
    )
    return [_entry(row) for row in rows][::-1]


def _where(wanted: Filter) -> tuple[list[str], dict[str, object]]:
    """Clauses and parameters; every value travels as a parameter.

    ``<> ''`` repeats the condition of a partial index, without which it would not be used.
    """
    both = bool(wanted.subject and wanted.work_item)
    possible: list[tuple[bool, str, dict[str, object]]] = [
        (bool(wanted.stream), "j.stream = :stream", {"stream": wanted.stream}),
        (bool(wanted.type), "j.type = :type", {"type": wanted.type}),
        (
            bool(wanted.agent),
            "(j.agent = :agent AND j.agent <> '' OR j.actor = :agent_actor)",
            {"agent": wanted.agent, "agent_actor": f"agent:{wanted.agent}"},
        ),
        (
            both,
            "(j.subject = :either AND j.subject <> '' OR j.work_item = :item AND j.work_item <> '')",
            {"either": wanted.subject, "item": wanted.work_item},
        ),
        (bool(wanted.subject) and not both, "j.subject = :subject AND j.subject <> ''", {"subject": wanted.subject}),
        (bool(wanted.work_item) and not both, "j.work_item = :item AND j.work_item <> ''", {"item": wanted.work_item}),
        (bool(wanted.run_id), "j.run_id = :run_id AND j.run_id <> ''", {"run_id": wanted.run_id}),
        (bool(wanted.generation), "j.generation = :generation", {"generation": wanted.generation}),
        (bool(wanted.since), "j.at >= :since", {"since": wanted.since}),
        (bool(wanted.after), "j.seq > :after", {"after": wanted.after}),
    ]
    clauses: list[str] = []
    params: dict[str, object] = {}
    for applies, clause, values in possible:
        if applies:
            clauses.append(clause)
            params.update(values)
    return clauses, params


def walk(
    tx: Tx, *, after: int = 0, limit: int | None = None, wanted: Filter | None = None, batch: int = 1000
) -> Iterator[tuple[Entry, bytes | None, bytes | None]]:
    """Every entry (past ``after``, at most ``limit``, those ``wanted``) with its raw salt and body, in order."""
    clauses, params = _where(replace(wanted or Filter(), after=0))
    where = " AND ".join(["j.seq > :position", *clauses])
    position = after or -(1 << 62)  # a sequence below one would be a forgery, and has to be seen
    left = (1 << 62) if limit is None else limit
    while left > 0:
        rows = tx.all(
            f"SELECT {_COLUMNS}, p.salt, p.seq {_FROM} WHERE {where} ORDER BY j.seq LIMIT :batch",
            position=position,
            batch=min(batch, left),
            **params,
        )
        if not rows:
            return
        for row in rows:
            yield _entry(row[:20], parse=False), row[20], row[19]
        position = rows[-1][0]
        left -= len(rows)


def hash_at(tx: Tx, seq: int) -> str:
    """The hash that the entry with this number carries; "" when there is no such entry."""
    row = tx.one("SELECT hash FROM journal WHERE seq = :seq", seq=seq)
    return str(row[0]) if row else ""


def erased_ids(tx: Tx) -> frozenset[str]:
    """Ids of the entries whose payload was erased on record."""
    rows = tx.all("SELECT cause_id FROM journal WHERE type = 'payload.erased' AND stream = 'decision'")
    return frozenset(row[0] for row in rows)


def erased_after(tx: Tx, last: int) -> list[str]:
    """Ids whose payload an entry past ``last`` says was erased."""
    rows = tx.all("SELECT cause_id FROM journal WHERE type = 'payload.erased' AND seq > :last", last=last)
    return [str(row[0]) for row in rows]


def erase_payload(tx: Tx, entry_id: str, actor: str, reason: str) -> Appended:
    """Remove a payload for good and record that it was; the entry's proof stays valid."""
    entry = get(tx, entry_id)
    tx.run("UPDATE journal_payloads SET salt = NULL, body = NULL WHERE seq = :seq", seq=entry.seq)
    return append(
        tx,
        Draft(
            Stream.DECISION,
            "payload.erased",
            actor,
            subject=entry.subject,
            work_item=entry.work_item,
            summary=f"erased the payload of {entry_id}: {reason}",
            payload={"entry": entry_id, "seq": entry.seq, "reason": reason},
            cause_id=entry_id,
        ),
    )


def seq_before(tx: Tx, at: int) -> int:
    """The last entry before an instant, by halving: entries are in the order of time, and no index is needed."""
    low, high = 0, head(tx)[0]
    while low < high:
        middle = (low + high + 1) // 2
        # the next one that is here: older ones may be in an archive
        row = tx.one("SELECT at FROM journal WHERE seq >= :seq ORDER BY seq LIMIT 1", seq=middle)
        if row is not None and row[0] < at:
            low = middle
        else:
            high = middle - 1
    return low


def head(tx: Tx) -> tuple[int, str]:
    """Sequence and hash of the last entry; ``(0, GENESIS)`` for an empty journal."""
    row = tx.one("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
    return (row[0], row[1]) if row else (0, GENESIS)


def _entry(row: Row, *, parse: bool = True) -> Entry:
    payload: dict[str, object] | None = None
    if parse and row[19] is not None:
        try:
            payload = json.loads(row[19])
        except ValueError as error:
            raise IntegrityError(
                "FLT-JRN-002", "a stored payload is not JSON", where=f"journal seq {row[0]}"
            ) from error
    return Entry(*[*row[:19], payload])
