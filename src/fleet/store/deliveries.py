"""Deliveries: one event for one agent. Every move is a compare-and-set; zero rows means somebody else was first."""

from __future__ import annotations

from fleet.core.errors import NotFound
from fleet.core.work import Delivery, DeliveryState
from fleet.store.db import Tx
from fleet.store.dialect import Row

_COLUMNS = (
    "id, event_seq, event_id, event_type, agent, subject, generation, work_item, attempt, state, not_before,"
    " lease_token, lease_until, run_id, reason, created_at, updated_at, hops"
)


def create(
    tx: Tx,
    *,
    event_seq: int,
    event_id: str,
    event_type: str,
    agent: str,
    subject: str,
    generation: str,
    work_item: str,
    attempt: int = 1,
    not_before: int = 0,
    hops: int = 0,
) -> str | None:
    """Make a pending delivery; None when this event already has one for this agent."""
    delivery_id = tx.new_id("d")
    made = tx.run(
        "INSERT INTO deliveries (id, event_seq, event_id, event_type, agent, subject, generation, work_item, attempt,"
        " state, not_before, hops, created_at, updated_at) VALUES (:id, :event_seq, :event_id, :event_type, :agent,"
        " :subject, :generation, :work_item, :attempt, 'pending', :not_before, :hops, :now, :now)"
        " ON CONFLICT (event_id, agent) DO NOTHING",
        id=delivery_id,
        event_seq=event_seq,
        event_id=event_id,
        event_type=event_type,
        agent=agent,
        subject=subject,
        generation=generation,
        work_item=work_item,
        attempt=attempt,
        not_before=not_before,
        hops=hops,
        now=tx.now,
    )
    return delivery_id if made else None


def get(tx: Tx, delivery_id: str) -> Delivery:
    """One delivery. Raises NotFound FLT-DSP-001."""
    row = tx.one(f"SELECT {_COLUMNS} FROM deliveries WHERE id = :id", id=delivery_id)
    if row is None:
        raise NotFound("FLT-DSP-001", "no such delivery", where=delivery_id)
    return _delivery(row)


def open_ones(tx: Tx) -> list[Delivery]:
    """Pending and held deliveries in journal order."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM deliveries WHERE state IN ('pending', 'held') ORDER BY event_seq, agent LIMIT 2000"
    )
    return [_delivery(row) for row in rows]


def for_work_item(tx: Tx, work_item: str) -> list[Delivery]:
    """Every delivery of a ticket or lone pull request, in journal order."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM deliveries WHERE work_item = :item ORDER BY event_seq, agent", item=work_item
    )
    return [_delivery(row) for row in rows]


def for_agent(tx: Tx, agent: str, *, limit: int = 50) -> list[Delivery]:
    """The newest deliveries of an agent, newest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM deliveries WHERE agent = :agent ORDER BY event_seq DESC LIMIT :limit",
        agent=agent,
        limit=limit,
    )
    return [_delivery(row) for row in rows]


def in_state(tx: Tx, state: DeliveryState, *, limit: int = 500) -> list[Delivery]:
    """Deliveries in one state, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM deliveries WHERE state = :state ORDER BY event_seq LIMIT :limit",
        state=str(state),
        limit=limit,
    )
    return [_delivery(row) for row in rows]


def claim(tx: Tx, delivery_id: str, *, token: str, until: int) -> bool:
    """Take a pending or held delivery; False when somebody else holds it or it moved on."""
    return (
        tx.run(
            "UPDATE deliveries SET state = 'claimed', lease_token = :token, lease_until = :until, updated_at = :now"
            " WHERE id = :id AND state IN ('pending', 'held')",
            id=delivery_id,
            token=token,
            until=until,
            now=tx.now,
        )
        == 1
    )


def settle(
    tx: Tx,
    delivery_id: str,
    *,
    token: str,
    state: DeliveryState,
    reason: str = "",
    run_id: str = "",
    not_before: int = 0,
) -> bool:
    """Move a claimed delivery on; False when the lease is no longer ours (then nothing changed)."""
    return (
        tx.run(
            "UPDATE deliveries SET state = :state, reason = :reason, run_id = :run_id, not_before = :not_before,"
            " lease_token = '', lease_until = 0, updated_at = :now"
            " WHERE id = :id AND state = 'claimed' AND lease_token = :token",
            id=delivery_id,
            state=str(state),
            reason=reason,
            run_id=run_id,
            not_before=not_before,
            token=token,
            now=tx.now,
        )
        == 1
    )


def expired_claims(tx: Tx) -> list[Delivery]:
    """Claims whose lease has run out."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM deliveries WHERE state = 'claimed' AND lease_until < :now ORDER BY event_seq",
        now=tx.now,
    )
    return [_delivery(row) for row in rows]


def give_back(tx: Tx, delivery_id: str, *, token: str) -> bool:
    """Return an expired claim to pending."""
    return (
        tx.run(
            "UPDATE deliveries SET state = 'pending', lease_token = '', lease_until = 0, updated_at = :now"
            " WHERE id = :id AND state = 'claimed' AND lease_token = :token AND lease_until < :now",
            id=delivery_id,
            token=token,
            now=tx.now,
        )
        == 1
    )


def release(tx: Tx, subject: str, generation: str) -> int:
    """Held -> pending for what waits on one head, because a person let it go on; how many."""
    return tx.run(
        "UPDATE deliveries SET state = 'pending', updated_at = :now"
        " WHERE subject = :subject AND generation = :generation AND state = 'held'",
        subject=subject,
        generation=generation,
        now=tx.now,
    )


def counts(tx: Tx) -> dict[str, int]:
    """How many deliveries are in each state."""
    return {state: number for state, number in tx.all("SELECT state, count(*) FROM deliveries GROUP BY state")}


def _delivery(row: Row) -> Delivery:
    return Delivery(*[*row[:9], DeliveryState(row[9]), *row[10:]])
