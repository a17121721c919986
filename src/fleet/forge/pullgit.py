"""What git knows about pull requests in the fleet's bare repository: commits, paths, diffs, merges.

Takes commit ids (a head that is gone is "" and has nothing), gives facts and new commits; knows nothing of
numbers' rows, labels or people. A merge leaves two traces: its trailers (``Fleet-Pull``, ``Fleet-Head``) and,
from before the base moves until the record is written, the ref ``refs/fleet/merging/<number>``: whoever is killed
in between is found by it.
"""

from __future__ import annotations

import hashlib
import os
import re
import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.core.errors import Conflict, PermanentError, TemporaryError, UsageError
from fleet.forge.gitrepo import (
    FLEET_MAIL,
    FLEET_NAME,
    QUICK,
    RefMove,
    Repo,
    check_sha,
    command,
    first_parent_since,
    git,
    is_ancestor,
    merge_bases,
    move_refs,
)
from fleet.forge.mergetree import merge_trees
from fleet.forge.port import CommitFact
from fleet.process import end_group, spawn

MARKS = "refs/fleet/merging"
DIFF_LIMIT = 20_000_000  # characters that are compared; the head's commit vouches for the rest
_MAIL = re.compile(r"<([^<>]*)>")
_SEPARATOR = "\x1f"
_FIELDS = 5
_FORMAT = "--format=tformat:%H%x00%ae%x00%ce%x00%(trailers:key=Co-authored-by,valueonly,unfold,separator=%x1f)%x00%s"


