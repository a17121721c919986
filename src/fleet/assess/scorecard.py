"""Six dimensions of somebody's work, 0 to 100, each from counted facts with its evidence. Pure and stateless.

The formulas stand in the table below; docs/reference/evaluation.md is generated from it. Evaluation never
stops anybody: what binds is policy, budgets and risk, which do not read this file (an import contract holds it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleet.assess.evidence import Ended, Evidence
from fleet.core.money import MICROS

VERSION = 1  # of the formulas; recorded with every stored evaluation
MINIMUM = 3  # counted facts below which a dimension says "insufficient data"
MINIMUM_DIMENSIONS = 3  # dimensions with data below which there is no overall score


@dataclass(frozen=True, slots=True)
class Score:
    """One dimension. ``value`` is None for insufficient data; ``inputs`` are the numbers of its formula.

    ``good`` and ``bad`` are the journal entries that count for and against it.
    """

    dimension: str
    value: float | None
    facts: int
    inputs: Mapping[str, float]
    good: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The six scores in the order of the table, and their mean where enough of them have data."""

    scores: tuple[Score, ...]
    overall: float | None
    runs: int


@dataclass(frozen=True, slots=True)
class Dimension:
    """A row of the table: the question, the formula in words, and what its inputs are."""

    name: str
    asks: str
    formula: str
    inputs: Mapping[str, str]
    score: Callable[[Evidence], Score]


def scorecard(evidence: Evidence) -> Scorecard:
    """Score all six dimensions."""
    scores = tuple(row.score(evidence) for row in DIMENSIONS)
    known = [score.value for score in scores if score.value is not None]
    overall = sum(known) / len(known) if len(known) >= MINIMUM_DIMENSIONS else None
    return Scorecard(scores, overall, len(evidence.runs))


def _assignments(evidence: Evidence) -> list[list[Ended]]:
    """The attempts at each piece of work that somebody was given."""
    found: dict[tuple[str, tuple[str, str, str]], list[Ended]] = defaultdict(list)
    for run in evidence.runs:
        found[run.start.cast.agent, run.start.assignment].append(run)
    return list(found.values())


def _share(dimension: str, good: list[int], bad: list[int], names: tuple[str, str]) -> Score:
    """Good ones of all, in per cent."""
    total = len(good) + len(bad)
    value = 100.0 * len(good) / total if total >= MINIMUM else None
    return Score(dimension, value, total, {names[0]: len(good), names[1]: total}, tuple(good), tuple(bad))


def _task_output(evidence: Evidence) -> Score:
    good: list[int] = []
    bad: list[int] = []
    for attempts in _assignments(evidence):
        (good if any(run.good for run in attempts) else bad).append(attempts[-1].seq)
    return _share("task_output", good, bad, ("delivered", "assignments"))


def _reliability(evidence: Evidence) -> Score:
    good = [run.seq for run in evidence.runs if run.good]
    bad = [run.seq for run in evidence.runs if not run.good]
    return _share("reliability", good, bad, ("succeeded", "runs"))


def _output_quality(evidence: Evidence) -> Score:
    judged = evidence.judged
    return _share("output_quality", list(judged.good), list(judged.bad), ("stood", "judged"))


def _efficiency(evidence: Evidence) -> Score:
    timed = [(run, run.seconds) for run in evidence.runs if run.seconds is not None]
    useful = [(run, seconds) for run, seconds in timed if run.good and run.run_id not in evidence.rework]
    spent = sum(seconds for _, seconds in timed)
    kept = sum(seconds for _, seconds in useful)
    fits = len(timed) >= MINIMUM and spent > 0
    good = tuple(run.seq for run, _ in useful)
    bad = tuple(run.seq for run, _ in timed if run.seq not in set(good))
    inputs = {"useful_seconds": round(kept, 3), "seconds": round(spent, 3)}
    return Score("efficiency", 100.0 * kept / spent if fits else None, len(timed), inputs, good, bad)


