"""Does the journal explain how a branch came from one commit to another? And if not: what does it look like?

The base moves by a fetch from the person's checkout (announced before it happens) or by a merge that was
allowed at that head and whose content is exactly what git makes of its two parents. Other branches move by a
push that was announced. Whatever else moved a branch came past the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleet.core.errors import FleetError, PermanentError
from fleet.core.journal import Entry
from fleet.forge.gitrepo import FLEET_MAIL, Repo, check_sha, git, is_ancestor, tree_of
from fleet.forge.mergetree import merge_trees
from fleet.store import journal
from fleet.store.db import Database, Tx
from fleet.store.journal import Filter

BRANCHES = "refs/heads/"
_AGENTS = "@agents.fleet.invalid"
_EDGES = ("base.fetch_intended", "base.fetched", "base.moved_by_person", "base.unexplained")
_STEPS = 2000  # commits that one movement is followed back
_SHOWN = 200  # commits that are looked at to say who made them


@dataclass(frozen=True, slots=True)
class Step:
    """One explained step back: where it came from, and the entry that tells of it."""

    old: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Looks:
    """What an unexplained movement looks like. ``person``: forward only, by people who committed here before."""

    kind: Literal["person", "unknown"]
    text: str
    commits: int
    mails: tuple[str, ...]


def step_back(db: Database, repo: Repo, sha: str) -> Step | None:
    """How the base came to ``sha``, as far as an entry tells; None when none does."""

    def told(tx: Tx) -> Entry | None:
        found = [journal.select(tx, Filter(type=kind, generation=sha), limit=1, newest=True) for kind in _EDGES]
        return next((entries[0] for entries in found if entries), None)

    entry = db.read(told)
    if entry is not None:
        return Step(str((entry.payload or {}).get("old", "")), entry)
    parents = parents_of(repo, sha)
    if len(parents) != 2:
        return None
    allowed = db.read(lambda tx: journal.select(tx, Filter(type="merge.allowed", generation=parents[1]), limit=1))
    return Step(parents[0], allowed[0]) if allowed and _is_plain_merge(repo, sha, parents) else None


def parents_of(repo: Repo, sha: str) -> tuple[str, ...]:
    """The parents of a commit; () when it is none."""
    done = git(repo, "rev-list", "--no-walk", "--parents", "--end-of-options", check_sha(sha), accept=(0, 128))
    return tuple(done.text.split()[1:])


def _is_plain_merge(repo: Repo, sha: str, parents: tuple[str, ...]) -> bool:
    """Whether a merge commit holds what git makes of its parents, and nothing slipped in."""
    try:
        found = merge_trees(repo, *parents)
    except PermanentError:
        return False
    return found is not None and found.clean and found.tree == tree_of(repo, sha)


def explain_base(db: Database, repo: Repo, old: str, new: str) -> Entry | None:
    """The newest entry of the chain of steps that leads from ``old`` to ``new``; None when there is a gap."""
    newest: Entry | None = None
    position = new
    for _ in range(_STEPS):
        if position == old:
            return newest
        step = step_back(db, repo, position)
        if step is None or not step.old:
            return None
        newest = newest or step.entry
        position = step.old
    return None


def explain_branch(tx: Tx, ref: str, old: str, new: str) -> Entry | None:
    """The announced push that moved a branch; for a branch that is gone, any push of where it was (it was cleared)."""
    name = ref.removeprefix(BRANCHES)
    for entry in journal.select(tx, Filter(type="push.intended", generation=new or old), limit=100, newest=True):
        facts = entry.payload or {}
        if facts.get("branch") == name and (not new or facts.get("from") == old):
            return entry
    return None


def looks_of(repo: Repo, old: str, new: str) -> Looks:
    """Describe a movement of the base that no entry explains."""
    if not new:
        return Looks("unknown", "it is gone", 0, ())
    try:
        forward = is_ancestor(repo, old, new)
        rows = _mails(repo, f"{check_sha(old)}..{check_sha(new)}", _SHOWN)
        known = {mail for row in _mails(repo, old, 2000) for mail in row}
    except FleetError:
        return Looks("unknown", f"it went to {new[:12]}, and its commits cannot be read", 0, ())
    mails = sorted({mail for row in rows for mail in row})
    people = {mail for mail in known if not mail.endswith(_AGENTS) and mail != FLEET_MAIL}
    text = f"{len(rows)} commits by {', '.join(mails[:5]) or 'nobody'}"
    if not forward:
        return Looks("unknown", f"it was moved back or aside; {text}", len(rows), tuple(mails))
    if rows and len(rows) < _SHOWN and set(mails) <= people:
        return Looks("person", text, len(rows), tuple(mails))
    return Looks("unknown", text, len(rows), tuple(mails))


def _mails(repo: Repo, span: str, limit: int) -> list[tuple[str, str]]:
    """Author and committer of commits."""
    words = ("log", "-z", "--no-mailmap", f"--max-count={limit}", "--format=tformat:%ae%n%ce", "--end-of-options", span)
    blocks = git(repo, *words).text.split("\0")
    pairs = (block.split("\n") for block in blocks if block)
    return [(one.strip().lower(), two.strip().lower()) for one, two in pairs]
