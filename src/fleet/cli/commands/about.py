"""``fleet version`` and ``fleet help``."""

from __future__ import annotations

import sys

import click

from fleet import __version__
from fleet.cli import explaining, main
from fleet.cli.output import json_line
from fleet.cli.remote import Local, style_of, wants_json
from fleet.core.catalogue import CATALOGUE
from fleet.core.errors import NotFound

EXIT_CODES: dict[int, str] = {
    0: "ok",
    1: "failed; release check: not mergeable; audit verify: not whole",
    2: "wrong usage, or a bad payload",
    3: "the configuration is invalid",
    4: "not found",
    5: "no daemon answers",
    6: "refused by policy, or an approval is pending",
    7: "a budget or a quarantine said no",
    8: "a conflict, or a lock is held",
    124: "timed out",
    130: "interrupted",
}


@click.command(
    cls=Local,
    examples=(
        "fleet version",
        "fleet version --json",
    ),
)
@click.pass_context
def version(ctx: click.Context) -> None:
    """Print the version."""
    sys.stdout.write(json_line({"ok": True, "version": __version__}) if wants_json(ctx) else f"fleet {__version__}\n")


@click.command(
    "help",
    cls=Local,
    examples=(
        "fleet help ticket create",
        "fleet help exit-codes",
        "fleet help FLT-CLI-001",
    ),
)
@click.argument("topic", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Explain a command, the exit codes or an error code.

    TOPIC is a command such as `ticket create`, the word exit-codes, or a code such as FLT-CLI-001.
    """
    if topic == ("exit-codes",):
        facts: dict[str, object] = {"exit_codes": {str(code): means for code, means in EXIT_CODES.items()}}
        text = "".join(f"{code:>4}  {means}\n" for code, means in EXIT_CODES.items())
    elif len(topic) == 1 and topic[0].upper() in CATALOGUE:
        facts = explaining.facts_of(topic[0].upper())
        text = explaining.text_of(topic[0].upper(), style_of(ctx))
    else:
        text = _command_help(ctx, topic)
        facts = {"help": text}
    sys.stdout.write(json_line({"ok": True, **facts}) if wants_json(ctx) else text)


def _command_help(ctx: click.Context, topic: tuple[str, ...]) -> str:
    """The help text of a command, or of the program. Raises NotFound FLT-CLI-017."""
    at = click.Context(main.root, info_name="fleet", **main.root.context_settings)
    command: click.Command = main.root
    for word in topic:
        found = command.get_command(at, word) if isinstance(command, click.Group) else None
        if found is None:
            raise NotFound(
                "FLT-CLI-017", "no such command, topic or code", where=" ".join(topic), hint="See: fleet help"
            )
        command, at = found, click.Context(found, info_name=word, parent=at)
    return command.get_help(at) + "\n"
