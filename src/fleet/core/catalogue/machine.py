"""Codes of the machine room: store, journal, runs, programs, sessions."""

from __future__ import annotations

from fleet.core.catalogue.words import BUG

ROWS: dict[str, tuple[str, str]] = {
    "FLT-JRN-001": ("There is no such journal entry.", "fleet log --json shows the ids."),
    "FLT-JRN-002": ("A stored payload is damaged.", "fleet audit verify; restore a backup."),
    "FLT-JRN-003": ("An entry of an unknown type was to be written.", BUG),
    "FLT-PROC-001": ("A program did not end in time and was ended.", "Look why it hangs; try again."),
    "FLT-PROC-002": ("A program cannot be started.", "Install it; fleet doctor checks the versions."),
    "FLT-PROC-003": ("A program wrote without end and was ended.", "Look at what it was asked."),
    "FLT-RTM-001": ("The terminal server cannot be asked.", "Nothing: it is started again; fleet doctor looks closer."),
    "FLT-RTM-002": ("There is no such session, or nothing runs in it.", "fleet ps shows what runs."),
    "FLT-RTM-003": ("tmux is missing or too old.", "Install tmux >= 3.2a."),
    "FLT-RTM-004": ("A name or argument cannot be given to tmux.", BUG),
    "FLT-RTM-005": ("An older epoch of the run still lives.", "Nothing: it is ended, then the start is tried again."),
    "FLT-RTM-006": ("A newer epoch of the run was launched already.", "Nothing: the newer one counts."),
    "FLT-RTM-007": ("This is not the place of a clone.", BUG),
    "FLT-RTM-008": ("A clone cannot be made or deleted.", "Check rights and free space in the state folder."),
    "FLT-RTM-020": (
        "What the agent's program obeys in its clone cannot be taken from the base branch, so it is not started.",
        "Does the base branch exist in the fleet's repository? fleet config get base.",
    ),
    "FLT-RTM-009": (
        "A clone is kept because its work is not saved elsewhere.",
        "Save what you need, then remove the folder.",
    ),
    "FLT-RUN-001": ("There is no such run.", "fleet ps --all lists them."),
    "FLT-RUN-010": ("The files of a session cannot be written.", "Check rights and free space in the state folder."),
    "FLT-RUN-011": ("The playbook of an agent cannot be used.", "Write it, or name another one with playbook."),
    "FLT-RUN-012": ("The agent is no longer in the configuration.", "Put it back, or close the work."),
    "FLT-RUN-013": ("The run was asked to end while its clone was made.", "Nothing: it never began."),
    "FLT-STO-001": ("The SQLite in use can corrupt the store.", "pip install --force-reinstall 'apsw>=3.51.3'."),
    "FLT-STO-002": ("A setting of the database did not take.", "Use a local disk."),
    "FLT-STO-003": ("The store refuses a change that would contradict it.", "Look again, and decide anew."),
    "FLT-STO-004": ("The store did not commit in time; the outcome is unknown.", "Look before repeating it."),
    "FLT-STO-005": ("This store is open for reading only.", "Write through the daemon: fleet up."),
    "FLT-STO-006": ("There is no store yet.", "Start the fleet: fleet up."),
    "FLT-STO-007": ("The disk failed; nothing is written any more.", "Check the disk, then restart the fleet."),
    "FLT-STO-008": ("The disk is full; nothing was written.", "Free space; writing resumes by itself."),
    "FLT-STO-009": ("The store is busy.", "Nothing: it is tried again."),
    "FLT-STO-010": ("The database file is damaged.", "Stop the fleet and restore a backup."),
    "FLT-STO-011": ("The store failed.", "Read the message; restart the fleet."),
    "FLT-STO-012": ("The store was made by a newer program.", "Install the newer program, or restore a backup."),
    "FLT-STO-014": ("The store was made by an older program.", "fleet up brings it up to date, after a backup."),
    "FLT-STO-013": ("An applied migration differs from the one shipped.", "Install the original program."),
}
