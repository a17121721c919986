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
    "FLT-CFG-101": (
        "An edit does not fit the file: it names what is not there, or a value that cannot stand there.",
        "fleet config show prints the file; fleet config schema what may stand in it.",
    ),
    "FLT-CFG-102": (
        "The file is written in a way that this change cannot be put into without touching more than was asked.",
        "Edit it by hand, then: fleet reload.",
    ),
    "FLT-CFG-103": (
        "The file was changed by somebody else since you looked at it; nothing was written.",
        "Look again, then decide anew.",
    ),
    "FLT-CFG-104": (
        "Somebody else is changing the configuration at this moment.",
        "Look at what they changed, then try again.",
    ),
    "FLT-CFG-105": ("The configuration file cannot be replaced; it is as it was.", "Check rights and free space."),
    "FLT-CFG-106": ("The configuration has no key of this name.", "The nearest name is in the hint."),
    "FLT-CFG-107": (
        "The file does not hold this, and there is no default for it.",
        "fleet config explain KEY says what it means.",
    ),
    "FLT-CFG-110": (
        "The value is not of the type that the key has; nothing was changed.",
        "fleet config explain KEY says what may stand there.",
    ),
    "FLT-CFG-111": (
        "A daemon came up while the file was to be changed without one; nothing was changed.",
        "Repeat the command: the daemon makes the change.",
    ),
    "FLT-CFG-131": (
        "A file that Fleet did not write stands where a skill would be written; nothing was changed.",
        "Move it away, or name another folder with --target.",
    ),
    "FLT-CFG-132": ("The skills could not be written.", "Check rights and free space of the folder."),
    "FLT-CFG-130": (
        "There is no role of this name, in this department, or about these words.",
        "fleet role list shows the roles; fleet role search WORD looks through them.",
    ),
    "FLT-CFG-120": (
        "A file of variables for the setup is missing, is not private to you, or is malformed; the run does not start.",
        "Write NAME=value lines into the named file, then: chmod 600 FILE.",
    ),
    "FLT-CFG-121": (
        "No port is free for a run's setup; the start is tried again.",
        "End what listens on the ports, or let fewer runs live at once.",
    ),
    "FLT-CFG-108": (
        "No revision of the configuration has this number, or it is no longer kept.",
        "fleet config revisions lists what is kept; git knows the rest.",
    ),
    "FLT-CFG-109": (
        "This key cannot change while the fleet is up; nothing has changed.",
        "fleet down, change it, fleet up.",
    ),
}
