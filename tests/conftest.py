"""Which tests run (the long rings wait for CI=true, or for `-m`), and short temporary folders for all of them."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fleet.testing.folders import settle_in_memory, short_folder
from fleet.testing.rings import is_whole

# The same examples in every run, so that a red test stays red until it is mended. `--hypothesis-profile=default`
# (and a `--hypothesis-seed`) looks for new ones.
# How long examples take to be made says something about the machine's load, and nothing about the program.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


# A shell that starts its jobs in the background has them ignore the interrupt, and every program that a test
# starts would inherit that: here an interrupt interrupts, however the tests themselves were started.
signal.signal(signal.SIGINT, signal.default_int_handler)

# CI waits for a real disk, so that both are tried.
if not is_whole():
    settle_in_memory()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked long, and of the sampled all but every so-manieth, unless somebody asked for it."""
    if is_whole():
        for item in items:
            _give_more_time(item)
    if is_whole() or config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="long: set CI=true, or select it with -m long")
    left_out = pytest.mark.skip(reason="sampled: set CI=true, or select it with -m sampled")
    seen: Counter[str] = Counter()
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if item.get_closest_marker("long"):
            item.add_marker(skip)
        elif sampled:
            test = item.nodeid.partition("[")[0]
            if seen[test] % sampled.args[0]:
                item.add_marker(left_out)
            seen[test] += 1


def _give_more_time(item: pytest.Item) -> None:
    """Three times what a test may take otherwise: CI's machine is busy, and one that hangs is found all the same."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0]) if marker else float(item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(3 * seconds), append=False)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A private folder with a short name, because the path of a unix socket is limited to about 100 bytes."""
    with short_folder() as folder:
        yield folder
