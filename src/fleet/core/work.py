"""Deliveries and runs: their states, who may move them, and the records rooms exchange."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeliveryState(StrEnum):
    """One event for one agent."""

    PENDING = "pending"  # router -> here; the dispatcher looks at it
    CLAIMED = "claimed"  # dispatcher, with a lease
    DISPATCHED = "dispatched"  # dispatcher: a run exists (or a live run absorbed it)
    HELD = "held"  # dispatcher: policy said not yet; looked at again when facts change
    DENIED = "denied"  # dispatcher: policy said no, or the event went stale
    DEAD = "dead"  # dispatcher: attempts used up; a person looks


class RunState(StrEnum):
    """One execution of one agent for one delivery."""

    QUEUED = "queued"  # dispatcher -> here
    STARTING = "starting"  # runner, epoch + 1
    RUNNING = "running"  # runner, the shim has answered
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"
    CANCELLED = "cancelled"
    LOST = "lost"


LIVE_RUNS = frozenset({RunState.QUEUED, RunState.STARTING, RunState.RUNNING})

DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.CLAIMED}),
    DeliveryState.CLAIMED: frozenset(
        {
            DeliveryState.PENDING,
            DeliveryState.DISPATCHED,
            DeliveryState.HELD,
            DeliveryState.DENIED,
            DeliveryState.DEAD,
        }
    ),
    DeliveryState.HELD: frozenset({DeliveryState.CLAIMED, DeliveryState.PENDING, DeliveryState.DISPATCHED}),
    DeliveryState.DISPATCHED: frozenset(),
    DeliveryState.DENIED: frozenset(),
    DeliveryState.DEAD: frozenset(),
}

RUN_MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.STARTING, RunState.CANCELLED}),
    RunState.STARTING: frozenset(
        {
            RunState.STARTING,  # taken over: the epoch grows
            RunState.RUNNING,
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.TIMED_OUT,
            RunState.OVER_BUDGET,
            RunState.CANCELLED,
            RunState.LOST,
        }
    ),
    RunState.RUNNING: frozenset(
        {
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.TIMED_OUT,
            RunState.OVER_BUDGET,
            RunState.CANCELLED,
            RunState.LOST,
        }
    ),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.TIMED_OUT: frozenset(),
    RunState.OVER_BUDGET: frozenset(),
    RunState.CANCELLED: frozenset(),
    RunState.LOST: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the deliveries table. ``work_item`` is the ticket (or lone pull request) it belongs to."""

    id: str
    event_seq: int
    event_id: str
    event_type: str  # the chain event the agent is to react to (for returned work: the original one)
    agent: str
    subject: str
    generation: str
    work_item: str
    attempt: int
    state: DeliveryState
    not_before: int
    lease_token: str
    lease_until: int
    run_id: str
    reason: str
    created_at: int
    updated_at: int
    hops: int = 0  # starts that led to it, one from the other, since a person or the forge began it


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the runs table. Times in microseconds, ``allowance_seconds`` and ``used_seconds`` in seconds."""

    id: str
    delivery_id: str
    event_id: str
    event_type: str
    agent: str
    role: str
    subject: str
    generation: str
    work_item: str
    attempt: int
    parent_run: str
    state: RunState
    epoch: int
    host: str
    allowance_seconds: float
    allowance_kind: str  # "timeout" or "budget": which limit is the nearer one
    used_seconds: float
    cancel_reason: str
    exit_code: int | None
    outcome: str
    escrow_ref: str
    escrow_sha: str
    config_hash: str
    queued_at: int
    started_at: int | None
    finished_at: int | None
    limit_of: str = ""  # whose budget is the nearer limit: agent/developer, ticket/7 or fleet
    hops: int = 0  # those of its delivery
    restarts: int = 0  # of its agent, within its session
    restart_streak: int = 0  # those since the agent last stayed healthy
    restart_at: int | None = None  # when a restart that was decided is due
    restart_why: str = ""  # what the agent died of last, or why it was not resumed
    resumed_at: int | None = None  # when it was last seen alive after a restart
    used_tokens: int = 0  # as far as they were measured
    used_micros: int = 0  # millionths of a dollar of the answers that have a price
    unpriced: int = 0  # answers that have none

    @property
    def session(self) -> str:
        """The findable name of this execution: tmux session, run folder, clone and branch suffix."""
        return f"{self.id}-e{self.epoch}"


# How the reason begins by which a run is asked to end because its tokens or its money are used up.
OVER_BUDGET = "over budget"


def budget_title(limit_of: str) -> str:
    """Whose budget a label (agent/developer, ticket/7, run/…, fleet) names, as people call it."""
    if limit_of == "fleet":
        return "the fleet"
    return limit_of.removeprefix("agent/")
