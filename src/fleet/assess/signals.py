"""The signals that risk is computed from: one table, each with its unit, source, cap, coefficient and reason. Pure.

All of them are faults: more of one never means less risk. None is text that an agent wrote; what an agent can
only declare against itself (a blocker) may count, since hiding it is no gain that matters for long.
``docs/reference/risk.md`` is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_HOURS = 168  # signals look back a week, and never past the agent's last release
SMOOTHING = 2  # an error rate pretends two further runs that went well, so that one failure is not "100 %"


@dataclass(frozen=True, slots=True)
class Signal:
    """One row. ``coefficient`` is in log-odds for one unit; values above ``cap`` count as ``cap``."""

    key: str
    unit: str
    source: str
    cap: float
    coefficient: float
    why: str
    spread: float  # how far labels may pull the coefficient from the shipped one: the prior's standard deviation


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "error_rate",
        "share of judged runs, 0 to 1",
        "runs that ended as `run.failed`, `run.timed_out` or `run.over_budget`, over those and `run.succeeded`, with"
        " two imagined successes; runs that had put their result on record before they died, that never began, or"
        " that were cancelled or lost count on neither side",
        1.0,
        3.0,
        "The broadest sign that an agent does not do what it is there for. Alone it takes a fleet member from 3 % to"
        " at most 38 %: failing is no harm by itself.",
        1.0,
    ),
    Signal(
        "failures_in_a_row",
        "runs",
        "the newest judged runs, up to the first success",
        5.0,
        0.5,
        "Something that still works now and then is another thing than something that stopped working. Four in a row"
        " weigh as much as an error rate of two thirds.",
        0.25,
    ),
    Signal(
        "restarts",
        "starts",
        "`run.starting` of a later attempt, or of an epoch after the first, and `run.lost`",
        5.0,
        0.3,
        "Each is work done twice. Small, because the machine causes many of them: a power cut must not empty a fleet.",
        0.15,
    ),
    Signal(
        "blocked_tasks",
        "tasks",
        "open blockers that the agent reported, and its dead letters that nobody has settled",
        5.0,
        0.35,
        "Work that stands still and that a person has to look at. A blocker is also honesty, so it weighs little;"
        " a dead letter brings its three failures along.",
        0.2,
    ),
    Signal(
        "silent_hours",
        "hours",
        "the longest time for which a run that lives now has put nothing on record",
        8.0,
        0.25,
        "A session that says nothing for hours hangs or does something that nobody sees. Long thinking is common, so"
        " a whole working day of silence alone stays below *elevated*.",
        0.15,
    ),
    Signal(
        "denied_actions",
        "refusals",
        "`request.refused` for the agent's own runs: another's objects, verbs outside its role, a capability used"
        " elsewhere",
        10.0,
        0.25,
        "Reaching past one's authority again and again is the one signal here that points at intent, or at text"
        " that has taken an agent over. Ten of them make *elevated* without anything else.",
        0.15,
    ),
    Signal(
        "overruns",
        "runs",
        "`run.timed_out` and `run.over_budget`",
        4.0,
        0.4,
        "It had to be stopped from outside. Counts beside the error rate, because nobody knows what it would have"
        " gone on to do.",
        0.2,
    ),
)

# An agent of which nothing is known against it: 3 in 100. Log-odds.
INTERCEPT = -3.5
INTERCEPT_SPREAD = 1.0

# What a person would say of each, and what the shipped coefficients have to say too: a test holds the levels.
CASES: dict[str, dict[str, float]] = {
    "six of twenty runs failed": {"error_rate": 6 / 22, "failures_in_a_row": 1},
    "a working day of silence": {"silent_hours": 8},
    "silent for a day, and blocked": {"silent_hours": 8, "blocked_tasks": 1},
    "a power cut took four runs": {"restarts": 4},
    "ten refused requests": {"denied_actions": 10},
    "one ticket that failed three times": {
        "error_rate": 3 / 5, "failures_in_a_row": 3, "restarts": 2, "blocked_tasks": 1,
    },
    "two tickets that failed three times each": {
        "error_rate": 6 / 8, "failures_in_a_row": 5, "restarts": 4, "blocked_tasks": 2,
    },
    "four runs in a row that had to be stopped": {"error_rate": 4 / 6, "failures_in_a_row": 4, "overruns": 4},
    "it fails, overruns and reaches past its authority": {
        "error_rate": 0.5, "failures_in_a_row": 2, "overruns": 2, "denied_actions": 8,
    },
}  # fmt: skip

KEYS: tuple[str, ...] = tuple(signal.key for signal in SIGNALS)
BY_KEY: dict[str, Signal] = {signal.key: signal for signal in SIGNALS}
