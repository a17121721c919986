"""Verbs that write parts of the journal into files, and that check such files. For people only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from fleet.audit.checkpoint import catch_up, make_checkpoint, plan_of
from fleet.audit.export import Range, Written, export, write_whole
from fleet.audit.exported import verify_files
from fleet.audit.keys import Signer, read_key
from fleet.control.checkout import refresh_base
from fleet.control.context import Context, Handlers
from fleet.control.queries import log_filter
from fleet.core.errors import FleetError, IntegrityError, NotFound
from fleet.core.principal import Principal
from fleet.forge.gitrepo import Repo
from fleet.forge.refcheck import check
from fleet.forge.refguard import accept, look
from fleet.store import audits, journal
from fleet.store.db import Tx


def export_file(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Write the journal, or what the filters leave of it, into a new file.

    ``whole`` says whether the file can be verified as a chain. A daemon signs the head first, so that a
    checkpoint covers what is exported. Raises Conflict FLT-AUD-011, PermanentError FLT-AUD-012.
    """
    plan = plan_of(ctx.paths, ctx.loaded.config.audit)
    if ctx.host is not None:
        with suppress(FleetError):  # what cannot be signed is exported all the same, as evidence
            make_checkpoint(ctx.db, plan)
            catch_up(ctx.db, plan.anchor)
    wanted = replace(log_filter({**args, "after": 0}), after=0)
    signer = _signer(ctx)

    def fill(file: BinaryIO) -> Written:
        def write(tx: Tx) -> Written:
            archived = audits.last_archive(tx)
            part = Range(wanted=wanted, until=args["until"])
            if archived is not None and part.whole:
                part = Range(after=archived.last_seq, after_hash=archived.head_hash)
            return export(tx, file, part, form=args["format"], fleet=ctx.paths.fleet_id, signer=signer)

        return ctx.db.read(write)

    written = write_whole(Path(args["file"]), fill)
    return {"file": args["file"], "format": args["format"], **asdict(written)}


def _signer(ctx: Context) -> Signer | None:
    """The key in use, when its file is there; an export without it is not signed, and says so."""
    active = ctx.db.read(audits.active_key)
    try:
        signer = read_key(plan_of(ctx.paths, ctx.loaded.config.audit).keys.current)
    except FleetError:
        return None
    return signer if active is not None and active.key_id == signer.id else None


def check_files(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Check exports or archives, as one journal in their order; where they end, this store's journal must agree.

    Raises NotFound FLT-AUD-014 for a file that cannot be read: that says nothing about the record.
    """
    try:
        pieces = verify_files([Path(name) for name in args["files"]], pinned=args["key"])
    except IntegrityError as error:
        return {"ok": False, "entries": 0, "last": 0, "head": "", "problem": f"{error.where}: {error.message}"}
    except OSError as error:
        hint = "Name a file that fleet audit export or fleet audit archive wrote."
        raise NotFound(
            "FLT-AUD-014", f"cannot read it: {error.strerror}", where=str(error.filename), hint=hint
        ) from error
    problem = ctx.db.read(lambda tx: _disagreement(tx, ctx.paths.fleet_id, pieces.fleet, pieces.hashes))
    return {
        "ok": not problem,
        "entries": pieces.entries,
        "last": pieces.seq,
        "head": pieces.hash,
        "problem": problem,
    }


def _disagreement(tx: Tx, ours: str, theirs: str, hashes: dict[int, str]) -> str:
    """The first entry of the files that this store has with another content; "" when they agree."""
    if theirs != ours:
        return f"the files are of the fleet {theirs}, this is {ours}"
    for seq, digest in hashes.items():
        here = journal.hash_at(tx, seq)
        if here not in ("", digest):
            return f"entry {seq} differs between the files and the store"
    for seal in audits.archives(tx):
        if hashes.get(seal.last_seq, seal.head_hash) != seal.head_hash:
            return f"entry {seal.last_seq} differs between the files and the seal of archive {seal.number}"
    return ""


def verify_git(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Compare the journal with the fleet's repository and the runs. With a daemon, what is new goes on record first."""
    repo, base = Repo(ctx.paths.bare, bare=True), ctx.loaded.config.base
    if ctx.host is not None:
        if ctx.forge.name != "local":
            refresh_base(ctx.db, ctx.forge, base)
        look(ctx.db, repo, base)
    found = check(ctx.db, repo, base)
    return {
        "ok": not found.findings,
        "findings": list(found.findings),
        "movements": found.movements,
        "merges": found.merges,
        "runs": found.runs,
    }


def accept_base(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Say what an unexplained movement to ``sha`` was; merges go on when none is left.

    Raises NotFound FLT-AUD-021 when none to it waits.
    """
    made, left = ctx.db.write(lambda tx: accept(tx, args["sha"], actor=str(principal), reason=args["reason"]))
    return {"id": made.id, "seq": made.seq, "sha": args["sha"], "open": left}


HANDLERS: Handlers = {
    "audit.verify_git": verify_git,
    "audit.accept_base": accept_base,
    "audit.export": export_file,
    "audit.verify_files": check_files,
}
