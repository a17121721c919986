"""Check: nothing new starts on a disk that is nearly full: a clone, a run folder or the journal would fill it.

The text names the limit and never the changing number of free bytes: a held delivery is journaled again only
when its text changes.
"""

from __future__ import annotations

from fleet.core.decision import Reason, Verdict
from fleet.policy.facts import DiskFacts, StartFacts

MB = 1_000_000
MARGIN = 10  # percent of the floor that must be free on top before starts go on: no flapping


def floor_bytes(total: int, *, low_mb: int, low_percent: int) -> int:
    """Free bytes below which a disk of ``total`` bytes counts as low: the larger of the two limits."""
    return max(low_mb * MB, total * low_percent // 100)


def is_low(free: int, floor: int, *, was_low: bool) -> bool:
    """Whether starts wait. Once they do, they go on only with a tenth of the floor more than that."""
    return free < (floor + floor * MARGIN // 100 if was_low else floor)


def check(facts: StartFacts) -> Reason:
    """HOLD while the state folder's disk is low; it goes on by itself once there is space again."""
    disk = facts.disk
    if disk is None or not disk.low:
        return Reason("disk", Verdict.ALLOW, "FLT-KEP-001", "there is room on the disk", _seen(disk))
    text = f"less than {disk.floor // MB} MB are free for {disk.path}; free some, or let fleet gc show what can go"
    return Reason("disk", Verdict.HOLD, "FLT-KEP-002", text, _seen(disk))


def _seen(disk: DiskFacts | None) -> dict[str, object]:
    if disk is None:
        return {}
    return {"free_bytes": disk.free, "total_bytes": disk.total, "floor_bytes": disk.floor}
