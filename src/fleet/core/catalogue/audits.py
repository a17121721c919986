"""Codes of the record's proof: signing key, checkpoints, exports, archives, the repository against the journal."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-AUD-001": (
        "The key that signs checkpoints is missing.",
        "Restore its file, or say that it is gone: fleet audit rotate-key --lost --reason ….",
    ),
    "FLT-AUD-002": (
        "The file of the signing key cannot be used, or others may read it.",
        "chmod 0400 the file; if anybody could have read it, rotate the key.",
    ),
    "FLT-AUD-003": (
        "The key file holds another key than the one on record.",
        "Restore the right file; if nobody of you changed it, treat the record as tampered with.",
    ),
    "FLT-AUD-004": ("There is no key to replace yet, or it was replaced meanwhile.", "Look: fleet audit key."),
    "FLT-AUD-005": ("A key was called lost that is there.", "fleet audit rotate-key --reason …, without --lost."),
    "FLT-AUD-006": (
        "The file that checkpoints are appended to cannot be read or written.",
        "Mend the place, or name another one with audit.anchor; nothing is lost meanwhile.",
    ),
    "FLT-AUD-007": (
        "The journal does not fit together, so no checkpoint was signed.",
        "fleet audit verify names the entry; keep the file as evidence, or restore a backup.",
    ),
    "FLT-AUD-031": (
        "Nothing can be archived now.",
        "Entries have to be older than audit.keep_days, signed, and passed by the router.",
    ),
    "FLT-AUD-032": ("Another archive was made meanwhile.", "Look: fleet audit checkpoints; then type it again."),
    "FLT-AUD-033": ("Neither --before nor --keep was given, or both.", "Choose one; --dry-run shows what it means."),
    "FLT-AUD-021": (
        "No unexplained movement to this commit waits for an answer.",
        "fleet audit verify --against-git lists those that do; give the full commit id.",
    ),
    "FLT-AUD-011": ("A file of this name is there already; nothing is overwritten.", "Name another one."),
    "FLT-AUD-012": ("An export or archive cannot be written there.", "Check the folder, its rights and free space."),
    "FLT-AUD-013": (
        "An export or archive is not what was written, or carries no proof.",
        "Fetch it again; else treat it as tampered with. A filtered export cannot be verified.",
    ),
    "FLT-AUD-014": (
        "An export or archive to check is not there or cannot be read; nothing was checked.",
        "Look: ls -l; fleet audit checkpoints lists the archives.",
    ),
}
