"""What the journal holds about somebody's work in a window, as numbers and references. Pure.

Only the machinery's own columns are read: types, states, seconds, commits, who acted. No summary, title, comment
or other text can change anything here, so an agent cannot write itself a better score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.core.journal import Entry

SUCCEEDED = "run.succeeded"
BROKEN = ("run.failed", "run.timed_out", "run.over_budget", "run.lost")
ENDS = (SUCCEEDED, *BROKEN)
PUSHES = ("pr_created", "pr_updated")
VERDICTS = ("pr_approved", "pr_changes_requested")
REFUSALS = ("request.refused", "review.refused")
TYPES = (
    *ENDS, *PUSHES, *VERDICTS, *REFUSALS, "pr_merged", "merge.refused", "pr_closed", "message.delivered",
    "message.consumed", "task_completed", "task_returned", "blocker",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cast:
    """Who played in a run: the agent, its role, the model it was given ("" = the vendor's own choice)."""

    agent: str
    role: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """What is known of a run from its beginning. ``assignment`` is the same for every attempt at one piece of work."""

    cast: Cast
    assignment: tuple[str, str, str]  # work item, event that called for it, head it was called for
    allowance: float  # seconds


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended by itself. ``seconds`` is None when the payload was erased."""

    seq: int
    run_id: str
    good: bool
    seconds: float | None
    start: Start
    tokens: int = 0  # what its client and its transcript measured
    micros: int = 0  # millionths of a dollar of the answers that have a price
    unpriced: int = 0  # answers that have none


@dataclass(slots=True)
class Tally:
    """Journal references for and against, in the order in which they came."""

    good: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)

    def add(self, seq: int, good: bool) -> None:
        """Count one."""
        (self.good if good else self.bad).append(seq)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.good) + len(self.bad)


@dataclass(slots=True)
class Evidence:
    """All that a scorecard is made from, of one agent, role or model."""

    runs: list[Ended] = field(default_factory=list)
    judged: Tally = field(default_factory=Tally)  # heads, verdicts and merges that others agreed with, or did not
    rework: set[str] = field(default_factory=set)  # runs whose commit was sent back
    messages: Tally = field(default_factory=Tally)
    tasks: Tally = field(default_factory=Tally)
    refused: dict[str, int] = field(default_factory=dict)  # run -> its first refused request
    blocked: set[str] = field(default_factory=set)  # runs that said what stood in their way


Key = Callable[[Cast], str]


def gather(entries: Sequence[Entry], starts: Mapping[str, Start], key: Key) -> dict[str, Evidence]:
    """The evidence of a window by ``key`` (agent, role or model), in one pass over its entries in journal order.

    ``starts`` says who played in each run that the entries name; what belongs to no known run is left out.
    """
    found: dict[str, Evidence] = defaultdict(Evidence)

    def of(run_id: str) -> Evidence | None:
        start = starts.get(run_id)
        return found[key(start.cast)] if start is not None else None

    for entry in entries:
        held = of(entry.run_id)
        if held is not None:
            _count(held, entry, starts[entry.run_id])
    _judge(entries, of)
    _mail(entries, {start.cast.agent: key(start.cast) for start in starts.values()}, found)
    return dict(found)


def _count(held: Evidence, entry: Entry, start: Start) -> None:
    """What one entry says by itself about the run that it belongs to."""
    if entry.type in ENDS:
        used = (_count_of(entry, key) for key in ("used_tokens", "used_micros", "unpriced"))
        held.runs.append(Ended(entry.seq, entry.run_id, entry.type == SUCCEEDED, _seconds(entry), start, *used))
    elif entry.type in REFUSALS:
        held.refused.setdefault(entry.run_id, entry.seq)
    elif entry.type == "blocker":
        held.blocked.add(entry.run_id)
    elif entry.type in ("task_completed", "task_returned"):
        held.tasks.add(entry.seq, entry.type == "task_completed")
    elif entry.type in ("pr_merged", "merge.refused"):
        held.judged.add(entry.seq, entry.type == "pr_merged")


def _seconds(entry: Entry) -> float | None:
    """The run time that the runner measured."""
    value = (entry.payload or {}).get("used_seconds")
    return float(value) if isinstance(value, (int, float)) else None


def _count_of(entry: Entry, key: str) -> int:
    """A whole number that the store added up; 0 where none was recorded."""
    value = (entry.payload or {}).get(key)
    return value if isinstance(value, int) and value > 0 else 0


@dataclass(slots=True)
class _Head:
    """One commit of a pull request and what became of it."""

    push: Entry | None = None
    verdicts: list[Entry] = field(default_factory=list)
    merged: bool = False
    followed: bool = False  # another commit came after it, or the pull request was closed unmerged


def _judge(entries: Iterable[Entry], of: Callable[[str], Evidence | None]) -> None:
    """Authors by what reviewers said of each head, reviewers by what others said and did at the same head."""
    for head in _heads(entries).values():
        sent_back = [entry for entry in head.verdicts if entry.type == "pr_changes_requested"]
        author = of(head.push.run_id) if head.push is not None else None
        if author is not None and head.push is not None and head.verdicts:
            author.judged.add(head.push.seq, not sent_back)
            if sent_back:
                author.rework.add(head.push.run_id)
        for verdict in head.verdicts:
            reviewer = of(verdict.run_id)
            upheld = _upheld(verdict, head, sent_back)
            if reviewer is not None and upheld is not None:
                reviewer.judged.add(verdict.seq, upheld)


def _heads(entries: Iterable[Entry]) -> dict[tuple[str, str], _Head]:
    """Every head that the window tells of, by pull request and commit."""
    heads: dict[tuple[str, str], _Head] = defaultdict(_Head)
    newest: dict[str, _Head] = {}
    for entry in entries:
        place = (entry.subject, entry.generation)
        if entry.type in PUSHES and entry.generation:
            if entry.subject in newest:
                newest[entry.subject].followed = True
            heads[place].push = entry
            newest[entry.subject] = heads[place]
        elif entry.type in VERDICTS and entry.generation:
            heads[place].verdicts.append(entry)
            newest.setdefault(entry.subject, heads[place])
        elif entry.type == "pr_merged" and entry.generation:
            heads[place].merged = True
        elif entry.type == "pr_closed" and entry.subject in newest:
            newest[entry.subject].followed = True
    return heads


def _upheld(verdict: Entry, head: _Head, sent_back: Sequence[Entry]) -> bool | None:
    """Whether a verdict stood; None while nothing is known that could say so.

    An approval stands when the head was merged and nobody else wanted changes at it; it does not when another did.
    A request for changes stands when the author changed something (or the work was given up), and does not when
    that very head was merged.
    """
    if verdict.type == "pr_approved":
        if any(other.actor != verdict.actor for other in sent_back):
            return False
        return True if head.merged else None
    if head.merged:
        return False
    return True if head.followed else None


def _mail(entries: Iterable[Entry], keys: Mapping[str, str], found: dict[str, Evidence]) -> None:
    """Messages shown to an agent, and whether it acknowledged them within the window."""
    shown: dict[int, tuple[str, int]] = {}
    taken: set[int] = set()
    for entry in entries:
        numbers = (entry.payload or {}).get("messages")
        if entry.type not in ("message.delivered", "message.consumed") or not isinstance(numbers, list):
            continue
        for number in numbers:
            if entry.type == "message.consumed":
                taken.add(number)
            elif entry.agent in keys:
                shown.setdefault(number, (keys[entry.agent], entry.seq))
    for number, (key, seq) in shown.items():
        found[key].messages.add(seq, number in taken)
