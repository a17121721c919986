"""Reading without a daemon: the same verbs over the store as it lies. Nothing can be written this way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from fleet.config.catalogue import load_roles
from fleet.config.changes import compare_loaded
from fleet.config.configfile import digest_of, locked
from fleet.config.edit import apply_edits, edit_of
from fleet.config.loader import LoadedConfig, load_config, parse_config, read_config
from fleet.config.ownroles import read_own, roles_with
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths
from fleet.config.together import settle
from fleet.control.acceptance import in_force_before
from fleet.control.commands import Control
from fleet.control.configs import keep_aside, put_in_place, replacement
from fleet.control.verbs import OFFLINE, VERBS, Access
from fleet.core.errors import ConfigError, Conflict, FleetError, Unreachable
from fleet.core.principal import Principal
from fleet.daemon.build import reading_context
from fleet.daemon.lease import holder
from fleet.forge.port import Forge
from fleet.store import config_revisions
from fleet.store.db import Database
from fleet.store.open import open_read_only, open_up_to_date


class Offline:
    """What a person can still ask while no daemon runs."""

    def __init__(self, db: Database, forge: Forge, control: Control, owner: Principal) -> None:
        """Take a store opened for reading and the forge beside it."""
        self._db = db
        self._forge = forge
        self._control = control
        self._owner = owner

    def handle(self, verb: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Answer a reading verb. Raises Unreachable FLT-DMN-015 for one that changes something."""
        row = VERBS.get(verb)
        if row is not None and row.access is not Access.READ and verb not in OFFLINE:
            raise Unreachable(
                "FLT-DMN-015", f"{verb} needs the daemon, and none runs", hint="Start the fleet: fleet up"
            )
        return self._control.handle(self._owner, verb, args)

    def close(self) -> None:
        """Let store and forge go."""
        self._forge.close()
        self._db.close()


def open_offline(paths: FleetPaths) -> Offline:
    """Open a fleet's store for reading. Raises PermanentError FLT-STO-006 when there is none, FLT-STO-012 and
    FLT-STO-014 when it is of another version.

    What was in force last counts where the file is faulty by now; ConfigError where there is neither.
    """
    db = open_up_to_date(paths.database)
    try:
        context = reading_context(db, paths, _configuration(db, paths))
    except FleetError:
        db.close()
        raise
    return Offline(db, context.forge, Control(context), context.owner)


def _configuration(db: Database, paths: FleetPaths) -> LoadedConfig:
    try:
        return load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    except ConfigError:
        last = db.read(in_force_before)
        if last is None:
            raise
        return last


def change_without_daemon(
    paths: FleetPaths,
    make: Callable[[bytes], bytes],
    if_hash: str = "",
    texts: Mapping[str, bytes] | None = None,
    known: Set[tuple[str, bytes]] = frozenset(),
) -> dict[str, Any]:
    """Give the file another text where no daemon runs; the next start puts it into force, and on record.

    ``make`` turns the old bytes into the new ones, ``texts`` are other files of own roles;
    ``known`` are texts of such files that the record has. Raises Conflict FLT-CFG-103 when the file is not the one of
    ``if_hash``, FLT-CFG-111 when a daemon runs or starts; ConfigError when the result would be faulty.
    """
    name = str(CONFIG_RELATIVE)
    with locked(paths.config):
        if holder(paths.daemon_lock) is not None:
            hint = "Repeat the command: the daemon makes the change."
            raise Conflict("FLT-CFG-111", "a daemon runs by now, and it does not answer yet", where=name, hint=hint)
        settle(paths.config.parent)
        old, lying = read_config(paths.config, name), read_own(paths.config.parent)
        roles = roles_with(load_roles(), lying if texts is None else texts)
        before = digest_of(old, lying)
        if if_hash not in ("", before, digest_of(old)):
            text = f"the configuration is no longer the one you looked at; it is {before[:12]} now"
            raise Conflict("FLT-CFG-103", text, where=name, hint="Look again: fleet config show; then decide anew.")
        loaded = parse_config(make(old), name=name, roles=roles, folder=paths.config.parent)
        files = replacement((old, lying), (loaded.text, lying if texts is None else texts))
        kept = keep_aside(paths.config.parent, files, lying, known)
        if files:
            put_in_place(paths.config, files)
    return {
        "changed": bool(files),
        "revision": 0,
        "hash": loaded.digest,
        "before": before,
        "changes": _changes((old, lying), loaded),
        "files": sorted(files),
        "warnings": [*kept, *loaded.warnings],
        "running": False,
    }


def _changes(old: tuple[bytes, Mapping[str, bytes]], loaded: LoadedConfig) -> dict[str, object]:
    """What is different; empty where the old text was faulty, so that nothing can be compared."""
    try:
        before = parse_config(old[0], name=str(CONFIG_RELATIVE), roles=roles_with(loaded.roles, old[1]))
    except ConfigError:
        return compare_loaded(loaded, loaded).as_dict()
    return compare_loaded(before, loaded).as_dict()


def edit_without_daemon(
    paths: FleetPaths, edits: Sequence[tuple[str, str, object]], if_hash: str = ""
) -> dict[str, Any]:
    """Edits as ``config.change`` takes them."""
    made = [edit_of(*edit) for edit in edits]
    done = change_without_daemon(paths, lambda old: apply_edits(old, made, str(CONFIG_RELATIVE)), if_hash)
    return {name: value for name, value in done.items() if name != "files"}


def rollback_without_daemon(paths: FleetPaths, number: int, if_hash: str = "") -> dict[str, Any]:
    """As ``config.rollback``. Raises what ``open_read_only`` and ``change_without_daemon`` do, NotFound FLT-CFG-108."""
    db = open_read_only(paths.database)
    try:
        text, then = db.read(lambda tx: (config_revisions.text_of(tx, number), config_revisions.roles_of(tx, number)))
        known = db.read(config_revisions.role_texts)
    finally:
        db.close()
    return change_without_daemon(paths, lambda _: text, if_hash, then, known)
