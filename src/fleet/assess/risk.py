"""Risk: logistic regression over fault signals, with levels that do not flap. Pure: facts in, verdict out.

``probability = 1 / (1 + exp(-(intercept + sum of coefficient * value)))``, each value between 0 and its cap.
A signal that cannot be read counts as what it was when it was last read: missing data never lowers risk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.assess.signals import BY_KEY, INTERCEPT, SIGNALS
from fleet.core.risk import RiskLevel

WORTH = 0.05  # contributions below this are not worth a word
SHIPPED = "shipped-1"  # the version of the coefficients of the table; raise it when one of them changes


@dataclass(frozen=True, slots=True)
class Evidence:
    """A journal entry that a value rests on. ``seq`` is 0 where the entry is not on record any more."""

    seq: int
    entry: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal as it was read; ``value`` None: it could not be. Evidence, newest first."""

    value: float | None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """An intercept and one coefficient for each signal, in log-odds."""

    version: str
    intercept: float
    coefficients: Mapping[str, float]


PRIOR = Model(SHIPPED, INTERCEPT, {signal.key: signal.coefficient for signal in SIGNALS})


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal adds. ``used`` is the value that counted: capped, and carried where it is missing."""

    key: str
    value: float | None
    used: float
    coefficient: float
    contribution: float
    carried: bool
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """The probability with the parts that make it, largest first."""

    model: str
    probability: float
    parts: tuple[Part, ...]


def score(readings: Mapping[str, Reading], before: Mapping[str, float], model: Model = PRIOR) -> Score:
    """Judge readings. ``before`` are the values that counted last time, for signals that cannot be read now."""
    parts = []
    for signal in SIGNALS:
        reading = readings.get(signal.key, Reading(None))
        carried = reading.value is None
        used = capped(signal.key, before.get(signal.key, 0.0) if reading.value is None else reading.value)
        weight = model.coefficients.get(signal.key, 0.0)
        parts.append(Part(signal.key, reading.value, used, weight, weight * used, carried, reading.evidence))
    total = model.intercept + math.fsum(part.contribution for part in parts)
    ordered = tuple(sorted(parts, key=lambda part: (-part.contribution, part.key)))
    return Score(model.version, sigmoid(total), ordered)


def capped(key: str, value: float) -> float:
    """A value between 0 and its signal's cap."""
    if math.isnan(value):
        return BY_KEY[key].cap  # what is no number is no comfort
    return min(max(value, 0.0), BY_KEY[key].cap)


def sigmoid(log_odds: float) -> float:
    """The probability behind log-odds."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    grown = math.exp(log_odds)
    return grown / (1.0 + grown)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A level is entered at ``enter`` or above and left below ``leave``."""

    level: RiskLevel
    enter: float
    leave: float


# The gap between the two keeps a level from flapping when one event comes and another leaves the window.
THRESHOLDS: tuple[Threshold, ...] = (
    Threshold(RiskLevel.ELEVATED, 0.20, 0.12),
    Threshold(RiskLevel.HIGH, 0.50, 0.38),
    Threshold(RiskLevel.CRITICAL, 0.80, 0.65),
)
# Who came out of quarantine gets less rope.
PROBATION_CRITICAL = Threshold(RiskLevel.CRITICAL, 0.60, 0.45)


def thresholds(*, probation: bool) -> tuple[Threshold, ...]:
    """The thresholds that hold for an agent, mild to strict."""
    return (*THRESHOLDS[:-1], PROBATION_CRITICAL) if probation else THRESHOLDS


def level_of(probability: float, before: RiskLevel = RiskLevel.LOW, *, probation: bool = False) -> RiskLevel:
    """The level of a probability for an agent that was at ``before``: up at once, down only past the gap."""
    level = RiskLevel.LOW
    for bound in thresholds(probation=probation):
        stays = before.rank >= bound.level.rank and probability >= bound.leave
        if probability >= bound.enter or stays:
            level = bound.level
    return level
