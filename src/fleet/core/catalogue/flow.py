"""Codes of approvals and dead letters."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-APR-001": ("No approval has this id.", "fleet approvals --all shows them."),
    "FLT-APR-002": (
        "Somebody else answered first, or the question expired.",
        "fleet approvals --all shows every answer, with who gave it and why.",
    ),
    "FLT-APR-003": (
        "What the approval is bound to has changed: head, ticket text, diff or settings. Nothing was decided.",
        "Look at what is asked now: fleet approvals.",
    ),
    "FLT-DLQ-001": ("No dead letter has this id.", "fleet deadletters list --all shows them."),
    "FLT-DLQ-002": ("The dead letter was replayed or discarded before.", "fleet deadletters list --all says by whom."),
    "FLT-DLQ-003": (
        "The work of this dead letter is moot: the live state has overtaken it.",
        "Discard it: fleet deadletters discard ID --reason TEXT.",
    ),
    "FLT-APR-004": ("Nobody is asked about this pull request at its head.", "fleet why pr/N tells what it waits for."),
}
