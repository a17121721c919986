"""When a disk counts as low: the larger limit, a margin before starts go on, a text that does not change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.policy.test_start import GOOD

from fleet.core.decision import Verdict
from fleet.policy.disk import MB, check, floor_bytes, is_low
from fleet.policy.facts import DiskFacts

LOW = DiskFacts("/state", 400 * MB, 10_000 * MB, 500 * MB, low=True)


@pytest.mark.parametrize(
    ("total", "expected"),
    [(8 * MB, 500 * MB), (20_000 * MB, 500 * MB), (100_000 * MB, 2_000 * MB)],
)
def test_the_larger_of_the_two_limits_counts(total: int, expected: int) -> None:
    assert floor_bytes(total, low_mb=500, low_percent=2) == expected


def test_starts_go_on_only_some_way_above_the_limit() -> None:
    assert is_low(99, 100, was_low=False)
    assert not is_low(100, 100, was_low=False)
    assert is_low(109, 100, was_low=True)
    assert not is_low(110, 100, was_low=True)


def test_a_low_disk_holds_a_start_and_says_what_to_do() -> None:
    reason = check(replace(GOOD, disk=LOW))
    assert (reason.verdict, reason.code) == (Verdict.HOLD, "FLT-KEP-002")
    assert "500 MB" in reason.text
    assert "fleet gc" in reason.text


def test_the_text_stays_the_same_while_the_disk_fills() -> None:
    fuller = replace(LOW, free=3 * MB)
    assert check(replace(GOOD, disk=LOW)).text == check(replace(GOOD, disk=fuller)).text


def test_enough_room_and_a_disk_that_nobody_measures_hold_nothing() -> None:
    assert check(replace(GOOD, disk=replace(LOW, low=False))).verdict is Verdict.ALLOW
    assert check(replace(GOOD, disk=None)).verdict is Verdict.ALLOW
