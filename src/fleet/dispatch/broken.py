"""Gather what decides what becomes of a run that ended without its result."""

from __future__ import annotations

from fleet.config.loader import LoadedConfig
from fleet.core.work import Run
from fleet.dispatch.cancelled import cancelled
from fleet.dispatch.facts import agent_facts, pull_facts, ticket_facts
from fleet.dispatch.glance import Look
from fleet.dispatch.loops import cause_of, same_failures
from fleet.dispatch.plan import interrupted
from fleet.dispatch.results import result_of
from fleet.policy.facts import BrokenFacts, WorkFacts
from fleet.policy.under import broken_under
from fleet.store import journal
from fleet.store.db import Tx


def broken_facts(tx: Tx, run: Run, seen: Look, loaded: LoadedConfig) -> BrokenFacts:
    """From one snapshot of the store and one look at the forge."""
    config, roles = loaded.config, loaded.roles
    seq, why = cancelled(tx, run.work_item)
    proof = result_of(tx, run, loaded)
    failures, cause = same_failures(tx, run.agent, loaded)
    facts = BrokenFacts(
        run=run.id,
        state=run.state,
        outcome=run.outcome,
        cancel_reason=run.cancel_reason,
        work=WorkFacts(
            run.event_type,
            journal.get(tx, run.event_id).seq,
            run.subject,
            run.generation,
            run.attempt,
            True,
            cancelled_seq=seq,
            cancelled=why,
        ),
        agent=agent_facts(tx, run.agent, config, roles),
        attempts=0,
        failures_limit=0,
        failures=failures if cause_of(run) == cause else 0,
        cause=cause,
        interrupted=interrupted(run),
        result=proof.type if proof is not None else "",
        pull=pull_facts(seen.pull, config, roles) if seen.pull is not None else None,
        ticket=ticket_facts(tx, seen, config),
    )
    return broken_under(facts, config, roles)
