"""``fleet inbox``, ``fleet ask``, ``fleet questions``, ``fleet answer`` and what people write to agents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from fleet.cli.door import Door
from fleet.cli.output import Style, moment, result_line, visible
from fleet.cli.remote import Call, Local, Remote, Result, ask, style_of, wants_json
from fleet.cli.rows import quoted
from fleet.cli.waiting import wait_for
from fleet.cli.words import MESSAGE, QUESTION, given, pass_door
from fleet.core.errors import Refused

_ABOUT = {"question": "question", "answer": "question", "blocker": "blocker", "resolution": "blocker"}
_LIMIT = click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True, help="At most so many.")
_SUBJECT = click.option("--subject", metavar="SUBJECT", default="", help="What it is about, such as pr/8 or ticket/7.")
LONGEST_WAIT = 86400


def messages_text(items: Iterable[Result], style: Style) -> str:
    """Messages: number and kind, who wrote each, its state with times, and its words marked off."""
    return "".join(_message(item, style) for item in items)


def _message(item: Result, style: Style) -> str:
    about = f" {_ABOUT[item['kind']]}/{item['about']}" if item["about"] else ""
    on = f" on {visible(item['subject'])}" if item["subject"] else ""
    was = f" (was for {visible(item['returned_from'])}, which left the fleet)" if item["returned_from"] else ""
    kind = "" if about.strip().startswith(item["kind"]) else f" {visible(item['kind'])}{' to' if about else ''}"
    who = style.paint(visible(item["from"]), "bold")
    times = ", ".join(
        f"{state} {moment(item[f'{state}_at'])}" for state in ("queued", "delivered", "consumed") if item[f"{state}_at"]
    )
    return f"message/{item['number']}{kind}{about} from {who}{on}{was}: {times}\n{quoted(str(item['text']))}"


def _inbox(result: Result, style: Style) -> str:
    return messages_text(result["items"], style) or f"nothing unread for {visible(result['inbox'])}\n"


def _inbox_command(words: str) -> click.Command:
    """The same command in two places: ``fleet inbox``, and among its kind as ``fleet fabric inbox``."""

    def inbox(door: Door, ctx: click.Context, agent: str, all_: bool, limit: int, wait: float) -> None:
        """Read your inbox.

        People find what agents ask and report; an agent's run finds what was written to its agent. What you
        are shown here is delivered; `fleet fabric ack N` says that you have dealt with it.
        """
        call = Call("inbox", {**given(agent=agent), "all": all_, "limit": limit})
        found = wait_for(door, call, wait, lambda answer: bool(answer["items"]))
        sys.stdout.write(result_line(found) if wants_json(ctx) else _inbox(found, style_of(ctx)))

    examples = (words, f"{words} --all --json", f"{words} --agent developer  # look without delivering")
    options: tuple[Callable[[Any], Any], ...] = (
        pass_door,
        click.pass_context,
        click.option(
            "--wait", type=click.FloatRange(0, LONGEST_WAIT), default=0.0, help="Wait so many seconds for one."
        ),
        _LIMIT,
        click.option("--all", "all_", is_flag=True, help="Acknowledged messages too."),
        click.option("--agent", metavar="NAME", default="", help="Look into this agent's inbox (people only)."),
    )
    function: Any = inbox
    for option in options:
        function = option(function)
    command: click.Command = click.command("inbox", cls=Local, examples=examples)(function)
    return command


inbox = _inbox_command("fleet inbox")
fabric_inbox = _inbox_command("fleet fabric inbox")


def _acknowledged(result: Result, style: Style) -> str:
    return "".join(f"message/{item['number']} is {visible(item['state'])}\n" for item in result["items"])


@click.command(cls=Remote, show=_acknowledged, examples=("fleet fabric ack 12", "fleet fabric ack 12 13 14"))
@click.argument("messages", type=MESSAGE, nargs=-1, required=True)
def ack(messages: tuple[int, ...]) -> Call:
    """Acknowledge messages of your inbox: you have dealt with them."""
    return Call("inbox.ack", {"messages": list(messages)})


def question_text(item: Result, style: Style) -> str:
    """One question with its answer, if there is one."""
    name = style.paint(f"question/{item['number']}", "bold")
    on = f" on {visible(item['subject'])}" if item["subject"] else ""
    text = f"{name} {style.state(item['state'])} from {visible(item['asker'])}{on}, {moment(item['asked_at'])}\n"
    text += quoted(str(item["text"]))
    if item["state"] != "open":
        text += f"  answered by {visible(item['answered_by'])}, {moment(item['answered_at'])}\n"
        text += quoted(str(item["answer"]))
    return text


@click.command(
    "ask",
    cls=Local,
    exits={6: "asked, but not answered within --wait"},
    examples=(
        'fleet ask "May I change the public API of slug()?" --subject ticket/7',
        'fleet ask "Which database?" --wait 600 --json',
    ),
)
@click.argument("text")
@_SUBJECT
@click.option("--wait", type=click.FloatRange(0, LONGEST_WAIT), default=0.0, help="Wait so many seconds for it.")
@click.pass_context
@pass_door
def ask_(door: Door, ctx: click.Context, text: str, subject: str, wait: float) -> None:
    """Ask a person.

    The answer comes to the asker's inbox; with --wait it is printed as soon as it is there, and acknowledged.
    While an agent waits its run goes on, and so does its budget.
    """
    asked = ask(door, Call("ask", {"text": text, **given(subject=subject)}))
    found: dict[str, Any] = asked["question"]
    if wait:
        found = _answered(door, found["number"], wait)
    if wants_json(ctx):
        sys.stdout.write(result_line({"question": found, "repeated": asked["repeated"]}))
    elif wait:
        sys.stdout.write(visible(found["answer"], lines=True).rstrip("\n") + "\n")
    else:
        again = " (asked before, still open)" if asked["repeated"] else ""
        sys.stdout.write(f"asked as question/{found['number']}{again}; the answer comes to your inbox\n")


def _answered(door: Door, number: int, seconds: float) -> dict[str, Any]:
    """The question with its answer, whose message is acknowledged. Raises Refused FLT-FAB-116 when none came."""
    call = Call("question", {"question": number})
    found: dict[str, Any] = wait_for(door, call, seconds, lambda answer: answer["question"]["state"] != "open")[
        "question"
    ]
    if found["state"] == "open":
        raise Refused(
            "FLT-FAB-116",
            f"no answer within {seconds:g} s",
            where=f"question/{number}",
            hint=f"It comes to the asker's inbox. A person answers with: fleet answer {number} TEXT",
        )
    mine = ask(door, Call("inbox", {"limit": 1000}))["items"]
    own = [item["number"] for item in mine if item["kind"] == "answer" and item["about"] == number]
    if own:
        ask(door, Call("inbox.ack", {"messages": own}))
    return found


def _questions(result: Result, style: Style) -> str:
    return "".join(question_text(item, style) for item in result["questions"]) or "no open questions\n"


@click.command(cls=Remote, show=_questions, examples=("fleet questions", "fleet questions --all --json"))
@click.option("--all", "all_", is_flag=True, help="Answered questions too.")
@_LIMIT
def questions(all_: bool, limit: int) -> Call:
    """List what agents ask people."""
    return Call("questions", {"all": all_, "limit": limit})


def _answer(result: Result, style: Style) -> str:
    number, reached = result["question"]["number"], visible(result["delivered_to"])
    if not reached:
        return f"question/{number} is answered; its asker has left the fleet, so the answer is on record only\n"
    return f"question/{number} is answered; the answer is in the inbox of {reached}\n"


@click.command(cls=Remote, show=_answer, examples=('fleet answer 3 "Yes, and mention it in the changelog."',))
@click.argument("question", type=QUESTION)
@click.argument("text")
def answer(question: int, text: str) -> Call:
    """Answer what an agent asked. People only, and once."""
    return Call("answer", {"question": question, "text": text})


def _sent(result: Result, style: Style) -> str:
    message = result["message"]
    reader = visible(message["to"].removeprefix("agent:"))
    return f"message/{message['number']} is queued for {reader}; follow it with: fleet agent messages {reader}\n"


@click.command(cls=Remote, show=_sent, examples=('fleet agent send developer "Leave the old API in place."',))
@click.argument("name")
@click.argument("text")
@_SUBJECT
def send(name: str, text: str, subject: str) -> Call:
    """Write to an agent.

    Its live run reads it when it next looks into its inbox, and every later start finds it in its brief, until
    it is acknowledged. It starts nothing and is never typed into a terminal.
    """
    return Call("agent.send", {"name": name, "text": text, **given(subject=subject)})


def _messages(result: Result, style: Style) -> str:
    return messages_text(result["items"], style) or f"no messages for {visible(result['inbox'])}\n"


@click.command(
    cls=Remote, show=_messages, examples=("fleet agent messages developer", "fleet agent messages qa --json")
)
@click.argument("name")
@_LIMIT
def messages(name: str, limit: int) -> Call:
    """List an agent's messages with their states: queued, delivered, consumed."""
    return Call("inbox", {"agent": name, "all": True, "limit": limit})
