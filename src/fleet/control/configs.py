"""Verbs that change the configuration, or take the changed file into force; one at a time, whole or not at all.

The file in the working tree is the truth. A change is meant (a row with the new text, and an entry), written
(the file is replaced as a whole) and accepted (agents, hash and entry in one transaction). Whoever is killed in
between leaves the old file or the new one; what lies there decides at the next start or reload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from fleet.config.changes import compare_loaded, said
from fleet.config.configfile import digest_of, locked, replace_file
from fleet.config.edit import Edit, apply_edits, edit_of
from fleet.config.loader import LoadedConfig, load_config, parse_config, read_config
from fleet.config.ownroles import file_of, read_own, roles_in, roles_with, texts_of
from fleet.config.paths import CONFIG_RELATIVE
from fleet.config.roles import Role
from fleet.config.together import Replacement, replace_together, settle, write_beside
from fleet.config.yamlfile import read_yaml
from fleet.control.acceptance import Accepted, accept_config
from fleet.control.context import Context, Handlers
from fleet.core.errors import ConfigError, Conflict, FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal
from fleet.core.probe import probe
from fleet.store import config_revisions, journal
from fleet.store.db import Tx

NAME = str(CONFIG_RELATIVE)
RESTART_KEYS = ("base", "forge")  # what a running daemon has built itself on


def change(
    ctx: Context, principal: Principal, edits: Sequence[Edit], reason: str = "", *, if_hash: str = ""
) -> dict[str, Any]:
    """Edit the file, and put the result into force. Returns hash, before, revision, changes, warnings.

    ``if_hash`` is the hash of the file that the caller looked at, "" for whatever is there. Raises Conflict
    FLT-CFG-103 when it is another one (FLT-CFG-104: somebody is just changing it), ConfigError FLT-CFG-010 when
    the result would be faulty, and what ``apply_edits`` raises. Nothing has changed after any of these.
    """
    done = _rewrite(ctx, principal, lambda old: apply_edits(old, edits, NAME), reason, if_hash)
    return {name: value for name, value in done.items() if name != "files"}


def reload(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Take the file as it lies into force. Raises ConfigError with every fault; the old one stays in force then."""
    with locked(ctx.paths.config):
        settle(ctx.paths.config.parent)
        try:
            loaded = load_config(ctx.paths.config, roles=ctx.loaded.roles, name=NAME)
            _needs_no_restart(ctx.loaded, loaded)
        except FleetError as error:
            _record_refusal(ctx, principal, error)
            raise
        return _enforce(ctx, principal, loaded, args["reason"])


