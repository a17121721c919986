"""What several rows of the catalogue say."""

from __future__ import annotations

NOTHING = "Nothing; this is a yes."
BUG = "Report it with the daemon's log; this is a fault of the program."
