"""The gauge measures the real disk, remembers that it was low, and refuses large writes in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.sections import KeepingConfig
from fleet.core.errors import Refused
from fleet.keeping.gauge import DiskGauge, require_space, space

ROOMY = KeepingConfig(low_disk_mb=1, low_disk_percent=0)
HUGE = KeepingConfig(low_disk_mb=1_000_000_000, low_disk_percent=0)  # a petabyte has to be free


def test_the_disk_is_measured(tmp_path: Path) -> None:
    found = DiskGauge(tmp_path, lambda: ROOMY).look()
    assert found is not None
    assert 0 < found.free <= found.total
    assert not found.low


def test_a_disk_below_the_limit_allows_no_starts(tmp_path: Path) -> None:
    assert DiskGauge(tmp_path, lambda: ROOMY).allows_starts()
    assert not DiskGauge(tmp_path, lambda: HUGE).allows_starts()


def test_a_folder_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    gone = DiskGauge(tmp_path / "gone", lambda: HUGE)
    assert gone.look() is None
    assert gone.allows_starts()
    require_space(tmp_path / "gone", 1 << 60, HUGE, "a test")


def test_a_large_write_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    sizes = space(tmp_path)
    assert sizes is not None
    require_space(tmp_path, 1, ROOMY, "a test")
    with pytest.raises(Refused, match="can be spared") as caught:
        require_space(tmp_path, sizes[0] * 2, ROOMY, "a test")
    assert caught.value.code == "FLT-KEP-003"
