"""The daemon's side of the quick way: parses the words with the very commands of the full way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from fleet.cli import hot

# Loaded now, not with the first call: that would have to wait for it, and after an upgrade in place it would load a
# file of the new version into a daemon of the old one.
from fleet.cli.commands import agent, fabric, look, mail, pr, status, ticket  # noqa: F401
from fleet.cli.door import Door
from fleet.cli.main import root, usage
from fleet.cli.output import Style, error_line, error_text
from fleet.cli.remote import Remote, wants_json
from fleet.core.errors import FleetError, UsageError
from fleet.daemon.argv import ArgvCall


def parse(words: Sequence[str], folder: str) -> ArgvCall:
    """The call that a command line stands for, with how to print its outcome.

    Takes only what ``hot.goes_quickly`` sends. Raises UsageError FLT-CLI-010 and FLT-CLI-013, and what the command
    itself raises.
    """
    line = list(words)
    if not hot.goes_quickly(line):
        raise UsageError("FLT-CLI-013", "this command does not go the quick way")
    door = Door({}, folder, in_daemon=True)
    try:
        ctx = context_of(line, door)
        command = ctx.command
        assert isinstance(command, Remote)
        with ctx:
            call = command.call(ctx)
    except click.ClickException as error:
        raise usage(error) from error
    as_json = wants_json(ctx)

    def render(result: Mapping[str, object]) -> str:
        return command.text(ctx, result, Style())

    def explain(error: FleetError) -> tuple[str, str]:
        return (error_line(error), "") if as_json else ("", error_text(error))

    return ArgvCall(call.verb, call.args, render, explain)


def context_of(words: list[str], door: Door) -> click.Context:
    """Parse the words down to the command they name."""
    parent = click.Context(root, info_name="fleet", obj=door, **root.context_settings)
    command: click.Command = root
    while isinstance(command, click.Group):
        if not words:
            raise click.UsageError("a command is missing", parent)
        name, found, words = command.resolve_command(parent, words)
        assert found is not None
        command = found
        if isinstance(command, click.Group):
            parent = click.Context(command, info_name=name, parent=parent)
    return command.make_context(command.name, words, parent=parent)
