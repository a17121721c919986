"""What a lead would want to know before it becomes a problem: findings with evidence and what to type. Pure.

Every threshold stands here with its unit, and in docs/reference/insights.md. A finding stops nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from fleet.core.clock import SECOND
from fleet.core.work import Run, RunState

STUCK_SECONDS = 900.0  # open work that nobody has, and about which nothing was recorded for so long
STALLED_SHARE = 0.5  # of a run's allowance, without an entry of its own
STALLED_SECONDS = 600.0  # at least
FLAPPING_RUNS = 3  # ended without result, of one agent on one piece of work
REVIEW_ROUNDS = 3  # times that one pull request was sent back
EXPENSIVE_TIMES = 3.0  # the median of delivered work
EXPENSIVE_LEAST = 5  # pieces of work below which a median says nothing
IDLE_SECONDS = 86_400.0  # an agent that is new, or was just let back, has had no time to be started

_BROKEN = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.OVER_BUDGET, RunState.LOST})


@dataclass(frozen=True, slots=True)
class OpenWork:
    """An open ticket or lone pull request. ``waiting``: deliveries that are pending or held; times in microseconds."""

    subject: str
    wanted: bool  # somebody asked for it: it carries a label of the chain
    waiting: int
    last_seq: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """An agent that could work. ``last_seq``: what the journal last says of it, or else what made it a member."""

    name: str
    role: str
    starts_by_itself: bool  # enabled, active, and subscribed to something or scheduled
    since: int  # when it came into the state it is in, in microseconds
    last_seq: int  # 0: not on record


@dataclass(frozen=True, slots=True)
class Collision:
    """Two open branches that no longer merge with each other."""

    subjects: tuple[str, str]
    agents: tuple[str, ...]
    paths: tuple[str, ...]
    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the findings are made from. ``heard`` is run id -> when and where the journal last heard of it."""

    now: int
    runs: Sequence[Run]  # live ones, and those of the window
    heard: Mapping[str, tuple[int, int]]
    work: Sequence[OpenWork]
    sent_back: Sequence[tuple[str, int]]  # pull request, entry: requests for changes of the window
    members: Sequence[Member]
    collisions: Sequence[Collision]


@dataclass(frozen=True, slots=True)
class Insight:
    """One finding: its kind, what it is about, a sentence, journal references, and the command that helps."""

    kind: str
    about: str
    text: str
    evidence: tuple[int, ...]
    command: str


def find(facts: Facts) -> list[Insight]:
    """Every finding, by kind in the order of ``KINDS``, then by what it is about."""
    found = [insight for finder in _FINDERS for insight in finder(facts)]
    order = list(KINDS)
    return sorted(found, key=lambda insight: (order.index(insight.kind), insight.about))


def _span(micros: int) -> str:
    """A length of time in the two units that matter."""
    minutes = max(0, micros) // SECOND // 60
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _stuck(facts: Facts) -> Iterator[Insight]:
    busy = {item for run in facts.runs if run.finished_at is None for item in (run.work_item, run.subject)}
    for one in facts.work:
        quiet = facts.now - one.last_at
        if one.wanted and one.subject not in busy and not one.waiting and quiet > STUCK_SECONDS * SECOND:
            text = f"{one.subject} is open and wanted, nobody works on it, and nothing happened for {_span(quiet)}"
            yield Insight("stuck", one.subject, text, (one.last_seq,), f"fleet why {one.subject}")


def _stalled(facts: Facts) -> Iterator[Insight]:
    for run in facts.runs:
        if run.state is not RunState.RUNNING or run.id not in facts.heard:
            continue
        at, seq = facts.heard[run.id]
        limit = max(STALLED_SECONDS, STALLED_SHARE * run.allowance_seconds)
        if facts.now - at > limit * SECOND:
            text = (
                f"{run.agent} runs on {run.subject or run.event_type} and the journal has not heard of it for"
                f" {_span(facts.now - at)}, of {_span(round(run.allowance_seconds * SECOND))} allowed"
            )
            yield Insight("stalled", run.agent, text, (seq,), f"fleet agent output {run.agent}")


