"""What a decision may look at: one frozen record for each question, gathered elsewhere, judged here."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleet.config.gate import GateConfig
from fleet.core.agent import AgentState
from fleet.core.live import LiveCheck, WantedCheck
from fleet.core.work import RunState


@dataclass(frozen=True, slots=True)
class WorkFacts:
    """The event an agent is to react to. ``returned`` marks work of a run that ended without its result."""

    event_type: str
    event_seq: int
    subject: str
    generation: str
    attempt: int
    returned: bool
    cancelled_seq: int = 0  # journal position of the newest cancellation of this work by a person
    cancelled: str = ""  # who did it, and why


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """Who would start. ``reviews``, ``merges`` and ``pushes`` say what the verbs of its role allow."""

    name: str
    member: bool  # named in the configuration
    enabled: bool
    state: AgentState
    role: str
    reviews: bool
    merges: bool
    pushes: bool
    state_reason: str = ""  # who put it into this state, and why
    probation: bool = False  # came out of quarantine and has not shown enough yet


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """What runs already. ``busy_run``: this agent's live run on the same work item.

    ``other_author``: another agent whose live run may push to the same work item.
    """

    agent_live: int
    agent_limit: int
    fleet_live: int
    fleet_limit: int
    busy_run: str = ""
    other_author: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds, tokens or money that an agent, a ticket, the fleet or a run may use in a window.

    ``ceiling`` is the configuration's (None = unlimited), ``granted`` what people gave on top in this window;
    ``spent`` by ended runs, ``reserved`` by live ones. ``slots`` is how many runs may share what is left; ``until``
    when the window ends. Tokens and money (``usd``, in whole millionths of a dollar) are spent as they are measured, by
    live runs too, and nothing of them is reserved. ``unpriced`` answers have no price: what they cost is unknown.
    """

    scope: str  # agent, ticket, fleet, or run: each one of an agent
    name: str  # the agent, or ticket/7; "" for the fleet
    ceiling: float | None
    granted: float
    spent: float
    reserved: float
    slots: int = 1
    window: str = "lifetime"
    until: str = ""
    since: int = 0  # when the window began, in microseconds; 0 for all time
    unit: str = "seconds"  # seconds, tokens or usd
    unpriced: int = 0

    @property
    def total(self) -> float:
        """All that the window has."""
        return math.inf if self.ceiling is None else self.ceiling + self.granted

    @property
    def left(self) -> float:
        """What nobody used and nobody holds."""
        return max(0.0, self.total - self.spent - self.reserved)

    @property
    def title(self) -> str:
        """Whose budget it is, as people call it."""
        return {"run": f"one run of {self.name}", "fleet": "the fleet"}.get(self.scope, self.name)


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """What was used of every budget that a start has to fit into, and the seconds of one run."""

    timeout_seconds: float
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class PullFacts:
    """A live pull request. ``author_is_member``: an enabled agent of this fleet opened it."""

    number: int
    state: str
    head: str
    author: str
    author_is_member: bool


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """A live ticket, its open pull request (``in_hand``, 0 = none) and when a merge for it was recorded."""

    number: int
    state: str
    labels: frozenset[str]
    required_label: str
    in_hand: int = 0
    in_hand_author: str = ""
    merged_seq: int = 0  # journal position of the newest pr_merged of this ticket


@dataclass(frozen=True, slots=True)
class VerdictFact:
    """A review on record: who, with which lineage, said what about which head."""

    seq: int
    principal: str
    approves: bool
    head: str
    lineage: frozenset[str]
    content: str = ""  # a person's: the seal of what was seen; "" where nothing was sealed
    diff: str = ""  # digest of the diff that was reviewed; "" in records from before it was kept
    void: str = ""  # why an approval lost its force: somebody behind it was quarantined afterwards

    @property
    def by_person(self) -> bool:
        """True when a person reviewed."""
        return self.principal.startswith("human:")


@dataclass(frozen=True, slots=True)
class ReviewerFact:
    """A reviewer that is to answer at the head: how far its delivery is, and which person waived it."""

    agent: str
    asked: str  # the state of its delivery, or "not asked yet"
    waived_by: str = ""


@dataclass(frozen=True, slots=True)
class AskedFact:
    """An agent that was told of a head, or works on it: how far that is, and its role by the store.

    ``denied`` where every delivery to it was: then it is asked nothing.
    """

    agent: str
    state: str
    role: str


@dataclass(frozen=True, slots=True)
class GrantFact:
    """A person's approval that stands: granted for exactly the present content, and not expired."""

    principal: str
    lineage: frozenset[str]


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """What holds a piece of work: subjects with the label ``fleet:hold``, and what has a text that changed ("")."""

    labelled: tuple[str, ...] = ()
    changed: str = ""


