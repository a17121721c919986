"""Saves the work of a clone to a private ref of the bare repository before anything is killed or deleted.

Takes a clone, gives a commit whose tree is the working copy (tracked, staged and untracked, not ignored)
and whose parents are everything committed in the clone. Neither index, worktree nor refs of the clone change.

No git command here reads the clone's own configuration: filters, hooks and helpers named there are programs
that an agent chose, and they would run as whoever saves the work. All commands work in a repository of our
own that borrows the clone's objects; HEAD and refs are read as plain files.
It saves at most so many bytes and files of a session (``escrowcap``); what does not fit stays in the clone.
Weakness: a repository or worktree beside the clone's own is not saved. The result says so, and a clone
whose work is not all saved is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fleet.core.errors import FleetError, TimedOut
from fleet.process import Completed, run
from fleet.runtime import records
from fleet.runtime.escrowcap import Cap, megabytes, split, told

REF_PREFIX = "refs/fleet/escrow/"
SAVE_SECONDS = 60.0
_LOOK_SECONDS = 10.0
_WHO = {"NAME": "fleet", "EMAIL": "fleet@agents.fleet.invalid"}
_SHA = re.compile(r"[0-9a-f]{40}")
_PENDING = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "logs/refs/stash")
_SMALL = 1 << 20  # bytes; more than any pointer file has
# git that is told everything here, and starts nothing but itself
GIT_ENV = {
    "PATH": records.SYSTEM_PATH,
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "file",
    **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _WHO.items()},
}
_SETTINGS = ("core.hooksPath=/dev/null", "core.fsync=all", "core.fsyncMethod=batch", "gc.auto=0", "maintenance.auto=0")
_OUTPUT_CAP = 1 << 28  # bytes; a listing of all files may be long
_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tuntrackedCache = false
\tfsmonitor = false
\tprotectNTFS = false
\tprotectHFS = false
\tlogAllRefUpdates = false
[advice]
\taddEmbeddedRepo = false
"""


@dataclass(frozen=True, slots=True)
class Saved:
    """Where work was saved. When not all of it could be, ``ref`` and ``sha`` are "" and ``error`` says why."""

    ref: str
    sha: str
    error: str


class _Unsaved(Exception):
    """Something could not be saved; the text says what."""


@dataclass(frozen=True, slots=True)
class _Tip:
    """A commit that the clone holds on to, and by which name."""

    sha: str
    name: str


def save(clone: Path, bare: Path, session: str, *, seconds: float = SAVE_SECONDS, cap: Cap | None = None) -> Saved:
    """Save a clone's work to ``refs/fleet/escrow/<session>`` of the bare repository, within ``seconds`` and ``cap``.

    Repeatable; never raises for what it finds in the clone, the reason is in ``error`` instead.
    """
    prefix = f".escrow-{session}-"
    try:
        for left_over in bare.parent.glob(prefix + "*"):  # of an attempt that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=bare.parent, ignore_cleanup_errors=True) as scratch:
            return _Saver(clone, bare, session, Path(scratch), time.monotonic() + seconds, cap or Cap()).save()
    except _Unsaved as error:
        return Saved("", "", str(error))
    except TimedOut:
        return Saved("", "", "the work could not be saved in time")
    except FleetError as error:
        return Saved("", "", error.message)
    except (OSError, ValueError) as error:
        return Saved("", "", f"{type(error).__name__}: {error}")


