"""Every example of a help text is a command line that the real parser takes."""

from __future__ import annotations

import pytest
from tests.docs.consoles import fault, fleet_calls
from tests.surface.test_cli_help import COMMANDS

from fleet.cli.remote import Local

EXAMPLES = [
    (words, line)
    for words, (found, _) in sorted(COMMANDS.items())
    if isinstance(found, Local)
    for line in found.examples
]


@pytest.mark.parametrize(("words", "line"), EXAMPLES)
def test_every_example_is_a_command_line_that_parses(words: str, line: str) -> None:
    calls = list(fleet_calls(line))
    assert calls
    assert [fault(call) for call in calls] == [""] * len(calls)


@pytest.mark.parametrize("words", sorted(words for words, (found, _) in COMMANDS.items() if isinstance(found, Local)))
def test_every_command_has_an_example_of_its_own(words: str) -> None:
    own = words.split()[1:]
    calls = [call for of, line in EXAMPLES if of == words for call in fleet_calls(line)]
    assert any(call[: len(own)] == own for call in calls)


def test_a_wrong_example_would_be_found() -> None:
    assert "No such option" in fault(["ps", "--al"])
    assert "No such command" in fault(["pss"])
    assert [fault(call) for call in fleet_calls("fleet ps --json | fleet pr merge x")] == [
        "",
        "Invalid value for 'NUMBER': 'x' is not a number such as 8 or pr/8",
    ]


def test_the_examples_stand_in_the_help_text_as_they_are() -> None:
    command, ctx = COMMANDS["fleet release check"]
    text = command.get_help(ctx)
    assert "Examples:\n  fleet release check 8\n  fleet release check 8 --json" in text
    assert "Exit codes:\n  0  it may be merged\n  1  it may not" in text
