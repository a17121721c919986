"""From what is on record to the value of each signal, with the entries behind it. Pure: records in, readings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.assess.risk import Evidence, Reading
from fleet.assess.signals import SMOOTHING
from fleet.core.clock import SECOND
from fleet.core.risk import EndedRun, Facts, Mark
from fleet.core.work import RunState

HOUR = 3600 * SECOND
SHOWN = 20  # entries named as evidence of one signal

_BAD = (RunState.FAILED, RunState.TIMED_OUT, RunState.OVER_BUDGET)
_STOPPED = (RunState.TIMED_OUT, RunState.OVER_BUDGET)
_NEVER_BEGAN = "not_started"
_FROM_JOURNAL = ("restarts", "blocked_tasks", "denied_actions")  # the others are in the runs table, which stays whole


def judged(runs: Sequence[EndedRun]) -> list[EndedRun]:
    """The runs that say something about their agent, in the order given.

    Not those that died after their result was on record, never began, were cancelled or lost: the result is there,
    and the rest has another cause.
    """
    return [
        run
        for run in runs
        if run.state == RunState.SUCCEEDED or (run.state in _BAD and not run.had_result and run.reason != _NEVER_BEGAN)
    ]


def read(facts: Facts, now: int) -> dict[str, Reading]:
    """Every signal of one agent at ``now`` (microseconds)."""
    runs = judged(facts.runs)
    bad = [run for run in runs if run.state != RunState.SUCCEEDED]
    row = _in_a_row(runs)
    lost = [_mark(run) for run in facts.runs if run.state == RunState.LOST and not run.had_result]
    stopped = [run for run in bad if run.state in _STOPPED]
    found = {
        "error_rate": Reading(len(bad) / (len(runs) + SMOOTHING), _named([_mark(run) for run in bad])),
        "failures_in_a_row": Reading(float(len(row)), _named([_mark(run) for run in row])),
        "overruns": Reading(float(len(stopped)), _named([_mark(run) for run in stopped])),
        "silent_hours": _silence(facts, now),
    }
    for key, marks in (
        ("restarts", sorted((*facts.restarts, *lost), key=lambda mark: -mark.at)),
        ("blocked_tasks", list(facts.blocked)),
        ("denied_actions", list(facts.refusals)),
    ):
        found[key] = Reading(float(len(marks)), _named(marks))
    return found


def unknown_where_short(readings: dict[str, Reading], before: Mapping[str, float]) -> dict[str, Reading]:
    """Readings of a window of which an archive took a part: what is fewer than it was is not known, not less."""
    return {
        key: Reading(None, one.evidence)
        if key in _FROM_JOURNAL and one.value is not None and one.value < before.get(key, 0.0)
        else one
        for key, one in readings.items()
    }


def _in_a_row(runs: Sequence[EndedRun]) -> list[EndedRun]:
    """The newest runs up to the first success."""
    found: list[EndedRun] = []
    for run in runs:
        if run.state == RunState.SUCCEEDED:
            break
        found.append(run)
    return found


def clean_since(runs: Sequence[EndedRun], since: int) -> int:
    """How many of the judged runs that ended after ``since`` went well in a row, counted back from the newest."""
    count = 0
    for run in judged(runs):
        if run.state != RunState.SUCCEEDED or run.at <= since:
            break
        count += 1
    return count


def _silence(facts: Facts, now: int) -> Reading:
    """The longest silence of a live run, in hours."""
    if not facts.silent:
        return Reading(0.0)
    worst = min(facts.silent, key=lambda one: (one.since, one.run_id))
    hours = max(0.0, (now - worst.since) / HOUR)
    text = f"run {worst.run_id} has put nothing on record for {hours:.1f} h"
    return Reading(hours, (Evidence(worst.seq, worst.entry, text, worst.since),))


def _mark(run: EndedRun) -> Mark:
    words = run.state.replace("_", " ")
    return Mark(run.seq, run.entry, f"run {run.id} on {run.subject or 'nothing'} ended as {words}", run.at)


def _named(marks: Sequence[Mark]) -> tuple[Evidence, ...]:
    return tuple(Evidence(mark.seq, mark.entry, mark.text, mark.at) for mark in marks[:SHOWN])