def verified(bare: Path, ref: str, sha: str) -> bool:
    """Whether the bare repository really has this escrow: the ref is there and names this very commit.

    For whoever is about to delete a clone; every doubt is False.
    """
    if not ref.startswith(REF_PREFIX) or not _SHA.fullmatch(sha):
        return False
    try:
        asked = ("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        found = run([*_git(bare), *asked], timeout=_LOOK_SECONDS, env=GIT_ENV)
    except FleetError:
        return False
    return found.ok and found.text.strip() == sha


class _Saver:
    """One attempt. ``scratch`` becomes a repository that borrows the objects of the clone and of the bare one."""

    def __init__(self, clone: Path, bare: Path, session: str, scratch: Path, deadline: float, cap: Cap) -> None:
        self._clone = clone
        self._inside = clone / ".git"
        self._bare = bare
        self._ref = REF_PREFIX + session
        self._scratch = scratch
        self._deadline = deadline
        self._cap = cap
        self._missing: list[str] = []  # what could not be saved, while the rest goes on

    def save(self) -> Saved:
        self._prepare()
        shared = set(self._run(_git(self._bare), "for-each-ref", "--format=%(objectname)").text.split())
        head, others = self._tips(shared)
        self._weigh([sha for sha in (head, *(tip.sha for tip in others)) if sha and sha not in shared], shared)
        tree = self._tree(head)
        clean = bool(head) and self._text("rev-parse", f"{head}^{{tree}}") == tree
        if clean and not others:
            sha = head
        else:
            parents = [sha for sha in (head, *(tip.sha for tip in others)) if sha]
            sha = self._commit(tree, parents, others)
        self._hand_over(sha, known=sha in shared)
        if not verified(self._bare, self._ref, sha):
            raise _Unsaved(f"{self._ref} is not in the bare repository")
        if self._missing:
            raise _Unsaved(f"{'; '.join(self._missing)} (the rest is in {self._ref})")
        return Saved(self._ref, sha, "")

    def _prepare(self) -> None:
        """Make the scratch repository, by hand: git would look for templates."""
        if self._inside.is_symlink() or not self._inside.is_dir():
            raise _Unsaved(f"{self._clone} is no clone any more")
        if (self._inside / "reftable").exists():
            raise _Unsaved("the clone keeps its refs in a format that is not read here")
        for entry in self._inside.glob("worktrees/*/gitdir"):
            if os.path.lexists(_small_text(entry).strip()):
                self._missing.append(f"the worktree {_shown(os.fsencode(_small_text(entry).strip()))} is not saved")
        (self._scratch / "refs").mkdir()
        (self._scratch / "objects" / "info").mkdir(parents=True)
        (self._scratch / "HEAD").write_text("ref: refs/heads/none\n")
        (self._scratch / "config").write_text(_CONFIG)
        borrowed = [os.fsencode(path / "objects") + b"\n" for path in (self._inside, self._bare)]
        (self._scratch / "objects" / "info" / "alternates").write_bytes(b"".join(borrowed))

    def _tips(self, shared: set[str]) -> tuple[str, list[_Tip]]:
        """HEAD's commit ("" when unborn), and every other commit that only the clone holds on to."""
        refs = _read_refs(self._inside)
        head = _resolve(_small_text(self._inside / "HEAD").strip(), refs)
        candidates = [_Tip(sha, name) for name, sha in sorted(refs.items()) if not name.startswith("refs/remotes/")]
        for name in _PENDING:
            candidates += [_Tip(sha, name) for sha in _shas_of(name, _small_text(self._inside / name))]
        tips = {tip.sha: tip for tip in reversed(candidates) if tip.sha not in shared}
        asked = [sha for sha in (head, *tips) if sha]
        commits = self._commits(asked)
        if head and head not in commits:
            raise _Unsaved(f"the commit {head} of HEAD is missing in the clone")
        others: dict[str, _Tip] = {}
        for sha, tip in tips.items():
            commit = commits.get(sha, "")
            if not commit and tip.name.startswith("refs/heads/"):
                self._missing.append(f"the commit {sha} of {_shown(os.fsencode(tip.name))} is missing in the clone")
            if commit and commit != head and commit not in shared:
                others[commit] = _Tip(commit, tip.name)
        return head, list(others.values())

    def _commits(self, shas: Sequence[str]) -> dict[str, str]:
        """Which of the objects lead to a commit, and to which: a tag leads to another one."""
        if not shas:
            return {}
        asked = "".join(f"{sha}^{{commit}}\n" for sha in shas).encode()
        answer = self._git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).text.splitlines()
        words = [line.split() for line in answer]
        return {sha: found[0] for sha, found in zip(shas, words, strict=True) if found[-1] == "commit"}

    def _tree(self, head: str) -> str:
        """The working copy as a tree. Starts from a copy of the clone's index, which knows what is unchanged."""
        if not self._copy_index():
            self._git(*(("read-tree", head) if head else ("read-tree", "--empty")))
        self._stage()
        staged = self._git("ls-files", "-z", "--stage").out.split(b"\0")
        links = [entry.split(b"\t", 1)[1] for entry in staged if entry.startswith(b"160000 ")]
        nested = [path for path in links if self._present(os.path.join(path, b".git"))]
        self._missing += [f"the repository {_shown(path)} inside the clone is not saved" for path in nested[:5]]
        return self._text("write-tree")

    def _stage(self) -> None:
        """Put what changed into the index: all of it, or as much as the bound allows."""
        listed = self._git("ls-files", "-z", "--modified", "--others", "--exclude-standard").out.split(b"\0")
        sizes = [(path, self._size(path)) for path in dict.fromkeys(listed) if path]
        if self._cap.fits([size for _, size in sizes]):
            added = self._try("add", "-A", "--ignore-errors")
            if not added.ok or "could not open" in added.error_text:
                self._missing.append(f"not all files could be read: {_last(added.error_text)}")
            return
        kept, left = split(sizes, self._cap)
        self._missing.append(told(left, self._cap))
        nested = [path for path in kept if path.endswith(b"/")]
        self._missing += [f"the repository {_shown(path)} inside the clone is not saved" for path in nested[:5]]
        files = b"".join(path + b"\0" for path in kept if not path.endswith(b"/"))
        self._git("update-index", "-z", "--add", "--remove", "--replace", "--stdin", stdin=files)

    def _size(self, path: bytes) -> int:
        """The bytes that a file shows; 0 for what is gone and for what has no content of its own."""
        try:
            found = os.lstat(os.path.join(os.fsencode(self._clone), path))
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _weigh(self, fresh: Sequence[str], shared: Iterable[str]) -> None:
        """Refuse commits that are larger than the bound: a commit is saved whole or not at all."""
        if not fresh:
            return
        asked = "".join([*(f"{sha}\n" for sha in fresh), *(f"^{sha}\n" for sha in shared)]).encode()
        size = int(self._git("rev-list", "--objects", "--disk-usage", "--stdin", stdin=asked).text.strip() or 0)
        if size > self._cap.bytes:
            raise _Unsaved(
                f"what is committed in the clone takes {megabytes(size)}, and {megabytes(self._cap.bytes)} are saved"
                " of a session"
            )

    def _copy_index(self) -> bool:
        """Take over the clone's index without its marks "assume unchanged" and "skip"; False when it is no use."""
        source = self._inside / "index"
        if source.is_symlink() or not source.is_file():
            return False
        # with its time: git takes a file that is as old as the index for possibly changed
        shutil.copy2(source, self._scratch / "index")
        listed = self._try("ls-files", "-z", "-v")
        if not listed.ok:
            (self._scratch / "index").unlink()
            return False
        entries = [entry for entry in listed.out.split(b"\0") if entry]
        # S: not wanted in the worktree; where the file is there all the same, it counts
        skipped = [entry[2:] for entry in entries if entry[:1] in b"Ss" and self._present(entry[2:])]
        assumed = [entry[2:] for entry in entries if entry[:1].islower()]
        for option, paths in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
            if paths:
                self._git("update-index", option, "-z", "--stdin", stdin=b"\0".join(paths) + b"\0")
        return True

    def _present(self, path: bytes) -> bool:
        return os.path.lexists(os.path.join(os.fsencode(self._clone), path))

    def _commit(self, tree: str, parents: Sequence[str], others: Iterable[_Tip]) -> str:
        lines = [f"escrow of {self._ref.removeprefix(REF_PREFIX)}", ""]
        lines += [f"also holds {tip.sha} {_shown(os.fsencode(tip.name))}" for tip in others]
        options = [word for parent in dict.fromkeys(parents) for word in ("-p", parent)]
        return self._text("commit-tree", tree, *options, "-F", "-", stdin="\n".join(lines).encode())

    def _hand_over(self, sha: str, *, known: bool) -> None:
        """Bring the commit into the bare repository, which checks that nothing is missing, and set the ref."""
        if known:
            self._run(_git(self._bare), "update-ref", self._ref, sha)
            return
        self._git("update-ref", "refs/work", sha)
        self._run(
            _git(self._bare),
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
            *(os.fspath(self._scratch), f"+refs/work:{self._ref}"),
        )

    def _git(self, *words: str, stdin: bytes = b"") -> Completed:
        return self._run(self._here(), *words, stdin=stdin)

    def _text(self, *words: str, stdin: bytes = b"") -> str:
        return self._git(*words, stdin=stdin).text.strip()

    def _here(self) -> list[str]:
        # nothing in the scratch repository needs to survive a power failure
        return [*_git(self._scratch), "-c", "core.fsync=none", f"--work-tree={self._clone}"]

    def _try(self, *words: str) -> Completed:
        return self._do([*self._here(), *words], b"")

    def _run(self, git: Sequence[str], *words: str, stdin: bytes = b"") -> Completed:
        done = self._do([*git, *words], stdin)
        if not done.ok:
            raise _Unsaved(f"git {words[0]}: {_last(done.error_text) or f'exit status {done.code}'}")
        return done

    def _do(self, argv: Sequence[str], stdin: bytes) -> Completed:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _Unsaved("the work could not be saved in time")
        return run(argv, timeout=left, env=GIT_ENV, stdin=stdin, cwd=self._clone, output_cap=_OUTPUT_CAP)


