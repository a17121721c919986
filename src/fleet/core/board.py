"""What is on the Fabric beside its entries: tasks, messages, questions, blockers, artifacts, with their states.

Each has a number, counted for each kind by itself, because people type it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PEOPLE = "people"  # the one mailbox of the persons of a fleet


class TaskState(StrEnum):
    """Work offered on the Fabric."""

    OPEN = "open"  # offered, or given back
    CLAIMED = "claimed"  # exclusively held until its lease runs out
    DONE = "done"
    WITHDRAWN = "withdrawn"  # by whoever offered it, or by a person


class MailState(StrEnum):
    """One message to one reader."""

    QUEUED = "queued"  # written
    DELIVERED = "delivered"  # shown to the reader: in the brief of a run, or because it looked
    CONSUMED = "consumed"  # the reader said so


class QuestionState(StrEnum):
    """What an agent asked a person."""

    OPEN = "open"
    ANSWERED = "answered"


class BlockerState(StrEnum):
    """What stands in the way."""

    OPEN = "open"
    RESOLVED = "resolved"


class MailKind(StrEnum):
    """Why a message is in an inbox."""

    MESSAGE = "message"  # a person, or the fleet itself, wrote to an agent
    HANDOFF = "handoff"  # work was passed on
    BLOCKER = "blocker"  # somebody who reports here is stuck
    RESOLUTION = "resolution"  # a blocker of the reader's was resolved
    QUESTION = "question"  # an agent asks a person
    ANSWER = "answer"  # a person answered


TASK_MOVES: dict[TaskState, frozenset[TaskState]] = {
    TaskState.OPEN: frozenset({TaskState.CLAIMED, TaskState.WITHDRAWN}),
    TaskState.CLAIMED: frozenset({TaskState.OPEN, TaskState.DONE, TaskState.WITHDRAWN}),
    TaskState.DONE: frozenset(),
    TaskState.WITHDRAWN: frozenset(),
}

MAIL_MOVES: dict[MailState, frozenset[MailState]] = {
    MailState.QUEUED: frozenset({MailState.DELIVERED, MailState.CONSUMED}),
    MailState.DELIVERED: frozenset({MailState.CONSUMED, MailState.QUEUED}),  # back when its reader left the fleet
    MailState.CONSUMED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Task:
    """Work offered on the Fabric. ``claims`` counts the claims: it fences whoever lost an earlier one.

    ``holder`` is the principal that holds it, or did it; ``lease_until`` is microseconds, 0 without a claim.
    """

    number: int
    entry_id: str
    title: str
    body: str
    subject: str
    work_item: str
    offered_by: str
    state: TaskState
    holder: str
    holder_run: str
    claims: int
    token_hash: str
    lease_until: int
    outcome: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. ``recipient`` is ``people`` or ``agent:<name>``; ``about`` a question's or blocker's number.

    ``returned_from`` names the agent it was for, when that one left the fleet before it read it; ``shown_to``
    the run or person that was shown it first.
    """

    number: int
    entry_id: str
    recipient: str
    kind: MailKind
    sender: str
    sender_run: str
    subject: str
    work_item: str
    about: int
    body: str
    state: MailState
    returned_from: str
    shown_to: str
    queued_at: int
    delivered_at: int | None
    consumed_at: int | None

    @property
    def trusted(self) -> bool:
        """Whether a person wrote it; what agents write is data, not an order."""
        return self.sender.startswith("human:")


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of a person."""

    number: int
    entry_id: str
    asker: str
    run_id: str
    subject: str
    work_item: str
    body: str
    state: QuestionState
    answered_by: str
    answer: str
    asked_at: int
    answered_at: int | None


@dataclass(frozen=True, slots=True)
class Blocker:
    """What stands in the way, and who was told."""

    number: int
    entry_id: str
    opened_by: str
    run_id: str
    subject: str
    work_item: str
    body: str
    told: str
    state: BlockerState
    resolved_by: str
    resolution: str
    opened_at: int
    resolved_at: int | None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A kept result: its content lies in a file named by ``sha256``."""

    number: int
    entry_id: str
    sha256: str
    size: int
    name: str
    subject: str
    work_item: str
    put_by: str
    run_id: str
    at: int


def mailbox(principal: str) -> str:
    """The inbox of a principal such as ``agent:developer`` or ``human:ann``: its own, or that of people."""
    return principal if principal.startswith("agent:") else PEOPLE