@dataclass(frozen=True, slots=True)
class MergeFacts:
    """Everything the merge gate reads. ``verdicts`` are all of this pull request, in journal order.

    ``asked``, ``waivers`` (agent and person), ``paths``, ``checks`` and what the base branch's own rules want of them
    are what was seen; ``reviewers``, ``protected``, ``wanted_checks`` and ``base`` are what the configuration makes of
    them (``policy/under.py``).
    """

    number: int
    state: str
    head: str
    authors: frozenset[str]
    verdicts: tuple[VerdictFact, ...]
    reviewers: tuple[ReviewerFact, ...]
    protected: tuple[str, ...]  # changed paths that only a person may let through
    principal: str
    principal_is_agent: bool
    lineage: frozenset[str]  # of the principal
    shared_uid: bool
    shared_uid_merge_allowed: bool
    content: str = ""  # the seal over what a person's word is bound to
    grants: tuple[GrantFact, ...] = ()
    base_alarm: str = ""  # an unexplained movement of the base branch, in words
    asked: tuple[AskedFact, ...] = ()
    waivers: tuple[tuple[str, str], ...] = ()
    paths: tuple[str, ...] = ()  # everything that differs between merge base and head
    hold: HoldFacts | None = None  # None: as recorded by a program that knew no holds
    diff: str = ""  # digest of that difference; "" = nobody looked
    base_ref: str = ""  # where it would go
    base: str = ""  # where this fleet merges
    ruled_checks: tuple[WantedCheck, ...] = ()
    checks: tuple[LiveCheck, ...] = ()
    wanted_checks: tuple[WantedCheck, ...] = ()
    conflict: str = ""  # why it does not merge, where its author has been told


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """Everything a review is judged by. ``run_*`` are empty for a person."""

    number: int
    state: str
    head: str  # the live head
    reviewed_head: str  # the commit the verdict speaks of
    principal: str
    principal_is_agent: bool
    role: str
    reviews: bool
    lineage: frozenset[str]
    authors: frozenset[str]
    run_subject: str = ""
    run_head: str = ""


@dataclass(frozen=True, slots=True)
class BrokenFacts:
    """A run that ended without its result, and what decides what becomes of its work.

    ``result`` is the proof that turned up after all; ``interrupted`` why the end is nobody's verdict on the work;
    ``failures`` how many runs of the agent in a row ended in the same way as this one.
    """

    run: str
    state: RunState
    outcome: str
    cancel_reason: str
    work: WorkFacts
    agent: AgentFacts
    attempts: int  # that are granted
    failures_limit: int
    failures: int = 0
    cause: str = ""
    interrupted: str = ""
    result: str = ""
    pull: PullFacts | None = None
    ticket: TicketFacts | None = None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """A delivery that asks for one more attempt."""

    agent: str
    attempt: int
    attempts: int


@dataclass(frozen=True, slots=True)
class CallOffFacts:
    """A live run, and what its ticket says by now. Journal positions, 0 for none.

    ``closed`` and ``unready`` are the newest events that say so, but for a closing here that leaves runs alone.
    """

    agent: str
    event_type: str
    root: int
    state: str
    labels: frozenset[str]
    closed: int
    unready: int
    merged: int
    pushes: bool
    required_label: str


@dataclass(frozen=True, slots=True)
class WarnFacts:
    """Seconds of a budget that are used, live runs up to now, and at which percentage people are told."""

    limit: Limit
    used: float
    percent: int


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The disk that the state folder is on, in bytes. ``low``: starts wait; it ends only some way above ``floor``."""

    path: str
    free: int
    total: int
    floor: int
    low: bool


@dataclass(frozen=True, slots=True)
class EventFact:
    """The newest event of a type about a subject, at one head ("" where there is none)."""

    type: str
    generation: str
    seq: int
    actor: str


@dataclass(frozen=True, slots=True)
class DiffFact:
    """How large a change is: files, and lines added and removed together (of binary files nobody knows)."""

    files: int
    lines: int


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the conditions before a start read. ``now`` is microseconds; ``labels`` are those of ``subject``."""

    now: int
    subject: str
    head: str
    labels: frozenset[str]
    events: tuple[EventFact, ...]
    diff: DiffFact | None = None  # None: not looked at, or there is no pull request
    approval: MergeFacts | None = None  # where the agent would not start in order to merge
    gate: GateConfig | None = None
    checks: tuple[LiveCheck, ...] = ()  # where the gate asks for one, or the agent would merge
    risks: tuple[tuple[str, str], ...] = ()  # of the agent that starts and of those behind the change: name and level


@dataclass(frozen=True, slots=True)
class LoopFacts:
    """How often something has happened since a person last let it go on, and how often it may.

    ``hops``: starts that followed from each other. ``rounds``: heads of this pull request that were sent back.
    ``starts``: runs of the fleet in the last hour. ``failures``: runs of this agent in a row that ended in ``cause``.
    """

    hops: int
    rounds: int
    starts: int
    failures: int
    cause: str
    hops_limit: int = 0
    rounds_limit: int = 0
    starts_limit: int = 0
    failures_limit: int = 0


@dataclass(frozen=True, slots=True)
class StartFacts:
    """Everything a start is judged by. ``merge`` is set when the agent would start in order to merge."""

    work: WorkFacts
    agent: AgentFacts
    load: LoadFacts
    budget: BudgetFacts
    pull: PullFacts | None = None
    ticket: TicketFacts | None = None
    lineage: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    merge: MergeFacts | None = None
    disk: DiskFacts | None = None  # None: nobody measures
    hold: HoldFacts | None = None  # None: as recorded by a program that knew no holds
    gate: GateFacts | None = None  # None: as recorded by a program that knew no gates
    loops: LoopFacts | None = None  # None: as recorded by a program that did not count