def _flapping(facts: Facts) -> Iterator[Insight]:
    broken: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in facts.runs:
        if run.state in _BROKEN:
            broken[run.agent, run.work_item].append(run)
    for (agent, item), runs in broken.items():
        if len(runs) >= FLAPPING_RUNS:
            ways = ", ".join(
                f"{n} {state.replace('_', ' ')}" for state, n in Counter(str(r.state) for r in runs).items()
            )
            text = f"{agent} ended {len(runs)} times without a result on {item or 'its own work'} ({ways})"
            evidence = tuple(facts.heard[run.id][1] for run in runs if run.id in facts.heard)
            yield Insight(
                "flapping", agent, text, evidence, f"fleet why {item}" if item else f"fleet agent logs {agent}"
            )


def _over_reviewed(facts: Facts) -> Iterator[Insight]:
    rounds: dict[str, list[int]] = defaultdict(list)
    for subject, seq in facts.sent_back:
        rounds[subject].append(seq)
    for subject, seqs in rounds.items():
        if len(seqs) >= REVIEW_ROUNDS:
            number = subject.partition("/")[2]
            text = f"{subject} was sent back {len(seqs)} times; its ticket may be unclear, or its reviewers disagree"
            yield Insight("over-reviewed", subject, text, tuple(seqs), f"fleet pr show {number}")


def _idle(facts: Facts) -> Iterator[Insight]:
    worked = {run.agent for run in facts.runs}
    if not worked:
        return  # nothing happened at all: that is no agent's doing
    for member in facts.members:
        there = facts.now - member.since > IDLE_SECONDS * SECOND
        if there and member.starts_by_itself and member.name not in worked:
            text = f"{member.name} ({member.role}) could start by itself and had no run in the window"
            evidence = (member.last_seq,) if member.last_seq else ()
            yield Insight("idle", member.name, text, evidence, f"fleet agent show {member.name}")


def _expensive(facts: Facts) -> Iterator[Insight]:
    spent: dict[str, float] = defaultdict(float)
    delivered: set[str] = set()
    seen: dict[str, list[int]] = defaultdict(list)
    for run in facts.runs:
        if run.finished_at is None or not run.work_item:
            continue
        spent[run.work_item] += run.used_seconds
        if run.id in facts.heard:
            seen[run.work_item].append(facts.heard[run.id][1])
        if run.state is RunState.SUCCEEDED:
            delivered.add(run.work_item)
    usual = [spent[item] for item in delivered]
    if len(usual) < EXPENSIVE_LEAST:
        return
    middle = median(usual)
    for item, seconds in spent.items():
        if middle > 0 and seconds > EXPENSIVE_TIMES * middle:
            text = f"{item} took {seconds:.0f} s of run time, {seconds / middle:.1f} times the median of {middle:.0f} s"
            kind, _, number = item.partition("/")
            command = f"fleet log --{kind} {number}" if kind in ("ticket", "pr") else f"fleet why {item}"
            yield Insight("expensive", item, text, tuple(seen[item]), command)


def _collision(facts: Facts) -> Iterator[Insight]:
    for one in facts.collisions:
        first, second = one.subjects
        paths = ", ".join(one.paths[:5]) + (f" and {len(one.paths) - 5} more" if len(one.paths) > 5 else "")
        told = f"; {' and '.join(one.agents)} were told" if one.agents else ""
        text = f"{first} and {second} no longer merge with each other: {paths}{told}"
        yield Insight("collision", first, text, (one.seq,), f"fleet why {second}")


_FINDERS = (_stuck, _stalled, _flapping, _over_reviewed, _idle, _expensive, _collision)

KINDS: Mapping[str, str] = {
    "collision": "two open branches do not merge with each other any more, found while their authors still work; both"
    " are told in their inbox",
    "stuck": f"open work with a label of the chain that nobody has, nothing recorded for {STUCK_SECONDS:.0f} s",
    "stalled": f"a running run of which the journal has not heard for {STALLED_SHARE:.0%} of its allowance, at least"
    f" {STALLED_SECONDS:.0f} s",
    "flapping": f"{FLAPPING_RUNS} or more runs of one agent on one piece of work ended without a result",
    "over-reviewed": f"a pull request was sent back {REVIEW_ROUNDS} or more times",
    "expensive": f"a piece of work took more than {EXPENSIVE_TIMES:g} times the median run time of delivered work"
    f" (of at least {EXPENSIVE_LEAST} pieces)",
    "idle": "an agent that would start by itself had no run in the window, while others had; not before it has been"
    f" a member for {IDLE_SECONDS / 3600:.0f} h",
}
