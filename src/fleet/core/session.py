"""What a session says about itself: its state by its own reports, its usage, and what it asks a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SessionState(StrEnum):
    """Where the turn of a session stands, as its client reported it. The process is another fact, seen elsewhere."""

    STARTING = "starting"  # launched; nothing was heard yet
    WORKING = "working"  # inside a turn
    PERMISSION = "permission"  # inside a turn, waiting for a person's word
    STOPPED = "stopped"  # the turn is over; the client waits for words
    ENDED = "ended"  # the client said that it ends, or its run has ended


class PermissionState(StrEnum):
    """What became of a question whether a tool may be used."""

    ASKED = "asked"
    ALLOWED = "allowed"
    DENIED = "denied"
    EXPIRED = "expired"  # nobody answered in time: a no
    GONE = "gone"  # the session does not wait any more


@dataclass(frozen=True, slots=True)
class Session:
    """A row of the sessions table. ``ending`` is empty, ``done`` or ``failed`` (then ``failure`` says why).

    ``fault`` is the kind of its provider's refusal that failed it. ``told_at`` is when it was told what is missing.
    ``backend`` names its prices. ``blind`` counts uses of tools, one after the other, of which nobody measured what
    asking for them cost. Instants in microseconds.
    """

    session: str
    run_id: str
    epoch: int
    agent: str
    provider: str
    conversation: str
    state: SessionState
    since: int
    heard_at: int
    tool: str
    turns: int
    tools: int
    told_at: int | None
    ending: str
    failure: str
    fault: str = ""
    backend: str = ""
    blind: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a model: its tokens, and the price in millionths of a dollar that its client claims.

    ``cache_write`` are all tokens written to a cache, ``cache_write_1h`` those of them that are kept for an hour; None
    where that is not said.
    """

    answer: str
    model: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    said_micros: int | None = None
    cache_write_1h: int | None = None

    @property
    def tokens(self) -> int:
        """All tokens, whatever they cost."""
        return self.input + self.output + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Usage:
    """What answers add up to. ``cost_micros`` is None when one of them has no price: then nobody knows."""

    answers: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost_micros: int | None
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, whatever they cost."""
        return self.input + self.output + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Permission:
    """A question whether a session may use a tool now. ``input`` is the tool's input as JSON, cut to a bound."""

    id: str
    session: str
    run_id: str
    agent: str
    tool: str
    input: str
    state: PermissionState
    asked_at: int
    deadline: int
    answered_at: int | None
    answered_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """Why nothing is started at a provider, and until when; ``strikes`` counts refusals without an answer between."""

    provider: str
    kind: str
    reason: str
    strikes: int
    parked_at: int
    until: int