def _collaboration(evidence: Evidence) -> Score:
    broken = [run for run in evidence.runs if not run.good]
    said = [run for run in broken if run.run_id in evidence.blocked]
    clean = [run for run in evidence.runs if run.run_id not in evidence.refused]
    parts = {
        "messages_acknowledged": (len(evidence.messages.good), evidence.messages.total),
        "claims_finished": (len(evidence.tasks.good), evidence.tasks.total),
        "runs_within_role": (len(clean), len(evidence.runs)),
        "failures_explained": (len(said), len(broken)),
    }
    facts = sum(total for _, total in parts.values())
    shares = [good / total for good, total in parts.values() if total]
    good = (*evidence.messages.good, *evidence.tasks.good, *(run.seq for run in said))
    bad = (*evidence.messages.bad, *evidence.tasks.bad, *evidence.refused.values())
    bad = (*bad, *(run.seq for run in broken if run not in said))
    inputs: dict[str, float] = {}
    for name, (number, total) in parts.items():
        inputs |= {name: number, f"{name}_of": total}
    value = 100.0 * sum(shares) / len(shares) if facts >= MINIMUM else None
    return Score("collaboration", value, facts, inputs, tuple(sorted(good)), tuple(sorted(bad)))


def _cost(evidence: Evidence) -> Score:
    work = [attempts for attempts in _assignments(evidence) if all(run.seconds is not None for run in attempts)]
    done = [attempts for attempts in work if any(run.good for run in attempts)]
    spent = sum(run.seconds or 0.0 for attempts in work for run in attempts)
    granted = sum(attempts[-1].start.allowance for attempts in done)
    value = None
    if len(work) >= MINIMUM:
        value = max(0.0, 100.0 * (1.0 - spent / granted)) if granted > 0 else 0.0
    inputs = {"seconds": round(spent, 3), "granted_seconds": round(granted, 3), "delivered": len(done)}
    used = [run for attempts in work for run in attempts]
    if any(run.tokens for run in used):
        inputs["tokens"] = sum(run.tokens for run in used)
        inputs["dollars"] = sum(run.micros for run in used) / MICROS
        inputs["answers_without_a_price"] = sum(run.unpriced for run in used)
    good = tuple(attempts[-1].seq for attempts in done)
    bad = tuple(run.seq for attempts in work if attempts not in done for run in attempts)
    return Score("cost", value, len(work), inputs, good, bad)


DIMENSIONS = (
    Dimension(
        "task_output",
        "Was the requested work produced?",
        "100 x delivered / assignments",
        {
            "assignments": "pieces of work (work item, event, head) of which a run ended in the window",
            "delivered": "those with a run that put its expected event on record",
        },
        _task_output,
    ),
    Dimension(
        "reliability",
        "Do runs end by themselves, with their result?",
        "100 x succeeded / runs",
        {
            "runs": "ended runs; those that a person cancelled are left out",
            "succeeded": "those whose expected event is on record; failed, timed out, over budget and lost are not",
        },
        _reliability,
    ),
    Dimension(
        "output_quality",
        "Does the result stand before others?",
        "100 x stood / judged",
        {
            "judged": "an author's heads that got a verdict; a reviewer's verdicts that later facts agree or disagree"
            " with; a release manager's merges and refused attempts",
            "stood": "heads nobody sent back; approvals of heads that were merged and that no other reviewer sent"
            " back; requests for changes after which the author changed something; merges",
        },
        _output_quality,
    ),
    Dimension(
        "efficiency",
        "How much of the time went into work that was kept?",
        "100 x useful_seconds / seconds",
        {
            "seconds": "run time of the ended runs",
            "useful_seconds": "of those that succeeded and whose head was not sent back",
        },
        _efficiency,
    ),
    Dimension(
        "collaboration",
        "Does it answer, hand over cleanly, stay within its role, and say what stops it?",
        "100 x the mean of the shares that have data",
        {
            "messages_acknowledged": "messages shown to the agent that it acknowledged in the window",
            "claims_finished": "claimed tasks that were completed, not given back by an expired lease",
            "runs_within_role": "runs without a refused request",
            "failures_explained": "runs without result that raised a blocker",
        },
        _collaboration,
    ),
    Dimension(
        "cost",
        "How much of the granted run time did delivered work need?",
        "100 x (1 - seconds / granted_seconds), at least 0",
        {
            "seconds": "run time of all attempts, those that delivered nothing included",
            "granted_seconds": "the time limit of one run for each piece of delivered work",
            "delivered": "pieces of delivered work",
            "tokens": "tokens of all attempts, where any were measured; shown beside the score, and no part of it",
            "dollars": "what they cost by the table of prices; shown beside the score, and no part of it",
            "answers_without_a_price": "answers whose cost is unknown and not in `dollars`",
        },
        _cost,
    ),
)
