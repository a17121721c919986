"""A local forge with everything around it, over real repositories: what tests of merging work start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from fleet.forge.local import LocalForge
from fleet.forge.port import Pull
from fleet.store.db import Database
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock
from fleet.testing.repos import commit, git, make_checkout, make_clone


@dataclass
class ForgeHome:
    """A store, a person's checkout and a forge between them. Close ``db`` when done."""

    db: Database
    clock: ManualClock
    folder: Path
    checkout: Path
    bare: Path
    forge: LocalForge
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def make(cls, folder: Path) -> ForgeHome:
        """A checkout with one commit on ``main``, and the fleet's repository made from it."""
        checkout = make_checkout(folder / "checkout")
        clock = ManualClock()
        db = open_for_daemon(folder / "state" / "fleet.db", clock=clock)
        bare = folder / "state" / "repo.git"
        return cls(db, clock, folder, checkout, bare, LocalForge(db, bare, checkout, "main"))

    def reopen(self) -> LocalForge:
        """The forge as a restarted daemon opens it."""
        self.forge = LocalForge(self.db, self.bare, self.checkout, "main")
        return self.forge

    def clone(self) -> Path:
        """A new clone of the base, as a run gets one."""
        return make_clone(self.bare, self.folder / f"clone{next(self._numbers)}")

    def work(self, branch: str = "fleet/1", files: dict[str, str] | None = None) -> tuple[Path, Pull]:
        """A pushed commit with its pull request: the clone and the pull request."""
        clone = self.clone()
        sha = commit(clone, files or {"work.txt": "done\n"}, "the work")
        self.forge.push(clone, sha, branch, expected_old="")
        pull = self.forge.open_pull(branch=branch, title="The work", body="", author="agent:developer", ticket=0)
        return clone, pull

    def land(self, files: dict[str, str | None], branch: str = "fleet/9") -> str:
        """Merge a change into the fleet's base (None deletes a file); returns the merge commit."""
        clone = self.clone()
        written = {name: text for name, text in files.items() if text is not None}
        sha = commit(clone, written, "the work", delete=[name for name, text in files.items() if text is None])
        self.forge.push(clone, sha, branch, expected_old=self.forge.branch_head(branch))
        pull = self.forge.open_pull(branch=branch, title="The work", body="", author="agent:developer", ticket=0)
        return self.forge.merge(pull.number, head_sha=sha, actor="agent:release-manager").merge_commit

    def base(self) -> str:
        """The fleet's base commit."""
        return git(self.bare, "rev-parse", "refs/heads/main")
