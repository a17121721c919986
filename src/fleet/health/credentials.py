"""What the children of an agent can read of its credential, for each way of having one. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import FleetConfig
from fleet.health.words import Check

# kind -> what a tool that an agent starts can get at
READABLE = {
    "key_helper": "can print the key: they can run the same program",
    "provider": "can read that file with the cloud credentials",
    "login": "can read the token of that login",
    "none": "have nothing to read: a gateway holds the credential",
}


def credentials_of(config: FleetConfig) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Kinds of credentials that agents of Claude Code use, each with the agents that do."""
    found: dict[str, list[str]] = {}
    for agent in config.agents:
        auth = config.auth_of(agent) if agent.vendor == "claude-code" else None
        if auth is not None:
            found.setdefault(auth.kind, []).append(agent.name)
    return tuple((kind, tuple(names)) for kind, names in sorted(found.items()))


def credential_checks(credentials: tuple[tuple[str, tuple[str, ...]], ...]) -> Iterator[Check]:
    """One line for each kind; no fault, but never hidden."""
    for kind, names in credentials:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        why = (
            ""
            if kind == "none"
            else "All runs share your user id; only a gateway (auth.kind: none) keeps it from them."
        )
        yield Check(f"credentials.{kind}", "ok", f"tools of {shown} {READABLE[kind]}", why)
