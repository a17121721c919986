"""The demo with Claude Code: whose account it uses, what that may cost, and the word of a person before it starts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleet.cli.account import OPTIONS, Auth
from fleet.cli.demo import spend, story
from fleet.cli.door import Door
from fleet.cli.output import duration
from fleet.config.catalogue import load_roles
from fleet.config.claude import AuthConfig
from fleet.config.loader import LoadedConfig, load_config, parse_config
from fleet.config.paths import CONFIG_RELATIVE, find_checkout
from fleet.config.prices import prices_of, version
from fleet.core.errors import NotFound, PermanentError, UsageError
from fleet.health.client import Client, client, sign_in_fault

DEADLINE_SECONDS = 1800.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Account:
    """With what, where and by which program the sessions ask their model; ``config`` is the demo's configuration."""

    client: Client
    auth: AuthConfig
    address: str  # "" = the provider's own
    config: str
    loaded: LoadedConfig
    cost: spend.Spend
    ceiling: int  # dollars after which nothing more starts; 0 where no price is known


def account(door: Door, auth: Auth | None, base_url: str, program: str) -> Account:
    """What was said on the command line, else what the configuration of this repository says.

    Never the environment: a variable that somebody forgot must not send a key anywhere. Raises UsageError FLT-CLI-022
    where there is nothing to prove oneself with, FLT-CLI-024 for an address that is not safe, PermanentError
    FLT-CLI-019 where there is no client, FLT-CLI-022 where a credential is not there.
    """
    if base_url and not _safe(base_url):
        hint = "https://…, or http:// on this machine: 127.0.0.1, localhost"
        raise UsageError("FLT-CLI-024", "a key would travel to this address readable by all", where=base_url, hint=hint)
    words: dict[str, Any] = {"auth": auth, "backend": {}}
    if auth is None:
        words, program = _of_repository(door, program)
    if base_url:
        words["backend"] = {**words["backend"], "base_url": base_url}
    found = client(program or "claude")
    if found.fault:
        raise PermanentError("FLT-CLI-019", found.fault, hint=found.fix)
    parts = (json.dumps(words["auth"]), json.dumps(words["backend"]), json.dumps(found.path))
    loaded = _parsed(story.real_config(*parts))
    assert loaded.config.auth is not None
    fault, fix = sign_in_fault(loaded.config.auth)
    if fault:
        raise PermanentError("FLT-CLI-022", fault, hint=fix)
    cost = spend.expected(_seats(loaded), prices_of(()))
    ceiling = 0 if cost.unpriced else math.ceil(2 * cost.dollars[1])
    config = story.real_config(*parts, f"{{fleet_usd: {ceiling}}}") if ceiling else story.real_config(*parts)
    address = loaded.config.backend.base_url or ""
    return Account(found, loaded.config.auth, address, config, _parsed(config), cost, ceiling)


def _parsed(config: str) -> LoadedConfig:
    return parse_config(config.encode("utf-8"), name="the demo's configuration", roles=load_roles())


def _seats(loaded: LoadedConfig) -> tuple[spend.Seat, ...]:
    """Who will ask which model."""
    kind = loaded.config.backend.kind
    return tuple(
        spend.Seat(loaded.roles[agent.role].skill, loaded.model_of(agent).model, kind) for agent in loaded.config.agents
    )


def _safe(url: str) -> bool:
    """Encrypted, or on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _of_repository(door: Door, program: str) -> tuple[dict[str, Any], str]:
    """`auth` and `backend` of the configuration around this folder, and its client. Raises UsageError FLT-CLI-022."""
    try:
        path = find_checkout(Path(door.folder)) / CONFIG_RELATIVE
        config = load_config(path, roles=load_roles(), name=str(CONFIG_RELATIVE)).config
    except NotFound:
        config = None
    if config is None or config.auth is None:
        raise UsageError(
            "FLT-CLI-022",
            "Claude Code has nothing here that it could prove itself with",
            hint=f"fleet demo --vendor claude-code {OPTIONS}; or go to a repository whose configuration has auth",
        )
    shown = config.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return {"auth": shown["auth"], "backend": shown.get("backend", {})}, program or config.claude.program


def question(found: Account) -> str:
    """What a person has to know before they say yes."""
    config, cost = found.loaded.config, found.cost
    low, high = cost.dollars
    longest = sum(agent.budget_seconds.seconds for agent in config.agents if agent.budget_seconds is not None)
    money = f"about ${low:.2f} to ${high:.2f}"
    if found.auth.kind == "login":
        money = f"what would cost {money[6:]} by the token; it counts against the limits of that login instead"
    return (
        f"Real sessions of Claude Code {found.client.version} ({found.client.path}) play the agents:"
        f" {', '.join(agent.name for agent in config.agents)}.\n"
        f"They ask their model at {found.address or f'the usual address ({config.backend.kind})'}, with auth"
        f" {found.auth.kind}. Sent is the throw-away repository of the demo, nothing of yours.\n"
        f"Expected spend: {money}: {cost.sessions[0]} to {cost.sessions[1]} sessions, {cost.requests[0]} to"
        f" {cost.requests[1]} requests.\n"
        f"  Basis: {spend.basis(version())}.\n"
        f"  {_bound(found)} Run time ends too: at most {duration(longest)} of sessions in all, and the demo after"
        f" {duration(DEADLINE_SECONDS)}.\n"
    )


def _bound(found: Account) -> str:
    """What keeps the money within bounds, or that nothing does."""
    if found.ceiling:
        return (
            f"At ${found.ceiling} nothing more starts (budgets.fleet_usd); each live session may pass it by one answer."
        )
    return (
        f"Nothing caps the money: no price is known for {', '.join(found.cost.unpriced)}; the estimate takes another's."
    )
