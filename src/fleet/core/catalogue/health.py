"""Codes of the commands that look after the fleet itself: explain, doctor, support-bundle."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-DOC-001": ("No code has this name.", "fleet explain --list shows them all."),
    "FLT-DOC-002": ("Neither a code nor --list was given, or both.", "Name one code: fleet explain FLT-CLI-001."),
    "FLT-DOC-003": ("A support bundle is never written over another file.", "Choose another name: -o FILE."),
    "FLT-DOC-004": ("There is no such folder, or it cannot be written to.", "Choose another place: -o FILE."),
}
