"""Codes of keeping: the disk, backups, restoring, clearing away."""

from __future__ import annotations

from fleet.core.catalogue.words import NOTHING

ROWS: dict[str, tuple[str, str]] = {
    "FLT-KEP-001": ("There is room on the disk.", NOTHING),
    "FLT-KEP-002": (
        "The state folder's disk is nearly full; nothing new is started.",
        "Free some space; fleet gc shows what can go. Starts go on by themselves.",
    ),
    "FLT-KEP-003": (
        "A large write would leave too little free on that disk.",
        "Free some space, or name another disk.",
    ),
}
