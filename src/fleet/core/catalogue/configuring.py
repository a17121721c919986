"""Codes of the configuration and of where things lie."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-CFG-001": (
        "There is no .fleet/config.yaml here or above.",
        "Go into the repository, or make one: fleet init.",
    ),
    "FLT-CFG-002": ("A unix socket's path would be too long.", "Set XDG_RUNTIME_DIR to a shorter folder."),
    "FLT-CFG-003": ("A private folder is not private, or not yours.", "Remove it, or set XDG_RUNTIME_DIR elsewhere."),
    "FLT-CFG-010": ("The file has faults; each is named with line and column.", "Correct the named places."),
    "FLT-CFG-011": ("The configuration file cannot be read.", "Make it a plain file that you may read."),
    "FLT-CFG-012": ("This is not the top folder of a git repository.", "Go to its top folder, or: git init."),
    "FLT-CFG-013": ("The repository or its .fleet folder is not in a state to start from.", "Follow the hint."),
    "FLT-CFG-014": ("The arguments of init do not fit together.", "Follow the hint."),
    "FLT-CFG-015": ("Files would be overwritten.", "fleet init --force replaces them and keeps a backup."),
    "FLT-CFG-016": ("The files could not be written; nothing was changed.", "Check rights and free space."),
}
