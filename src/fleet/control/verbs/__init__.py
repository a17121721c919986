"""The verb table: every call a door can make, who may make it, its arguments and what comes back. Pure data.

One file a noun; a verb's function stands in the ``HANDLERS`` of the control module that does it.
"""

from __future__ import annotations

from fleet.control.verbs import (
    agents,
    approvals,
    audits,
    budgets,
    config,
    deadletters,
    evaluations,
    fabric,
    keeping,
    labels,
    messages,
    policies,
    pulls,
    risk,
    roles,
    schedules,
    sessions,
    tickets,
)
from fleet.control.verbs import fleet as whole
from fleet.control.verbs.words import Access, Arg, Verb

__all__ = ["OFFLINE", "VERBS", "Access", "Arg", "Verb"]

_TABLES = (
    whole.VERBS,
    agents.VERBS,
    budgets.VERBS,
    tickets.VERBS,
    labels.VERBS,
    pulls.VERBS,
    fabric.VERBS,
    messages.VERBS,
    audits.VERBS,
    config.VERBS,
    schedules.VERBS,
    approvals.VERBS,
    keeping.VERBS,
    deadletters.VERBS,
    sessions.VERBS,
    evaluations.VERBS,
    policies.VERBS,
    roles.VERBS,
    risk.VERBS,
)

VERBS: dict[str, Verb] = {verb.name: verb for table in _TABLES for verb in table}

# Calls that runs may not make but that change nothing: a person may make them without a daemon.
OFFLINE = frozenset(
    {
        "audit.verify",
        "audit.verify_git",
        "audit.checkpoints",
        "audit.key",
        "audit.export",
        "audit.verify_files",
        "agent.logs",
        "agent.output",
        "eval.show",
        "eval.compare",
        "eval.list",
        "insights",
        "gc.plan",
        "policy.replay",
        "risk.show",
        "risk.explain",
        "risk.history",
        "risk.labels",
        "risk.fit",
    }
)
