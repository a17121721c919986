"""``fleet fabric``: events and their history, tasks, messages, artifacts."""

from __future__ import annotations

import click

from fleet.cli.commands import artifact, mail, tasks
from fleet.cli.door import Door
from fleet.cli.output import Style
from fleet.cli.remote import Call, Remote, Result
from fleet.cli.rows import entries_text
from fleet.cli.words import given, pass_door, since
from fleet.core.errors import UsageError
from fleet.core.event import FABRIC_KINDS


@click.group()
def fabric() -> None:
    """Publish events, share tasks, hand work over, read the history."""


for _command in (*tasks.COMMANDS, mail.fabric_inbox, mail.ack, artifact.artifact):
    fabric.add_command(_command)


def _no_sender(_: click.Context, __: click.Parameter, value: str | None) -> None:
    """People who know another Fabric look for --sender; a name that one may choose proves nothing."""
    if value is not None:
        raise UsageError(
            "FLT-CLI-014",
            "there is no --sender: the sender is derived from the process that calls, never from an argument",
            hint="Leave it out. An agent's run is known by its capability, a person by the login.",
        )


@fabric.command(
    cls=Remote,
    show=tasks.published,
    examples=(
        'fleet fabric publish --event qa_passed --subject pr/8 --summary "all tests pass"',
        'fleet fabric publish --kind note --summary "the deploy window is closed"',
    ),
)
@click.option("--event", metavar="NAME", default="", help="Event to publish, such as qa_passed.")
@click.option("--kind", type=click.Choice(FABRIC_KINDS), help="Kind of a free-form entry, instead of --event.")
@click.option("--summary", metavar="TEXT", default="", help="What happened, in one line.")
@click.option("--payload", metavar="JSON", default="", help="A JSON object, @file, or - for standard input.")
@click.option("--subject", metavar="SUBJECT", default="", help="What it is about, such as pr/8 or ticket/7.")
@click.option("--key", metavar="KEY", default="", help="Names this call: repeated with the same key it counts once.")
@click.option("--sender", hidden=True, is_eager=True, expose_value=False, callback=_no_sender)
@pass_door
def publish(door: Door, event: str, kind: str | None, summary: str, payload: str, subject: str, key: str) -> Call:
    """Publish an event, or a free-form entry of a kind.

    An entry of kind `task` is on the list of tasks, one of kind `blocker` is open until it is resolved.

    The sender is derived from the calling process. With --key the call may be repeated after a broken
    connection: a sender's key is recorded once.
    """
    if bool(event) == bool(kind):
        raise UsageError("FLT-CLI-016", "exactly one of --event and --kind is needed")
    text = tasks.payload_of(door, payload)
    return Call(
        "fabric.publish", given(event=event, kind=kind, summary=summary, payload=text, subject=subject, key=key)
    )


def _history(result: Result, style: Style) -> str:
    return entries_text(result["entries"], style)


@fabric.command(
    cls=Remote,
    show=_history,
    examples=(
        "fleet fabric history --since 1h",
        "fleet fabric history --subject pr/8 --json",
    ),
)
@click.option("--event", metavar="NAME", default="", help="Only this event.")
@click.option("--subject", metavar="SUBJECT", default="", help="Only about this, such as pr/8.")
@click.option("--since", "since_", metavar="WHEN", default="", help="Only after this: 30m, 1h, 7d or an ISO time.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="At most so many.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only after the entry with this number.")
@pass_door
def history(door: Door, event: str, subject: str, since_: str, limit: int, after: int) -> Call:
    """List events, oldest first."""
    start = since(since_, door.clock.now())
    return Call("fabric.history", {**given(event=event, subject=subject, since=start), "limit": limit, "after": after})
