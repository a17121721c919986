"""Which tests run: the long rings wait for CI=true, or for `-m` on the command line."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked long, unless somebody asked for it."""
    if os.environ.get("CI") == "true" or config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="long: set CI=true, or select it with -m long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
