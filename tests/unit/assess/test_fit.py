"""Fitting: ours equals scikit-learn's, the prior holds where labels are silent, a known hazard is found again."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.assess import fit
from fleet.assess.fit import Row, brier, calibration, held_out_brier, judge_of, map_fit, newton, non_negative, too_few
from fleet.assess.risk import PRIOR, Model, sigmoid
from fleet.assess.signals import INTERCEPT_SPREAD, KEYS, SIGNALS

CLOSE = 1e-6


def fleet_of(hazard: Model, count: int, seed: int) -> list[Row]:
    """Labels of a synthetic fleet whose hazard is known: mostly quiet agents, some with trouble."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        trouble = chance.random() < 0.5
        values = {
            signal.key: chance.random() * signal.cap * (1.0 if trouble else 0.2) * (chance.random() < 0.6)
            for signal in SIGNALS
        }
        rows.append(Row(values, chance.random() < judge_of(hazard)(Row(values, False))))
    return rows


def design_of(rows: list[Row]) -> tuple[list[list[float]], list[float]]:
    """Features with a leading 1, and the answers."""
    return [[1.0, *(row.values[key] for key in KEYS)] for row in rows], [float(row.bad) for row in rows]


def test_ours_equals_scikit_learn() -> None:
    """With a prior at zero, all that scikit-learn knows; each weight with its own spread, by scaled columns."""
    linear = pytest.importorskip("sklearn.linear_model")
    spreads = [INTERCEPT_SPREAD, *(signal.spread for signal in SIGNALS)]
    for seed in (1, 2, 3):
        design, y = design_of(fleet_of(PRIOR, 300, seed))
        ours = newton(design, y, [0.0] * len(spreads), spreads)
        scaled = [[one * spread for one, spread in zip(row, spreads, strict=True)] for row in design]
        theirs = linear.LogisticRegression(C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
        theirs.fit(scaled, y)
        found = [float(one) * spread for one, spread in zip(theirs.coef_[0], spreads, strict=True)]
        assert max(abs(one - other) for one, other in zip(ours, found, strict=True)) < CLOSE


def test_around_a_prior_ours_equals_a_general_minimiser() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rows = fleet_of(PRIOR, 200, 4)
    design, y = design_of(rows)
    centre = [PRIOR.intercept, *(PRIOR.coefficients[key] for key in KEYS)]
    spreads = [INTERCEPT_SPREAD, *(signal.spread for signal in SIGNALS)]

    def loss(weights: list[float]) -> float:
        return fit._loss(design, y, centre, spreads, [float(one) for one in weights])

    def slope(weights: list[float]) -> list[float]:
        return fit._derivatives(design, y, centre, spreads, [float(one) for one in weights], range(len(centre)))[0]

    bounds = [(None, None), *[(0.0, None)] * len(KEYS)]
    theirs = optimize.minimize(
        loss, centre, jac=slope, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-10}
    )
    ours = non_negative(design, y, centre, spreads)
    assert max(abs(one - float(other)) for one, other in zip(ours, theirs.x, strict=True)) < CLOSE


def test_without_labels_the_prior_stays() -> None:
    found = map_fit([], PRIOR)
    assert math.isclose(found.intercept, PRIOR.intercept)
    assert all(math.isclose(found.coefficients[key], PRIOR.coefficients[key]) for key in KEYS)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_a_coefficient_of_a_fault_never_falls_below_zero(seed: int, count: int) -> None:
    """Labels that say the opposite of what the signals mean are the worst case."""
    rows = [Row(row.values, not row.bad) for row in fleet_of(PRIOR, count, seed)]
    found = map_fit(rows, PRIOR)
    assert min(found.coefficients.values()) >= 0.0


def test_labels_that_contradict_a_signal_hold_it_at_zero_and_the_others_are_the_best_there_are() -> None:
    chance = random.Random(5)
    rows = []
    for _ in range(400):
        values = {key: 0.0 for key in KEYS} | {"restarts": chance.random() * 5, "denied_actions": chance.random() * 10}
        rows.append(
            Row(values, chance.random() < sigmoid(1.0 - 1.5 * values["restarts"] + 0.3 * values["denied_actions"]))
        )
    found = map_fit(rows, PRIOR)
    assert found.coefficients["restarts"] == 0.0
    assert found.coefficients["denied_actions"] > 0.0
    best = fit._loss(*_problem(rows), _weights(found))
    for key in ("denied_actions", "error_rate"):
        for change in (-1e-3, 1e-3):
            other = Model("x", found.intercept, {**found.coefficients, key: found.coefficients[key] + change})
            assert fit._loss(*_problem(rows), _weights(other)) > best


def _problem(rows: list[Row]) -> tuple[list[list[float]], list[float], list[float], list[float]]:
    design, y = design_of(rows)
    centre = [PRIOR.intercept, *(PRIOR.coefficients[key] for key in KEYS)]
    return design, y, centre, [INTERCEPT_SPREAD, *(signal.spread for signal in SIGNALS)]


def _weights(model: Model) -> list[float]:
    return [model.intercept, *(model.coefficients[key] for key in KEYS)]


def test_the_hazard_of_a_synthetic_fleet_is_found_and_the_calibration_shows_it() -> None:
    """Its hazard differs from what is shipped: the fit predicts new agents better, and means what it says."""
    hazard = Model("true", -2.6, {key: value * 0.45 for key, value in PRIOR.coefficients.items()})
    seen, unseen = fleet_of(hazard, 700, 11), fleet_of(hazard, 700, 12)
    shipped, learned, truth = judge_of(PRIOR), judge_of(map_fit(seen, PRIOR)), judge_of(hazard)
    assert brier(unseen, truth) <= brier(unseen, learned) < brier(unseen, shipped)
    assert brier(unseen, learned) < brier(unseen, truth) + 0.01
    bins = calibration(unseen, learned)
    assert sum(one.count for one in bins) == len(unseen)
    off = sum(abs(one.predicted - one.observed) * one.count for one in bins) / len(unseen)
    shipped_off = sum(abs(one.predicted - one.observed) * one.count for one in calibration(unseen, shipped)) / len(
        unseen
    )
    assert off < 0.05 < shipped_off


def test_what_is_expected_of_new_labels_is_worse_than_what_was_fitted() -> None:
    rows = fleet_of(PRIOR, 60, 7)
    assert held_out_brier(rows, PRIOR) > brier(rows, judge_of(map_fit(rows, PRIOR)))


def test_too_few_labels_say_how_many_it_takes() -> None:
    some = [Row({}, False)] * 30
    assert too_few(some) == "30 labels (0 bad, 30 ok) are too few; it takes 20, of each kind 5"
    assert too_few([Row({}, True)] * 5 + some[:14]) != ""
    assert too_few([Row({}, True)] * 5 + some[:15]) == ""
