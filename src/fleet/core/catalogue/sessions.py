"""Codes of sessions that report: their questions, their tools, their programs."""

from __future__ import annotations

from fleet.core.catalogue.words import BUG

ROWS: dict[str, tuple[str, str]] = {
    "FLT-TRN-001": ("There is no such question.", "fleet permission list --all shows them."),
    "FLT-TRN-002": ("A client reported a hook that this version does not know.", BUG),
    "FLT-TRN-003": ("A run whose program does not report called a hook.", "Nothing; look who used its capability."),
    "FLT-TRN-004": ("The question is answered already, or nobody waits any more.", "fleet permission list --all."),
    "FLT-TRN-005": ("Nothing is on record about this provider.", "fleet provider list shows those that are parked."),
    "FLT-TRN-010": ("A tool was to be used for a run that has ended.", "Nothing: its work comes back as a new run."),
    "FLT-TRN-011": ("A tool was to be used in a run that was asked to stop.", "Nothing; the run is ending."),
    "FLT-TRN-012": ("A tool was to be used in a run that is being ended.", "Nothing; the run is ending."),
    "FLT-TRN-014": (
        "A tool was to be used in a run whose budget of tokens or dollars is used up.",
        "Nothing: it is stopped, its work saved. More of it: fleet budget grant NAME --tokens N (or --usd N).",
    ),
    "FLT-TRN-015": (
        "A tool was to be used, and nobody measures what the session costs although a budget has to hold.",
        "Look whether the client still writes its transcript and sends telemetry; fleet why RUN tells more.",
    ),
    "FLT-TRN-013": ("A tool was to be used by an agent in quarantine.", "Look at it, then let it go on or stop it."),
}
