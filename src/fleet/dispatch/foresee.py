"""What policy would say to a start by hand if it were asked for now: the deciders of a real start, nothing recorded."""

from __future__ import annotations

from fleet.config.loader import LoadedConfig
from fleet.core.decision import Decision
from fleet.core.live import LiveTicket
from fleet.dispatch.budgets import budget_facts
from fleet.dispatch.facts import agent_facts, gate_facts, load_facts, ticket_facts
from fleet.dispatch.glance import Look
from fleet.dispatch.lineage import agent_atoms
from fleet.policy.decide import decide_start
from fleet.policy.facts import DiskFacts, StartFacts, WorkFacts
from fleet.store.db import Tx

_NOW = (1 << 62) - 1  # as if asked for after everything on record


def verdict_on(tx: Tx, agent: str, ticket: LiveTicket | None, loaded: LoadedConfig, disk: DiskFacts | None) -> Decision:
    """Judge a start of an agent on a ticket; None stands for a ticket that would be opened for it."""
    number = ticket.number if ticket is not None else 0
    seen = Look(ticket=ticket or LiveTicket(0, "open", frozenset()))
    subject = f"ticket/{number}" if number else "ticket/new"
    facts = agent_facts(tx, agent, loaded.config, loaded.roles)
    return decide_start(
        StartFacts(
            work=WorkFacts("agent_start_requested", _NOW, subject, "", 1, returned=False),
            agent=facts,
            load=load_facts(tx, subject, facts, loaded),
            budget=budget_facts(tx, agent, subject, loaded.config),
            ticket=ticket_facts(tx, seen, loaded.config),
            lineage=agent_atoms(agent),
            disk=disk,
            gate=gate_facts(tx, subject, seen, loaded, facts),
        )
    )