def _rewrite(
    ctx: Context,
    principal: Principal,
    make: Callable[[bytes], bytes],
    reason: str,
    if_hash: str,
    texts: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """Read, make new, check, mean, write, accept; all of it under the lock. ``texts``: other files of own roles."""
    settings = ctx.paths.config.parent
    with locked(ctx.paths.config):
        settle(settings)
        old, lying = read_config(ctx.paths.config, NAME), read_own(settings)
        roles = roles_with(ctx.loaded.roles, lying if texts is None else texts)
        before = digest_of(old, lying)
        if if_hash not in ("", before, digest_of(old)):
            raise _overtaken(ctx, before)
        loaded = parse_config(make(old), name=NAME, roles=roles, folder=settings)
        _needs_no_restart(ctx.loaded, loaded)
        files = replacement((old, lying), (loaded.text, lying if texts is None else texts))
        kept = keep_aside(settings, files, lying, ctx.db.read(config_revisions.role_texts)) if files else []
        if files:
            _write(ctx, principal, loaded, before, files, reason)
        done = _enforce(ctx, principal, loaded, reason)
    return {**done, "files": sorted(files), "warnings": [*kept, *done["warnings"]]}


def replacement(now: tuple[bytes, Mapping[str, bytes]], then: tuple[bytes, Mapping[str, bytes]]) -> Replacement:
    """What has to be put in place of what, from the file and those of own roles that lie there to other ones."""
    files: dict[str, tuple[bytes | None, bytes | None]] = {CONFIG_RELATIVE.name: (now[0], then[0])}
    files |= {file_of(name): (now[1].get(name), then[1].get(name)) for name in {*now[1], *then[1]}}
    return {name: (old, new) for name, (old, new) in files.items() if old != new}


def roles_now(ctx: Context) -> Mapping[str, Role]:
    """The roles as they lie in the checkout. Raises ConfigError FLT-CFG-010 when one of its own is faulty."""
    return roles_in(ctx.paths.config.parent, ctx.loaded.roles)


def _write(
    ctx: Context, principal: Principal, loaded: LoadedConfig, before: str, files: Replacement, reason: str
) -> None:
    """Mean it, then replace the files; ``before`` is the hash of the whole."""
    lines = compare_loaded(ctx.loaded, loaded).bounded()

    def mean(tx: Tx) -> int:
        number = config_revisions.intend(
            tx,
            digest=loaded.digest,
            before=before,
            actor=str(principal),
            reason=reason,
            changes=lines,
            body=loaded.text,
            roles=texts_of(loaded.roles),
        )
        payload = {"revision": number, "hash": loaded.digest, "before": before, "changes": lines, "reason": reason}
        summary = f"{principal} changes the configuration: {'; '.join(lines) or 'comments only'}"
        journal.append(
            tx, Draft(Stream.DECISION, "config.change_intended", str(principal), summary=summary, payload=payload)
        )
        return number

    number = ctx.db.write(mean)
    probe("config.intended")
    try:
        put_in_place(ctx.paths.config, files)
    except FleetError:
        ctx.db.write(lambda tx: _write_off(tx, number, loaded, principal))
        raise
    probe("config.written")


def _enforce(ctx: Context, principal: Principal, loaded: LoadedConfig, reason: str) -> dict[str, Any]:
    """Accept what lies in the file, then let every service see it."""
    changes = compare_loaded(ctx.loaded, loaded)
    before = ctx.loaded.digest
    accepted: Accepted = accept_config(ctx.db, loaded, principal, reason=reason)
    probe("config.accepted")
    ctx.config.replace(loaded)
    return {
        "changed": bool(accepted.revision),
        "revision": accepted.revision,
        "hash": loaded.digest,
        "before": before,
        "changes": changes.as_dict(),
        "warnings": list(loaded.warnings),
        "running": True,
    }


def _needs_no_restart(old: LoadedConfig, new: LoadedConfig) -> None:
    """Refuse what the running daemon cannot take on. Raises ConfigError FLT-CFG-109."""
    fixed = (*RESTART_KEYS, "repo", "forge_transport", "label_prefix") if old.config.forge == "github" else RESTART_KEYS
    keys = [key for key in fixed if getattr(old.config, key) != getattr(new.config, key)]
    if not keys:
        return
    document = read_yaml(new.text, NAME)
    problems = tuple(
        f"{NAME}:{(spot := document.value_spot((key,))).line}:{spot.column}: {key} is "
        f"{said(getattr(new.config, key))}, expected {said(getattr(old.config, key))} for as long as the fleet is up"
        for key in keys
    )
    raise ConfigError(
        "FLT-CFG-109",
        problems[0],
        hint="Stop the fleet first: fleet down, then change it, then fleet up.",
        problems=problems,
    )


def _overtaken(ctx: Context, digest: str) -> Conflict:
    """The file is not the one the caller saw: say whose it is."""
    known = ctx.db.read(lambda tx: [row for row in config_revisions.newest(tx) if row.digest == digest])
    who = f"{known[0].actor} changed it (revision {known[0].number})" if known else "somebody edited the file by hand"
    return Conflict(
        "FLT-CFG-103",
        f"the configuration is no longer the one you looked at: {who}; it is {digest[:12]} now",
        where=NAME,
        hint="Look again: fleet config show; then decide anew.",
    )


def _write_off(tx: Tx, number: int, loaded: LoadedConfig, principal: Principal) -> None:
    config_revisions.abandon(tx, number)
    payload = {"revision": number, "hash": loaded.digest, "actor": str(principal)}
    summary = f"the change {number} of {principal} could not be written"
    journal.append(
        tx, Draft(Stream.DECISION, "config.change_abandoned", str(principal), summary=summary, payload=payload)
    )


def _record_refusal(ctx: Context, principal: Principal, error: FleetError) -> None:
    """A file that did not come into force: on record, so that nobody wonders later."""
    problems = list(error.problems[:20]) if isinstance(error, ConfigError) else []
    payload = {"code": error.code, "text": error.message, "problems": problems, "in_force": ctx.loaded.digest}
    summary = f"the configuration was not taken into force: {error.message}"
    draft = Draft(Stream.DECISION, "config.refused", str(principal), summary=summary, payload=payload)

    def append(tx: Tx) -> None:
        journal.append(tx, draft)

    ctx.db.write(append)


def _change(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    edits = [edit_of(*edit) for edit in args["edits"]]
    return change(ctx, principal, edits, args["reason"], if_hash=args["if_hash"])


def rollback(ctx: Context, principal: Principal, args: dict[str, Any]) -> dict[str, Any]:
    """Bring the file and those of own roles back as they were, as a change of its own. Raises NotFound FLT-CFG-108."""
    number = args["revision"]
    text, then = ctx.db.read(lambda tx: (config_revisions.text_of(tx, number), config_revisions.roles_of(tx, number)))
    reason = args["reason"] or f"back to revision {number}"
    return _rewrite(ctx, principal, lambda _: text, reason, args["if_hash"], then)


def keep_aside(
    settings: Path, files: Replacement, lying: Mapping[str, bytes], known: Set[tuple[str, bytes]]
) -> list[str]:
    """Copy role files that are about to be replaced and of which no revision has the text; a line about each.

    A copy is no role file, for its name ends in ``.replaced``. Raises PermanentError FLT-CFG-105.
    """
    lines = []
    for name, text in sorted(lying.items()):
        if file_of(name) in files and (name, text) not in known:
            copy = settings / f"{file_of(name)}.replaced"
            write_beside(copy, text)
            lines.append(f".fleet/{file_of(name)} was never in force as it lay there; it is kept as {copy.name}")
    return lines


def put_in_place(config: Path, files: Replacement) -> None:
    """Replace the file alone, or several as one; for the holder of its lock. Raises as the two that it uses."""
    old, new = files.get(config.name, (None, None))
    if len(files) == 1 and old is not None and new is not None:
        replace_file(config, new, expected=digest_of(old))
    else:
        replace_together(config.parent, files)


HANDLERS: Handlers = {
    "config.rollback": rollback,
    "config.change": _change,
    "config.reload": reload,
}
