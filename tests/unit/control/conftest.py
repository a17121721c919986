"""A desk for every test of this folder: control on a real store and a real local forge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.testing.desk import Desk
from fleet.testing.scene import member, usual_members


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual four members, with a developer that may publish `smoke_done` and start a docs-writer."""
    usual = tuple(one for one in usual_members() if one.name != "developer")
    developer = member(
        "developer",
        "developer",
        "ticket_ready",
        "pr_changes_requested",
        publishes=("smoke_done",),
        may_start=("scribe",),
    )
    made = Desk(tmp_path, (developer, member("scribe", "docs-writer"), *usual))
    yield made
    made.close()
