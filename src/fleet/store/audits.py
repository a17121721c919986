"""Rows that prove the journal: signing keys, checkpoints, seals of archives. Written once, never changed."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.store.db import Tx


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that signs, or signed, for this fleet; signatures in hex, ``signed_by_old`` may be empty."""

    key_id: str
    public: str
    statement: str
    signed_by_new: str
    signed_by_old: str
    entry_seq: int
    introduced_at: int


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A signed head of the journal."""

    number: int
    seq: int
    hash: str
    key_id: str
    at: int
    statement: str
    signature: str


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """The seal of a prefix that lies in a file. ``kept_digest`` covers the sequences that stayed here as well."""

    number: int
    first_seq: int
    last_seq: int
    head_hash: str
    kept_digest: str
    file: str
    sha256: str
    statement: str
    signature: str
    at: int


_KEY = "key_id, public, statement, signed_by_new, signed_by_old, entry_seq, introduced_at"
_CHECKPOINT = "number, seq, hash, key_id, at, statement, signature"
_ARCHIVE = "number, first_seq, last_seq, head_hash, kept_digest, file, sha256, statement, signature, at"


def keys(tx: Tx) -> list[KeyRow]:
    """Every key, oldest first; the last one is in use."""
    return [KeyRow(*row) for row in tx.all(f"SELECT {_KEY} FROM audit_keys ORDER BY entry_seq")]


def active_key(tx: Tx) -> KeyRow | None:
    """The key in use."""
    row = tx.one(f"SELECT {_KEY} FROM audit_keys ORDER BY entry_seq DESC LIMIT 1")
    return KeyRow(*row) if row else None


def add_key(tx: Tx, row: KeyRow) -> None:
    """Take a key into use."""
    tx.run(
        f"INSERT INTO audit_keys ({_KEY}) VALUES (:key_id, :public, :statement, :new, :old, :seq, :at)",
        key_id=row.key_id,
        public=row.public,
        statement=row.statement,
        new=row.signed_by_new,
        old=row.signed_by_old,
        seq=row.entry_seq,
        at=row.introduced_at,
    )


def checkpoints(tx: Tx, *, after: int = 0, limit: int = 1_000_000) -> list[CheckpointRow]:
    """Checkpoints past a number, oldest first."""
    rows = tx.all(
        f"SELECT {_CHECKPOINT} FROM checkpoints WHERE number > :after ORDER BY number LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [CheckpointRow(*row) for row in rows]


def last_checkpoint(tx: Tx) -> CheckpointRow | None:
    """The newest checkpoint."""
    row = tx.one(f"SELECT {_CHECKPOINT} FROM checkpoints ORDER BY number DESC LIMIT 1")
    return CheckpointRow(*row) if row else None


def count_checkpoints(tx: Tx) -> int:
    """How many there are."""
    row = tx.one("SELECT count(*) FROM checkpoints")
    return int(row[0]) if row else 0


def add_checkpoint(tx: Tx, row: CheckpointRow) -> bool:
    """Keep a checkpoint; False when its number is taken (another was faster)."""
    return (
        tx.run(
            f"INSERT INTO checkpoints ({_CHECKPOINT}) SELECT :number, :seq, :hash, :key_id, :at, :statement, :signature"
            " WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE number = :number)",
            number=row.number,
            seq=row.seq,
            hash=row.hash,
            key_id=row.key_id,
            at=row.at,
            statement=row.statement,
            signature=row.signature,
        )
        == 1
    )


def archives(tx: Tx) -> list[ArchiveRow]:
    """Every seal, oldest first."""
    return [ArchiveRow(*row) for row in tx.all(f"SELECT {_ARCHIVE} FROM archives ORDER BY number")]


def last_archive(tx: Tx) -> ArchiveRow | None:
    """The newest seal."""
    row = tx.one(f"SELECT {_ARCHIVE} FROM archives ORDER BY number DESC LIMIT 1")
    return ArchiveRow(*row) if row else None


def add_archive(tx: Tx, row: ArchiveRow) -> None:
    """Keep a seal; from now on the rows it covers may be removed."""
    names = _ARCHIVE.split(", ")
    tx.run(
        f"INSERT INTO archives ({_ARCHIVE}) VALUES ({', '.join(f':{name}' for name in names)})",
        **{name: getattr(row, name) for name in names},
    )
