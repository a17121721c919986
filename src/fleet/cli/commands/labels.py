"""``fleet labels``: the labels that the repository keeps at its forge."""

from __future__ import annotations

from shlex import quote

import click

from fleet.cli.output import Style, visible
from fleet.cli.remote import Call, Remote, Result


@click.group()
def labels() -> None:
    """Make the labels that the fleet uses in the repository."""


def _synced(result: Result, style: Style) -> str:
    lines = []
    if not result["keeps_labels"]:
        lines.append("The local forge keeps no list of labels: every label may be put on. Nothing to make.")
    would = "would make" if result["dry_run"] else "made"
    change = "would change" if result["dry_run"] else "changed"
    for word, key in ((would, "created"), (change, "updated"), ("as they should be", "unchanged")):
        if result[key]:
            lines.append(f"{word}: {', '.join(map(visible, result[key]))}")
    for one in result["look_alikes"]:
        name, of = visible(one["label"]), visible(one["of"])
        lines.append(
            style.paint(f"{name} looks like {of} and means nothing to the fleet: {visible(one['why'])}", "yellow")
        )
        if one["blocks"]:
            lines.append(
                f"  {of} cannot be made beside it. To rename it: gh label edit {quote(name)} --name {quote(of)}"
            )
    return "\n".join(lines) + "\n"


@labels.command(
    cls=Remote,
    show=_synced,
    code=lambda result: 1 if result["blocked"] else 0,
    examples=(
        "fleet labels sync --dry-run",
        "fleet labels sync",
    ),
    exits={1: "a label could not be made, because GitHub takes another one for the same"},
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def sync(dry_run: bool) -> Call:
    """Make the labels that the fleet uses, with colour and description; never delete one.

    Its own, and those that the configuration names: the required label and the labels of subscription gates, which
    keep their colours. Labels that only look like one of them are listed.
    """
    return Call("labels.sync", {"dry_run": dry_run})
