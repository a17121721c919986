"""From a backup to a state folder that a daemon may open, built beside the present one and not yet in its place.

Everything is checked before anything is touched: the file, the journal, the schema, the repository, and that
it is this fleet's. What lived when the backup was made is ended in it: those runs' work comes back by the
reconciler as new runs, so that no session of the abandoned present can be taken for one of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.audit.keys import KeyFiles
from fleet.config.loader import LoadedConfig
from fleet.config.paths import FleetPaths
from fleet.core.clock import Clock
from fleet.core.errors import Conflict, FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.core.probe import probe
from fleet.core.work import Run
from fleet.dispatch.plan import FLEET_DOWN
from fleet.keeping import archive
from fleet.keeping.archive import CONFIG, REPOSITORY, STORE, Manifest
from fleet.keeping.backup import Progress, silent, stamp, verified
from fleet.keeping.gauge import require_space
from fleet.keeping.git import damaged, related, unbundle
from fleet.store import journal, whole
from fleet.store.db import Tx
from fleet.store.open import open_for_daemon, open_read_only
from fleet.store.whole import Identity

REASON = f"{FLEET_DOWN}: the store was restored from a backup"
RESTORED_CONFIG = "restored-config.yaml"
RESTORED_FROM = "restored-from.json"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A state folder that is ready to take its place. ``abandoned`` is the present store; None: none, or unreadable."""

    folder: Path
    manifest: Manifest
    ended: tuple[Run, ...]
    abandoned: Identity | None
    migrated: bool
    config_differs: bool


def prepare(
    paths: FleetPaths,
    loaded: LoadedConfig,
    source: Path,
    *,
    who: Principal,
    clock: Clock,
    force: bool,
    progress: Progress = silent,
) -> Incoming:
    """Check a backup and build its state folder. The caller holds the gate and removes the folder if it is not used.

    Raises what ``archive.read`` raises, Conflict FLT-KEP-014 for a backup of another fleet (unless ``force``),
    PermanentError FLT-STO-012 for a newer schema, Refused FLT-KEP-003 when there is no room.
    """
    progress("checking the file", 0, 1)
    archive.read(source, None)
    require_space(paths.state.parent, 3 * source.stat().st_size, loaded.config.keeping, "restoring")
    folder = incoming_folder(paths, stamp(clock.now()))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        progress("unpacking", 0, 1)
        manifest = archive.read(source, folder)
        progress("verifying the journal", 0, 1)
        about = verified(folder / STORE)
        if (about.schema, about.entries, about.head) != (manifest.schema, manifest.entries, manifest.head):
            raise damaged("its store is not the one that its manifest describes")
        progress("building the repository", 0, 1)
        unbundle(folder / REPOSITORY, folder / paths.bare.name, loaded.config.base, manifest.refs)
        abandoned = present(paths)
        if not force:
            _check_kinship(paths, loaded, folder, manifest, abandoned)
        ended = _make_safe(folder / STORE, manifest, source, who, clock, abandoned)
        _finish(folder, paths, manifest)
        differs = (folder / RESTORED_CONFIG).read_bytes() != loaded.text
        migrated = _identity(folder / STORE).schema != manifest.schema
        probe("restore.prepared")
        return Incoming(folder, manifest, ended, abandoned, migrated, differs)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def incoming_folder(paths: FleetPaths, word: str) -> Path:
    """Where a state folder is built: beside the present one, on the same disk."""
    return paths.state.with_name(f".{paths.fleet_id}.incoming-{word}")


def present(paths: FleetPaths) -> Identity | None:
    """What the present store is; None when there is none or it cannot be read, which is why one restores."""
    if not paths.database.exists():
        return None
    try:
        return _identity(paths.database)
    except FleetError:
        return None


def _identity(database: Path) -> Identity:
    db = open_read_only(database)
    try:
        return db.read(whole.identity)
    finally:
        db.close()


