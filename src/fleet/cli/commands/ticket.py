"""``fleet ticket``: create, list, show and label tickets."""

from __future__ import annotations

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import comments_text, labels_text, pulls_text
from fleet.cli.words import TICKET, body_of, body_options, given, pass_door


@click.group()
def ticket() -> None:
    """Create, list, show and label tickets."""


def _created(result: Result, style: Style) -> str:
    found = result["ticket"]
    return f"ticket/{found['number']} {labels_text(found)}{visible(found['title'])}\n"


@ticket.command(
    cls=Remote,
    show=_created,
    examples=(
        'fleet ticket create "Greet the user by name" --label ready',
        'fleet ticket create "Leave punctuation out" --body-file notes.md',
    ),
)
@click.argument("title")
@body_options
@click.option("--label", "labels", metavar="NAME", multiple=True, help="Put this label on it; may be repeated.")
@pass_door
def create(door: Door, title: str, body: str | None, body_file: str | None, labels: tuple[str, ...]) -> Call:
    """Open a ticket. The label `ready` hands it to the fleet."""
    return Call("ticket.create", {"title": title, **given(body=body_of(door, body, body_file), labels=labels)})


def _list(result: Result, style: Style) -> str:
    rows = [
        (item["number"], item["state"], ", ".join(item["labels"]) or "-", item["author"], item["title"])
        for item in result["tickets"]
    ]
    return table(("NUMBER", "STATE", "LABELS", "AUTHOR", "TITLE"), rows, style) if rows else "no tickets\n"


@ticket.command(
    "list",
    cls=Remote,
    show=_list,
    examples=(
        "fleet ticket list",
        "fleet ticket list --json",
    ),
)
def list_() -> Call:
    """List tickets."""
    return Call("tickets", {})


def _show(result: Result, style: Style) -> str:
    found = result["ticket"]
    name = f"ticket/{found['number']}"
    text = (
        f"{style.paint(name, 'bold')} {visible(found['title'])}\n"
        f"{style.state(found['state'])} {labels_text(found)}by {visible(found['author'])}, "
        f"{moment(found['created_at'])}\n"
    )
    if found["body"]:
        text += f"\n{visible(found['body'], lines=True).rstrip()}\n"
    if result["pulls"]:
        text += f"\n{pulls_text(result['pulls'], style)}"
    return text + comments_text(result["comments"], style)


@ticket.command(cls=Remote, show=_show, examples=("fleet ticket show 7",))
@click.argument("number", type=TICKET)
def show(number: int) -> Call:
    """Show a ticket with its comments and pull requests."""
    return Call("ticket.show", {"number": number})


def _labelled(result: Result, style: Style) -> str:
    return f"labels: {', '.join(map(visible, result['labels'])) or 'none'}\n"


@ticket.command(
    cls=Remote,
    show=_labelled,
    examples=(
        "fleet ticket label 7 --add ready",
        "fleet ticket label 7 --remove ready --add later",
    ),
)
@click.argument("number", type=TICKET)
@click.option("--add", metavar="NAME", multiple=True, help="Put this label on; may be repeated.")
@click.option("--remove", metavar="NAME", multiple=True, help="Take this label off; may be repeated.")
def label(number: int, add: tuple[str, ...], remove: tuple[str, ...]) -> Call:
    """Change the labels of a ticket or pull request. Labels wake agents; they never authorise."""
    return Call("ticket.label", {"number": number, **given(add=add, remove=remove)})
