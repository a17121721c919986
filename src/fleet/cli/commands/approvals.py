"""``fleet approvals``, ``fleet approve`` and ``fleet deny``: what people are asked, and their answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, duration, moment, result_line, table, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, style_of, wants_json
from fleet.cli.rows import quoted, reviews_text
from fleet.cli.words import given, pass_door

Row = Mapping[str, Any]
_EXITS = {6: "refused: an agent asked, or a person who is an author", 8: "answered already, or void: something changed"}


def _approvals(result: Result, style: Style) -> str:
    return _shown(result, style) if "approval" in result else _listed(result, style)


def _listed(result: Result, style: Style) -> str:
    """One line for each question, and below it why a person is asked."""
    rows = result["approvals"]
    if not rows:
        return "nothing waits for a person\n"
    headings = ("APPROVAL", "STATUS", "FOR", "HEAD", "WAITING", "ASKED")
    text = table(
        headings,
        [
            (
                row["id"],
                row["status"],
                row["subject"],
                row["head"][:10],
                row["agent"] or "-",
                moment(row["requested_at"]),
            )
            for row in rows
        ],
        style,
    )
    return text + "".join(f"\n{_because(row, style)}" for row in rows)


def _because(row: Row, style: Style, *, listed: bool = True) -> str:
    """Why a person is asked, what came of it or what to type: to see it where it is ``listed``, else to answer."""
    text = f"{style.paint(visible(row['id']), 'bold')}\n"
    text += "".join(f"  {visible(reason['text'])} [{visible(reason['code'])}]\n" for reason in row["reasons"])
    if row["decided_by"]:
        why = f": {visible(row['reason'])}" if row["reason"] else ""
        text += f"  {visible(row['state'])} by {visible(row['decided_by'])}, {moment(row['decided_at'])}{why}\n"
    elif row["status"] == "requested":
        name = visible(row["id"])
        what = f"fleet approvals show {name}" if listed else f"fleet approve {name}, or fleet deny {name} --reason TEXT"
        text += f"  {what}; it expires {moment(row['expires_at'])}\n"
    return text + "".join(f"  void: {visible(change)}\n" for change in row["changed"])


def _shown(result: Result, style: Style) -> str:
    """Everything an approver needs, the diff last."""
    row, pull, ticket = result["approval"], result["pr"], result["ticket"]
    text = (
        f"{style.paint(visible(row['subject']), 'bold')} {visible(pull['title'])}\n"
        f"{style.state(row['status'])}  may {visible(row['agent']) or 'it'} {visible(row['asked'])} exactly"
        f" {visible(row['head'])}?\n\n{_because(row, style, listed=False)}"
    )
    if ticket is not None:
        text += f"\nticket/{ticket['number']} {visible(ticket['title'])}, by {visible(ticket['author'])}\n"
        text += quoted(ticket["body"])
    text += f"\nwritten by {', '.join(map(visible, result['authors']))}\n"
    text += "".join(
        f"  {visible(run['agent'])} {visible(run['event_type'])}: {visible(run['state'])} after"
        f" {duration(run['seconds'])}\n"
        for run in result["runs"]
    )
    text += f"  {duration(result['used_seconds'])} of run time in all\n"
    text += f"{_risk(result)}{_tests(result)}"
    text += f"\n{reviews_text(result['reviews'], style, bodies=True)}" if result["reviews"] else "\nno reviews\n"
    text += "".join(
        f"{visible(event['by'])} {visible(event['type'])}: {visible(event['summary'])}\n" for event in result["events"]
    )
    return text + f"\n{_stat(result)}\n{visible(result['diff'], lines=True)}"


def _risk(result: Result) -> str:
    """How likely the agents behind the change, and the one that waits, are to do harm."""
    told = []
    for row in result["risk"]:
        if not row["level"]:
            told.append(f"{visible(row['agent'])} was not assessed yet")
            continue
        signals = ", ".join(f"{visible(one['signal']).replace('_', ' ')} {one['value']:g}" for one in row["signals"])
        word = f"{visible(row['level'])} ({row['probability']:.0%}{': ' if signals else ''}{signals})"
        told.append(f"{visible(row['agent'])} {word}{', quarantined' if row['quarantined'] else ''}")
    return f"risk: {'; '.join(told)}\n" if told else ""


def _tests(result: Result) -> str:
    """What programs and events say about this head; what reviewers wrote is further below."""
    told = []
    for row in result["tests"]:
        who = f" ({visible(row['by'])})" if row["by"] else ""
        required = ", required" if row["required"] else ""
        told.append(f"{visible(row['name'])}{who} {visible(row['state'])}{required}")
    return f"tests: {'; '.join(told) or 'no check and no event was reported at this head'}\n"


def _stat(result: Result) -> str:
    """The changed files with their lines."""
    stat = result["diffstat"]
    lines = "".join(
        f"  {visible(file['path'])}  " + ("binary\n" if file["added"] < 0 else f"+{file['added']} -{file['removed']}\n")
        for file in stat
    )
    added, removed = (sum(max(0, file[key]) for file in stat) for key in ("added", "removed"))
    return f"{len(stat)} file{'' if len(stat) == 1 else 's'} changed, +{added} -{removed}\n{lines}"


@click.command(
    cls=Remote,
    show=_approvals,
    examples=(
        "fleet approvals",
        "fleet approvals show pr/8  # with the diff at that commit",
        "fleet approvals --all --json",
    ),
)
@click.argument("words", nargs=-1, metavar="[show ID]")
@click.option("--all", "all_", is_flag=True, help="Also those that are answered, expired or void.")
def approvals(words: tuple[str, ...], all_: bool) -> Call:
    """List what waits for a person's word, or show one with its diff.

    ID is an approval's id, or a pull request such as pr/8. Each approval is bound to one commit, the ticket's text,
    the diff and the configuration; a change to any of them voids it, and the question is asked anew.
    """
    if not words:
        return Call("approvals", {"all": all_})
    if len(words) != 2 or words[0] != "show" or all_:
        raise click.UsageError("either nothing, or `show` and one approval")
    return Call("approval.show", {"id": words[1]})


@click.command(
    cls=Local,
    examples=(
        "fleet approve pr/8",
        'fleet approve pr/8 --reason "read it all" --head 3fe84036351c2f7c9f6c0a8d5b7e1f2a3b4c5d6e',
    ),
    exits=_EXITS,
)
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
@click.option("--head", metavar="SHA", default="", help="Only if this is the commit that is asked about.")
@click.pass_context
@pass_door
def approve(door: Door, ctx: click.Context, id_: str, reason: str, head: str) -> None:
    """Let a held change go on, at exactly the commit that is shown. People only.

    What waits for it goes on by itself: the release manager merges this commit and no other. Prints what is
    approved; to read the diff first: fleet approvals show ID.
    """
    seen = ask(door, Call("approval.show", {"id": id_}))
    found = seen["approval"]
    if not wants_json(ctx):
        sys.stdout.write(
            f"{visible(found['subject'])} {visible(seen['pr']['title'])}\n{_risk(seen)}{_tests(seen)}{_stat(seen)}"
        )
    bound = {"id": found["id"], "head": head or found["head"], "content": found["content"], **given(reason=reason)}
    result = ask(door, Call("approval.grant", bound))
    sys.stdout.write(result_line(result) if wants_json(ctx) else _granted(result, style_of(ctx)))


def _granted(result: Result, style: Style) -> str:
    row = result["approval"]
    text = f"{style.paint('approved', 'green')} {visible(row['subject'])} at {visible(row['head'])[:10]}"
    if result["merged"]:
        return f"{text}; merged as {visible(result['merged'])[:10]}\n"
    return f"{text}; {visible(result['waiting'])} goes on\n"


def _denied(result: Result, style: Style) -> str:
    row = result["approval"]
    return (
        f"{style.paint('denied', 'yellow')} {visible(row['subject'])} at {visible(row['head'])[:10]};"
        f" {visible(result['author'])} is told why\n"
    )


@click.command(
    cls=Remote, show=_denied, examples=('fleet deny pr/8 --reason "the lock file must not change"',), exits=_EXITS
)
@click.argument("id_", metavar="ID")
@click.option("--reason", metavar="TEXT", required=True, help="Why; the author reads it.")
def deny(id_: str, reason: str) -> Call:
    """Refuse a held change; its author is brought back with the reason. People only."""
    return Call("approval.deny", {"id": id_, "reason": reason})
