"""What every command prints, for people and as JSON, is as agreed. FLEET_GOLDEN=write writes the files anew."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.surface import goldenscenes
from tests.surface.goldens import Inside, Show, merged, shape
from tests.surface.test_cli_help import COMMANDS
from tests.surface.test_cli_service import Manager

from fleet.testing.fleets import fleet_in
from fleet.testing.repos import make_checkout

GOLDEN = Path(__file__).parent / "golden"
SHAPES = GOLDEN / "shapes.json"
LEAVES = {words.removeprefix("fleet ") for words, (found, _) in COMMANDS.items() if not hasattr(found, "commands")}
# Command -> why it has no golden of that kind.
NO_TEXT = {
    "agent attach": "it gives the terminal to tmux",
    "doctor": "it tells of the machine that the test runs on; each check has tests of its own",
    "limits release": "nothing is held by a limit in these stories: tests/unit/cli/test_limits.py",
    "mcp serve": "it speaks a protocol: tests/surface/test_mcp_stdio.py",
}
NO_SHAPE = {
    "agent attach": "it gives the terminal to tmux, and refuses --json",
    "limits release": "nothing is held by a limit in these stories: tests/unit/cli/test_limits.py",
    "mcp serve": "it speaks a protocol: tests/surface/test_mcp_stdio.py",
}

pytestmark = [pytest.mark.tmux, pytest.mark.timeout(300), pytest.mark.long]


@pytest.fixture(scope="module")
def shown() -> Iterator[Show]:
    """Every command after it was shown."""
    with fleet_in() as paths:
        goldenscenes.furnish(paths)
        folder = paths.checkout.parent
        shell = Inside(paths.checkout, {})
        show = Show(shell, folder)
        manager = Manager(folder / "m")
        try:
            show.shell = Inside(make_checkout(folder / "other"), {})
            goldenscenes.before(show, manager.env)
            show.shell = shell
            goldenscenes.play(show, folder)
        finally:
            shell.fleet("down")
            manager.close()
        yield show


def by_group(texts: dict[str, str]) -> dict[str, str]:
    """The text of each file: the commands that share their first word."""
    files: dict[str, list[str]] = {}
    for command in sorted(texts):
        files.setdefault(f"text-{command.split()[0]}.txt", []).append(texts[command])
    return {name: "\n".join(parts) for name, parts in files.items()}


def writes() -> bool:
    """Whether the files are to be written."""
    return os.environ.get("FLEET_GOLDEN") == "write"


def test_every_story_went_as_told(shown: Show) -> None:
    assert shown.problems == []


def test_what_people_read_is_as_agreed(shown: Show) -> None:
    found = by_group(shown.texts)
    if writes():
        for name, text in found.items():
            (GOLDEN / name).write_text(text, encoding="utf-8")
    kept = {path.name: path.read_text(encoding="utf-8") for path in GOLDEN.glob("text-*.txt")}
    assert {name for name in kept if name not in found} == set(), "left over"
    for name, text in found.items():
        assert text.splitlines() == kept.get(name, "").splitlines(), name


def test_what_programs_read_is_as_agreed(shown: Show) -> None:
    if writes():
        SHAPES.write_text(json.dumps(shown.shapes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    kept = json.loads(SHAPES.read_text(encoding="utf-8"))
    for command, found in shown.shapes.items():
        assert found == kept.get(command), command
    assert set(kept) == set(shown.shapes)


def test_every_command_is_shown_in_both_ways_or_has_a_reason_not_to_be(shown: Show) -> None:
    """A new command needs a line in a story of goldenscenes.py."""
    for have, without in ((set(shown.texts), NO_TEXT), (set(shown.shapes), NO_SHAPE)):
        assert LEAVES - have - set(without) == set(), "without a golden"
        assert have - LEAVES == set(), "no such command"
        assert have & set(without) == set(), "excepted for nothing"
        assert set(without) <= LEAVES


def test_a_field_of_another_type_or_name_would_be_found() -> None:
    assert shape({"a": [{"b": 1}, {"b": None, "c": True}]}) == {"a": [{"b": "null|number", "c": "true|false"}]}
    assert merged(["text", "null", "text"]) == "null|text"
    assert merged([["text"], []]) == ["text"]
