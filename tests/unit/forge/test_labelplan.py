"""What a repository's labels lack, and which of them only look like ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.core.label import OWN, LabelNames, LabelSpec
from fleet.forge.labelplan import LabelPlan, plan


def planned(
    *present: str | LabelSpec, prefix: str = "", others: tuple[str, ...] = (), caseless: bool = True
) -> LabelPlan:
    """The plan for a repository that keeps these."""
    names = LabelNames(prefix)
    own = [replace(one, name=names.outside(one.name)) for one in OWN]
    known = [one if isinstance(one, LabelSpec) else LabelSpec(one) for one in present]
    return plan(own, others, known, names, caseless=caseless)


def test_what_is_missing_is_made_what_differs_is_changed_and_the_rest_is_left_alone() -> None:
    found = planned(
        OWN[0], replace(OWN[1], color="000000"), LabelSpec("bug", "d73a4a"), others=("bug", "later", "ready")
    )
    assert [one.name for one in found.create] == ["changes-requested", "approved", "shipped", "fleet:hold", "later"]
    assert found.update == (OWN[1],)
    assert (found.same, found.look_alikes) == (("ready", "bug"), ())


def test_a_label_of_peoples_own_keeps_its_colour() -> None:
    assert planned(LabelSpec("team", "123456", "ours"), others=("team",)).update == ()


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("re\u0430dy", "ready"),
        ("\uff52eady", "ready"),
        ("rea\u200bdy", "ready"),
        ("needs_review", "needs-review"),
        ("needs review", "needs-review"),
        ("needs\u2010review", "needs-review"),
        ("appr0ved", "approved"),
        ("shipp\u00e9d", "shipped"),
        ("\u0455hipped", "shipped"),
        ("fleet:ho1d", "fleet:hold"),
    ],
)
def test_a_look_alike_is_told_and_keeps_nothing_from_being_made(name: str, of: str) -> None:
    (one,) = planned(name).look_alikes
    assert (one.name, one.of, one.blocks) == (name, of, False)
    assert of in [made.name for made in planned(name).create]


def test_the_strange_characters_of_a_look_alike_are_named() -> None:
    (one,) = planned("re\u0430dy").look_alikes
    assert one.why == "it holds U+0430 cyrillic small letter a"


def test_another_case_is_the_same_label_to_github_so_the_real_one_cannot_be_made() -> None:
    found = planned("Ready")
    assert (found.look_alikes[0].why, found.blocked) == ("upper and lower case", ("ready",))
    assert "ready" not in [one.name for one in found.create]
    assert planned("Ready", caseless=False).blocked == ()


@pytest.mark.parametrize("name", ["bug", "readied", "already", "review", "fleet", "hold", "unapproved"])
def test_other_labels_are_other_labels(name: str) -> None:
    assert planned(name).look_alikes == ()


def test_with_a_prefix_plain_names_are_told_and_the_plain_brake_is_none_of_them() -> None:
    found = planned("ready", "Ready", "fleet/Ready", "fleet:hold", "hold", prefix="fleet/")
    assert [(one.name, one.of, one.why, one.blocks) for one in found.look_alikes] == [
        ("Ready", "fleet/ready", "it has no prefix", False),
        ("fleet/Ready", "fleet/ready", "upper and lower case", True),
        ("ready", "fleet/ready", "it has no prefix", False),
    ]
    assert [one.name for one in found.create][-1] == "fleet/hold"
