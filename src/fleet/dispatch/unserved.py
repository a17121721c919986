"""Work that reached nobody when it came up, and that a member would be told of today.

A fleet gets its developer after its first ticket, or its release manager after the first approval. The
router has then passed the event; while the live state still asks for the work, it is offered again, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleet.config.loader import LoadedConfig
from fleet.core.agent import AgentState
from fleet.core.journal import Draft, Entry
from fleet.core.live import LivePull, LiveTicket
from fleet.dispatch.offering import offer_again
from fleet.store import agents, deliveries, journal
from fleet.store.db import Tx
from fleet.store.journal import Filter

# Which label of a pull request asks for the work of which event.
_PULL_LABELS = {
    "needs-review": "pr_needs_review",
    "changes-requested": "pr_changes_requested",
    "approved": "pr_approved",
}


def offers(
    tx: Tx, tickets: Iterable[LiveTicket], pulls: Iterable[LivePull], loaded: LoadedConfig
) -> list[tuple[Entry, str]]:
    """Events that ask in vain, each with an agent that would answer now."""
    retired = {row.name for row in agents.every(tx) if row.state is AgentState.RETIRED}
    found: list[tuple[Entry, str]] = []
    for event in _asking(tx, tickets, tuple(pulls), loaded):
        if not _routed(tx, event) or _served(tx, event, loaded):
            continue
        found += [
            (event, member.name)
            for member in loaded.config.agents
            if member.enabled
            and event.type in member.subscribes_to
            and member.name not in retired
            and event.actor != f"agent:{member.name}"
            and journal.find_dedup(tx, _key(event, member.name)) is None
        ]
    return found


def offer(event: Entry, agent: str, *, actor: str) -> Draft:
    """The event that tells one agent of it."""
    return offer_again(
        actor,
        agent,
        event.type,
        subject=event.subject,
        generation=event.generation,
        work_item=event.work_item,
        run="",
        of=event.id,
        cause_id=event.id,
        dedup_key=_key(event, agent),
        summary=f"{event.type} of {event.subject} reached nobody when it came; {agent} hears of it now",
        reason="nobody was told when it came",
    )


def _key(event: Entry, agent: str) -> str:
    return f"offered:{event.id}:{agent}"


def _asking(
    tx: Tx, tickets: Iterable[LiveTicket], pulls: tuple[LivePull, ...], loaded: LoadedConfig
) -> Iterator[Entry]:
    """The newest event of every piece of work that the live state still asks for."""
    needed = {"ready", loaded.config.required_label or "ready"}
    in_hand = {pull.ticket for pull in pulls if pull.state == "open"}
    for ticket in tickets:
        if ticket.state == "open" and needed <= ticket.labels and ticket.number not in in_hand:
            yield from _newest(tx, "ticket_ready", f"ticket/{ticket.number}")
    for pull in pulls:
        if pull.state != "open":
            continue
        for label in sorted(pull.labels & _PULL_LABELS.keys()):
            newest = _newest(tx, _PULL_LABELS[label], pull.subject)
            yield from (entry for entry in newest if entry.generation == pull.head_sha)


def _newest(tx: Tx, kind: str, subject: str) -> list[Entry]:
    return journal.select(tx, Filter(type=kind, stream="event", subject=subject), limit=1, newest=True)


def _routed(tx: Tx, event: Entry) -> bool:
    """True once the router has passed this event."""
    return journal.find_dedup(tx, f"routed:{event.id}") is not None


def _served(tx: Tx, event: Entry, loaded: LoadedConfig) -> bool:
    """True when a present member was told of it, whatever came of that."""
    return any(
        delivery.event_id == event.id and loaded.config.agent(delivery.agent) is not None
        for delivery in deliveries.for_work_item(tx, event.work_item or event.subject)
    )
