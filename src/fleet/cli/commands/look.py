"""``fleet status``, ``fleet ps`` and ``fleet why``: what is going on, and why."""

from __future__ import annotations

import click

from fleet import __version__
from fleet.cli.commands.agent import agents_text
from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import runs_text


def _ps(result: Result, style: Style) -> str:
    return runs_text(result["runs"], style)


@click.command(
    cls=Remote,
    show=_ps,
    examples=(
        "fleet ps",
        "fleet ps --all --json",
    ),
)
@click.option("--all", "all_", is_flag=True, help="Ended runs too.")
def ps(all_: bool) -> Call:
    """List runs."""
    return Call("ps", {"all": all_})


def _why(result: Result, style: Style) -> str:
    lines = "".join(f"  {visible(line)}\n" for line in result["lines"]) or "  nothing is on record\n"
    return f"{style.paint(visible(result['title']), 'bold')}\n{lines}"


@click.command(
    cls=Remote,
    show=_why,
    examples=(
        "fleet why ticket/7",
        "fleet why pr/8",
        "fleet why developer",
    ),
)
@click.argument("ref")
def why(ref: str) -> Call:
    """Tell why something started, waited or was refused.

    REF is a run's id, ticket/7, pr/8 (or 8), or an agent's name.
    """
    return Call("why", {"ref": ref})


def _status(result: Result, style: Style) -> str:
    daemon = result["daemon"]
    where = f"daemon {daemon['pid']}{', supervised' if daemon['supervised'] else ''}" if daemon["pid"] else "no daemon"
    text = f"{style.paint(visible(result['fleet']), 'bold')}  {where}, {result['mode']}\n"
    if daemon["pid"] and result["version"] != __version__:
        other = f"the daemon is version {visible(result['version'])}, this command {__version__}"
        text += style.paint(f"{other}; put this version in its place: fleet restart\n", "yellow")
    if daemon["paused"]:
        text += style.paint("nothing new is started: the fleet is going down\n", "yellow")
    disk = result["disk"]
    if disk["low"]:
        free, floor = (f"{disk[name] / 1_000_000:.0f} MB" for name in ("free", "floor"))
        said = f"low disk: {free} free for {visible(disk['path'])}, below {floor} nothing new starts (fleet gc)"
        text += style.paint(said, "red") + "\n"
    failing = [service for service in daemon["services"] if service["failures"] or not service["alive"]]
    text += "".join(f"service {visible(item['name'])}: {visible(item['last_error'])}\n" for item in failing)
    text += f"\n{agents_text(result['agents'], style)}\n{runs_text(result['runs'], style)}"
    if result["held"]:
        text += f"\n{style.paint('waiting', 'yellow')}\n"
        text += "".join(
            f"  {visible(item['agent'])} on {visible(item['subject'])}: {visible(item['reason'])}\n"
            for item in result["held"]
        )
    if result["dead_letters"]:
        text += f"\n{style.paint('needs a person', 'red')}\n"
        text += "".join(
            f"  {visible(item['subject'])}: {visible(item['summary'])}\n" for item in result["dead_letters"]
        )
    text += _asks(result, style)
    waiting = sum(result["deliveries"].get(state, 0) for state in ("pending", "claimed"))
    return text + f"\njournal: {result['journal']['entries']} entries; {waiting} deliveries to look at\n"


def _asks(result: Result, style: Style) -> str:
    """What agents wait for: answers, and hands that clear the way."""
    text = ""
    for heading, rows in (("asked of you (fleet answer N TEXT)", "questions"), ("blocked", "blockers")):
        if not result[rows]:
            continue
        text += f"\n{style.paint(heading, 'yellow')}\n"
        for item in result[rows]:
            who = item["asker"] if rows == "questions" else item["opened_by"]
            on = f" on {visible(item['subject'])}" if item["subject"] else ""
            text += f"  {rows[:-1]}/{item['number']} {visible(who)}{on}: {visible(item['text'])}\n"
    unread = sum(result["inbox"]["people"].values())
    return text + (f"\n{unread} unread in your inbox: fleet inbox\n" if unread else "")


@click.command(
    cls=Remote,
    show=_status,
    examples=(
        "fleet status",
        "fleet status --json",
    ),
)
def status() -> Call:
    """Say how the fleet is doing: who works, what waits, what needs a person."""
    return Call("status", {})
