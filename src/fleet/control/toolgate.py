"""May a session use any tool at all now? Asked before every use, by the client's PreToolUse hook. Pure.

A no carries the reason that the model sees. What this very tool may do is said by ``policy.guard``. Whoever adds a
check adds a function to ``_CHECKS``; the first objection counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.core.agent import AgentState
from fleet.core.session import Session
from fleet.core.work import LIVE_RUNS, OVER_BUDGET, Run
from fleet.policy.guard import Objection


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One use of a tool, and what is known around it."""

    tool: str
    input: Mapping[str, Any]
    run: Run
    session: Session
    agent_state: AgentState
    blind: int = 0  # uses of tools beyond those whose answers may go unmeasured


def objection(use: ToolUse) -> Objection | None:
    """The first reason against this use; None when there is none."""
    return next((found for check in _CHECKS for found in [check(use)] if found is not None), None)


def _run_lives(use: ToolUse) -> Objection | None:
    if use.run.state not in LIVE_RUNS or use.run.epoch != use.session.epoch:
        return Objection("FLT-TRN-010", "this run has ended; nothing may be done for it any more")
    if use.run.cancel_reason.startswith(OVER_BUDGET):
        return Objection("FLT-TRN-014", f"this run is stopped, {use.run.cancel_reason}; use no further tools")
    if use.run.cancel_reason:
        return Objection("FLT-TRN-011", f"this run was asked to stop ({use.run.cancel_reason}); use no further tools")
    if use.session.ending:
        return Objection("FLT-TRN-012", "this run is being ended; use no further tools")
    return None


def _agent_is_trusted(use: ToolUse) -> Objection | None:
    if use.agent_state is AgentState.QUARANTINED:
        return Objection("FLT-TRN-013", f"{use.run.agent} is quarantined; a person has to look before it goes on")
    return None


def _is_measured(use: ToolUse) -> Objection | None:
    if use.blind > 0:
        return Objection(
            "FLT-TRN-015",
            "nobody can measure what this session uses now, and a budget in tokens or dollars has to hold; wait a"
            " moment and try again",
        )
    return None


_CHECKS: tuple[Callable[[ToolUse], Objection | None], ...] = (_run_lives, _agent_is_trusted, _is_measured)
