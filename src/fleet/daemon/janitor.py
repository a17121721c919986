"""Service: gives back what a killed worker had claimed, and ends questions to people whose time is over."""

from __future__ import annotations

from fleet.core.approval import Approval, ApprovalState
from fleet.core.clock import SECOND
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.service import Tick
from fleet.core.work import Delivery
from fleet.fabric import claims
from fleet.store import approvals, deliveries, journal, tasks
from fleet.store.db import Database, Tx

_LOOK_EVERY = 5 * SECOND


class Janitor:
    """Expired claims -> pending, or open; approvals -> expired. Any number may run: every move is a compare-and-set."""

    name = "janitor"

    def __init__(self, db: Database) -> None:
        """Take the store."""
        self._db = db
        self._next_look = 0

    def tick(self, now: int) -> Tick:
        """Look every five seconds. ``did`` counts what was given back or ended.

        A claim that is over counts no more, given back or not, so nothing depends on the moment.
        """
        if now < self._next_look <= now + _LOOK_EVERY:
            return Tick(0, self._next_look)
        self._next_look = now + _LOOK_EVERY
        expired, lapsed = self._db.read(lambda tx: (deliveries.expired_claims(tx), approvals.lapsed(tx)))
        did = self._db.write(lambda tx: sum(_give_back(tx, claim) for claim in expired)) if expired else 0
        over = self._db.read(tasks.lapsed)
        did += self._db.write(lambda tx: sum(claims.return_lapsed(tx, task) for task in over)) if over else 0
        did += self._db.write(lambda tx: sum(_expire(tx, one) for one in lapsed)) if lapsed else 0
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


def _expire(tx: Tx, lapsed: Approval) -> bool:
    if not approvals.expire(tx, lapsed):
        return False
    granted = lapsed.state is ApprovalState.GRANTED
    text = f"{lapsed.decided_by} had granted it and it was not used" if granted else "nobody answered"
    draft = Draft(
        Stream.DECISION,
        "approval.expired",
        str(system("janitor")),
        subject=lapsed.subject,
        generation=lapsed.generation,
        work_item=lapsed.work_item,
        agent=lapsed.agent,
        cause_id=lapsed.cause_id,
        summary=f"the approval of {lapsed.subject} at {lapsed.generation[:12]} expired: {text} in time",
        payload={"approval": lapsed.id, "asked": lapsed.asked, "was": str(lapsed.state)},
    )
    journal.append(tx, draft)
    return True
