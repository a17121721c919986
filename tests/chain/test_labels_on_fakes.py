"""Labels of a whole fleet on a hand-turned clock: they wake, they never authorise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.errors import Refused
from fleet.testing.ensemble import Ensemble, Turn
from fleet.testing.repos import git
from fleet.testing.scene import usual_members


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Ensemble]:
    """A developer that delivers, reviewers that take their time, and a release manager."""
    made = Ensemble(tmp_path, usual_members())
    made.parts["developer"] = pushes
    yield made
    made.close()


def pushes(turn: Turn) -> int:
    turn.push({"new.py": "print()\n"})
    return 0


def test_a_label_that_says_approved_starts_no_merge_and_lets_none_through(fleet: Ensemble) -> None:
    desk = fleet.desk
    ticket = fleet.ready()
    (pull,) = desk.forge.snapshot().pulls
    base = git(desk.paths.bare, "rev-parse", "main")
    desk.forge.set_labels(pull.number, add=("approved",), remove=("needs-review",), actor="human:mallory")
    fleet.later(60)
    assert "release-manager" not in fleet.live(), "nobody approved anything"
    assert desk.entries("pr_approved") == []
    by_hand = desk.run("release-manager", f"pr/{pull.number}", item=f"ticket/{ticket}", head=pull.head_sha)
    with pytest.raises(Refused) as refused:
        desk.ask("pr.merge", by_hand, number=pull.number)
    assert refused.value.code == "FLT-POL-064", "nobody without a part in the change has approved this head"
    assert git(desk.paths.bare, "rev-parse", "main") == base
