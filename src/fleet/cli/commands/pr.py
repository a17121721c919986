"""``fleet pr`` and ``fleet release``: pull requests from the first push to the merge."""

from __future__ import annotations

import sys

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, moment, result_line, visible
from fleet.cli.remote import Call, Remote, Result, style_of, wants_json
from fleet.cli.rows import comments_text, gate_text, labels_text, pulls_text, reviews_text
from fleet.cli.words import PR, TICKET, body_of, body_options, given, pass_door
from fleet.core.errors import UsageError


@click.group()
def pr() -> None:
    """Open, list, show, review, merge and close pull requests."""


@click.group()
def release() -> None:
    """Ask whether a pull request may be merged."""


def _created(result: Result, style: Style) -> str:
    verb = "opened" if result["created"] else "updated"
    return f"{verb} pr/{result['pr']} from {visible(result['branch'])} at {visible(result['head'])[:10]}\n"


@pr.command(
    cls=Remote,
    show=_created,
    examples=(
        "fleet pr create --ticket 7",
        'fleet pr create --title "Greet the user by name" --ref my-branch',
    ),
)
@click.option("--title", metavar="TEXT", default="", help="Its title; the last commit's by default.")
@body_options
@click.option("--ticket", type=TICKET, help="The ticket it belongs to (people only; a run has its own).")
@click.option("--ref", metavar="REF", default="", help="What to push (people only); the current branch by default.")
@pass_door
def create(door: Door, title: str, body: str | None, body_file: str | None, ticket: int | None, ref: str) -> Call:
    """Push the work and open a pull request for it, or update the one there is.

    An agent's run pushes the head of its own clone for its own ticket. A person pushes the current branch, or --ref.
    """
    text = body_of(door, body, body_file)
    return Call("pr.push", given(title=title, body=text, ticket=ticket, ref=ref))


def _list(result: Result, style: Style) -> str:
    return pulls_text(result["pulls"], style)


@pr.command("list", cls=Remote, show=_list, examples=("fleet pr list",))
def list_() -> Call:
    """List pull requests.

    The open ones, and those merged or closed lately, with the head that counts now.
    """
    return Call("prs", {})


def _show(result: Result, style: Style) -> str:
    found = result["pr"]
    name = style.paint(f"pr/{found['number']}", "bold")
    belongs = f" for ticket/{found['ticket']}" if found["ticket"] else ""
    merged = f", merged as {visible(found['merge_commit'])[:10]}" if found["merge_commit"] else ""
    text = (
        f"{name} {visible(found['title'])}\n"
        f"{style.state(found['state'])}{merged} {labels_text(found)}by {visible(found['author'])}{belongs}, "
        f"{moment(found['created_at'])}\n"
        f"{visible(found['branch'])} at {visible(found['head'])[:10]} into {visible(found['base'])}\n"
    )
    if found["body"]:
        text += f"\n{visible(found['body'], lines=True).rstrip()}\n"
    if result["reviews"]:
        text += f"\n{reviews_text(result['reviews'], style)}"
    text += comments_text(result["comments"], style)
    return text + (f"\n{gate_text(result['gate'], style)}" if found["state"] == "open" else "")


@pr.command(cls=Remote, show=_show, examples=("fleet pr show 8",))
@click.argument("number", type=PR)
def show(number: int) -> Call:
    """Show a pull request, what was said about it, and the merge gate's answer."""
    return Call("pr.show", {"number": number})


def _diff(result: Result, style: Style) -> str:
    return visible(result["diff"], lines=True)


@pr.command(cls=Remote, show=_diff, examples=("fleet pr diff 8",))
@click.argument("number", type=PR)
def diff(number: int) -> Call:
    """Print the changes of a pull request.

    From where it left the base branch to its live head, as git diff does.
    """
    return Call("pr.diff", {"number": number})


def _reviewed(result: Result, style: Style) -> str:
    word = "approved" if result["verdict"] == "approve" else "changes requested for"
    return f"{word} pr/{result['pr']} at {visible(result['head'])[:10]}\n"


