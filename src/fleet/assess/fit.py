"""Fitting the coefficients on labels: the most probable ones, given the shipped ones as prior. Pure.

Minimises ``sum(log(1 + exp(z)) - y * z) + sum(((w - prior) / spread) ** 2) / 2`` by Newton's method. A coefficient of
a fault signal stays at 0 or above: where labels would pull it below, it is held there and the others are fitted anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from fleet.assess.risk import Model, capped, sigmoid
from fleet.assess.signals import INTERCEPT_SPREAD, KEYS, SIGNALS

LEAST_LABELS = 20  # below, the answer would be the prior with noise on it
LEAST_OF_EACH = 5
FOLDS = 5
BINS = 5
_STEPS = 100
_CLOSE = 1e-11

Vector = list[float]


@dataclass(frozen=True, slots=True)
class Row:
    """One label: the values of the signals then, and whether the agent was to be held back."""

    values: Mapping[str, float]
    bad: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose probability was between ``low`` and ``high``: how many, predicted on average, observed."""

    low: float
    high: float
    count: int
    predicted: float
    observed: float


def map_fit(rows: Sequence[Row], prior: Model) -> Model:
    """The coefficients that are most probable after ``rows``; without rows, the prior's."""
    spreads = [INTERCEPT_SPREAD, *(signal.spread for signal in SIGNALS)]
    centre = [prior.intercept, *(prior.coefficients[key] for key in KEYS)]
    design = [[1.0, *(capped(key, row.values.get(key, 0.0)) for key in KEYS)] for row in rows]
    found = non_negative(design, [float(row.bad) for row in rows], centre, spreads)
    return Model("fitted", found[0], dict(zip(KEYS, found[1:], strict=True)))


def non_negative(design: Sequence[Vector], y: Vector, centre: Vector, spreads: Vector) -> Vector:
    """As ``newton``, with every weight but the first at 0 or above."""
    held: set[int] = set()
    weights = newton(design, y, centre, spreads)
    for _ in range(_STEPS):
        below = [place for place in range(1, len(weights)) if weights[place] < 0]
        slope, _bend = _derivatives(design, y, centre, spreads, weights, range(len(weights)))
        eager = [place for place in held if slope[place] < -_CLOSE]  # would rise again, now that others are held
        if below:
            held.add(min(below, key=lambda place: weights[place]))
        elif eager:
            held.discard(min(eager, key=lambda place: slope[place]))
        else:
            break
        weights = newton(design, y, centre, spreads, held=held)
    return [weights[0], *(max(0.0, weight) for weight in weights[1:])]


def newton(
    design: Sequence[Vector], y: Vector, centre: Vector, spreads: Vector, *, held: Set[int] = frozenset()
) -> Vector:
    """The minimum, to machine precision. Weights in ``held`` are 0 and stay so.

    ``design`` has a row of features for each label, the first of them 1 for the intercept.
    """
    free = [place for place in range(len(centre)) if place not in held]
    weights = [0.0 if place in held else centre[place] for place in range(len(centre))]

    def loss(tried: Vector) -> float:
        return _loss(design, y, centre, spreads, tried)

    for _ in range(_STEPS):
        slope, bend = _derivatives(design, y, centre, spreads, weights, free)
        step = [0.0] * len(weights)
        for place, change in zip(free, solve(bend, slope), strict=True):
            step[place] = change
        better = _downhill(weights, step, loss)
        if max(abs(one - other) for one, other in zip(better, weights, strict=True)) < _CLOSE:
            return better
        weights = better
    return weights


def _downhill(weights: Vector, step: Vector, loss: Callable[[Vector], float]) -> Vector:
    """The weights after the step, which is halved until the loss does not grow; unchanged when it always does."""
    value, size = loss(weights), 1.0
    while size > _CLOSE:
        tried = [weight - size * change for weight, change in zip(weights, step, strict=True)]
        if loss(tried) <= value:
            return tried
        size /= 2
    return weights


