"""Codes of risk and quarantine."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-RSK-001": (
        "The agent is quarantined: nothing of it starts, and nothing that its runs ask for is done.",
        "fleet risk explain NAME says why; a person ends it: fleet agent release NAME --reason TEXT.",
    ),
    "FLT-RSK-002": (
        "The agent is not in a state from which it could be quarantined, or released.",
        "fleet agent show NAME says how it stands.",
    ),
    "FLT-RSK-003": (
        "A run of the agent stands frozen, because its work could not be saved.",
        "Free space or mend the clone; saving is tried again. Or let go of it: fleet agent stop NAME --even-unsaved.",
    ),
    "FLT-RSK-004": (
        "A label names a moment that has no signals: a run that lives, or a time to come.",
        "Label a run that has ended, or an agent as it stands now.",
    ),
    "FLT-RSK-005": (
        "There are too few labels to fit coefficients on; the shipped ones hold.",
        "Label more moments: fleet risk label, or fleet agent release NAME --verdict confirmed|unjust.",
    ),
}
