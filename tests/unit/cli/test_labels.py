"""What ``fleet labels sync`` says to people."""

from __future__ import annotations

from typing import Any

from fleet.cli.commands.labels import sync
from fleet.cli.output import Style
from fleet.cli.remote import Remote

RESULT: dict[str, Any] = {
    "forge": "github",
    "keeps_labels": True,
    "dry_run": False,
    "created": ["approved", "shipped"],
    "updated": ["needs-review"],
    "unchanged": ["fleet:hold"],
    "blocked": ["ready"],
    "look_alikes": [
        {"label": "Ready $x", "of": "ready", "why": "upper and lower case", "blocks": True},
        {"label": "re\u0430dy\x1b[2J", "of": "ready", "why": "it holds U+0430", "blocks": False},
    ],
}


def said(**changes: object) -> tuple[str, int]:
    """Text and exit code."""
    assert isinstance(sync, Remote)
    assert sync.code is not None
    result = RESULT | changes
    return sync.show(result, Style(False)), sync.code(result)


def test_what_was_made_is_said_and_a_label_that_is_in_the_way_is_a_failure() -> None:
    text, code = said()
    made, changed, well, blocking, how, other = text.splitlines()
    assert (made, changed) == ("made: approved, shipped", "changed: needs-review")
    assert well == "as they should be: fleet:hold"
    assert "means nothing to the fleet" in blocking
    assert how.endswith("gh label edit 'Ready $x' --name ready")
    assert "\x1b" not in other
    assert code == 1


def test_a_dry_run_says_what_it_would_do() -> None:
    text, code = said(dry_run=True, look_alikes=[], blocked=[])
    assert text.startswith("would make: approved, shipped\nwould change: needs-review\n")
    assert code == 0


def test_a_forge_without_a_list_of_labels_is_no_failure() -> None:
    empty: list[object] = []
    text, code = said(
        keeps_labels=False, created=empty, updated=empty, unchanged=empty, blocked=empty, look_alikes=empty
    )
    assert text == "The local forge keeps no list of labels: every label may be put on. Nothing to make.\n"
    assert code == 0
