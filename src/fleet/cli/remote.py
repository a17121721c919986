"""The kinds of command: one that is a single call to the daemon, and one that works here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from fleet.cli.door import Door
from fleet.cli.output import Style, report, result_line, terminal_size, wants_colour
from fleet.control.verbs import OFFLINE, VERBS, Access
from fleet.core.errors import FleetError, Unreachable

Result = Mapping[str, Any]
_JSON = "fleet.json"
_COLOUR = "fleet.colour"
COMMON = ("as_json", "colour")  # names of the options that every command has


@dataclass(frozen=True, slots=True)
class Call:
    """What a command asks of the daemon: a verb and its arguments."""

    verb: str
    args: Mapping[str, object]


def _note(key: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def keep(ctx: click.Context, _: click.Parameter, value: object) -> None:
        ctx.meta[key] = value

    return keep


def _common() -> list[click.Parameter]:
    """Options of every command."""
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_note(_JSON),
            help="Print one JSON object (schema_version 1).",
        ),
        click.Option(
            ["--color", "colour"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            expose_value=False,
            callback=_note(_COLOUR),
            help="Colours; auto looks at NO_COLOR, FORCE_COLOR, TERM and the terminal.",
        ),
    ]


def wants_json(ctx: click.Context) -> bool:
    """Whether this command was called with --json."""
    return bool(ctx.meta.get(_JSON))


def style_of(ctx: click.Context) -> Style:
    """How to print for the reader of standard output."""
    choice = str(ctx.meta.get(_COLOUR) or "auto")
    colour = not wants_json(ctx) and wants_colour(choice, ctx.find_object(Door).env, sys.stdout)  # type: ignore[union-attr]
    columns, _ = terminal_size(sys.stdout) or (0, 0)
    return Style(colour, columns)


def door_of(ctx: click.Context) -> Door:
    """The surroundings of this call."""
    door = ctx.find_object(Door)
    assert door is not None
    return door


class _Text(click.types.StringParamType):
    """Text on the command line; the shell completes it where its parameter's name says what it means."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Ask ``completing``, which is loaded only now."""
        found: list[CompletionItem] = importlib.import_module("fleet.cli.completing").suggest(ctx, param, incomplete)
        return found


_TEXT = _Text()


class Local(click.Command):
    """A command that works in this process; its function returns an exit code or None."""

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), exits: Mapping[int, str] | None = None, **attrs: Any
    ) -> None:
        """As click's, with the options that every command has.

        ``examples`` are command lines for the help text, each perhaps with ``  # what it does`` behind it.
        ``exits`` explains exit codes that mean something special here.
        """
        super().__init__(*args, **attrs)
        self.examples = tuple(examples)
        self.exits = dict(exits or {})
        for param in self.params:
            if param.type is click.STRING:
                param.type = _TEXT
        self.params.extend(_common())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The special exit codes and the examples, below the options."""
        if self.exits:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), means) for code, means in self.exits.items()])
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:  # as it is: a wrapped command cannot be copied
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> int:
        """Run, print what went wrong as this command was asked to, and return the exit code."""
        try:
            return self.run(ctx)
        except FleetError as error:
            return report(error, as_json=wants_json(ctx))

    def run(self, ctx: click.Context) -> int:
        """Run the function; its exit code, 0 for None."""
        return super().invoke(ctx) or 0


class Remote(Local):
    """A command that is one call. Its function gives the Call and does nothing else, so the daemon can run it too."""

    def __init__(
        self,
        *args: Any,
        show: Callable[[Result, Style], str],
        code: Callable[[Result], int] | None = None,
        **attrs: Any,
    ) -> None:
        """``show`` turns the result into text for people, ``code`` into an exit code (0 without it)."""
        super().__init__(*args, **attrs)
        self.show = show
        self.code = code

    def call(self, ctx: click.Context) -> Call:
        """What the words of this context ask for."""
        found = click.Command.invoke(self, ctx)
        assert isinstance(found, Call)
        return found

    def text(self, ctx: click.Context, result: Result, style: Style) -> str:
        """Standard output for a result."""
        return result_line(result) if wants_json(ctx) else self.show(result, style)

    def run(self, ctx: click.Context) -> int:
        """Ask, print, and return the exit code."""
        result = ask(door_of(ctx), self.call(ctx))
        sys.stdout.write(self.text(ctx, result, style_of(ctx)))
        return self.code(result) if self.code else 0


def ask(door: Door, call: Call, *, quiet: bool = False) -> dict[str, Any]:
    """The daemon's answer. Without a daemon a person still reads, from the store as it lies; an agent never does.

    ``quiet``: it was said already that no daemon answers.
    """
    client = door.client()
    try:
        return client.call(call.verb, call.args)
    except Unreachable as error:
        if error.code != "FLT-CLI-001" or door.is_agent or door.env.get("FLEET_SOCKET") or not _readable(call.verb):
            raise
        answer = _read_alone(door, call, quiet=quiet)
        if answer is None:
            raise
        return answer
    finally:
        client.close()


def _readable(verb: str) -> bool:
    return verb in OFFLINE or (VERBS[verb].access is Access.READ and verb not in ("ping", "watcher.status"))


def _read_alone(door: Door, call: Call, *, quiet: bool) -> dict[str, Any] | None:
    """Read without a daemon; None where the fleet has no store yet. Loads the store, so only now."""
    paths = door.paths()
    if not paths.database.exists():
        return None
    if not quiet:
        sys.stderr.write("fleet: no daemon answers; this is the record as it lies (start it: fleet up)\n")
    offline = importlib.import_module("fleet.daemon.offline").open_offline(paths)
    try:
        answer: dict[str, Any] = offline.handle(call.verb, dict(call.args))
        return answer
    finally:
        offline.close()
