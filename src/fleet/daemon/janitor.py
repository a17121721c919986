"""Service: gives back what a killed worker had claimed, once its lease has run out: deliveries and tasks."""

from __future__ import annotations

from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.core.work import Delivery
from fleet.fabric import claims
from fleet.store import deliveries, journal, tasks
from fleet.store.db import Database, Tx

_LOOK_EVERY = 5 * SECOND


class Janitor:
    """Expired claims -> pending, or open. Any number may run: every move is a compare-and-set on the lease."""

    name = "janitor"

    def __init__(self, db: Database) -> None:
        """Take the store."""
        self._db = db
        self._next_look = 0

    def tick(self, now: int) -> Tick:
        """Look every five seconds. ``did`` is the number of claims given back.

        A claim that is over counts no more, given back or not, so nothing depends on the moment.
        """
        if now < self._next_look <= now + _LOOK_EVERY:
            return Tick(0, self._next_look)
        self._next_look = now + _LOOK_EVERY
        expired = self._db.read(deliveries.expired_claims)
        did = self._db.write(lambda tx: sum(_give_back(tx, claim) for claim in expired)) if expired else 0
        lapsed = self._db.read(tasks.lapsed)
        did += self._db.write(lambda tx: sum(claims.return_lapsed(tx, task) for task in lapsed)) if lapsed else 0
        return Tick(did, self._next_look)


def _give_back(tx: Tx, claim: Delivery) -> bool:
    if not deliveries.give_back(tx, claim.id, token=claim.lease_token):
        return False
    draft = Draft(
        Stream.ACTIVITY,
        "delivery.returned",
        str(system("janitor")),
        subject=claim.subject,
        generation=claim.generation,
        work_item=claim.work_item,
        agent=claim.agent,
        cause_id=claim.event_id,
        summary=f"the claim on {claim.event_type} for {claim.agent} ran out; it is judged again",
        payload={"delivery": claim.id, "event": claim.event_id, "lease_until": claim.lease_until},
    )
    journal.append(tx, draft)
    return True
