"""An approval: what a person is asked, about exactly which content, and how it was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ApprovalState(StrEnum):
    """Where a question stands. Whether an answer still holds is derived from what it is bound to, not stored."""

    REQUESTED = "requested"  # dispatcher (or a refused merge) -> here; a person is asked
    GRANTED = "granted"  # by a person, for exactly this content
    REFUSED = "refused"  # by a person, with a reason
    EXPIRED = "expired"  # janitor: nobody answered in time, or a grant was not used in time


APPROVAL_MOVES: dict[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.REQUESTED: frozenset({ApprovalState.GRANTED, ApprovalState.REFUSED, ApprovalState.EXPIRED}),
    ApprovalState.GRANTED: frozenset({ApprovalState.EXPIRED}),
    ApprovalState.REFUSED: frozenset(),
    ApprovalState.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Approval:
    """A row of the approvals table. Instants in microseconds.

    ``asked`` is what may go on (``merge``), ``agent`` who waits for it; ``bound`` what the answer is bound to and
    ``content`` the seal over it; ``reasons`` why a person is asked, as policy said it. ``base`` is the base's
    commit when it was asked.
    """

    id: str
    asked: str
    subject: str
    generation: str
    work_item: str
    agent: str
    cause_id: str
    base: str
    content: str
    bound: Mapping[str, str]
    reasons: tuple[Mapping[str, object], ...]
    state: ApprovalState
    requested_at: int
    expires_at: int
    decided_at: int | None
    decided_by: str
    reason: str