def _check_kinship(
    paths: FleetPaths, loaded: LoadedConfig, folder: Path, manifest: Manifest, abandoned: Identity | None
) -> None:
    """Refuse a backup of another fleet: its journal begins differently, or its repository has another history."""
    hint = "With --force it is restored all the same."
    if abandoned is not None and abandoned.first and manifest.first:
        if abandoned.first != manifest.first:
            text = f"this backup is of another fleet ({manifest.fleet}): its journal begins differently"
            raise Conflict("FLT-KEP-014", text, where=str(paths.state), hint=hint)
        return
    if not related(folder / paths.bare.name, paths.checkout, loaded.config.base):
        text = f"this backup ({manifest.fleet}) is of a repository that shares no history with this checkout"
        raise Conflict("FLT-KEP-014", text, where=str(paths.checkout), hint=hint)


def _make_safe(
    store: Path, manifest: Manifest, source: Path, who: Principal, clock: Clock, abandoned: Identity | None
) -> tuple[Run, ...]:
    """Bring the store to this program's schema, end what lived in it, and put the restore on record."""

    def transaction(tx: Tx) -> list[Run]:
        ended = whole.end_everything(tx, REASON)
        for run in ended:
            _note_end(tx, run)
        _note(tx, manifest, source, who, ended, abandoned)
        return ended

    db = open_for_daemon(store, clock=clock)
    try:
        ended = db.write(transaction)
        db.empty_log()
        return tuple(ended)
    finally:
        db.close()


def _note_end(tx: Tx, run: Run) -> None:
    after = _state_after(run)
    draft = Draft(
        Stream.ACTIVITY,
        f"run.{after}",
        str(system("keeping")),
        subject=f"run/{run.id}",
        generation=run.generation,
        work_item=run.work_item,
        agent=run.agent,
        run_id=run.id,
        cause_id=run.event_id,
        dedup_key=f"run.finished:{run.id}",
        summary=f"{run.agent} {after} on {run.subject or run.event_type}: {REASON}",
        payload={"state": after, "reason": "restored", "session": run.session, "was": str(run.state)},
    )
    journal.append(tx, draft)


def _state_after(run: Run) -> str:
    """The state that ``end_everything`` gave a run that was as this one."""
    return "cancelled" if run.state == "queued" else "lost"


def _note(
    tx: Tx, manifest: Manifest, source: Path, who: Principal, ended: Sequence[Run], abandoned: Identity | None
) -> None:
    """The decision, with the head that was gone back to and the one that was left."""
    left = {"entries": abandoned.entries, "head": abandoned.head} if abandoned is not None else None
    draft = Draft(
        Stream.DECISION,
        "store.restored",
        str(who),
        summary=f"restored {manifest.fleet} as of entry {manifest.entries} from {source.name}; {len(ended)} runs ended",
        payload={
            "backup": str(source),
            "made_at": manifest.made_at,
            "made_by": manifest.program,
            "of": {"fleet": manifest.fleet, "checkout": manifest.checkout},
            "from": {"entries": manifest.entries, "head": manifest.head},
            "left": left,
            "ended_runs": [run.id for run in ended],
        },
    )
    journal.append(tx, draft)


def _finish(folder: Path, paths: FleetPaths, manifest: Manifest) -> None:
    """The rest of a state folder; what only the backup needed goes, what a person may want stays."""
    (folder / REPOSITORY).unlink()
    _take_keys(paths.audit, folder / paths.audit.name)
    (folder / CONFIG).rename(folder / RESTORED_CONFIG)
    (folder / RESTORED_FROM).write_text(json.dumps(manifest.as_dict(), indent=1), "ascii")
    for name in (paths.runs.name, paths.clones.name):
        (folder / name).mkdir(mode=0o700)


def _take_keys(present_: Path, coming: Path) -> None:
    """The private key is in no backup: the one of this machine goes on signing."""
    for file in (KeyFiles(present_).current, KeyFiles(present_).coming):
        if file.is_file() and not file.is_symlink():
            coming.mkdir(exist_ok=True, mode=0o700)
            shutil.copy2(file, coming / file.name)
