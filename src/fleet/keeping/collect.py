"""Clears away what may go: the intent on record, then each thing by itself, then what came of it.

Each thing is looked at again in the moment in which it goes, by object id or by the store's row, and every
doubt keeps it. All of it can be repeated: folders are renamed before they are deleted, refs move by
compare-and-set together with what vouches for them. Whoever is killed in between is finished by the next pass.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from fleet.config.model import FleetConfig
from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.core.journal import Draft, Stream
from fleet.core.probe import probe
from fleet.forge.gitrepo import LONG, RefMove, Repo, git, move_refs, refs
from fleet.keeping.choose import Choice, Thing, choose
from fleet.keeping.lock import keeping
from fleet.keeping.survey import HEADS, TRASH, UNUSED_AFTER, run_of, survey
from fleet.runtime import escrow, records
from fleet.runtime.clone import remove_clone
from fleet.runtime.escrowcap import Cap
from fleet.store import journal, runs
from fleet.store.db import Database

_LISTED = 200  # things named in one journal entry
_SAVE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one thing that was meant to go; ``why`` says why it stayed after all."""

    choice: Choice
    removed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: everything that was judged, what was done, and how many things were left for the next."""

    choices: tuple[Choice, ...]
    done: tuple[Done, ...]
    left: int

    @property
    def freed(self) -> int:
        """Bytes of what was removed."""
        return sum(one.choice.thing.size for one in self.done if one.removed)


def plan(db: Database, paths: FleetPaths, config: FleetConfig) -> tuple[Choice, ...]:
    """Judge everything; change nothing."""
    return choose(survey(db, paths, config.base), config.keeping, db.clock.now())


def collect(
    db: Database,
    paths: FleetPaths,
    config: FleetConfig,
    *,
    actor: str,
    most: int,
    seconds: float,
    stop: Callable[[], bool] = lambda: False,
) -> Pass:
    """Remove at most ``most`` things of those that may go, for about ``seconds``, and put it on record.

    Raises Conflict FLT-KEP-019 while another keeper is at work, TemporaryError when git or the store cannot be
    asked; what was done until then is on record or is found by the next pass.
    """
    with keeping(paths.state):
        choices = plan(db, paths, config)
        wanted = [choice for choice in choices if choice.goes][:most]
        meant = sum(choice.goes for choice in choices)
        if not wanted:
            return Pass(choices, (), 0)
        intent = _note(db, actor, "gc.planned", f"{len(wanted)} things may go", _listed(wanted))
        probe("gc.planned")
        until = db.clock.monotonic() + seconds
        done: list[Done] = []
        for choice in wanted:
            if stop() or db.clock.monotonic() > until:
                break
            done.append(_remove(db, paths, config, choice))
            probe("gc.acted")
        found = Pass(choices, tuple(done), meant - len(done))
        _record(db, actor, found, intent)
        return found


def _remove(db: Database, paths: FleetPaths, config: FleetConfig, choice: Choice) -> Done:
    """One thing; a reason to keep it after all is no error."""
    try:
        why = _ACTS[choice.thing.kind](db, paths, config, choice.thing)
    except FleetError as error:
        why = error.message
    except OSError as error:
        why = f"it cannot be deleted: {error.strerror or error}"
    return Done(choice, not why, why)


# -- one function a kind; each gives the reason why the thing stays after all, "" when it is gone -----


def _left_over(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    path = paths.state / thing.name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    session = path.name.removeprefix(TRASH)
    if session != path.name and run_of(session):
        _drop_fence(paths, run_of(session))
    return ""


def _clone(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    """Save what is in it now, all of it, and only then remove it."""
    why = _run_lives(db, thing.name)
    if why:
        return why
    clone = paths.clones / thing.name
    cap = Cap(*config.keeping.escrow_cap)
    saved = escrow.save(clone, paths.bare, thing.name, seconds=_SAVE_SECONDS, cap=cap)
    if saved.error:
        return f"its work cannot be saved: {saved.error}"
    remove_clone(clone, paths.bare, saved.ref, saved.sha)
    return ""


def _run_folder(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    """Rename, then delete; the run's lock and fence go with its last folder."""
    why = _run_lives(db, thing.name)
    if why:
        return why
    run_id = run_of(thing.name)
    held = records.lock_run(os.fspath(paths.runs), run_id)
    if held is None:
        return "a process of its run still lives"
    try:
        folder, trash = paths.runs / thing.name, paths.runs / f"{TRASH}{thing.name}"
        if trash.exists():
            shutil.rmtree(trash)
        if folder.exists():
            folder.rename(trash)
            probe("gc.moved")
            shutil.rmtree(trash)
        _drop_fence(paths, run_id)
    finally:
        os.close(held)
    return ""


