"""Work is saved whatever state the clone is in, and saving changes nothing in the clone and runs nothing of it."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from pathlib import Path

import pytest

from fleet.process import run
from fleet.runtime.escrow import GIT_ENV, Saved, save, verified
from fleet.testing.runtime_contract import World, git

SESSION = "r1-e1"


def saved(world: World, clone: Path) -> Saved:
    """Save, and insist on success."""
    found = save(clone, world.bare, SESSION)
    assert found.error == ""
    assert found.ref == f"refs/fleet/escrow/{SESSION}"
    assert verified(world.bare, found.ref, found.sha)
    run_fsck = run(["git", "-C", world.bare, "fsck", "--connectivity-only", found.sha], timeout=60, env=GIT_ENV)
    assert run_fsck.ok, run_fsck.error_text
    return found


def content(world: World, found: Saved, path: str) -> str:
    """A file of the saved tree."""
    return git(world.bare, "show", f"{found.sha}:{path}")


def names(world: World, found: Saved) -> set[bytes]:
    """The paths of the saved tree, byte for byte."""
    listed = run(["git", "-C", world.bare, "ls-tree", "-r", "-z", "--name-only", found.sha], timeout=60, env=GIT_ENV)
    return set(listed.out.split(b"\0")) - {b""}


def fingerprint(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Every file of a clone, with its inode, time of change and content.

    Objects without the time: git touches one that it would have written again.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            facts = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            changed = 0 if "objects" in path.parts else facts.st_mtime_ns
            found[str(path)] = (facts.st_ino, changed, digest)
    return found


def commit(clone: Path, name: str, text: str = "text\n") -> str:
    """A commit in the clone."""
    (clone / name).write_text(text)
    git(clone, "add", name)
    git(clone, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", f"add {name}")
    return git(clone, "rev-parse", "HEAD")


def test_changed_staged_new_and_deleted_files_are_saved_and_ignored_ones_are_not(world: World, clone: Path) -> None:
    commit(clone, "gone.txt")
    (clone / ".gitignore").write_text("*.log\n")
    (clone / "README").write_text("changed\n")
    (clone / "staged.txt").write_text("staged\n")
    git(clone, "add", "staged.txt")
    (clone / "folder").mkdir()
    (clone / "folder" / "new.txt").write_text("new\n")
    (clone / "noise.log").write_text("noise\n")
    (clone / "gone.txt").unlink()
    found = saved(world, clone)
    assert names(world, found) == {b".gitignore", b"README", b"staged.txt", b"folder/new.txt"}
    assert content(world, found, "README") == "changed"
    assert git(world.bare, "log", "-1", "--format=%an <%ae>|%cn <%ce>", found.sha) == (
        "fleet <fleet@agents.fleet.invalid>|fleet <fleet@agents.fleet.invalid>"
    )


def test_nothing_in_the_clone_changes(world: World, clone: Path) -> None:
    commit(clone, "committed.txt")
    (clone / "staged.txt").write_text("staged\n")
    git(clone, "add", "staged.txt")
    (clone / "README").write_text("changed\n")
    before = fingerprint(clone)
    saved(world, clone)
    assert fingerprint(clone) == before
    assert list(world.root.glob(".escrow-*")) == []


def test_a_clone_without_changes_is_saved_as_its_own_head(world: World, clone: Path) -> None:
    found = saved(world, clone)
    assert found.sha == git(clone, "rev-parse", "HEAD") == git(world.bare, "rev-parse", "main")


def test_unpushed_commits_are_saved(world: World, clone: Path) -> None:
    head = commit(clone, "one.txt")
    found = saved(world, clone)
    assert found.sha == head
    assert content(world, found, "one.txt") == "text"


def test_saving_twice_keeps_the_last_state(world: World, clone: Path) -> None:
    (clone / "work.txt").write_text("first\n")
    first = saved(world, clone)
    (clone / "work.txt").write_text("second\n")
    second = saved(world, clone)
    assert content(world, second, "work.txt") == "second"
    assert not verified(world.bare, first.ref, first.sha)


def test_other_branches_tags_and_stashes_are_saved_too(world: World, clone: Path) -> None:
    git(clone, "checkout", "--quiet", "-b", "side")
    side = commit(clone, "side.txt")
    git(clone, "tag", "-a", "-m", "a tag", "marked")
    git(clone, "checkout", "--quiet", "fleet/1")
    git(clone, "branch", "-D", "side")
    stashes = []
    for number in (1, 2):
        (clone / "README").write_text(f"stashed {number}\n")
        git(clone, "stash", "push", "--quiet")
        stashes.append(git(clone, "rev-parse", "stash@{0}"))
    found = saved(world, clone)
    for sha in (side, *stashes):
        git(world.bare, "merge-base", "--is-ancestor", sha, found.sha)


def test_a_detached_head_is_saved(world: World, clone: Path) -> None:
    git(clone, "checkout", "--quiet", "--detach")
    head = commit(clone, "detached.txt")
    (clone / "more.txt").write_text("more\n")
    found = saved(world, clone)
    assert git(world.bare, "rev-parse", f"{found.sha}^") == head
    assert names(world, found) == {b"README", b"detached.txt", b"more.txt"}


def test_an_unborn_head_is_saved(world: World, clone: Path) -> None:
    git(clone, "checkout", "--quiet", "--orphan", "fresh")
    git(clone, "rm", "--quiet", "-r", "--cached", ".")
    (clone / "first.txt").write_text("first\n")
    found = saved(world, clone)
    # the branch that was left behind is in the bare repository anyway
    assert git(world.bare, "rev-list", "--count", found.sha) == "1"
    assert names(world, found) == {b"README", b"first.txt"}


def test_an_empty_clone_of_an_empty_repository_is_saved(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "repo.git")
    git(tmp_path, "clone", "--quiet", "repo.git", "clone")
    found = save(tmp_path / "clone", tmp_path / "repo.git", SESSION)
    assert found.error == ""
    assert verified(tmp_path / "repo.git", found.ref, found.sha)


def test_a_clone_in_the_middle_of_a_merge_is_saved(world: World, clone: Path) -> None:
    commit(clone, "README", "ours\n")
    git(clone, "checkout", "--quiet", "-b", "theirs", "HEAD~1")
    theirs = commit(clone, "README", "theirs\n")
    git(clone, "checkout", "--quiet", "fleet/1")
    merge = run(["git", "-C", clone, "merge", "--quiet", theirs], timeout=60, env=GIT_ENV)
    assert not merge.ok
    git(clone, "update-ref", "-d", "refs/heads/theirs")  # only MERGE_HEAD holds on to it now
    found = saved(world, clone)
    assert "<<<<<<<" in content(world, found, "README")
    git(world.bare, "merge-base", "--is-ancestor", theirs, found.sha)


def test_a_lock_that_somebody_left_behind_does_not_hinder(world: World, clone: Path) -> None:
    for name in ("index.lock", "HEAD.lock", "config.lock", "refs/heads/fleet/1.lock", "packed-refs.lock"):
        (clone / ".git" / name).write_text("")
    (clone / "work.txt").write_text("work\n")
    assert content(world, saved(world, clone), "work.txt") == "work"


def test_any_file_name_is_saved(world: World, clone: Path) -> None:
    odd = {
        b"new\nline",
        b"tab\tand space ",
        b"\xff\xfe invalid",
        "umlaut ü".encode(),
        b'quote"s',
        b"-dash",
        b"back\\slash",
        b":(glob)*",
        b"git~1",
        b"a" * 200,
    }
    for name in odd:
        with open(os.path.join(os.fsencode(clone), name), "wb") as file:
            file.write(name)
    assert names(world, saved(world, clone)) == odd | {b"README"}


def test_links_modes_and_binary_content_are_saved(world: World, clone: Path) -> None:
    (clone / "link").symlink_to("/etc/passwd")
    (clone / "dangling").symlink_to("nowhere\n")
    (clone / "script").write_text("#!/bin/sh\n")
    (clone / "script").chmod(0o755)
    (clone / "binary").write_bytes(bytes(range(256)) * 10)
    found = saved(world, clone)
    modes = git(world.bare, "ls-tree", "-r", found.sha).splitlines()
    assert {line.split("\t")[1]: line.split()[0] for line in modes} == {
        "README": "100644",
        "link": "120000",
        "dangling": "120000",
        "script": "100755",
        "binary": "100644",
    }
    assert content(world, found, "link") == "/etc/passwd"


def test_special_files_are_passed_over(world: World, clone: Path) -> None:
    os.mkfifo(clone / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(clone / "s"))
        (clone / "work.txt").write_text("work\n")
        assert names(world, saved(world, clone)) == {b"README", b"work.txt"}


def test_marks_that_hide_a_change_from_git_do_not_hide_it_here(world: World, clone: Path) -> None:
    commit(clone, "settings.txt")
    commit(clone, "sparse.txt")
    commit(clone, "absent.txt")
    git(clone, "update-index", "--assume-unchanged", "settings.txt")
    git(clone, "update-index", "--skip-worktree", "sparse.txt", "absent.txt")
    for name in ("settings.txt", "sparse.txt"):
        (clone / name).write_text("changed\n")
    (clone / "absent.txt").unlink()
    found = saved(world, clone)
    assert content(world, found, "settings.txt") == content(world, found, "sparse.txt") == "changed"
    assert content(world, found, "absent.txt") == "text"


def test_a_file_that_is_tracked_although_ignored_is_saved(world: World, clone: Path) -> None:
    (clone / ".gitignore").write_text("*.log\n")
    (clone / "kept.log").write_text("kept\n")
    git(clone, "add", "--force", "kept.log")
    assert b"kept.log" in names(world, saved(world, clone))


def test_a_change_within_the_same_instant_as_the_index_is_seen(world: World, clone: Path) -> None:
    # git calls this "racily clean": same size, same time as the index that knows it
    for number in range(5):
        (clone / "quick.txt").write_text(f"{number:04}\n")
        git(clone, "add", "quick.txt")
        index = (clone / ".git" / "index").stat().st_mtime_ns
        (clone / "quick.txt").write_text(f"{number + 5000:04}\n")
        os.utime(clone / "quick.txt", ns=(index, index))
        os.utime(clone / ".git" / "index", ns=(index, index))
        assert content(world, saved(world, clone), "quick.txt") == f"{number + 5000:04}"


def test_a_damaged_index_costs_nothing_but_time(world: World, clone: Path) -> None:
    (clone / "work.txt").write_text("work\n")
    (clone / ".git" / "index").write_bytes(b"not an index")
    assert names(world, saved(world, clone)) == {b"README", b"work.txt"}


def test_no_program_that_the_clone_names_is_run(world: World, clone: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for name in ("pre-commit", "post-index-change", "pre-push", "reference-transaction", "post-checkout"):
        (clone / ".git" / "hooks").mkdir(exist_ok=True)
        (clone / ".git" / "hooks" / name).symlink_to(trap)
    with (clone / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n fsmonitor = {trap}\n sshCommand = {trap}\n pager = {trap}\n editor = {trap}\n"
            f" hooksPath = {clone}/.git/hooks\n alternateRefsCommand = {trap}\n gitProxy = {trap}\n"
            f'[filter "x"]\n clean = {trap}\n smudge = {trap}\n process = {trap}\n required = true\n'
            f'[diff "x"]\n textconv = {trap}\n command = {trap}\n'
            f"[commit]\n gpgSign = true\n[gpg]\n program = {trap}\n"
            f"[extensions]\n partialClone = evil\n"
            f'[remote "evil"]\n url = ext::{trap}\n promisor = true\n uploadpack = {trap}\n'
            f"[protocol]\n allow = always\n[uploadpack]\n packObjectsHook = {trap}\n"
            f"[credential]\n helper = {trap}\n"
        )
    (clone / ".gitattributes").write_text("* filter=x diff=x\n")
    (clone / "work.txt").write_text("work\n")
    found = save(clone, world.bare, SESSION)
    assert not (tmp_path / "sprung").exists()
    assert found.error == ""
    assert content(world, found, "work.txt") == "work"


def test_hooks_of_the_bare_repository_are_not_run(world: World, clone: Path, tmp_path: Path) -> None:
    hook = world.bare / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    hook.chmod(0o755)
    (clone / "work.txt").write_text("work\n")
    saved(world, clone)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("no repository", "no clone any more"),
        ("no folder", "no clone any more"),
        ("damaged HEAD", "HEAD is damaged"),
        ("damaged branch", "is damaged"),
        ("missing commit", "missing in the clone"),
        ("nested repository", "the repository sub inside the clone is not saved"),
        ("nested empty repository", "not all files could be read"),
        ("another worktree", "the worktree"),
    ],
)
def test_what_cannot_be_saved_is_said_and_nothing_is_claimed(world: World, clone: Path, harm: str, said: str) -> None:
    (clone / "work.txt").write_text("work\n")
    inside = clone / ".git"
    if harm == "no repository":
        inside.rename(clone.with_name("elsewhere"))
    elif harm == "no folder":
        clone.rename(clone.with_name("elsewhere"))
    elif harm == "damaged HEAD":
        (inside / "HEAD").write_text("nonsense\n")
    elif harm == "damaged branch":
        (inside / "refs/heads/fleet/1").write_text("nonsense\n")
    elif harm == "missing commit":
        (inside / "refs/heads/fleet/1").write_text("1" * 40 + "\n")
    elif harm.startswith("nested"):
        git(clone, "init", "--quiet", "sub")
        if harm == "nested repository":
            git(clone / "sub", "commit", "--quiet", "--allow-empty", "-m", "inner")
    else:
        git(clone, "worktree", "add", "--quiet", str(world.root / "second"))
    found = save(clone, world.bare, SESSION)
    assert (found.ref, found.sha) == ("", "")
    assert said in found.error


def test_what_can_be_saved_is_saved_although_something_else_cannot(world: World, clone: Path) -> None:
    (clone / "work.txt").write_text("work\n")
    git(clone, "init", "--quiet", "sub")
    git(clone / "sub", "commit", "--quiet", "--allow-empty", "-m", "inner")
    found = save(clone, world.bare, SESSION)
    assert f"the rest is in refs/fleet/escrow/{SESSION}" in found.error
    assert git(world.bare, "show", f"refs/fleet/escrow/{SESSION}:work.txt") == "work"


def test_files_that_nobody_writes_to_do_not_block(world: World, clone: Path) -> None:
    (clone / ".git" / "MERGE_HEAD").unlink(missing_ok=True)
    os.mkfifo(clone / ".git" / "MERGE_HEAD")
    os.mkfifo(clone / ".git" / "packed-refs.new")
    begun = time.monotonic()
    saved(world, clone)
    assert time.monotonic() - begun < 60


def test_the_time_limit_holds(world: World, clone: Path) -> None:
    found = save(clone, world.bare, SESSION, seconds=0.0)
    assert found.ref == ""
    assert "in time" in found.error


def test_a_bare_repository_that_is_missing_or_broken_is_said(world: World, clone: Path) -> None:
    world.bare.rename(world.bare.with_name("moved.git"))
    found = save(clone, world.bare, SESSION)
    assert found.ref == ""
    assert found.error


@pytest.mark.parametrize(
    ("ref", "sha"),
    [
        ("refs/heads/main", "HEAD"),
        ("refs/fleet/escrow/other", "HEAD"),
        (f"refs/fleet/escrow/{SESSION}", "0" * 40),
        (f"refs/fleet/escrow/{SESSION}", ""),
        ("", "HEAD"),
        ("--help", "HEAD"),
    ],
)
def test_only_the_very_commit_under_the_very_ref_is_verified(world: World, clone: Path, ref: str, sha: str) -> None:
    found = saved(world, clone)
    assert verified(world.bare, found.ref, found.sha)
    assert not verified(world.bare, ref, found.sha if sha == "HEAD" else sha)


def test_a_leftover_of_a_killed_attempt_is_removed(world: World, clone: Path) -> None:
    left_over = world.root / f".escrow-{SESSION}-abc"
    (left_over / "objects").mkdir(parents=True)
    saved(world, clone)
    assert not left_over.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_may_not_be_read_is_not_claimed_to_be_saved(world: World, clone: Path, kind: str) -> None:
    hidden = clone / "hidden"
    (clone / "work.txt").write_text("work\n")
    if kind == "folder":
        hidden.mkdir()
        (hidden / "inner.txt").write_text("inner\n")
    else:
        hidden.write_text("secret\n")
    hidden.chmod(0)
    try:
        found = save(clone, world.bare, SESSION)
    finally:
        hidden.chmod(0o700)
    assert found.ref == ""
    assert "not all files could be read" in found.error
    assert git(world.bare, "show", f"refs/fleet/escrow/{SESSION}:work.txt") == "work"
