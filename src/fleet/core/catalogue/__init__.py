"""Every error and reason code with what it means and what a person does about it.

Apart from ``core/errors.py`` because most commands never need the texts, and a start-up is a feature.
``docs/reference/errors.md`` is generated from these tables; a test compares them with every code in the source.
"""

from __future__ import annotations

from fleet.core.catalogue import (
    agents,
    assessing,
    audits,
    budgets,
    configuring,
    doors,
    fabrics,
    flow,
    forges,
    gates,
    github,
    health,
    keeping,
    living,
    machine,
    orgs,
    risks,
    sessions,
    work,
)
from fleet.core.errors import Explanation

_TABLES = (
    doors.ROWS,
    work.ROWS,
    fabrics.ROWS,
    agents.ROWS,
    sessions.ROWS,
    forges.ROWS,
    github.ROWS,
    machine.ROWS,
    configuring.ROWS,
    health.ROWS,
    keeping.ROWS,
    audits.ROWS,
    living.ROWS,
    orgs.ROWS,
    flow.ROWS,
    assessing.ROWS,
    budgets.ROWS,
    gates.ROWS,
    risks.ROWS,
)

CATALOGUE: dict[str, Explanation] = {code: Explanation(*row) for table in _TABLES for code, row in table.items()}
