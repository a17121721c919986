"""Codes of the conditions before a start, and of replaying recorded decisions under another policy."""

from __future__ import annotations

from fleet.core.catalogue.words import NOTHING

ROWS: dict[str, tuple[str, str]] = {
    "FLT-POL-120": ("Nobody holds this work.", NOTHING),
    "FLT-POL-121": (
        "The ticket or pull request carries the label `fleet:hold`, which always wins: nothing starts, nothing merges.",
        "Take the label off when it may go on: fleet ticket label N --remove fleet:hold.",
    ),
    "FLT-POL-122": (
        "The text of the ticket changed after somebody who may put `ready` on had done so, or that of the pull request"
        " after it was opened or first marked for review.",
        "Read it, then accept its text (fleet ticket accept N, for a pull request too); a ticket's also by putting"
        " `ready` on again.",
    ),
    "FLT-POL-110": ("The agent has no `subscription_gate`.", NOTHING),
    "FLT-POL-111": ("Every condition of the agent's `subscription_gate` is met.", NOTHING),
    "FLT-POL-112": (
        "A condition of the agent's `subscription_gate` is not met yet; the start is held and goes on by itself.",
        "`fleet why` on the ticket or pull request lists each condition, what it saw, and what to type.",
    ),
    "FLT-POL-113": (
        "A condition of the agent's `subscription_gate` can never be met by this subject at this head.",
        "Change the work (a smaller diff), or the gate in .fleet/config.yaml.",
    ),
}
