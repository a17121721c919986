"""Puts the parts of a GitHub forge together."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from fleet.core.clock import Clock
from fleet.core.label import LabelNames
from fleet.forge import localbase
from fleet.forge.github.client import Client
from fleet.forge.github.forge import GitHubForge
from fleet.forge.github.gh import CALL_SECONDS, GhTransport, Transport, gh_environment
from fleet.forge.github.pace import POLL_SECONDS
from fleet.forge.github.people import People
from fleet.forge.github.remote import Remote
from fleet.forge.github.view import View
from fleet.forge.gitrepo import Repo


def connect(
    repo: str,
    bare: Path,
    checkout: Path,
    base: str,
    *,
    env: Mapping[str, str],
    clock: Clock,
    transport: str | Transport = "gh",
    poll_seconds: float = POLL_SECONDS,
    call_seconds: float = CALL_SECONDS,
    permission: str = "write",
    bots: tuple[int, ...] = (),
    label_prefix: str = "",
) -> GitHubForge:
    """The forge over ``owner/name``, with the login of ``gh`` in the environment ``env``.

    ``transport`` is ``gh`` (a process a request), ``httpx2`` (kept connections with gh's login), or one that is lent.
    ``poll_seconds`` is how old what is shown may be while there is life in it. Whose labels count: people with
    ``permission`` and the accounts with the numbers ``bots``. ``label_prefix`` stands there before the fleet's own
    labels. Opens no connection. Raises what ``localbase.prepare`` raises.
    """
    way = transport_named(transport, env, call_seconds) if isinstance(transport, str) else transport
    client = Client(way, clock)
    place = localbase.Base(Repo(bare, bare=True), localbase.open_checkout(checkout), base)
    remote = Remote(place.bare, f"https://github.com/{repo}.git", gh_environment(env))
    view = View(client, repo, clock, poll_seconds=poll_seconds, names=LabelNames(label_prefix))
    people = People(client, repo, clock, permission=permission, bots=bots)
    return GitHubForge(client, view, remote, people, repo, place, clock)


def transport_named(name: str, env: Mapping[str, str], seconds: float) -> Transport:
    """How requests travel. The HTTP library takes a tenth of a second to load: only where it is asked for."""
    if name == "httpx2":
        made: Transport = importlib.import_module("fleet.forge.github.kept").KeptTransport(env, seconds=seconds)
        return made
    return GhTransport(env, seconds=seconds)
