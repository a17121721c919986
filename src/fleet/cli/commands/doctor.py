"""``fleet doctor``: is this machine fit, is this fleet well, and what protects you."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, json_line, visible
from fleet.cli.remote import Local, style_of, wants_json
from fleet.cli.words import pass_door
from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError, NotFound
from fleet.health.doctor import Report, examine
from fleet.health.isolation import MEANS
from fleet.health.words import Check

ASK_SECONDS = 10.0

_MARKS = {"ok": ("✓", "ok", "green"), "warn": ("!", "warn", "yellow"), "fail": ("✗", "FAIL", "red")}


@click.command(
    cls=Local,
    examples=(
        "fleet doctor",
        "fleet doctor --fix   # rights, bytecode, dead sockets, missing folders; never work",
        "fleet doctor --json",
    ),
    exits={0: "nothing failed (warnings do not count)", 1: "something failed"},
)
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, and say what was done.")
@click.pass_context
@pass_door
def doctor(door: Door, ctx: click.Context, fix: bool) -> int:
    """Check this machine, this fleet, and what does not protect you.

    Works without a repository, without a configuration and without a daemon. Lists the known ways round the
    isolation mode that this machine offers. Of the network only the daemon is asked, which asks the forge.
    """
    if fix:
        door.people_only("mend this machine")
    report = report_of(door, fix=fix)
    if wants_json(ctx):
        sys.stdout.write(json_line(report.as_dict()))
    else:
        sys.stdout.write(_text(report, style_of(ctx), fix=fix))
    return 0 if report.well else 1


def report_of(door: Door, *, fix: bool = False) -> Report:
    """Examine the surroundings of a door."""
    paths: FleetPaths | None = None
    trouble: FleetError | None = None
    try:
        paths = door.paths()
    except NotFound:
        trouble = None
    except FleetError as error:
        trouble = error

    return examine(door.env, paths, asker(door), door.clock.now(), trouble=trouble, fix=fix)


def asker(door: Door) -> Callable[[str], Mapping[str, Any]]:
    """How the doctor speaks to the daemon: a verb without arguments, with a short patience."""

    def ask(verb: str) -> Mapping[str, Any]:
        client = door.client()
        try:
            return client.call(verb, {}, seconds=ASK_SECONDS)
        finally:
            client.close()

    return ask


def _text(report: Report, style: Style, *, fix: bool) -> str:
    text = "".join(_line(check, style) for check in report.checks)
    text += f"\nisolation: {report.mode}; {MEANS[report.mode]}.\nKnown ways round it, as found here:\n"
    text += "".join(
        f"  {way.state:<9} {way.does} ({visible(way.seen)})\n" for way in report.ways if way.state != "closed"
    )
    closed = ", ".join(way.id for way in report.ways if way.state == "closed")
    text += f"  not found: {closed}\n" if closed else ""
    if fix:
        text += (
            f"\nmended:\n{''.join(f'  - {visible(line)}{chr(10)}' for line in report.did) or '  - nothing to mend'}\n"
        )
    return text + f"\n{_verdict(report, style, fix=fix)}\n"


def _line(check: Check, style: Style) -> str:
    mark, word, colour = _MARKS[check.state]
    text = f"{style.paint(f'{mark} {word:<4}', colour)} {check.id:<17} {visible(check.found)}\n"
    if check.state == "ok":
        return text
    pad = " " * 25
    return text + "".join(
        f"{pad}{visible(line)}\n" for line in (check.why, f"do: {check.fix}" if check.fix else "") if line
    )


def _verdict(report: Report, style: Style, *, fix: bool) -> str:
    counts = {state: sum(check.state == state for check in report.checks) for state in ("ok", "warn", "fail")}
    words = f"{counts['ok']} ok, {counted(counts['warn'], 'warning')}, {counts['fail']} failed"
    mendable = any(check.mend for check in report.checks)
    more = "; fleet doctor --fix mends what is safe to mend" if mendable and not fix else ""
    colour = "red" if counts["fail"] else "yellow" if counts["warn"] else "green"
    return style.paint(words, colour) + more
