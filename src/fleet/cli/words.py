"""How people write numbers, times and long texts on the command line."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fleet.cli.door import Door
from fleet.control.arguments import BODY_LIMIT
from fleet.core.ago import instant
from fleet.core.errors import UsageError

pass_door = click.make_pass_decorator(Door)


class NumberType(click.ParamType[int]):
    """A number of a ticket, pull request, task and so on, written 8, #8, pr/8 or ticket/8."""

    def __init__(self, name: str, prefix: str, *others: str) -> None:
        """``name`` stands in help, ``prefix`` is ``ticket``, ``pr`` and so on; ``others`` may stand there too."""
        self.name = name
        prefixes = "|".join(f"{one}/" for one in (prefix, *others))
        self._form = re.compile(rf"(?:#|{prefixes})?([1-9][0-9]{{0,14}})")
        self._prefix = prefix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        found = self._form.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a number such as 8 or {self._prefix}/8", param, ctx)
        return int(found[1])

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The numbers of tickets or pull requests; ``completing`` is loaded only now."""
        completing = importlib.import_module("fleet.cli.completing")
        found: list[CompletionItem] = completing.numbers(ctx, self._prefix, incomplete)
        return found


TICKET = NumberType("ticket", "ticket")
PR = NumberType("pr", "pr")
EITHER = NumberType("ticket", "ticket", "pr")
TASK = NumberType("task", "task")
QUESTION = NumberType("question", "question")
BLOCKER = NumberType("blocker", "blocker")
MESSAGE = NumberType("message", "message")


def since(text: str, now: int) -> int:
    """An instant of --since or --until, as ``core.ago`` reads it. Raises UsageError FLT-CLI-015."""
    return instant(text, now, where="--since")


def body_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --body and --body-file; ``body_of`` makes one text of them."""
    function = click.option("--body-file", metavar="FILE", help="The same from a file, or - for standard input.")(
        function
    )
    return click.option("--body", metavar="TEXT", help="A longer text.")(function)


def body_of(door: Door, body: str | None, body_file: str | None) -> str:
    """The text of --body or --body-file. Raises UsageError FLT-CLI-016 when both are given."""
    if body is not None and body_file is not None:
        raise UsageError("FLT-CLI-016", "--body and --body-file exclude each other")
    if body_file is not None:
        return door.read(body_file, BODY_LIMIT, "the body")
    return body or ""


def given(**args: object) -> dict[str, object]:
    """The arguments that say something; the daemon knows the defaults of the rest."""
    return {name: value for name, value in args.items() if value not in (None, "", ())}
