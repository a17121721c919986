"""``fleet version`` and ``fleet help``."""

from __future__ import annotations

import sys

import click

from fleet import __version__
from fleet.cli import explaining, main
from fleet.cli.door import Door
from fleet.cli.output import json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.core.catalogue import CATALOGUE
from fleet.core.errors import FleetError, NotFound
from fleet.core.wire import PROTOCOL

_PING_SECONDS = 3.0

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
@pass_door
def version(door: Door, ctx: click.Context) -> None:
    """Print the version, and that of the daemon of this folder where one runs.

    fleet --version prints only the first, without looking for a daemon.
    """
    daemon = _daemon(door)
    same = daemon["version"] == __version__ if daemon and "version" in daemon else None if daemon is None else False
    if wants_json(ctx):
        facts = {"version": __version__, "protocol": PROTOCOL, "daemon": daemon, "same": same}
        sys.stdout.write(json_line({"ok": True, **facts}))
        return
    text = f"fleet {__version__}\n"
    if daemon is not None:
        found = (
            f"{visible(daemon['version'])} (pid {daemon['pid']})" if "version" in daemon else visible(daemon["error"])
        )
        text += f"daemon {found}{'' if same else '; put this version in its place: fleet restart'}\n"
    sys.stdout.write(text)


def _daemon(door: Door) -> dict[str, object] | None:
    """What the daemon of this folder says of itself; None where there is none."""
    client = None
    try:
        client = door.client()
        found = client.call("ping", {}, seconds=_PING_SECONDS)
    except FleetError as error:
        return None if error.code != "FLT-DMN-101" else {"error": error.message}
    finally:
        if client is not None:
            client.close()
    return {"version": str(found.get("version", "")), "pid": found.get("pid"), "fleet": found.get("fleet")}


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
