"""``fleet insights``: what to look at before it becomes a problem."""

from __future__ import annotations

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.words import given, pass_door, since

_SHOWN = 6


def _insights(result: Result, style: Style) -> str:
    """Each finding in two or three lines: what, on which entries it rests, what to type."""
    text = ""
    for one in result["insights"]:
        refs = ", ".join(f"#{seq}" for seq in one["evidence"][-_SHOWN:])
        text += f"{style.paint(one['kind'], 'yellow')}  {visible(one['text'])}\n"
        text += f"    {visible(one['command'])}{f'  (entries {refs})' if refs else ''}\n"
    return text or "nothing is stuck, stalled, flapping, over-reviewed, expensive, idle or about to collide\n"


@click.command(cls=Remote, show=_insights, examples=("fleet insights", "fleet insights --since 24h --json"))
@click.option("--since", "since_", metavar="WHEN", default="", help="Look back to this: 24h, 30d; default 7d.")
@pass_door
def insights(door: Door, since_: str) -> Call:
    """Tell what is stuck, stalled, flapping, expensive, idle or about to collide.

    Each finding names the journal entries that it rests on and the command that helps. Findings stop nobody. When
    each kind is told: docs/reference/insights.md
    """
    return Call("insights", given(since=since(since_, door.clock.now())))
