"""``fleet top``: who works now and what it costs, again and again."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import click

from fleet.cli.client import Client
from fleet.cli.door import Door
from fleet.cli.output import error_line, error_text, json_line, terminal_size
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.statusview import UNFOLDED
from fleet.cli.topview import Look, facts_of, text_of
from fleet.cli.words import pass_door
from fleet.core.errors import FleetError, Unreachable
from fleet.health.processes import usage

_FIRST = 0.25  # seconds between the first two looks, so that rates are there at once
_ASK_SECONDS = 10.0


@click.command(
    cls=Local,
    examples=(
        "fleet top",
        "fleet top --once",
        "fleet top --json --interval 10   # one object a line, for another program",
    ),
    exits={0: "shown; Ctrl-C ends it", 5: "no daemon answered at the first look"},
)
@click.option("--once", is_flag=True, help="Show it once and end.")
@click.option(
    "--interval",
    type=click.FloatRange(0.5, 3600.0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks.",
)
@click.pass_context
@pass_door
def top(door: Door, ctx: click.Context, once: bool, interval: float) -> int:
    """Watch the runs: processor, memory, time, what is quiet; event rate and writer.

    On a terminal it is one screen that stands still; elsewhere a block of text each time, with --json one object
    a line. QUIET is how long ago the journal last heard of a run. Ctrl-C ends it.
    """
    client = door.client()
    try:
        with _ends_in_order(), _painter(ctx) as paint:
            for seconds, look, before in _looks(door, client, interval, once=once):
                paint(look, before, seconds)
    except KeyboardInterrupt:
        return 0  # the usual way to end it
    finally:
        client.close()
    return 0


Paint = Callable[["Look | FleetError", "Look | None", float], None]


def _looks(
    door: Door, client: Client, interval: float, *, once: bool
) -> Iterator[tuple[float, Look | FleetError, Look | None]]:
    """Looks with the one before each; a daemon that goes away is waited for. Raises Unreachable at the first look."""
    resting = threading.Event()
    before = _look(door, client)
    resting.wait(_FIRST)
    while True:
        try:
            look = _look(door, client)
        except Unreachable as error:
            yield interval, error, None
        else:
            yield interval, look, before
            before = look
        if once:
            return
        resting.wait(interval)


def _look(door: Door, client: Client) -> Look:
    answer = client.call("top", {}, seconds=_ASK_SECONDS)
    roots = [run["pid"] for run in answer["runs"]] + [answer["daemon"]["pid"]]
    return Look(answer, usage(pid for pid in roots if pid), door.clock.monotonic())


@contextlib.contextmanager
def _painter(ctx: click.Context) -> Iterator[Paint]:
    """How a look is shown: an object a line, a screen that stands still, or a block of text."""
    if wants_json(ctx):
        yield _as_json
        return
    style, door = style_of(ctx), ctx.find_object(Door)
    assert door is not None

    def text(look: Look | FleetError, before: Look | None) -> str:
        if isinstance(look, FleetError):
            return error_text(look)
        width, height = terminal_size(sys.stdout) or (UNFOLDED, UNFOLDED)
        return text_of(facts_of(look, before), style, width=width, height=height)

    def block(look: Look | FleetError, before: Look | None, seconds: float) -> None:
        sys.stdout.write(f"{text(look, before)}\n")
        sys.stdout.flush()

    if ctx.params["once"] or not sys.stdout.isatty() or door.env.get("TERM") == "dumb":
        yield block
        return
    with importlib.import_module("fleet.cli.toplive").Screen() as screen:
        yield lambda look, before, seconds: screen.draw(f"{text(look, before)}\nevery {seconds:g} s; Ctrl-C ends it")


def _as_json(look: Look | FleetError, before: Look | None, seconds: float) -> None:
    line = error_line(look) if isinstance(look, FleetError) else json_line({"ok": True, **facts_of(look, before)})
    sys.stdout.write(line)
    sys.stdout.flush()


@contextlib.contextmanager
def _ends_in_order() -> Iterator[None]:
    """Let a polite kill and a closed terminal end it like Ctrl-C, so that the screen is given back."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    old = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, old, strict=True):
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
