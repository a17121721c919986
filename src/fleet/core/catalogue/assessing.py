"""Codes of evaluation."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-EVL-001": (
        "The window of an evaluation ends before it begins.",
        "Give --since the earlier time: fleet eval show NAME --since 14d --until 7d.",
    ),
}
