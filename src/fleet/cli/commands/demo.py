"""``fleet demo``: watch a ticket become a merged branch, in a throw-away folder."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from fleet.cli import account
from fleet.cli.demo import real, story, view
from fleet.cli.demo.play import DEADLINE_SECONDS, Outcome, Teller, play
from fleet.cli.demo.stage import Stage, build
from fleet.cli.door import Door
from fleet.cli.output import error_text, json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.core.errors import FleetError, PermanentError, Refused
from fleet.health import gather
from fleet.health.machine import machine_checks


@click.command(
    cls=Local,
    examples=(
        "fleet demo",
        "fleet demo --keep  # the folder stays, with a fleet to look around in",
        "fleet demo --vendor claude-code --key-command 'env HOME=/home/me pass show anthropic/key'",
    ),
    exits={6: "nobody confirmed that real sessions may cost something"},
)
@click.option("--keep", is_flag=True, help="Keep the folder and say how to look around in it.")
@click.option(
    "--vendor", type=click.Choice(["scripted", "claude-code"]), default="scripted", show_default=True, help="Who plays."
)
@account.options
@click.option("--yes", is_flag=True, help="With claude-code: start without the question, whatever it costs.")
@click.option("--base-url", metavar="URL", default="", help="With claude-code: where the model is, such as a gateway.")
@click.option("--client", "program", metavar="PROGRAM", default="", help="With claude-code: the client, if not claude.")
@click.pass_context
@pass_door
def demo(
    door: Door,
    ctx: click.Context,
    keep: bool,
    vendor: str,
    key_command: str,
    login: str,
    yes: bool,
    base_url: str,
    program: str,
) -> int:
    """Watch a ticket become a merged branch.

    Makes a throw-away git repository with a small program and a failing test, starts a real fleet of scripted agents
    in it, and shows how they mend it. No account, no network, nothing outside that folder.

    With --vendor claude-code real sessions play them, with your account: it says what that is expected to cost and asks
    first. Without --key-command or --login it takes auth and backend from the configuration of this repository.
    """
    door.people_only("run the demo")
    _fit(door)
    found: real.Account | None = None
    said = account.auth_of(key_command, login, door.folder)
    if vendor == "claude-code":
        found = real.account(door, said, base_url, program)
        _confirm(ctx, found, yes=yes)
    elif said or yes or base_url or program:
        raise click.UsageError("--key-command, --login, --yes, --base-url and --client go with --vendor claude-code")
    return _play(door, ctx, found, keep=keep)


def _play(door: Door, ctx: click.Context, found: real.Account | None, *, keep: bool) -> int:
    """Make the folder, run the chain in it, and report."""
    signal.signal(signal.SIGTERM, _interrupt)
    stage = build(door.env) if found is None else build(door.env, story.real_files(found.config))
    seconds = DEADLINE_SECONDS if found is None else real.DEADLINE_SECONDS
    if not wants_json(ctx):
        sys.stdout.write(f"fleet demo in {visible(stage.folder)}\n")
    gone = False
    try:
        with _teller(ctx) as teller:
            outcome = play(stage, teller, door.clock, seconds=seconds, written=found is None)
        gone = _end(stage, remove=outcome.ok and not keep)
    except FleetError as error:
        _end(stage, remove=False)
        return _failed(ctx, stage, error)
    except KeyboardInterrupt:
        _end(stage, remove=not keep)
        raise
    return _report(ctx, stage, outcome, gone=gone)


def _confirm(ctx: click.Context, found: real.Account, *, yes: bool) -> None:
    """Say what it may cost and get a person's word. Raises Refused FLT-CLI-023 without it."""
    click.echo(visible(real.question(found), lines=True), err=True, nl=False)
    if yes:
        return
    terminal = sys.stdin.isatty() and sys.stderr.isatty() and not wants_json(ctx)
    if not terminal or not click.confirm("Go on?", default=False, err=True):
        hint = "" if terminal else "There is no terminal to ask on; in a script: --yes"
        raise Refused(
            "FLT-CLI-023", "nobody said that real sessions may cost something; nothing was started", hint=hint
        )


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A polite kill cleans up like Ctrl-C."""
    raise KeyboardInterrupt


def _fit(door: Door) -> None:
    """Refuse at once on a machine that lacks something. Raises PermanentError FLT-CLI-019."""
    for check in machine_checks(gather.machine(door.env)):
        if check.state == "fail":
            raise PermanentError("FLT-CLI-019", f"{check.id}: {check.found}", hint=check.fix)


@contextmanager
def _teller(ctx: click.Context) -> Iterator[Teller]:
    """Silence for --json, a screen on a terminal, lines everywhere else. rich is loaded for the screen only."""
    if wants_json(ctx):
        yield view.Silence()
    elif sys.stdout.isatty() and ctx.find_object(Door).env.get("TERM") != "dumb":  # type: ignore[union-attr]
        with importlib.import_module("fleet.cli.demo.live").Screen(colour=style_of(ctx).colour) as screen:
            yield screen
    else:
        yield view.Lines(style_of(ctx))


def _end(stage: Stage, *, remove: bool) -> bool:
    """Take the fleet down, then the folder if wanted; True when the folder is gone. A fleet that stays keeps it."""
    try:
        stage.fleet("down")
    except FleetError as error:
        sys.stderr.write(error_text(error))
        return False
    if remove:
        stage.remove()
    return remove


def _report(ctx: click.Context, stage: Stage, outcome: Outcome, *, gone: bool) -> int:
    if wants_json(ctx):
        sys.stdout.write(json_line(view.facts(outcome, None if gone else str(stage.repo))))
        return 0 if outcome.ok else 1
    sys.stdout.write(view.summary(outcome, style_of(ctx)))
    if not outcome.ok:
        sys.stderr.write("fleet: the demo did not come out as promised [FLT-CLI-021]\n")
    if gone:
        sys.stdout.write("The fleet is down and the folder is gone; keep it with: fleet demo --keep\n")
    else:
        sys.stdout.write(view.how_to_look(stage, outcome.chain.pr))
    return 0 if outcome.ok else 1


def _failed(ctx: click.Context, stage: Stage, error: FleetError) -> int:
    """Say what happened and where everything lies."""
    if wants_json(ctx):
        sys.stdout.write(json_line({"ok": False, "error": error.as_dict(), "repo": str(stage.repo)}))
        return 1
    sys.stderr.write(error_text(error))
    sys.stdout.write(view.how_to_look(stage, 0))
    return 1
