"""What the shell may offer behind Tab: names from the store, events, codes, files. Loaded only for that.

A completion must never get in the way: what cannot be read offers nothing. An agent's session gets no names, because
agents do not open the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from click.shell_completion import CompletionItem

from fleet.cli.door import Door
from fleet.cli.main import COMMANDS
from fleet.cli.output import shortened, visible
from fleet.core.catalogue import CATALOGUE
from fleet.core.errors import FleetError
from fleet.core.event import BUILTIN
from fleet.daemon.glimpse import names

_HELP_WIDTH = 60

# What a value means, by the parameter's name; metavars below decide where the name does not say it.
_BY_NAME = {
    "agent": ("agents",),
    "name": ("agents",),
    "to": ("agents",),
    "subject": ("tickets", "pulls"),
    "ref": ("tickets", "pulls", "agents", "runs"),
    "run": ("runs",),
    "run_id": ("runs",),
    "event": ("events",),
    "type_": ("events",),
    "topic": ("commands",),
    "code": ("codes",),
    "file": ("files",),
    "source": ("files",),
    "target": ("files",),
}
_BY_METAVAR = {"AGENT": ("agents",), "RUN": ("runs",), "SUBJECT": ("tickets", "pulls"), "FILE": ("files",)}


def kinds_of(param: click.Parameter) -> tuple[str, ...]:
    """The kinds of names that a parameter takes; none for free text."""
    if isinstance(param, click.Option) and param.name in ("ref", "name"):  # git's own names, new names
        return ()
    return _BY_METAVAR.get(param.metavar or "") or _BY_NAME.get(param.name or "", ())


def suggest(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What begins as ``incomplete`` does, for a parameter that takes text."""
    return suggest_kinds(ctx, kinds_of(param), incomplete)


def suggest_kinds(ctx: click.Context, kinds: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """The names of these kinds that begin as ``incomplete`` does."""
    found: list[CompletionItem] = []
    for kind in kinds:
        if kind == "files":
            return [CompletionItem(incomplete, type="file")]
        found += [_item(name, about) for name, about in _names(ctx, kind) if name.startswith(incomplete)]
    return found


def numbers(ctx: click.Context, prefix: str, incomplete: str) -> list[CompletionItem]:
    """Numbers of tickets or pull requests, written as the reader began to write them: 7, #7 or ticket/7."""
    kind = {"ticket": "tickets", "pr": "pulls"}.get(prefix)
    found = _from_store(ctx, kind) if kind else []
    form = f"{prefix}/" if incomplete[:1].isalpha() else "#" if incomplete.startswith("#") else ""
    items = ((form + name.rpartition("/")[2], about) for name, about in found)
    return [_item(name, about) for name, about in items if name.startswith(incomplete)]


def _item(name: str, about: str) -> CompletionItem:
    return CompletionItem(name, help=shortened(visible(about), _HELP_WIDTH) or None)


def _names(ctx: click.Context, kind: str) -> Iterator[tuple[str, str]]:
    if kind == "events":
        yield from ((item.name, item.says) for item in BUILTIN.values())
    elif kind == "codes":
        yield from ((code, row.meaning) for code, row in CATALOGUE.items())
    elif kind == "commands":
        yield from ((name, row[3]) for name, row in COMMANDS.items())
    else:
        yield from _from_store(ctx, kind)


def _from_store(ctx: click.Context, kind: str) -> list[tuple[str, str]]:
    door = ctx.find_object(Door)
    if door is None or door.is_agent or door.in_daemon:
        return []
    try:
        return names(door.paths(), kind)
    except (FleetError, OSError):
        return []