def _git(repository: Path) -> list[str]:
    return ["git", f"--git-dir={repository}", *(word for setting in _SETTINGS for word in ("-c", setting))]


def _read_refs(inside: Path) -> dict[str, str]:
    """Every ref of a repository, name to SHA, from its files."""
    refs: dict[str, str] = {}
    for line in _small_text(inside / "packed-refs", limit=1 << 26).splitlines():
        sha, _, name = line.partition(" ")
        if _SHA.fullmatch(sha) and name:
            refs[name] = sha
    for folder, _, files in os.walk(inside / "refs"):
        for file in files:
            path = Path(folder, file)
            text = _small_text(path).strip()
            if _SHA.fullmatch(text):
                refs[os.fspath(path.relative_to(inside))] = text
            elif not file.endswith(".lock") and not text.startswith("ref: "):
                raise _Unsaved(f"the clone's {_shown(os.fsencode(path.relative_to(inside)))} is damaged")
    return refs


def _resolve(head: str, refs: dict[str, str]) -> str:
    """The commit that HEAD's text leads to; "" for a branch without a commit."""
    if _SHA.fullmatch(head):
        return head
    if not head.startswith("ref: "):
        raise _Unsaved("the clone's HEAD is damaged")
    return refs.get(head.removeprefix("ref: ").strip(), "")