@pr.command(
    cls=Remote,
    show=_reviewed,
    examples=(
        "fleet pr review 8 --approve",
        'fleet pr review 8 --request-changes --body "The empty name is not handled."',
    ),
)
@click.argument("number", type=PR)
@click.option("--approve", is_flag=True, help="Approve exactly this head.")
@click.option("--request-changes", is_flag=True, help="Ask for changes; the author is started again.")
@body_options
@click.option("--head", metavar="SHA", default="", help="Only if this is still the head.")
@pass_door
def review(
    door: Door,
    number: int,
    approve: bool,
    request_changes: bool,
    body: str | None,
    body_file: str | None,
    head: str,
) -> Call:
    """Give a verdict on a pull request. It holds for one commit and is void when the head moves."""
    if approve == request_changes:
        raise UsageError("FLT-CLI-016", "exactly one of --approve and --request-changes is needed")
    verdict = "approve" if approve else "request_changes"
    return Call(
        "pr.review", {"number": number, "verdict": verdict, **given(body=body_of(door, body, body_file), head=head)}
    )


def _merged(result: Result, style: Style) -> str:
    text = f"merged pr/{result['pr']} at {visible(result['head'])[:10]} as {visible(result['merge_commit'])[:10]}\n"
    return text + "".join(f"  {visible(note)}\n" for note in result.get("notes", ()))


@pr.command(
    cls=Remote,
    show=_merged,
    examples=("fleet pr merge 8",),
    exits={6: "the gate refused; the reason is named", 8: "the head moved, or somebody else was first"},
)
@click.argument("number", type=PR)
def merge(number: int) -> Call:
    """Merge exactly the approved head, if the merge gate allows it.

    The gate asks every check and prints every answer; nothing is merged on a head that moved meanwhile. A clean
    checkout of the base branch is brought up to date afterwards, a changed one is left alone and said so.
    """
    return Call("pr.merge", {"number": number})


def _waived(result: Result, style: Style) -> str:
    return f"waived the answer of {visible(result['agent'])} on pr/{result['pr']} at {visible(result['head'])[:10]}\n"


@pr.command(cls=Remote, show=_waived, examples=('fleet pr waive 8 qa-engineer --reason "no behaviour changes"',))
@click.argument("number", type=PR)
@click.argument("agent")
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def waive(number: int, agent: str, reason: str) -> Call:
    """Do without the answer of one reviewer at this head. People only."""
    return Call("pr.waive", {"number": number, "agent": agent, "reason": reason})


def _closed(result: Result, style: Style) -> str:
    after = f"; ticket/{result['ticket']} stays as it is" if result["ticket"] else ""
    return f"pr/{result['pr']} is {style.state(result['state'])}; its branch stays{after}\n"


@pr.command(cls=Remote, show=_closed, examples=('fleet pr close 8 --reason "the approach is wrong"',))
@click.argument("number", type=PR)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record and on the pull request.")
def close(number: int, reason: str) -> Call:
    """Close a pull request without a merge. People only.

    To have its ticket taken up anew: fleet ticket retry. To end that work too: fleet ticket cancel.
    """
    return Call("pr.close", {"number": number, "reason": reason})


class _Check(Remote):
    """Prints JSON unless a person reads it on a terminal: skills and scripts parse it as it is."""

    def text(self, ctx: click.Context, result: Result, style: Style) -> str:
        """The gate's answer."""
        for_people = not wants_json(ctx) and sys.stdout.isatty()
        return gate_text(result, style_of(ctx)) if for_people else result_line(result)


def _exit_code(result: Result) -> int:
    return 0 if result["mergeable"] else 1


@release.command(
    cls=_Check,
    show=gate_text,
    code=_exit_code,
    examples=(
        "fleet release check 8",
        "fleet release check 8 --json",
    ),
    exits={0: "it may be merged", 1: "it may not; the gate's answers are printed"},
)
@click.argument("number", type=PR)
def check(number: int) -> Call:
    """Ask the merge gate about a pull request: exit 0 when it may be merged now, 1 when not.

    Prints JSON, except to a terminal without --json.
    """
    return Call("release.check", {"number": number})
