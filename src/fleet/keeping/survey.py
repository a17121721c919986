"""Looks at everything that lies on the disk and gathers what is known about it: for ``choose`` to judge.

Reads only. What cannot be known (a run that the store does not know, a folder that cannot be read) is a reason
to keep. Sizes are what the file system and git say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet.config.paths import FleetPaths
from fleet.core.clock import SECOND
from fleet.core.errors import NotFound
from fleet.core.work import LIVE_RUNS, Run, RunState
from fleet.forge.gitrepo import LONG, Repo, git, refs, refs_merged
from fleet.forge.pullgit import MARKS
from fleet.keeping.choose import Thing
from fleet.keeping.sessions import living_sessions
from fleet.runtime.escrow import REF_PREFIX
from fleet.store import deliveries, forge_local, journal, runs
from fleet.store.db import Database, Tx
from fleet.store.forge_local import PullRow

HEADS = "refs/heads/"
WORK = "refs/heads/fleet/"  # branches that runs push; others are a person's
UNUSED_AFTER = "14.days.ago"
SESSION = re.compile(r"(?P<run>[a-z0-9][a-z0-9-]{0,80})-e[0-9]{1,9}")
TRASH = ".gone-"  # a folder that is being deleted
_MANY_LOOSE, _MANY_PACKS = 5_000, 30  # then they are packed anew
_EVERY_PULL = 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says, in one snapshot. ``settled``: runs whose work was dealt with; ``busy``: work under way."""

    runs: dict[str, Run]
    settled: frozenset[str]
    busy: frozenset[str]
    pulls: tuple[PullRow, ...]


def survey(db: Database, paths: FleetPaths, base: str) -> list[Thing]:
    """Everything that could go one day."""
    bare = Repo(paths.bare, bare=True)
    saved = refs(bare, REF_PREFIX.rstrip("/"))
    names = {run_of(name.removeprefix(REF_PREFIX)) for name in saved}
    names |= {run_of(path.name) for folder in (paths.runs, paths.clones) for path in _inside(folder)}
    known = db.read(lambda tx: _known(tx, names))
    alive = frozenset(living_sessions(paths))
    return [
        *_left_overs(paths),
        *_clones(paths, known, alive),
        *_run_folders(paths, known, alive),
        *_escrow(bare, base, saved, known, {path.name for path in _inside(paths.clones)}),
        *_branches(bare, base, known),
        *_store_copies(paths),
        *_objects(paths, bare),
        *_old_states(paths),
    ]


def run_of(session: str) -> str:
    """The run of a session's name; "" for a name that is none."""
    found = SESSION.fullmatch(session)
    return found["run"] if found else ""