def _shas_of(name: str, text: str) -> list[str]:
    """The commits in a pointer file; a line of a log names the new one second."""
    column = 1 if name.startswith("logs/") else 0
    words = [line.split(" ", 2) for line in text.splitlines()]
    return [line[column].strip() for line in words if len(line) > column and _SHA.fullmatch(line[column].strip())]


def _small_text(path: Path, limit: int = _SMALL) -> str:
    """A regular file's text; "" for anything else, such as a pipe that somebody left to be waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(handle, "rb") as file:
        if not os.path.isfile(f"/proc/self/fd/{handle}"):
            return ""
        return os.fsdecode(file.read(limit))


def _last(text: str) -> str:
    """The last line of what a program said, where it says why."""
    lines = text.strip().splitlines()
    return lines[-1][:500] if lines else ""


def _shown(path: bytes) -> str:
    """A path for a message: printable, whatever it is made of."""
    return path.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")


def main(argv: list[str]) -> int:
    """For the shim: save the work of the session of one run folder and leave escrow.json there."""
    folder = argv[1]
    launch = records.read(folder, records.LAUNCH) or {}
    bounds = launch.get("escrow_cap")
    cap = Cap(*bounds) if bounds else Cap()
    saved = save(Path(launch["clone"]), Path(launch["bare"]), str(launch["session"]), cap=cap)
    records.write(folder, records.ESCROW, asdict(saved), durable=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
