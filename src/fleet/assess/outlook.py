"""What would bring an agent's level down: each answer computed with the model that judged it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fleet.assess.reading import HOUR, judged, read
from fleet.assess.risk import WORTH, Model, Reading, Score, level_of, score
from fleet.assess.signals import WINDOW_HOURS
from fleet.core.risk import EndedRun, Facts, RiskLevel
from fleet.core.work import RunState

_MOST_RUNS = 50  # good runs that are tried in thought


_Judge = Callable[[dict[str, Reading]], tuple[float, RiskLevel]]


@dataclass(frozen=True, slots=True)
class Step:
    """One way down: what would have to happen, and the probability and level then."""

    text: str
    probability: float
    level: RiskLevel


def ways_down(
    facts: Facts, now: int, before: Mapping[str, float], at: RiskLevel, model: Model, *, probation: bool
) -> list[Step]:
    """Ways that lead to a lower level, the ones nearest at hand first; none for an agent at the lowest.

    Good runs come first, then what a person can settle, then the plain passing of time.
    """
    if at is RiskLevel.LOW:
        return []
    present = score(read(facts, now), before, model)

    def judge(readings: dict[str, Reading]) -> tuple[float, RiskLevel]:
        found = score(readings, before, model).probability
        return found, level_of(found, at, probation=probation)

    return [
        *_good_runs(facts, now, judge, at),
        *_without(present, facts, now, judge, at),
        *_time(facts, now, judge, at),
    ]


def _good_runs(facts: Facts, now: int, judge: _Judge, at: RiskLevel) -> list[Step]:
    """The fewest runs in a row that have to go well."""
    for count in range(1, _MOST_RUNS + 1):
        good = tuple(EndedRun("", RunState.SUCCEEDED, "", now, "exited", True, 0, "") for _ in range(count))
        found, level = judge(read(replace(facts, runs=(*good, *facts.runs)), now))
        if level.rank < at.rank:
            runs = "one run that goes well" if count == 1 else f"{count} runs in a row that go well"
            return [Step(runs, found, level)]
    return []


def _without(present: Score, facts: Facts, now: int, judge: _Judge, at: RiskLevel) -> list[Step]:
    """Each signal at nothing by itself, where that alone is enough."""
    found = []
    for part in present.parts:
        if part.contribution < WORTH or part.key in ("error_rate", "failures_in_a_row", "overruns", "restarts"):
            continue
        probability, level = judge({**read(facts, now), part.key: Reading(0.0)})
        if level.rank < at.rank:
            found.append(Step(_SETTLED[part.key], probability, level))
    return found


_SETTLED = {
    "blocked_tasks": "its blockers resolved (fleet fabric resolve), its dead letters settled (fleet deadletters list)",
    "silent_hours": "its silent run saying something, or ending (fleet agent attach, fleet agent stop)",
    "denied_actions": "its refused requests leaving the window",
}


def _time(facts: Facts, now: int, judge: _Judge, at: RiskLevel) -> list[Step]:
    """When enough of it is a week old, if nothing new happens."""
    instants = sorted({mark.at for mark in (*facts.restarts, *facts.refusals)} | {run.at for run in judged(facts.runs)})
    for instant in instants:
        probability, level = judge(read(_younger(facts, instant), now))
        if level.rank < at.rank:
            hours = max(1, round((instant + WINDOW_HOURS * HOUR - now) / HOUR))
            return [Step(f"{hours} h without anything new (what happened leaves the window)", probability, level)]
    return []


def _younger(facts: Facts, instant: int) -> Facts:
    """What is left of the window once everything up to ``instant`` has left it."""
    return replace(
        facts,
        runs=tuple(run for run in facts.runs if run.at > instant),
        restarts=tuple(mark for mark in facts.restarts if mark.at > instant),
        refusals=tuple(mark for mark in facts.refusals if mark.at > instant),
    )
