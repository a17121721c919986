"""Verbs about artifacts: receive a content in pieces, name it, list and give it, remove it."""

from __future__ import annotations

import base64
import re
from typing import Any

from fleet.control import shapes
from fleet.control.context import Context, Handlers, still_alive
from fleet.control.entries import Wanted, put
from fleet.control.publish import may_publish
from fleet.core.board import Artifact
from fleet.core.errors import Refused
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.fabric.contents import Contents, too_large
from fleet.keeping.gauge import require_space
from fleet.store import artifacts, journal
from fleet.store.db import Tx

MOST = 10_000  # artifacts of a fleet, however small
_LOCK = "artifacts"  # around naming a content and removing one, so that neither meets the other half-way


def send(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Take the next piece of a content; without ``upload`` a new one begins. ``size`` is what the sender expects.

    Raises UsageError FLT-FAB-131 above the limit, before anything is read; Refused FLT-AUT-015, FLT-FAB-136, and
    FLT-KEP-003 while the disk is nearly full; Conflict FLT-FAB-133.
    """
    may_publish(ctx, principal, "artifact")
    most = ctx.loaded.config.fabric.artifact_bytes
    if max(args["size"], args["offset"] + len(args["data"])) > most:
        raise too_large(most)
    contents, sender, upload = _contents(ctx), _sender(principal), args["upload"]
    if not upload:
        require_space(ctx.paths.state, args["size"], ctx.loaded.config.keeping, "this artifact")
        upload = ctx.db.clock.entropy(16).hex()
        contents.begin(sender, upload)
    size = contents.add(sender, upload, args["offset"], args["data"], most=most)
    return {"upload": upload, "size": size}


def keep(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Name a content that was received: on the disk first, then on record. The same call twice counts once.

    Raises UsageError FLT-FAB-134 for another hash, Refused FLT-FAB-132 when all artifacts together are too large.
    """
    may_publish(ctx, principal, "artifact")
    contents, sha256 = _contents(ctx), args["sha256"]
    with ctx.locks.held(_LOCK):
        size = contents.seal(_sender(principal), args["upload"], sha256)
        probe("artifact.stored")

        def record(tx: Tx) -> tuple[Artifact, bool]:
            return _record(ctx, tx, principal, args, size)

        try:
            made, fresh = ctx.db.write(record)
        except Refused:
            if not ctx.db.read(lambda tx: artifacts.is_kept(tx, sha256)):
                contents.remove(sha256)
            raise
    return {"artifact": shapes.artifact_dict(made), "repeated": not fresh}


def _record(ctx: Context, tx: Tx, principal: Principal, args: dict[str, Any], size: int) -> tuple[Artifact, bool]:
    """The entry and the row of a content that is on the disk."""
    run = still_alive(tx, principal)
    about = args["subject"] or (run.subject if run is not None else "")
    sha256, name, who = args["sha256"], args["name"], str(principal)
    known = artifacts.same(tx, sha256=sha256, name=name, subject=about, put_by=who, run_id=principal.run_id)
    if known is not None:
        return known, False
    most = ctx.loaded.config.fabric.artifacts_bytes
    if not artifacts.is_kept(tx, sha256) and artifacts.total_bytes(tx) + size > most:
        raise Refused(
            "FLT-FAB-132",
            f"all artifacts together would have more than {most} bytes",
            hint="A person removes some: fleet fabric artifact remove N; or raise fabric.artifacts_bytes.",
        )
    if artifacts.count(tx) >= MOST:
        raise Refused("FLT-FAB-132", f"there are {MOST} artifacts", hint="Remove some: fleet fabric artifact remove N")
    number = artifacts.next_number(tx)
    payload: dict[str, object] = {"artifact": number, "sha256": sha256, "size": size, "name": name}
    wanted = Wanted("artifact", "artifact", f"artifact/{number} {name} ({size} bytes)", payload, subject=about)
    made, _ = put(ctx, tx, principal, wanted)
    entry = journal.get(tx, made.id)
    artifact = Artifact(number, made.id, sha256, size, name, about, entry.work_item, who, principal.run_id, tx.now)
    artifacts.create(tx, artifact)
    return artifact, True


def listed(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """The newest artifacts, oldest first."""
    found = ctx.db.read(lambda tx: artifacts.newest(tx, subject=args["subject"], limit=args["limit"]))
    return {"artifacts": [shapes.artifact_dict(one) for one in found]}


def read(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """A piece of a content from ``offset`` on, in base64; before the first one the whole is verified.

    Raises NotFound FLT-FAB-130, IntegrityError FLT-FAB-135 for a content that is damaged.
    """
    found = ctx.db.read(lambda tx: artifacts.find(tx, args["artifact"]))
    contents = _contents(ctx)
    if args["offset"] == 0:
        contents.check(found.sha256)
    data = contents.read(found.sha256, args["offset"])
    return {"artifact": shapes.artifact_dict(found), "data": base64.b64encode(data).decode("ascii")}


def remove(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Forget an artifact; its content goes with the last one that names it. Raises NotFound FLT-FAB-130."""

    def forget(tx: Tx) -> tuple[Artifact, bool]:
        found = artifacts.find(tx, args["artifact"])
        artifacts.remove(tx, found.number)
        journal.append(
            tx,
            Draft(
                Stream.DECISION,
                "artifact.removed",
                str(principal),
                subject=found.subject,
                summary=f"{principal} removes artifact/{found.number} {found.name}: {args['reason']}",
                payload={"artifact": found.number, "sha256": found.sha256, "reason": args["reason"]},
                work_item=found.work_item,
                cause_id=found.entry_id,
            ),
        )
        return found, not artifacts.is_kept(tx, found.sha256)

    with ctx.locks.held(_LOCK):
        found, last = ctx.db.write(forget)
        if last:
            _contents(ctx).remove(found.sha256)
    return {"artifact": shapes.artifact_dict(found), "content_removed": last}


def _contents(ctx: Context) -> Contents:
    return Contents(ctx.paths.artifacts)


def _sender(principal: Principal) -> str:
    """Whose upload it is, as part of a file's name: nobody can go on with another's."""
    return (
        f"{principal.run_id}-e{principal.epoch}"
        if principal.is_agent
        else re.sub(r"\W", "-", f"people-{principal.name}")
    )


HANDLERS: Handlers = {
    "artifact.send": send,
    "artifact.put": keep,
    "artifact.list": listed,
    "artifact.read": read,
    "artifact.remove": remove,
}
