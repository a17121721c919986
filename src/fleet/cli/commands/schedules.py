"""``fleet schedules``: what starts by the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.core.clock import SECOND

_MISSED = {"skip": "left out", "catch_up_once": "made up for with one start"}


def _schedules(result: Result, style: Style) -> str:
    found = "\n".join(_one(row, style) for row in result["schedules"])
    return found or "no agent has a schedule: give one `schedule:` in .fleet/config.yaml\n"


def _one(row: dict[str, Any], style: Style) -> str:
    """One agent: its rule in a line, then the last time and the next ones in its zone and in UTC."""
    reason = f" ({visible(row['reason'])})" if row["reason"] and not row["starts"] else ""
    text = (
        f"{style.paint(visible(row['agent']), 'bold')}  {visible(row['cron'])}  {visible(row['timezone'])}"
        f"  {style.state(row['state'])}{reason}\n"
        f"  missed times are {_MISSED.get(row['missed'], visible(row['missed']))}\n"
        f"  {'last':<8} {_moment(row['last']) if row['last'] else 'never'}\n"
    )
    word = "next" if row["starts"] else "would be"
    for moment in row["next"]:
        text += f"  {word:<8} {_moment(moment)}\n"
        word = ""
    return text


def _moment(moment: dict[str, Any]) -> str:
    """2026-11-30 09:00:00+01:00 (08:00:00Z)."""
    utc = datetime.fromtimestamp(moment["at"] // SECOND, UTC)
    return f"{visible(moment['local']).replace('T', ' ')} ({utc:%Y-%m-%d %H:%M}Z)"


@click.command(cls=Remote, show=_schedules, examples=("fleet schedules", "fleet schedules --json"))
def schedules() -> Call:
    """List what starts by the clock, with the next times.

    Each agent's `schedule:` is read in its own time zone; the same instants stand beside it in UTC. An agent that
    is paused, disabled or quarantined is not started; times that pass meanwhile count as missed.
    """
    return Call("schedules", {})
