"""Codes of orgs: several repositories in one daemon."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-ORG-001": ("What was given is no name for an org.", "Lower-case letters, digits, - and _, at most 63."),
    "FLT-ORG-002": (
        "There is no org of this name.",
        "fleet init --org NAME makes one; look into ~/.config/fleet/orgs.",
    ),
    "FLT-ORG-003": ("An org of this name exists already.", "Change its org.yaml, or choose another name."),
    "FLT-ORG-004": (
        "The fleet of one repository cannot run in its org's daemon now; the other repositories go on.",
        "The message says why. It is tried again by itself; a fleet that runs on its own is stopped by: fleet down.",
    ),
    "FLT-ORG-006": (
        "An agent of an org wanted to push what an event of a repository asked for. It hears, and acts at home.",
        "Subscribe an agent in that repository's own configuration; it works in a clone of it, under its gates.",
    ),
    "FLT-ORG-005": (
        "This repository's fleet runs in the daemon of an org, which is started and stopped as a whole.",
        "fleet down --org NAME; or take the repository out of org.yaml and then: fleet restart --org NAME.",
    ),
}
