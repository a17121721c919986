"""Help: every command's text as a golden file, one line in the table of commands, exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from fleet.cli import main
from fleet.cli.commands.about import EXIT_CODES
from fleet.cli.remote import Local, Remote
from fleet.core import errors

GOLDEN = Path(__file__).parent / "golden"
# The options of every command, which stand in no golden file again.
COMMON = {"as_json", "colour", "help"}


def commands() -> dict[str, tuple[click.Command, click.Context]]:
    """Every command and group by its words."""
    found: dict[str, tuple[click.Command, click.Context]] = {}
    top = click.Context(main.root, info_name="fleet", **{**main.root.context_settings, "terminal_width": 100})
    todo: list[tuple[str, click.Command, click.Context]] = [("fleet", main.root, top)]
    while todo:
        words, command, ctx = todo.pop()
        found[words] = (command, ctx)
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner is not None
                child = click.Context(inner, info_name=name, parent=ctx, terminal_width=100)
                todo.append((f"{words} {name}", inner, child))
    return found


COMMANDS = commands()


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_the_help_text_is_as_agreed(words: str) -> None:
    """FLEET_GOLDEN=write writes the files anew."""
    command, ctx = COMMANDS[words]
    text = command.get_help(ctx) + "\n"
    path = GOLDEN / f"help-{words.replace(' ', '-')}.txt"
    if os.environ.get("FLEET_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    expected = {f"help-{words.replace(' ', '-')}.txt" for words in COMMANDS}
    assert {path.name for path in GOLDEN.glob("help-*")} == expected


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    for name, (_, _, _, line) in main.COMMANDS.items():
        command, _ = COMMANDS[f"fleet {name}"]
        assert (command.help or "").strip().split("\n")[0] == line


@pytest.mark.parametrize(
    "words", sorted(words for words, (found, _) in COMMANDS.items() if not hasattr(found, "commands"))
)
def test_every_command_takes_json_and_colour_and_explains_its_options(words: str) -> None:
    command, _ = COMMANDS[words]
    assert isinstance(command, Local)
    options = {param.name: param for param in command.params if isinstance(param, click.Option)}
    assert {"as_json", "colour"} <= set(options)
    assert [name for name, option in options.items() if not option.help and not option.hidden] == []
    assert command.examples, "give it examples=(…): command lines to copy"


def test_nothing_can_name_its_own_sender() -> None:
    """--sender is known only to be refused."""
    for words, (command, _) in COMMANDS.items():
        for param in command.params:
            if "--sender" in param.opts:
                assert words == "fleet fabric publish"
                assert isinstance(param, click.Option)
                assert param.hidden
                assert not param.expose_value


def test_remote_commands_do_nothing_but_ask() -> None:
    remote = {words for words, (command, _) in COMMANDS.items() if isinstance(command, Remote)}
    assert {"fleet ps", "fleet fabric publish", "fleet pr merge", "fleet audit key"} <= remote


@pytest.mark.parametrize("topic", ["nonsense", "ticket nonsense", "ticket create nonsense"])
def test_help_for_what_does_not_exist_is_not_found(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["help", *topic.split()]) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "FLT-CLI-017" in shown.err
    assert topic in shown.err


def test_the_exit_codes_of_all_errors_are_explained() -> None:
    kinds = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.FleetError)
    ]
    assert {kind.exit_code for kind in kinds} <= set(EXIT_CODES)
