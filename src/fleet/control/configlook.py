"""Verbs that read the configuration in force and its revisions: what it says, since when, by whose hand."""

from __future__ import annotations

from typing import Any

from fleet.config.keys import Key, key_named, value_in
from fleet.config.ownroles import texts_of
from fleet.config.yamlfile import Document, read_yaml
from fleet.control.context import Context, Handlers
from fleet.core.errors import ConfigError, NotFound
from fleet.core.principal import Principal
from fleet.store import config_revisions
from fleet.store.config_revisions import Revision
from fleet.store.db import Tx


def state(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The text in force, or without a daemon the one that was in force last; since when, by whom, why."""
    revision, text = ctx.db.read(_last)
    roles = texts_of(ctx.loaded.roles)
    if revision is not None and ctx.host is None:
        number = revision.number
        roles = ctx.db.read(lambda tx: config_revisions.roles_of(tx, number))
    else:
        text = ctx.loaded.text
    return {
        "hash": revision.digest if revision is not None and ctx.host is None else ctx.loaded.digest,
        "text": text.decode("utf-8"),
        "own_roles": {name: role.decode("utf-8") for name, role in sorted(roles.items())},
        "running": ctx.host is not None,
        **_origin(revision),
    }


def key(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """One key as it is in force: its value, where it comes from, and which revision made it so.

    Raises NotFound FLT-CFG-106/107, FLT-AGT-001, UsageError FLT-CFG-101.
    """
    wanted = key_named(args["key"])
    revision, text = ctx.db.read(_last)
    document = read_yaml(ctx.loaded.text if ctx.host is not None or revision is None else text, "in force")
    found = value_in(document, wanted)
    made_by = ctx.db.read(lambda tx: _since(tx, wanted, found.value))
    return {
        "key": wanted.name,
        "value": found.value,
        "source": "file" if found.spot is not None else "default",
        "line": found.spot.line if found.spot is not None else 0,
        **_origin(made_by),
    }


def revisions(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the past, newest first, interrupted and abandoned changes included."""
    rows = ctx.db.read(lambda tx: config_revisions.newest(tx, args["limit"]))
    last, _ = ctx.db.read(_last)
    return {
        "revisions": [
            {
                "revision": row.number,
                "hash": row.digest,
                "before": row.before,
                "actor": row.actor,
                "reason": row.reason,
                "changes": list(row.changes),
                "phase": row.phase,
                "at": row.at,
                "accepted_at": row.accepted_at,
            }
            for row in rows
        ],
        "in_force": last.number if last is not None else 0,
    }


def _last(tx: Tx) -> tuple[Revision | None, bytes]:
    """The revision in force and its text."""
    last = next(iter(config_revisions.accepted(tx, 1)), None)
    return last, config_revisions.text_of(tx, last.number) if last is not None else b""


def _origin(revision: Revision | None) -> dict[str, Any]:
    if revision is None:
        return {"revision": 0, "since": None, "actor": "", "reason": ""}
    return {
        "revision": revision.number,
        "since": revision.accepted_at,
        "actor": revision.actor,
        "reason": revision.reason,
    }


def _since(tx: Tx, wanted: Key, value: object) -> Revision | None:
    """The revision that gave the key its present value; the oldest one kept where it always had it."""
    found: Revision | None = None
    for revision in config_revisions.accepted(tx):
        if _value(_read(config_revisions.text_of(tx, revision.number)), wanted) != (True, value):
            return found
        found = revision
    return found


def _read(text: bytes) -> Document | None:
    """A kept text, unless this program can no longer read it."""
    try:
        return read_yaml(text, "a revision")
    except ConfigError:
        return None


def _value(document: Document | None, wanted: Key) -> tuple[bool, object]:
    """Whether the key is there at all, and its value."""
    if document is None:
        return False, None
    try:
        return True, value_in(document, wanted).value
    except NotFound:
        return False, None


HANDLERS: Handlers = {
    "config.state": state,
    "config.key": key,
    "config.revisions": revisions,
}
