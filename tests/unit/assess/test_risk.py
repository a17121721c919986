"""The model: faults never lower risk, the unknown is no comfort, no signal alone is critical, no level flaps."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.assess.reading import clean_since, judged, read, unknown_where_short
from fleet.assess.risk import PRIOR, THRESHOLDS, Model, Reading, capped, level_of, score, thresholds
from fleet.assess.signals import CASES, KEYS, SIGNALS
from fleet.core.clock import SECOND
from fleet.core.risk import EndedRun, Facts, Mark, RiskLevel, Silence

HOUR = 3600 * SECOND
NOW = 1000 * HOUR

values = st.one_of(st.none(), st.floats(0, 50, allow_nan=False))
vectors = st.fixed_dictionaries({key: values for key in KEYS})
known = st.fixed_dictionaries({key: st.floats(0, 50, allow_nan=False) for key in KEYS})
weights = st.fixed_dictionaries({key: st.floats(0, 5, allow_nan=False) for key in KEYS})


def readings(found: Mapping[str, float | None]) -> dict[str, Reading]:
    """Values as readings, without evidence."""
    return {key: Reading(value) for key, value in found.items()}


@settings(deadline=None)
@given(vectors, known, st.sampled_from(KEYS), st.floats(0, 50), weights)
def test_risk_never_falls_when_a_fault_signal_rises(
    found: dict[str, float | None], before: dict[str, float], key: str, more: float, learned: dict[str, float]
) -> None:
    for model in (PRIOR, Model("fitted", -2.0, learned)):
        present = score(readings(found), before, model)
        value = found[key]
        risen = {**found, key: (before[key] if value is None else value) + more}
        assert score(readings(risen), before, model).probability >= present.probability


@settings(deadline=None)
@given(known, known, st.sampled_from(KEYS))
def test_a_signal_that_cannot_be_read_counts_as_what_it_was(
    found: dict[str, float], before: dict[str, float], key: str
) -> None:
    missing = score(readings({**found, key: None}), before)
    carried = score(readings({**found, key: before[key]}), before)
    assert missing.probability == carried.probability
    assert missing.probability >= score(readings({**found, key: 0.0}), before).probability
    assert [part.key for part in missing.parts if part.carried] == [key]


def test_what_is_no_number_counts_as_the_worst() -> None:
    assert [capped(signal.key, math.nan) for signal in SIGNALS] == [signal.cap for signal in SIGNALS]


def test_an_agent_of_which_nothing_is_known_is_at_low() -> None:
    found = score({}, {})
    assert round(found.probability, 3) == 0.029
    assert level_of(found.probability) is RiskLevel.LOW


def test_no_signal_is_critical_by_itself() -> None:
    for signal in SIGNALS:
        worst = score({**readings(dict.fromkeys(KEYS, 0.0)), signal.key: Reading(1e9)}, {})
        assert level_of(worst.probability).rank < RiskLevel.HIGH.rank, signal.key


def test_the_shipped_coefficients_against_cases_judged_by_hand() -> None:
    """What a person would say of each; docs/reference/risk.md tells the same cases."""
    low, elevated, high, critical = RiskLevel
    said = (low, low, elevated, low, elevated, high, critical, critical, critical)
    for (name, found), level in zip(CASES.items(), said, strict=True):
        assert level_of(score(readings({**dict.fromkeys(KEYS, 0.0), **found}), {}).probability) is level, name


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_a_level_does_not_flap_while_the_probability_stays_in_its_gap(draws: list[float]) -> None:
    for below, one in zip(RiskLevel, THRESHOLDS, strict=False):
        level, changes = below, 0
        for draw in draws:
            inside = one.leave + draw * (one.enter - one.leave)
            found = level_of(inside, level)
            changes += found is not level
            level = found
        assert changes <= 1


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(RiskLevel), st.booleans())
def test_a_higher_probability_never_means_a_lower_level(
    one: float, other: float, before: RiskLevel, probation: bool
) -> None:
    low, high = sorted((one, other))
    assert level_of(low, before, probation=probation).rank <= level_of(high, before, probation=probation).rank
    assert level_of(high, probation=False).rank <= level_of(high, probation=True).rank


def test_on_probation_critical_is_reached_earlier() -> None:
    assert level_of(0.65) is RiskLevel.HIGH
    assert level_of(0.65, probation=True) is RiskLevel.CRITICAL
    assert [one.level for one in thresholds(probation=True)] == [one.level for one in THRESHOLDS]


# -- from the record to the values -----------------------------------------------------------------


def run(state: str, at: int, *, reason: str = "exited", had_result: bool = False) -> EndedRun:
    """An ended run."""
    return EndedRun(f"r{at}", state, "ticket/1", at * HOUR, reason, had_result, at, f"e{at}")


def facts(*runs: EndedRun, **more: object) -> Facts:
    """Facts of an agent, its newest run first."""
    ordered = tuple(sorted(runs, key=lambda one: -one.at))
    fields: dict[str, object] = {"restarts": (), "refusals": (), "blocked": (), "silent": (), "whole": True, **more}
    return Facts(ordered, **fields)  # type: ignore[arg-type]


def test_a_death_after_the_result_is_on_record_does_not_count() -> None:
    died = [run(state, 5, had_result=True) for state in ("failed", "timed_out", "lost", "over_budget")]
    for one in died:
        found = read(facts(run("succeeded", 1), one), NOW)
        assert {key: reading.value for key, reading in found.items()} == dict.fromkeys(KEYS, 0.0), one.state


def test_what_never_began_or_was_cancelled_is_nobodys_failure() -> None:
    odd = (run("failed", 3, reason="not_started"), run("cancelled", 4), run("lost", 5))
    assert judged(facts(*odd).runs) == []
    found = read(facts(*odd), NOW)
    assert (found["error_rate"].value, found["restarts"].value) == (0.0, 1.0)


def test_values_come_with_the_entries_they_rest_on() -> None:
    marks = (Mark(9, "e9", "pr.merge: not its own", 9 * HOUR),)
    found = read(facts(run("succeeded", 1), run("failed", 2), run("timed_out", 3), refusals=marks, blocked=marks), NOW)
    assert found["error_rate"].value == 2 / 5
    assert found["failures_in_a_row"].value == 2
    assert [one.seq for one in found["failures_in_a_row"].evidence] == [3, 2]
    assert [one.seq for one in found["overruns"].evidence] == [3]
    assert [one.entry for one in found["denied_actions"].evidence] == ["e9"]


def test_silence_is_that_of_the_run_that_said_nothing_longest() -> None:
    silent = (Silence("r1", NOW - 2 * HOUR, 7, "e7"), Silence("r2", NOW - 5 * HOUR, 8, "e8"))
    found = read(facts(silent=silent), NOW)["silent_hours"]
    assert (found.value, found.evidence[0].seq) == (5.0, 8)
    assert read(facts(silent=(Silence("r1", NOW + HOUR, 7, "e7"),)), NOW)["silent_hours"].value == 0.0


@settings(deadline=None)
@given(st.lists(st.sampled_from(["succeeded", "failed", "timed_out", "lost"]), max_size=12))
def test_one_more_failure_never_lowers_risk(states: list[str]) -> None:
    earlier = [run(state, at) for at, state in enumerate(states, 1)]
    before = score(read(facts(*earlier), NOW), {}).probability
    for state in ("failed", "timed_out", "over_budget", "lost"):
        more = facts(*earlier, run(state, len(states) + 1))
        assert score(read(more, NOW), {}).probability >= before


def test_where_an_archive_took_a_part_of_the_window_less_is_unknown_and_not_less() -> None:
    found = read(facts(refusals=(Mark(1, "e1", "x", 1),)), NOW)
    short = unknown_where_short(found, {"denied_actions": 4.0, "error_rate": 0.5})
    assert short["denied_actions"].value is None
    assert short["error_rate"].value == 0.0  # the runs table is not archived
    assert score(short, {"denied_actions": 4.0}).parts[0].used == 4.0


def test_clean_runs_are_counted_back_to_the_first_that_was_not() -> None:
    runs = facts(run("succeeded", 1), run("failed", 2), run("succeeded", 3), run("lost", 4), run("succeeded", 5)).runs
    assert clean_since(runs, 0) == 2
    assert clean_since(runs, 3 * HOUR) == 1
