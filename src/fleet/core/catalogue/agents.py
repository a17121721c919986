"""Codes of what people do with agents, teams and the work of tickets."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-AGT-101": (
        "The agent is already in that state: somebody else was first.",
        "fleet agent show NAME says since when and why.",
    ),
    "FLT-AGT-102": ("Not exactly one of an agent's name, --team and --all was given.", "Name one of them."),
    "FLT-AGT-103": ("No team of the configuration has this name.", "fleet team list shows the names."),
    "FLT-AGT-104": ("The agent is quarantined, which is more than paused.", "fleet why NAME says why it is."),
    "FLT-AGT-105": ("The agent has no such run.", "fleet ps --all lists the runs."),
}
