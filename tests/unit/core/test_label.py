"""What a label is called within the fleet and at the forge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.label import OWN, LabelNames
from fleet.core.pin import HOLD_LABEL

PREFIXED = LabelNames("fleet/")


def test_without_a_prefix_every_label_has_one_name() -> None:
    for name in (*(one.name for one in OWN), "bug", "fleet/ready"):
        assert LabelNames().outside(name) == LabelNames().inside(name) == LabelNames().meant(name) == name
        assert LabelNames().all_outside(name) == (name,)


def test_the_fleets_own_labels_get_the_prefix_and_no_others() -> None:
    assert PREFIXED.outside("ready") == "fleet/ready"
    assert PREFIXED.inside("fleet/ready") == PREFIXED.meant("fleet/ready") == PREFIXED.meant("ready") == "ready"
    for name in ("bug", "fleet/bug", "fleet/", "Fleet/ready", "fleet/Ready"):
        assert PREFIXED.outside(name) == PREFIXED.inside(name) == PREFIXED.meant(name) == name


def test_a_plain_name_at_the_forge_is_somebody_elses_label_and_shown_as_that() -> None:
    assert PREFIXED.inside("ready") == "ready (no prefix)"


@pytest.mark.parametrize(("prefix", "name"), [("fleet/", "fleet/hold"), ("fleet:", "fleet:hold"), ("x", "xhold")])
def test_the_brake_is_found_under_both_its_names_and_written_with_the_prefix(prefix: str, name: str) -> None:
    names = LabelNames(prefix)
    assert names.outside(HOLD_LABEL) == name
    assert names.inside(name) == names.inside(HOLD_LABEL) == HOLD_LABEL
    assert set(names.all_outside(HOLD_LABEL)) == {name, HOLD_LABEL}


@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:/-]{0,29}\Z"), st.text(max_size=20))
def test_no_prefix_makes_two_labels_of_ours_one(prefix: str, other: str) -> None:
    names = LabelNames(prefix)
    outside = [names.outside(one.name) for one in OWN]
    assert len(set(outside)) == len(OWN)
    assert [names.inside(name) for name in outside] == [one.name for one in OWN]
    assert names.inside(prefix + other) in {prefix + other, *(one.name for one in OWN), f"{prefix + other} (no prefix)"}
