"""``fleet policy``: what another configuration would have decided."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rolebook import roles_at
from fleet.cli.words import pass_door, since
from fleet.config.loader import parse_config, read_config

Row = Mapping[str, Any]

_SHOWN = 8  # entries of one reason that are named in a line
# What was decided, by the type of its entry: the first that it begins with.
_DECISIONS = {
    "delivery.dead_lettered": "return", "delivery.": "start", "work_returned": "return", "merge.": "merge",
    "review.": "review", "run.stop_requested": "calling off", "run.": "time", "budget.warned": "warning",
    "agent.quarantined": "quarantine", "risk.": "risk", "event.routed": "route",
}  # fmt: skip


@click.group("policy")
def policy() -> None:
    """Try a changed configuration on what was decided before."""


def _replayed(result: Result, style: Style) -> str:
    """How many differ, each that does, and what could not be decided again."""
    number, counts = result["decisions"], result["counts"]
    words = ", ".join(f"{count} {effect}" for effect, count in counts.items()) or "none"
    text = f"{_candidate(result)}{counted(number, 'decision')} made again; different: {words}\n"
    if result["differs"]:
        heads = ("ENTRY", "WHEN", "AGENT", "ON", "DECISION", "WAS", "WOULD BE")
        lines = table(heads, [_line(row) for row in result["differs"]], style).splitlines()
        whys = [f"    {visible(row['why'])}" for row in result["differs"]]
        rest = [line for pair in zip(lines[1:], whys, strict=True) for line in pair]
        text += "\n" + "".join(f"{line}\n" for line in (lines[0], *rest))
    if result["more"]:
        text += f"… and {result['more']} more (--limit)\n"
    for row in result["program_differs"]:
        text += (
            f"\nentry {row['seq']} was {row['was']}; this program says {row['now']} on the same facts and settings\n"
        )
    if result["not_replayable"]:
        text += "\nnot decided again, because something was not recorded with them:\n"
        text += "".join(f"  {_left_out(row)}\n" for row in result["not_replayable"])
    text += "".join(f"\n{visible(line)}\n" for line in result["warnings"])
    return text + "".join(f"\n{note}\n" for note in result["notes"])


def _candidate(result: Result) -> str:
    """What the candidate changes: what is compared here."""
    name, lines = visible(result["candidate"]["name"]), result.get("changes")
    if lines is None:
        return ""  # of a daemon from before they were told
    if not lines:
        return f"{name} says what is in force\n"
    return f"{name} changes:\n" + "".join(f"  {visible(line)}\n" for line in lines) + "\n"


def _line(row: Row) -> tuple[str, ...]:
    decision = next((word for start, word in _DECISIONS.items() if row["type"].startswith(start)), row["type"])
    about = row["work_item"] if row["subject"].startswith("run/") else row["subject"]
    return (
        str(row["seq"]),
        moment(row["at"]),
        row["agent"] or "-",
        about or row["subject"] or "-",
        decision,
        row["was"],
        f"{row['now']} ({row['effect']})",
    )


def _left_out(row: Row) -> str:
    if not row["entries"]:  # an archive
        return f"{visible(row['why'])}: {row['count']} entries"
    seqs = ", ".join(str(seq) for seq in row["entries"][:_SHOWN])
    more = f" and {row['count'] - _SHOWN} more" if row["count"] > _SHOWN else ""
    return f"{visible(row['why'])}: {counted(row['count'], 'decision')} (entries {seqs}{more})"


@policy.command(
    cls=Remote,
    show=_replayed,
    examples=(
        "fleet policy replay --config candidate.yaml",
        "fleet policy replay --since 30d --config candidate.yaml --json",
    ),
    exits={3: "the candidate has faults; each is printed with its line and column"},
)
@click.option(
    "--config",
    "path",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="The candidate.",
)
@click.option("--since", "since_", metavar="WHEN", default="7d", show_default=True, help="30m, 1h, 7d or an ISO time.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="How many to show.")
@pass_door
def replay(door: Door, path: Path, since_: str, limit: int) -> Call:
    """Decide again, under a candidate configuration, what was decided since WHEN.

    Tells which starts, holds, reviews, merges, stops, dead letters and quarantines would differ, and why. The
    deciders are the real ones, on the facts that were recorded with each decision, in the store or in an archive. Own
    roles (.fleet/roles/) count as they lie there now. It is one step: what would have followed is not simulated.
    Nothing changes; fleet reload takes a configuration into force. More: docs/howto/policy-replay.md
    """
    if not path.is_file():
        raise click.BadParameter(f"there is no file {path}", param_hint="--config")
    data = read_config(path, str(path))
    parse_config(data, name=str(path), roles=roles_at(door))
    text = data.decode()
    return Call(
        "policy.replay",
        {"text": text, "name": str(path)[-200:], "since": since(since_, door.clock.now()), "limit": limit},
    )