def _drop_fence(paths: FleetPaths, run_id: str) -> None:
    """Lock and fence of a run go with its last folder; its row keeps it from ever starting again."""
    if not any(paths.runs.glob(f"{run_id}-e*")):
        for name in (f"{run_id}.epoch", f"{run_id}.lock"):
            (paths.runs / name).unlink(missing_ok=True)


def _run_lives(db: Database, session: str) -> str:
    """Why a session's run has not ended, as its row says now."""
    run = db.read(lambda tx: runs.get(tx, run_of(session)))
    return "" if run.finished_at is not None else f"its run is {run.state}"


def _branch(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    """Delete it together with the check that what holds its commits is still where it was."""
    bare = Repo(paths.bare, bare=True)
    vouching = HEADS + config.base if thing.merged else thing.held_by
    if not vouching:
        return "its commits are neither merged nor saved elsewhere"
    return _delete_ref(bare, thing, vouching)


def _escrow(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    bare = Repo(paths.bare, bare=True)
    return _delete_ref(bare, thing, HEADS + config.base if thing.merged else "")


def _delete_ref(bare: Repo, thing: Thing, vouching: str) -> str:
    """Compare-and-set; with ``vouching``, only while that ref contains the commit and stays where it is."""
    moves = [RefMove(thing.name, "", thing.sha)]
    if vouching:
        there = refs(bare, vouching).get(vouching, "")
        contains = there and git(bare, "merge-base", "--is-ancestor", thing.sha, there, accept=(0, 1, 128)).ok
        if not contains:
            return f"{vouching} does not contain it any more"
        moves.append(RefMove(vouching, None, there))
    return "" if move_refs(bare, moves, reason="cleared away") else "it moved meanwhile"


def _store_copy(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    (paths.state / thing.name).unlink(missing_ok=True)
    return ""


def _unused_objects(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    """Pack what is needed, loosen the rest, and remove of that what nobody has needed for two weeks.

    Only while there is no clone: one made meanwhile needs nothing but what refs lead to.
    """
    if any(paths.clones.iterdir()):
        return "a clone borrows the repository's objects"
    bare = Repo(paths.bare, bare=True)
    git(bare, "reflog", "expire", "--expire=90.days", "--expire-unreachable=30.days", "--all", timeout=LONG)
    git(bare, "repack", "-A", "-d", "-l", "--quiet", timeout=LONG)
    if any(paths.clones.iterdir()):
        return "a clone borrows the repository's objects"
    git(bare, "prune", f"--expire={UNUSED_AFTER}", timeout=LONG)
    return ""


def _old_state(db: Database, paths: FleetPaths, config: FleetConfig, thing: Thing) -> str:
    return thing.needed or "only a person removes it"


_ACTS: dict[str, Callable[[Database, FleetPaths, FleetConfig, Thing], str]] = {
    "left over": _left_over,
    "clone": _clone,
    "run folder": _run_folder,
    "branch": _branch,
    "escrow": _escrow,
    "store copy": _store_copy,
    "unused objects": _unused_objects,
    "old state": _old_state,
}


# -- the record ---------------------------------------------------------------------------------------


def _listed(choices: list[Choice]) -> dict[str, object]:
    return {
        "things": [choice.as_dict() | {"sha": choice.thing.sha} for choice in choices[:_LISTED]],
        "unnamed": max(0, len(choices) - _LISTED),
        "bytes": sum(choice.thing.size for choice in choices),
    }


def _record(db: Database, actor: str, found: Pass, intent: str) -> None:
    removed = [one.choice for one in found.done if one.removed]
    kept = [{"kind": one.choice.thing.kind, "name": one.choice.thing.name, "why": one.why}
            for one in found.done if not one.removed]  # fmt: skip
    summary = f"{len(removed)} things removed, {found.freed} bytes; {len(kept)} kept after all"
    payload = {**_listed(removed), "kept": kept[:_LISTED], "left": found.left}
    _note(db, actor, "gc.done", summary, payload, intent)


def _note(db: Database, actor: str, kind: str, summary: str, payload: dict[str, object], cause: str = "") -> str:
    draft = Draft(Stream.ACTIVITY, kind, actor, summary=summary, payload=payload, cause_id=cause)
    return db.write(lambda tx: journal.append(tx, draft)).id
