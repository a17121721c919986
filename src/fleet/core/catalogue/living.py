"""Codes of the service and of shell completion."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-SVC-001": ("Services are made for systemd on Linux only.", "fleet watcher start --supervised --foreground."),
    "FLT-SVC-002": ("There is no systemd here.", "Start the fleet by hand: fleet up."),
    "FLT-SVC-003": ("systemd's user manager does not answer.", "Log in as this user, not through su or sudo."),
    "FLT-SVC-004": ("The fleet runs already, outside the service.", "fleet down --keep-runs, then install again."),
    "FLT-SVC-005": ("systemctl failed.", "systemctl --user status NAME shows why."),
    "FLT-SVC-006": ("A unit of this name was not written by fleet.", "Look at it; --force replaces it."),
    "FLT-SVC-007": ("No service is installed.", "fleet service install makes one."),
    "FLT-SVC-008": ("A path cannot be written into a unit.", "Move the repository, or rename the folder."),
}
