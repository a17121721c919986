"""Providers at which nothing is started for a while, because they answered with a limit or an outage."""

from __future__ import annotations

from fleet.core.session import Park
from fleet.store.db import Tx

_COLUMNS = "provider, kind, reason, strikes, parked_at, until"


def get(tx: Tx, provider: str) -> Park | None:
    """What is on record about a provider, also when its time is over; None when it never refused since an answer."""
    row = tx.one(f"SELECT {_COLUMNS} FROM parks WHERE provider = :provider", provider=provider)
    return Park(*row) if row else None


def all_(tx: Tx) -> list[Park]:
    """Every provider on record."""
    return [Park(*row) for row in tx.all(f"SELECT {_COLUMNS} FROM parks ORDER BY provider")]


def put(tx: Tx, park: Park) -> None:
    """Park a provider, or park it anew."""
    tx.run(
        "INSERT INTO parks (provider, kind, reason, strikes, parked_at, until) VALUES (:provider, :kind, :reason,"
        " :strikes, :parked_at, :until) ON CONFLICT (provider) DO UPDATE SET kind = :kind, reason = :reason,"
        " strikes = :strikes, parked_at = :parked_at, until = :until",
        provider=park.provider,
        kind=park.kind,
        reason=park.reason,
        strikes=park.strikes,
        parked_at=park.parked_at,
        until=park.until,
    )


def clear(tx: Tx, provider: str) -> bool:
    """Forget what a provider refused; False when nothing was on record."""
    return tx.run("DELETE FROM parks WHERE provider = :provider", provider=provider) == 1
