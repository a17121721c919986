"""``fleet halt`` and ``fleet resume``: end everything now, and let it go on."""

from __future__ import annotations

import sys

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, duration, json_line, visible
from fleet.cli.remote import Call, Local, Remote, Result, style_of, wants_json
from fleet.cli.words import given, pass_door
from fleet.core.errors import FleetError, Refused, TimedOut, Unreachable, UsageError
from fleet.daemon.halting import Halted, end_runs, halt_without_daemon

_DAEMON_SECONDS = 2.0  # for the daemon to put it on record; the processes are ended in any case


@click.command(
    cls=Local,
    examples=(
        'fleet halt --reason "they delete the wrong files"',
        'fleet halt --reason "power goes off at six" --json',
    ),
    exits={1: "something would not end; its pids are printed"},
)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
@click.pass_context
@pass_door
def halt(door: Door, ctx: click.Context, reason: str) -> int:
    """End every run at once; nothing starts until fleet resume. People only.

    Works within ten seconds, with the daemon or without it. Each run's processes are frozen, its work is saved, then it
    is ended; what does not end in six seconds is killed, and its clone stays. A halt that is made while no daemon
    runs goes on record at its next start. The daemon itself goes on; fleet down stops that.
    """
    door.people_only("halt a fleet")
    if not reason.strip():
        raise UsageError("FLT-CLI-016", "--reason must not be empty")
    recorded = _on_record(door, reason)
    done = end_runs(door.paths())
    facts = {
        "recorded": recorded,
        "ended": list(done.ended),
        "killed": list(done.killed),
        "survivors": list(done.survivors),
        "seconds": round(done.seconds, 3),
    }
    sys.stdout.write(
        json_line({"ok": not done.survivors, **facts}) if wants_json(ctx) else _text(done, recorded, style_of(ctx))
    )
    return 1 if done.survivors else 0


def _on_record(door: Door, reason: str) -> bool:
    """Let the daemon halt, or write it down where the daemon finds it; whether it is on record already."""
    client = door.client()
    try:
        client.call("fleet.halt", {"reason": reason}, seconds=_DAEMON_SECONDS)
        return True
    except (Refused, UsageError):
        raise  # whoever asks may not halt, or not like this
    except FleetError as error:
        if not isinstance(error, Unreachable | TimedOut):
            sys.stderr.write(f"fleet: the daemon could not halt ({visible(error.message)}); doing it without\n")
        halt_without_daemon(door.paths(), reason, door.clock)
        return False
    finally:
        client.close()


def _text(done: Halted, recorded: bool, style: Style) -> str:
    text = style.paint("the fleet is halted", "bold", "red")
    runs = counted(len(done.ended) + len(done.killed), "run")
    text += f": {runs} ended in {duration(done.seconds)}; nothing starts until: fleet resume\n"
    if done.ended:
        text += "  their work is saved and comes back once after that\n"
    if done.killed:
        names = ", ".join(map(visible, done.killed))
        text += f"  killed before their work was saved: {names}; their clones stay, and are saved by the daemon\n"
    if done.survivors:
        text += style.paint(f"  would not end: pids {', '.join(map(str, done.survivors))}\n", "red")
    if not recorded:
        text += "  no daemon answered: it goes on record at the next start (fleet up)\n"
    return text


def _resumed(result: Result, style: Style) -> str:
    found = result["halt"]
    by = visible(found["by"])
    waiting = counted(result["waiting"], "delivery", "deliveries")
    return f"the fleet goes on; {by} had halted it: {visible(found['reason'])}\n  {waiting} to look at\n"


@click.command(
    cls=Remote,
    show=_resumed,
    examples=("fleet resume", 'fleet resume --reason "the prompt is mended"'),
    exits={8: "the fleet is not halted"},
)
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def resume(reason: str) -> Call:
    """Let a halted fleet go on. People only.

    The work of the runs that were halted comes back once, each as the attempt that it was.
    """
    return Call("fleet.resume", given(reason=reason))