@dataclass(frozen=True, slots=True)
class Found:
    """A merge that is already in the base: the head that was merged, and the commit that did it."""

    head: str
    commit: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a merge is made of: the pull request, its branch, and the two commits."""

    number: int
    title: str
    head_ref: str
    base: str
    head: str


def commits_between(repo: Repo, base: str, head: str) -> tuple[CommitFact, ...]:
    """Commits of ``head`` that ``base`` does not contain, newest first."""
    if not head:
        return ()
    out = git(repo, "log", "-z", "--no-mailmap", _FORMAT, "--end-of-options", check_sha(head), f"^{check_sha(base)}")
    fields = out.text.split("\0")
    rows = [fields[at : at + _FIELDS] for at in range(0, len(fields) - 1, _FIELDS)]
    return tuple(_commit(row) for row in rows)


def _commit(row: list[str]) -> CommitFact:
    sha, author, committer, trailers, subject = row
    return CommitFact(sha, author.strip().lower(), committer.strip().lower(), _mails(trailers), subject)


def _mails(trailers: str) -> tuple[str, ...]:
    """Every address in the co-author trailers; a value without brackets counts as it stands."""
    found: list[str] = []
    for value in trailers.split(_SEPARATOR):
        found.extend(_MAIL.findall(value) or [value])
    return tuple(dict.fromkeys(mail.strip().lower() for mail in found if mail.strip()))


def paths_between(repo: Repo, base: str, head: str) -> tuple[str, ...]:
    """Paths that differ between merge base and head, sorted; a rename is a path gone and a path new."""
    paths: set[str] = set()
    for start in merge_bases(repo, base, head) if head else ():
        out = git(repo, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", start, head)
        paths.update(path for path in out.out.decode("utf-8", "backslashreplace").split("\0") if path)
    return tuple(sorted(paths))


def diff_text(repo: Repo, base: str, head: str, limit: int) -> str:
    """The diff from merge base to head, at most ``limit`` characters and a line that says it was cut."""
    starts = merge_bases(repo, base, head) if head else ()
    if not starts:
        return ""
    words = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--end-of-options")
    text = _beginning(repo, (*words, starts[0], check_sha(head)), limit * 4 + 4).decode("utf-8", "replace")
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… cut here: the diff is longer than {limit} characters\n"


def diff_digest(repo: Repo, base: str, head: str) -> str:
    """A digest of the diff from merge base to head; "" when there is none. Of a huge one its beginning counts."""
    text = diff_text(repo, base, head, DIFF_LIMIT)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else ""


def diff_stat(repo: Repo, base: str, head: str) -> tuple[tuple[str, int, int], ...]:
    """Changed paths from merge base to head with the lines added and removed; -1 for both where they are not text."""
    starts = merge_bases(repo, base, head) if head else ()
    if not starts:
        return ()
    words = ("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--end-of-options")
    out = git(repo, *words, starts[0], check_sha(head)).out.decode("utf-8", "backslashreplace")
    rows = (row.split("\t", 2) for row in out.split("\0") if row)
    return tuple((path, _count(added), _count(removed)) for added, removed, path in rows)


def diff_size(repo: Repo, base: str, head: str) -> tuple[int, int]:
    """Changed files, and lines added and removed together; binary files have no lines."""
    stat = diff_stat(repo, base, head)
    return len(stat), sum(max(0, added) + max(0, removed) for _, added, removed in stat)


def _count(text: str) -> int:
    return int(text) if text.isdigit() else -1


def _beginning(repo: Repo, words: tuple[str, ...], size: int) -> bytes:
    """The first ``size`` bytes that a git command prints; what follows is not waited for."""
    argv, env = command(repo, *words)
    with open(os.devnull, "wb") as nowhere:
        child = spawn(argv, env=env, stderr=nowhere)
    assert child.stdin is not None
    assert child.stdout is not None
    deadline = time.monotonic() + QUICK
    parts: list[bytes] = []
    got = 0
    try:
        child.stdin.close()
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while got < size:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise TemporaryError("FLT-FRG-014", f"git {words[0]} took longer than {QUICK:.0f} s")
                data = os.read(child.stdout.fileno(), 65536)
                if not data:
                    if child.wait() != 0:  # it closed its output, so it is ending
                        raise PermanentError("FLT-FRG-015", f"git {words[0]} failed", where=str(repo.path))
                    break
                parts.append(data)
                got += len(data)
    finally:
        end_group(child)
    return b"".join(parts)


def require_proposal(repo: Repo, base: str, head: str, where: str) -> None:
    """Raise UsageError unless ``head`` has something to merge: FLT-FRG-009 nothing, FLT-FRG-010 unrelated."""
    starts = merge_bases(repo, base, head)
    if not starts:
        raise _unrelated(where)
    if head in starts:
        raise UsageError(
            "FLT-FRG-009", "the base branch already has every commit of it", where=where, hint="Commit something first."
        )
    if not paths_between(repo, base, head):
        raise UsageError("FLT-FRG-009", "its commits change no file", where=where, hint="Commit a change first.")


def _unrelated(where: str) -> UsageError:
    return UsageError(
        "FLT-FRG-010",
        "it has no commit in common with the base branch",
        where=where,
        hint="Start the branch from the base branch.",
    )


# -- merging -------------------------------------------------------------------------------------------


def mark_of(number: int) -> str:
    """The ref that keeps a merge findable until it is on record."""
    return f"{MARKS}/{number}"


def find_merge(repo: Repo, *, head: str, base: str, mark: str = "") -> Found | None:
    """The merge of a pull request that the base already contains, ours or a person's; None when there is none.

    ``head`` is its live head ("" when the branch is gone), ``mark`` the commit of its merging ref ("" when
    it has none). The mark counts whatever the branch did afterwards.
    """
    if mark and is_ancestor(repo, mark, base):
        return Found(_commit_at(repo, f"{check_sha(mark)}^2"), mark)
    if not head or not is_ancestor(repo, head, base):
        return None
    since = first_parent_since(repo, head, base)
    ours = [commit for commit, parents in since if parents[1:2] == (head,)]
    if ours:
        return Found(head, ours[-1])
    # No merge commit names it: a person fast-forwarded the base to it, or merged something that held it.
    by_itself = not since or since[-1][1][0] == head
    return Found(head, head if by_itself else since[-1][0])


def first_parent(repo: Repo, commit: str) -> str:
    """The first parent of a commit: what the base was before a merge."""
    return _commit_at(repo, f"{check_sha(commit)}^1")


def _commit_at(repo: Repo, expression: str) -> str:
    return git(repo, "rev-parse", "--verify", "--end-of-options", expression).text.strip()


def make_merge(repo: Repo, proposal: Proposal, *, actor: str, now: int) -> str:
    """Write the merge commit, which no ref names yet, and return its id.

    ``now`` is seconds since the epoch; the commit is never dated before its parents, because git's walks
    rely on that. Raises Conflict FLT-FRG-006 when the trees do not merge cleanly.
    """
    base, head = check_sha(proposal.base), check_sha(proposal.head)
    tree = _merged_tree(repo, base, head, f"pr/{proposal.number}")
    dates = git(repo, "log", "--no-walk", "--format=%ct", "--end-of-options", base, head).text.split()
    at = max(now, *(int(date) for date in dates))
    name, mail = identity(actor)
    who = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_AUTHOR_DATE": f"@{at} +0000",
        "GIT_COMMITTER_DATE": f"@{at} +0000",
    }
    message = (
        f"Merge pr/{proposal.number} from {proposal.head_ref}\n\n{proposal.title}\n\n"
        f"Fleet-Pull: pr/{proposal.number}\nFleet-Head: {head}\n"
    )
    words = ("commit-tree", "-p", base, "-p", head, "-F", "-", tree)
    return git(repo, *words, stdin=message.encode(), env=who).text.strip()


def conflicts_between(repo: Repo, base: str, head: str) -> str:
    """Why two commits do not merge, in words that name the paths; "" when they do."""
    try:
        _merged_tree(repo, base, head, head[:12])
    except (Conflict, UsageError) as error:
        return error.message
    return ""


def _merged_tree(repo: Repo, base: str, head: str, where: str) -> str:
    """The tree of a clean merge. Raises Conflict FLT-FRG-006 with the paths, UsageError FLT-FRG-010."""
    found = merge_trees(repo, base, head)
    if found is None:
        raise _unrelated(where)
    if not found.clean:
        listed = ", ".join(found.paths[:20]) + (f" and {len(found.paths) - 20} more" if len(found.paths) > 20 else "")
        raise Conflict(
            "FLT-FRG-006",
            f"conflicts in {listed}",
            where=where,
            hint="Merge the base branch into the pull request's branch, resolve, and push again.",
        )
    return found.tree


def land(repo: Repo, number: int, *, commit: str, moves: Sequence[RefMove]) -> bool:
    """Move the base to a merge commit, by ``moves`` and under the pull request's mark, which comes first.

    False when something was not where ``moves`` expect it; nothing has moved then.
    """
    return move_refs(repo, [RefMove(mark_of(number), commit), *moves], reason=f"merge pr/{number}")


def forget_mark(repo: Repo, number: int, commit: str) -> None:
    """Remove a mark once the merge is on record; a mark that became another's is kept."""
    move_refs(repo, [RefMove(mark_of(number), "", commit)], reason="merge recorded")


def identity(actor: str) -> tuple[str, str]:
    """Name and e-mail for commits made on behalf of an actor such as ``agent:release-manager``."""
    kind, _, name = actor.partition(":")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    if kind == "agent" and plain:
        return plain, f"{plain.lower()}@agents.fleet.invalid"
    if kind == "human" and plain:
        return plain, f"{plain.lower()}@people.fleet.invalid"
    return FLEET_NAME, FLEET_MAIL
