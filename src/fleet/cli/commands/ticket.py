"""``fleet ticket``: create, list, show, label, close, cancel and retry tickets."""

from __future__ import annotations

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, counted, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import comments_text, labels_text, pulls_text
from fleet.cli.words import EITHER, TICKET, body_of, body_options, given, pass_door
from fleet.core.errors import UsageError


@click.group()
def ticket() -> None:
    """Create, list, show, label, cancel and retry tickets."""


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
    """List tickets.

    The open ones, and those closed lately, with their labels.
    """
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
@click.argument("number", type=EITHER)
@click.option("--add", metavar="NAME", multiple=True, help="Put this label on; may be repeated.")
@click.option("--remove", metavar="NAME", multiple=True, help="Take this label off; may be repeated.")
def label(number: int, add: tuple[str, ...], remove: tuple[str, ...]) -> Call:
    """Change the labels of a ticket or pull request. Labels wake agents; they never authorise."""
    return Call("ticket.label", {"number": number, **given(add=add, remove=remove)})


def _cancelled(result: Result, style: Style) -> str:
    lines = [f"cancelled ticket/{result['ticket']}"]
    if result["stopping"]:
        lines.append(f"  stopping {', '.join(map(visible, result['stopping']))}; what they did is saved")
    if result["denied"]:
        lines.append(f"  {counted(len(result['denied']), 'waiting start')} will not happen")
    lines += [f"  closed pr/{number}; its branch stays" for number in result["closed_pulls"]]
    return "\n".join(lines) + f"\n  to take it up again: fleet ticket retry {result['ticket']}\n"


@ticket.command(
    cls=Remote,
    show=_cancelled,
    examples=('fleet ticket cancel 7 --reason "superseded by ticket 9"',),
)
@click.argument("number", type=TICKET)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record and on the ticket.")
def cancel(number: int, reason: str) -> Call:
    """End all work on a ticket: its runs are stopped, its pull request and the ticket are closed.

    Uncommitted work of the runs is saved to a private ref first; fleet why ticket/N names it.
    """
    return Call("ticket.cancel", {"number": number, "reason": reason})


def _retried(result: Result, style: Style) -> str:
    text = f"opened ticket/{result['ticket']} again\n" if result["reopened"] else ""
    for work in result["retried"]:
        text += (
            f"{visible(work['agent'])} is asked again: {visible(work['event_type'])} of {visible(work['subject'])}\n"
        )
    return text + "".join(f"  not {visible(one['agent'])}: {visible(one['why'])}\n" for one in result["left"])


@ticket.command(
    cls=Remote,
    show=_retried,
    examples=(
        "fleet ticket retry 7",
        'fleet ticket retry 7 --reason "the build machine is repaired"',
    ),
)
@click.argument("number", type=TICKET)
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def retry(number: int, reason: str) -> Call:
    """Start the work of a ticket anew that failed, was denied or cancelled, as things stand now.

    Attempts are counted anew. A closed ticket is opened again.
    """
    return Call("ticket.retry", {"number": number, **given(reason=reason)})


def _now(result: Result, style: Style) -> str:
    return f"ticket/{result['ticket']} is {style.state(result['state'])}\n"


@ticket.command(cls=Remote, show=_now, examples=('fleet ticket close 7 --reason "done elsewhere"',))
@click.argument("number", type=TICKET)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record and on the ticket.")
def close(number: int, reason: str) -> Call:
    """Close a ticket. Runs on it go on, but push nothing more; to end them as well: fleet ticket cancel."""
    return Call("ticket.close", {"number": number, "reason": reason})


@ticket.command(cls=Remote, show=_now, examples=("fleet ticket reopen 7",))
@click.argument("number", type=TICKET)
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def reopen(number: int, reason: str) -> Call:
    """Open a closed ticket again. It starts nobody by itself; for that: fleet ticket retry."""
    return Call("ticket.reopen", {"number": number, **given(reason=reason)})


def _accepted(result: Result, style: Style) -> str:
    word = "its present text is accepted" if result["accepted"] else "its text was accepted before; nothing changed"
    return f"{visible(result['subject'])}: {word}\n"


@ticket.command(
    cls=Remote, show=_accepted, examples=('fleet ticket accept 7 --reason "only a typo"', "fleet ticket accept pr/8")
)
@click.argument("number", type=EITHER)
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def accept(number: int, reason: str) -> Call:
    """Accept the changed text of a ticket or pull request.

    It was changed after somebody had marked the ticket ready, or opened the pull request. Until somebody accepts it
    nothing starts on it, nothing merges, and no agent reads the new text.
    """
    return Call("ticket.accept", {"number": number, **given(reason=reason)})


def _commented(result: Result, style: Style) -> str:
    return f"remark {result['comments']} on {visible(result['subject'])}\n"


@ticket.command(
    cls=Remote,
    show=_commented,
    examples=(
        'fleet ticket comment 7 --body "The header is in app.py."',
        "fleet ticket comment 7 --body-file notes.md",
    ),
)
@click.argument("number", type=EITHER)
@body_options
@pass_door
def comment(door: Door, number: int, body: str | None, body_file: str | None) -> Call:
    """Write a remark on a ticket or pull request. Whoever works on it reads it at its next start."""
    text = body_of(door, body, body_file)
    if not text:
        raise UsageError("FLT-CLI-016", "a remark needs --body or --body-file")
    return Call("ticket.comment", {"number": number, "body": text})
