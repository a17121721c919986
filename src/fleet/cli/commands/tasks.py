"""``fleet fabric``: tasks and claims, handoffs, blockers, and short ways to say something."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, duration, moment, table, visible
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import quoted
from fleet.cli.words import BLOCKER, TASK, body_of, body_options, given, pass_door
from fleet.core.board import TaskState
from fleet.core.journal import PAYLOAD_LIMIT

_SUBJECT = click.option("--subject", metavar="SUBJECT", default="", help="What it is about, such as pr/8 or ticket/7.")
_PAYLOAD = click.option("--payload", metavar="JSON", default="", help="A JSON object, @file, or - for standard input.")
_KEY = click.option(
    "--key", metavar="KEY", default="", help="Names this call: repeated with the same key it counts once."
)
_TOKEN = click.option("--token", metavar="TOKEN", required=True, help="What claiming the task gave.")
_LEASE = click.option(
    "--lease", type=click.IntRange(1, 86400), help="Seconds to hold it; the configuration says how many by default."
)


def published(result: Result, style: Style) -> str:
    """What became of an entry."""
    what = f"{visible(result['object'])}, " if result["object"] else ""
    before = "published before as" if result["repeated"] else "published as"
    return f"{before} {what}entry {result['seq']} ({result['id']})\n"


def payload_of(door: Door, text: str) -> str:
    """The text of --payload, perhaps from a file."""
    if text == "-" or text.startswith("@"):
        return door.read(text.removeprefix("@"), PAYLOAD_LIMIT, "the payload")
    return text


# -- tasks ---------------------------------------------------------------------------------------------


@click.command(
    cls=Remote,
    show=published,
    examples=('fleet fabric task "Write the migration guide" --subject ticket/7',),
)
@click.argument("title")
@body_options
@_SUBJECT
@_KEY
@pass_door
def task(door: Door, title: str, body: str | None, body_file: str | None, subject: str, key: str) -> Call:
    """Offer work to whoever claims it; subscribers of `task` are started."""
    text = body_of(door, body, body_file)
    payload = json.dumps({"body": text}) if text else ""
    return Call("fabric.publish", given(kind="task", summary=title, payload=payload, subject=subject, key=key))


def _tasks(result: Result, style: Style) -> str:
    rows = [
        (
            item["number"],
            item["state"],
            item["holder"] or "-",
            duration(item["lease_left"]) if item["lease_left"] is not None else "-",
            item["subject"] or "-",
            item["offered_by"],
            item["title"],
        )
        for item in result["tasks"]
    ]
    headings = ("TASK", "STATE", "HOLDER", "LEFT", "SUBJECT", "OFFERED BY", "TITLE")
    return table(headings, rows, style) if rows else "no tasks\n"


@click.command(cls=Remote, show=_tasks, examples=("fleet fabric tasks", "fleet fabric tasks --state done --mine"))
@click.option("--state", type=click.Choice([str(state) for state in TaskState]), help="Only these; default open ones.")
@click.option("--mine", is_flag=True, help="Only what you hold or did.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="The newest so many.")
def tasks(state: str | None, mine: bool, limit: int) -> Call:
    """List tasks: open and claimed ones, unless --state says otherwise."""
    return Call("fabric.tasks", {**given(state=state), "mine": mine, "limit": limit})


def _claimed(result: Result, style: Style) -> str:
    item = result["task"]
    return (
        f"task/{item['number']} is yours until {moment(item['lease_until'])}: {visible(item['title'])}\n"
        f"token {visible(result['token'])} (renew, release and complete ask for it; it is not shown again)\n"
    )


@click.command(
    cls=Remote,
    show=_claimed,
    exits={8: "somebody else holds it; the message says who and for how long"},
    examples=("fleet fabric claim 3", "fleet fabric claim 3 --lease 3600 --json"),
)
@click.argument("task", type=TASK)
@_LEASE
def claim(task: int, lease: int | None) -> Call:
    """Take a task for yourself alone, until its lease runs out.

    A claim of an agent's run is over when that run ends. Claiming what you hold already gives a new token.
    """
    return Call("fabric.claim", {"task": task, **given(seconds=lease)})


def _state(result: Result, style: Style) -> str:
    item = result["task"]
    until = f" until {moment(item['lease_until'])}" if item["lease_until"] else ""
    return f"task/{item['number']} is {visible(item['state'])}{until}\n"


_LOST = {8: "the claim is lost; the message says to whom"}


@click.command(
    cls=Remote,
    show=_state,
    exits=_LOST,
    examples=("fleet fabric renew 3 --token 5f0c2a9be41d7e6038a1c4d2b7f96e53 --lease 3600",),
)
@click.argument("task", type=TASK)
@_TOKEN
@_LEASE
def renew(task: int, token: str, lease: int | None) -> Call:
    """Hold a claimed task longer, counted from now."""
    return Call("fabric.renew", {"task": task, "token": token, **given(seconds=lease)})


@click.command(
    cls=Remote,
    show=_state,
    exits=_LOST,
    examples=("fleet fabric release 3 --token 5f0c2a9be41d7e6038a1c4d2b7f96e53",),
)
@click.argument("task", type=TASK)
@_TOKEN
@click.option("--reason", metavar="TEXT", default="", help="Why; stays on record.")
def release(task: int, token: str, reason: str) -> Call:
    """Give a claimed task back undone."""
    return Call("fabric.release", {"task": task, "token": token, **given(reason=reason)})


@click.command(
    cls=Remote,
    show=_state,
    exits=_LOST,
    examples=('fleet fabric complete 3 --token 5f0c2a9be41d7e6038a1c4d2b7f96e53 --summary "see artifact/2"',),
)
@click.argument("task", type=TASK)
@_TOKEN
@click.option("--summary", metavar="TEXT", default="", help="What came of it, in one line.")
def complete(task: int, token: str, summary: str) -> Call:
    """Say that a claimed task is done."""
    return Call("fabric.complete", {"task": task, "token": token, **given(summary=summary)})


@click.command(cls=Remote, show=_state, examples=('fleet fabric withdraw 3 --reason "not needed any more"',))
@click.argument("task", type=TASK)
@click.option("--reason", metavar="TEXT", required=True, help="Why; stays on record.")
def withdraw(task: int, reason: str) -> Call:
    """Take a task off the list. Whoever offered it may, and people."""
    return Call("fabric.withdraw", {"task": task, "reason": reason})


# -- handoffs and blockers -----------------------------------------------------------------------------


def _handed(result: Result, style: Style) -> str:
    reader = visible(result["message"]["to"].removeprefix("agent:"))
    wakes = "and starts it, if policy allows" if result["wakes"] else "which reads it at its next start or look"
    return f"message/{result['message']['number']} is in the inbox of {reader}, {wakes} (entry {result['seq']})\n"


@click.command(
    cls=Remote,
    show=_handed,
    examples=('fleet fabric handoff "The API is done, the docs are yours" --to docs-writer --subject ticket/7',),
)
@click.argument("summary")
@click.option("--to", metavar="AGENT", required=True, help="The agent that goes on.")
@_SUBJECT
@_PAYLOAD
@pass_door
def handoff(door: Door, summary: str, to: str, subject: str, payload: str) -> Call:
    """Pass work on to an agent: a message in its inbox, and an event.

    The event starts that agent if it subscribes to `handoff`, and no other.
    """
    args = given(to=to, summary=summary, subject=subject, payload=payload_of(door, payload))
    return Call("fabric.handoff", args)


@click.command(
    cls=Remote,
    show=published,
    examples=('fleet fabric blocker "The ticket contradicts the API contract" --subject ticket/7',),
)
@click.argument("summary")
@_SUBJECT
@_PAYLOAD
@pass_door
def blocker(door: Door, summary: str, subject: str, payload: str) -> Call:
    """Say what stands in the way.

    Whoever the sender reports to finds it in the inbox, people where it reports to nobody; fleet status shows
    it until it is resolved.
    """
    args = given(kind="blocker", summary=summary, subject=subject, payload=payload_of(door, payload))
    return Call("fabric.publish", args)


def blocker_text(item: Result, style: Style) -> str:
    """One blocker, and what resolved it."""
    name = style.paint(f"blocker/{item['number']}", "bold")
    on = f" on {visible(item['subject'])}" if item["subject"] else ""
    told = visible(item["told"])
    text = f"{name} {style.state(item['state'])} from {visible(item['opened_by'])}{on}, {moment(item['opened_at'])}"
    text += f", told: {told}\n{quoted(str(item['text']))}"
    if item["state"] != "open":
        text += f"  resolved by {visible(item['resolved_by'])}, {moment(item['resolved_at'])}\n"
        text += quoted(str(item["resolution"]))
    return text


def _blockers(result: Result, style: Style) -> str:
    return "".join(blocker_text(item, style) for item in result["blockers"]) or "no open blockers\n"


@click.command(cls=Remote, show=_blockers, examples=("fleet fabric blockers", "fleet fabric blockers --all --json"))
@click.option("--all", "all_", is_flag=True, help="Resolved ones too.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="At most so many.")
def blockers(all_: bool, limit: int) -> Call:
    """List what stands in the way."""
    return Call("fabric.blockers", {"all": all_, "limit": limit})


def _resolved(result: Result, style: Style) -> str:
    return f"blocker/{result['blocker']['number']} is resolved\n"


@click.command(cls=Remote, show=_resolved, examples=('fleet fabric resolve 2 "The contract is corrected in ticket/9"',))
@click.argument("blocker", type=BLOCKER)
@click.argument("text")
def resolve(blocker: int, text: str) -> Call:
    """Say what resolved a blocker; whoever opened it finds that in the inbox."""
    return Call("fabric.resolve", {"blocker": blocker, "text": text})


# -- short ways to say something -----------------------------------------------------------------------


def _saying(kind: str, help_text: str, example: str) -> click.Command:
    """A command that publishes one free-form entry of a kind."""

    def say(door: Door, summary: str, subject: str, payload: str, key: str) -> Call:
        args = given(kind=kind, summary=summary, subject=subject, payload=payload_of(door, payload), key=key)
        return Call("fabric.publish", args)

    options: tuple[Callable[[Any], Any], ...] = (pass_door, _KEY, _PAYLOAD, _SUBJECT, click.argument("summary"))
    function: Any = say
    for option in options:
        function = option(function)
    make = click.command(kind, cls=Remote, show=published, examples=(example,), help=help_text)
    command: click.Command = make(function)
    return command


COMMANDS: tuple[click.Command, ...] = (
    task,
    tasks,
    claim,
    renew,
    release,
    complete,
    withdraw,
    handoff,
    blocker,
    blockers,
    resolve,
    _saying("decision", "Record a choice and its reason.", 'fleet fabric decision "SQLite: one machine is enough"'),
    _saying("note", "Leave a remark for whoever comes next.", 'fleet fabric note "the tests need tzdata"'),
    _saying("status", "Say where you stand.", 'fleet fabric status "two of three files are done"'),
)