def size_of(path: Path) -> int:
    """Bytes that a file or folder takes on the disk; what vanishes meanwhile counts as nothing."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in [".", *files]:
            total += _blocks(os.path.join(folder, name))
    return total or _blocks(os.fspath(path))


def _blocks(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0


def _known(tx: Tx, names: set[str]) -> Known:
    found: dict[str, Run] = {}
    for name in sorted(names - {""}):
        try:
            found[name] = runs.get(tx, name)
        except NotFound:
            continue
    settled = {
        run.id
        for run in found.values()
        if run.state is RunState.SUCCEEDED or journal.find_dedup(tx, f"returned:{run.id}") is not None
    }
    busy = {run.work_item for run in runs.live(tx)} | {one.work_item for one in deliveries.open_ones(tx)}
    pulls = tuple(forge_local.pulls(tx, recent=_EVERY_PULL))
    return Known(found, frozenset(settled), frozenset(busy - {""}), pulls)


def _why_needed(session: str, known: Known, alive: frozenset[str]) -> tuple[str, Run | None]:
    """Why what belongs to a session has to stay ("" = no reason), and its run."""
    run = known.runs.get(run_of(session))
    if run is None:
        return "the store knows no such run", None
    if run.state in LIVE_RUNS:
        return f"its run is {run.state}", run
    if session in alive:
        return "its processes still live", run
    if run.id not in known.settled:
        return "what becomes of its run's work is not decided yet", run
    return "", run


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _left_overs(paths: FleetPaths) -> Iterator[Thing]:
    """Drafts and folders half deleted, of whoever was killed; a day is more than any of them lives.

    What we were deleting ourselves goes on at once: nobody else is at it while we hold the lock.
    """
    for path in sorted(paths.runs.glob(f"{TRASH}*")):
        yield Thing("left over", str(path.relative_to(paths.state)), size_of(path), 0)
    patterns = ((paths.clones, ".*.partial"), (paths.clones, ".*.trash"),
                (paths.state, ".escrow-*"), (paths.state / "backups", "*.partial"))  # fmt: skip
    for folder, pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            yield Thing("left over", str(path.relative_to(paths.state)), size_of(path), _changed(path))


def _clones(paths: FleetPaths, known: Known, alive: frozenset[str]) -> Iterator[Thing]:
    for path in _inside(paths.clones):
        if path.name.startswith("."):
            continue
        needed, run = _why_needed(path.name, known, alive)
        since = run.finished_at if run is not None and run.finished_at is not None else _changed(path)
        yield Thing("clone", path.name, size_of(path), since, needed)


def _run_folders(paths: FleetPaths, known: Known, alive: frozenset[str]) -> Iterator[Thing]:
    clones = {path.name for path in _inside(paths.clones)}
    for path in _inside(paths.runs):
        if path.name.startswith(".") or not path.is_dir():
            continue
        needed, run = _why_needed(path.name, known, alive)
        if not needed and path.name in clones:
            needed = "its clone is still here"
        since = run.finished_at if run is not None and run.finished_at is not None else _changed(path)
        yield Thing("run folder", path.name, size_of(path), since, needed)


def _escrow(bare: Repo, base: str, saved: dict[str, str], known: Known, clones: set[str]) -> Iterator[Thing]:
    """Saved work. It is merged when the base branch contains all of it."""
    base_sha = refs(bare, HEADS + base).get(HEADS + base, "")
    merged = refs_merged(bare, base_sha, REF_PREFIX.rstrip("/")) if base_sha else frozenset()
    for name, sha in sorted(saved.items()):
        session = name.removeprefix(REF_PREFIX)
        needed, run = _why_needed(session, known, frozenset())
        if run is not None and not needed and run.work_item in known.busy:
            needed = f"{run.work_item} is being worked on"
        elif not needed and session in clones:
            needed = "its clone is still here"
        since = run.finished_at if run is not None and run.finished_at is not None else 0
        size = 0 if name in merged else _unique(bare, sha, base_sha)
        yield Thing("escrow", name, size, since, needed, merged=name in merged, sha=sha)


def _unique(bare: Repo, sha: str, base_sha: str) -> int:
    """Bytes of the objects that a commit has and the base branch has not."""
    words = ("rev-list", "--objects", "--disk-usage", sha, *([f"^{base_sha}"] if base_sha else []))
    said = git(bare, *words, accept=(0, 128), timeout=LONG).text.strip()
    return int(said) if said.isdigit() else 0


def _branches(bare: Repo, base: str, known: Known) -> Iterator[Thing]:
    """Branches that runs pushed. One without a pull request, with an open one, or worked on, is needed."""
    base_sha = refs(bare, HEADS + base).get(HEADS + base, "")
    merged = refs_merged(bare, base_sha, WORK.rstrip("/")) if base_sha else frozenset()
    marked = set(refs(bare, MARKS))
    for ref, sha in sorted(refs(bare, WORK.rstrip("/")).items()):
        pulls = [pull for pull in known.pulls if HEADS + pull.head_ref == ref]
        needed = _why_branch_needed(pulls, known, marked)
        since = max((pull.updated_at for pull in pulls), default=0)
        held = "" if ref in merged else _held_by(bare, sha)
        yield Thing("branch", ref, 0, since, needed, merged=ref in merged, sha=sha, held_by=held)


def _why_branch_needed(pulls: list[PullRow], known: Known, marked: set[str]) -> str:
    if not pulls:
        return "it has no pull request yet"
    for pull in pulls:
        if pull.state == "open":
            return f"pr/{pull.number} is open"
        if f"ticket/{pull.ticket}" in known.busy or f"pr/{pull.number}" in known.busy:
            return f"ticket/{pull.ticket or pull.number} is being worked on"
        if f"{MARKS}/{pull.number}" in marked:
            return f"the merge of pr/{pull.number} is being recorded"
    return ""


def _held_by(bare: Repo, sha: str) -> str:
    """A ref of saved work that contains a commit; "" for none."""
    words = ("for-each-ref", "--format=%(refname)", "--count=1", f"--contains={sha}", "--", REF_PREFIX.rstrip("/"))
    return git(bare, *words, accept=(0, 128, 129)).text.strip()


def _store_copies(paths: FleetPaths) -> Iterator[Thing]:
    copies = sorted((paths.state / "backups").glob("before-*.db"), key=_changed)
    for path in copies:
        needed = "it is the newest copy from before a schema change" if path == copies[-1] else ""
        yield Thing("store copy", str(path.relative_to(paths.state)), size_of(path), _changed(path), needed)


def _objects(paths: FleetPaths, bare: Repo) -> Iterator[Thing]:
    """Objects of the repository that no ref leads to; never while a clone is here, which may borrow them."""
    found = [line.split()[0] for line in unused(bare)]
    size = sum(_blocks(os.fspath(paths.bare / "objects" / sha[:2] / sha[2:])) for sha in found)
    counted = dict(line.split(": ") for line in git(bare, "count-objects", "-v").text.splitlines())
    loose, packs = int(counted.get("count", 0)), int(counted.get("packs", 0))
    if not found and loose < _MANY_LOOSE and packs < _MANY_PACKS:
        return
    clones = [path.name for path in _inside(paths.clones)]
    needed = f"clones borrow the repository's objects: {', '.join(clones[:3])}" if clones else ""
    name = f"{len(found)} of {loose} loose objects, {packs} packs in {paths.bare.name}"
    yield Thing("unused objects", name, size, 0, needed)


def unused(bare: Repo) -> list[str]:
    """What ``git prune`` would remove: one line an object, its id first."""
    return git(bare, "prune", "--dry-run", f"--expire={UNUSED_AFTER}", timeout=LONG).text.splitlines()


def _old_states(paths: FleetPaths) -> Iterator[Thing]:
    for path in sorted(paths.state.parent.glob(f"{paths.fleet_id}.before-restore-*")):
        needed = f"only you can know that nobody misses it: rm -r {path}"
        yield Thing("old state", path.name, size_of(path), _changed(path), needed)


def _changed(path: Path) -> int:
    try:
        return int(path.lstat().st_mtime * SECOND)
    except OSError:
        return 0
