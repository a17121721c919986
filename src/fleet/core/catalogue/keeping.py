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
    "FLT-KEP-010": ("There is no such backup.", "Look at the path; fleet backup says where it wrote."),
    "FLT-KEP-011": ("A backup is damaged, cut off, or was changed.", "Take another backup."),
    "FLT-KEP-012": ("This file is no backup of Fleet, or one of a newer program.", "Name one that fleet backup wrote."),
    "FLT-KEP-013": ("A backup would replace a file that is there.", "Choose another name, or a folder."),
    "FLT-KEP-014": ("The backup is of another fleet.", "Take one of this fleet; --force restores it all the same."),
    "FLT-KEP-015": ("Restoring needs the fleet to be down, and a daemon runs.", "fleet down, then again."),
    "FLT-KEP-016": ("Agents still work, although no daemon runs.", "fleet up, then fleet down; or --force."),
    "FLT-KEP-017": ("A restore or another start is under way.", "Wait until it has ended."),
    "FLT-KEP-018": (
        "A restore was interrupted, and its folders are not as any step of it leaves them.",
        "Put the folder that you want in place, then remove the marker that the message names.",
    ),
    "FLT-KEP-019": ("A backup or a clearing away is under way for this fleet.", "Wait until it has ended."),
    "FLT-KEP-020": ("There is no such folder to write a backup to.", "Make it, or name another one."),
    "FLT-KEP-021": ("A backup cannot be written there.", "Check rights, or choose another folder."),
    "FLT-KEP-022": ("--yes and --dry-run were given together.", "Choose one; without both nothing is removed."),
}
