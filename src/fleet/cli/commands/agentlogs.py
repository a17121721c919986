"""``fleet agent logs``: what an agent's terminals showed, run after run, and what the newest one shows from now on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from fleet.cli.client import Client
from fleet.cli.door import Door
from fleet.cli.members import logs_text, run_ending, run_heading
from fleet.cli.output import json_line, result_line, visible
from fleet.cli.remote import Call, Local, ask, style_of, wants_json
from fleet.cli.words import given, pass_door

_LOOK_SECONDS = 0.5  # how long to wait for a journal entry about the agent before its terminal is read again
_SCREEN = 2000  # lines that are compared with what was printed before


@click.command(
    cls=Local,
    examples=(
        "fleet agent logs developer",
        "fleet agent logs developer --run r0csv3b8x0d6e2t7k1 --lines 1000",
        "fleet agent logs developer -f",
    ),
)
@click.argument("name")
@click.option("--run", "run_id", metavar="RUN", default="", help="Only this run; fleet ps --all lists them.")
@click.option("--lines", type=click.IntRange(1, 10000), default=200, show_default=True, help="At most so many in all.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what the newest run shows from now on.")
@click.pass_context
@pass_door
def logs(door: Door, ctx: click.Context, name: str, run_id: str, lines: int, follow: bool) -> None:
    """Print what the terminals of an agent showed, run after run, each with how it ended.

    Works without the daemon, unless --follow asks for more. With --follow and --json each line is one object.
    """
    found = ask(door, Call("agent.logs", {"name": name, "lines": lines, **given(run=run_id)}))
    if not follow:
        sys.stdout.write(result_line(found) if wants_json(ctx) else logs_text(found, style_of(ctx)))
        return
    client = door.client()
    printer = _Printer(ctx)
    seen: int = client.call("log", {"agent": name, "limit": 1})["head"]
    while True:
        for run in found["runs"]:
            printer.show(run)
        sys.stdout.flush()
        seen = _wait(client, name, seen)
        found = client.call("agent.logs", {"name": name, "lines": _SCREEN, **given(run=run_id)})


def _wait(client: Client, name: str, seen: int) -> int:
    """Until something about the agent is recorded, or a moment has passed; the journal's position then."""
    news = client.call("log", {"agent": name, "after": seen, "wait_seconds": _LOOK_SECONDS})
    return int(max([seen, news["head"], *(entry["seq"] for entry in news["entries"])]))


class _Printer:
    """Prints of each run what was not printed before."""

    def __init__(self, ctx: click.Context) -> None:
        self._json = wants_json(ctx)
        self._style = style_of(ctx)
        self._shown: dict[str, list[str]] = {}
        self._ended: set[str] = set()

    def show(self, run: Mapping[str, Any]) -> None:
        """The heading of a new run, its new lines, and its end, each once."""
        run_id, lines = str(run["id"]), [str(line) for line in run["lines"]]
        if run_id in self._ended or (not lines and self._shown.get(run_id)):
            return  # nothing: its terminal was being put away at that moment; the next look has it
        if run_id not in self._shown:
            self._put(run_heading(run, self._style), {"run": run_id, "state": run["state"]})
        for line in unseen(self._shown.get(run_id, []), lines):
            self._put(f"{visible(line)}\n", {"run": run_id, "line": line})
        self._shown[run_id] = lines
        if run["finished_at"] is not None:
            self._ended.add(run_id)
            self._put(run_ending(run, self._style), {"run": run_id, "state": run["state"], "outcome": run["outcome"]})

    def _put(self, text: str, facts: Mapping[str, object]) -> None:
        sys.stdout.write(json_line(facts) if self._json else text)


def unseen(before: list[str], now: list[str]) -> list[str]:
    """The lines of a terminal that came after what it showed before; all, when nothing of that is left."""
    for start in range(len(before)):
        kept = before[start:]
        if now[: len(kept)] == kept:
            return now[len(kept) :]
    return now