def _loss(design: Sequence[Vector], y: Vector, centre: Vector, spreads: Vector, weights: Vector) -> float:
    likelihood = math.fsum(
        _softplus(_dot(row, weights)) - one * _dot(row, weights) for row, one in zip(design, y, strict=True)
    )
    return likelihood + math.fsum(
        ((weight - mean) / spread) ** 2 / 2 for weight, mean, spread in zip(weights, centre, spreads, strict=True)
    )


def _derivatives(
    design: Sequence[Vector], y: Vector, centre: Vector, spreads: Vector, weights: Vector, free: Sequence[int]
) -> tuple[Vector, list[Vector]]:
    """Gradient and Hessian over the free weights."""
    slope = [(weights[place] - centre[place]) / spreads[place] ** 2 for place in free]
    bend = [[1 / spreads[place] ** 2 if place == other else 0.0 for other in free] for place in free]
    for row, one in zip(design, y, strict=True):
        chance = sigmoid(_dot(row, weights))
        weight = chance * (1 - chance)
        for i, place in enumerate(free):
            slope[i] += (chance - one) * row[place]
            for j in range(i + 1):
                bend[i][j] += weight * row[place] * row[free[j]]
    for i in range(len(free)):
        for j in range(i):
            bend[j][i] = bend[i][j]
    return slope, bend


def solve(matrix: Sequence[Vector], right: Vector) -> Vector:
    """x in ``matrix @ x = right`` for a symmetric positive definite matrix, by Cholesky's method."""
    size = len(right)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            left = matrix[i][j] - math.fsum(lower[i][k] * lower[j][k] for k in range(j))
            lower[i][j] = math.sqrt(left) if i == j else left / lower[j][j]
    half: Vector = []
    for i in range(size):
        half.append((right[i] - math.fsum(lower[i][k] * half[k] for k in range(i))) / lower[i][i])
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (half[i] - math.fsum(lower[k][i] * found[k] for k in range(i + 1, size))) / lower[i][i]
    return found


def _dot(row: Vector, weights: Vector) -> float:
    return math.fsum(one * other for one, other in zip(row, weights, strict=True))


def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


# -- how good it is --------------------------------------------------------------------------------

Judge = Callable[[Row], float]


def judge_of(model: Model) -> Judge:
    """The probability that a model gives a row."""

    def judge(row: Row) -> float:
        total = (model.coefficients[key] * capped(key, row.values.get(key, 0.0)) for key in KEYS)
        return sigmoid(model.intercept + math.fsum(total))

    return judge


def brier(rows: Sequence[Row], judge: Judge) -> float:
    """The mean squared distance between probability and truth: 0 is perfect, 0.25 is a coin."""
    return math.fsum((judge(row) - row.bad) ** 2 for row in rows) / len(rows)


def held_out_brier(rows: Sequence[Row], prior: Model) -> float:
    """The same where each fifth of the rows is judged by a fit on the other four: what to expect of new ones."""
    total = 0.0
    for fold in range(FOLDS):
        rest = [row for place, row in enumerate(rows) if place % FOLDS != fold]
        mine = [row for place, row in enumerate(rows) if place % FOLDS == fold]
        if mine:
            total += brier(mine, judge_of(map_fit(rest, prior))) * len(mine)
    return total / len(rows)


def calibration(rows: Sequence[Row], judge: Judge) -> list[Bin]:
    """Predicted against observed in five bins of equal width; empty bins are left out."""
    bins = []
    for place in range(BINS):
        low, high = place / BINS, (place + 1) / BINS
        inside = [row for row in rows if min(int(judge(row) * BINS), BINS - 1) == place]
        if inside:
            predicted = math.fsum(judge(row) for row in inside) / len(inside)
            bins.append(Bin(low, high, len(inside), predicted, sum(row.bad for row in inside) / len(inside)))
    return bins


def too_few(rows: Sequence[Row]) -> str:
    """Why these labels are not enough to fit on; "" when they are."""
    bad = sum(row.bad for row in rows)
    fine = len(rows) - bad
    if len(rows) >= LEAST_LABELS and min(bad, fine) >= LEAST_OF_EACH:
        return ""
    return (
        f"{len(rows)} labels ({bad} bad, {fine} ok) are too few; it takes {LEAST_LABELS}, of each kind {LEAST_OF_EACH}"
    )
