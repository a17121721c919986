"""What tests of keeping start from: a fleet with a pull request, a live run and a queued one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.testing.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A fleet whose state folder is as the daemon makes it."""
    made = Desk(tmp_path)
    for folder in (made.paths.runs, made.paths.clones, made.paths.runtime):
        folder.mkdir(parents=True, mode=0o700)
    for folder in (made.paths.state, made.paths.runtime, made.paths.runtime.parent):
        folder.chmod(0o700)
    yield made
    made.close()
