"""A role that a repository brings itself, for tests of whoever reads, shows, keeps or restores such roles."""

from __future__ import annotations

from pathlib import Path

TILL = """\
name: till-developer
extends: developer
mission: Keep the tills of our shops selling.
owns: [The program on the tills.]
duties: [Try every change on a till that is offline.]
examples: [Print the receipt twice., Sell without a network.]
"""


def bring_role(settings: Path, text: str = TILL) -> Path:
    """Write the role's file into a ``.fleet/`` folder, as an editor does; where it lies."""
    place = settings / "roles" / "till-developer.yaml"
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    return place
