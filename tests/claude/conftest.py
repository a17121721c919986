"""The real client, or a loud skip; and a fleet whose agents it plays, against a model that follows a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.testing.realclient import Missing, real_client


@pytest.fixture(scope="session")
def client() -> Path:
    """The pinned client."""
    try:
        return real_client(Path(__file__).parent)
    except Missing as why:
        pytest.skip(f"THE REAL CLIENT IS NOT HERE: {why}")
