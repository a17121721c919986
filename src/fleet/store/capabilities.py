"""Capabilities: what a run's secret allows. Only the hash is stored; revoking is part of ending a run."""

from __future__ import annotations

import hashlib
import hmac
import json

from fleet.core.principal import Principal, PrincipalKind
from fleet.store.db import Tx


def digest(secret: str) -> str:
    """SHA-256 of the secret's text, in hex: the only form that is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def meter_of(secret: str) -> str:
    """The token by which a run may report its usage and nothing else; it tells nothing about the secret."""
    return hmac.new(secret.encode("ascii"), b"meter", hashlib.sha256).hexdigest()


def issue(tx: Tx, holder: Principal, *, token_hash: str, expires_at: int) -> None:
    """Record what the holder of this secret may do, until ``expires_at`` (microseconds)."""
    tx.run(
        "INSERT INTO capabilities (token_hash, run_id, epoch, agent, role, verbs, emits, subjects, expires_at)"
        " VALUES (:token_hash, :run_id, :epoch, :agent, :role, :verbs, :emits, :subjects, :expires_at)",
        token_hash=token_hash,
        run_id=holder.run_id,
        epoch=holder.epoch,
        agent=holder.name,
        role=holder.role,
        verbs=json.dumps(sorted(holder.verbs)),
        emits=json.dumps(sorted(holder.emits)),
        subjects=json.dumps(sorted(holder.subjects)),
        expires_at=expires_at,
    )


def holder_of(tx: Tx, token_hash: str) -> Principal | None:
    """The principal behind a live secret; None when unknown, revoked, expired or of a finished or older epoch."""
    row = tx.one(
        "SELECT c.agent, c.run_id, c.epoch, c.role, c.verbs, c.emits, c.subjects FROM capabilities c"
        " JOIN runs r ON r.id = c.run_id AND r.epoch = c.epoch AND r.state IN ('starting', 'running')"
        " WHERE c.token_hash = :token_hash AND c.revoked_at IS NULL AND c.expires_at > :now",
        token_hash=token_hash,
        now=tx.now,
    )
    if row is None:
        return None
    verbs, emits, subjects = (frozenset(json.loads(text)) for text in row[4:7])
    return Principal(PrincipalKind.AGENT, row[0], row[1], row[2], row[3], verbs, emits, subjects)


def revoked_holder(tx: Tx, token_hash: str) -> str:
    """The agent that a secret belonged to before it was revoked; "" for an unknown one."""
    row = tx.one(
        "SELECT agent FROM capabilities WHERE token_hash = :token_hash AND revoked_at IS NOT NULL",
        token_hash=token_hash,
    )
    return str(row[0]) if row else ""


def extend_subjects(tx: Tx, run_id: str, subjects: frozenset[str]) -> None:
    """Let a run also touch objects it made itself, such as the pull request it opened."""
    for token_hash, known in tx.all(
        "SELECT token_hash, subjects FROM capabilities WHERE run_id = :run_id AND revoked_at IS NULL", run_id=run_id
    ):
        merged = sorted(frozenset(json.loads(known)) | subjects)
        tx.run(
            "UPDATE capabilities SET subjects = :subjects WHERE token_hash = :token_hash",
            subjects=json.dumps(merged),
            token_hash=token_hash,
        )


def revoke_run(tx: Tx, run_id: str) -> int:
    """End every capability of a run; returns how many were live."""
    return tx.run(
        "UPDATE capabilities SET revoked_at = :now WHERE run_id = :run_id AND revoked_at IS NULL",
        run_id=run_id,
        now=tx.now,
    )


def revoke_all(tx: Tx) -> int:
    """End every capability there is; returns how many were live."""
    return tx.run("UPDATE capabilities SET revoked_at = :now WHERE revoked_at IS NULL", now=tx.now)
