"""Pushes from clones that a hostile agent prepared: nothing of theirs is run, nothing malformed comes in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fleet.core.errors import FleetError
from fleet.forge.gitrepo import Repo, head_of
from fleet.forge.local import LocalForge
from fleet.testing.forge_home import ForgeHome
from fleet.testing.repos import commit, git, make_checkout, plant_traps


def push_code(home: ForgeHome, source: Path, sha: str, branch: str = "fleet/1") -> str:
    """The code of the error that a push ends in; "" when it works."""
    try:
        home.forge.push(source, sha, branch, expected_old="")
    except FleetError as error:
        return error.code
    return ""


def test_the_traps_do_spring_when_git_works_in_the_clone(home: ForgeHome) -> None:
    """The control of the next test: without care, a git command there runs what was planted."""
    clone = home.clone()
    canary = home.folder / "canary"
    commit(clone, {"a.txt": "1\n"}, "work")
    plant_traps(clone, canary)
    git(clone, "status", must=False)
    assert canary.exists()


def test_nothing_that_a_clone_holds_is_run_on_its_way_through_the_forge(home: ForgeHome) -> None:
    clone = home.clone()
    canary = home.folder / "canary"
    attributes = "* filter=trap diff=trap merge=trap\n*.py text eol=crlf ident\n"
    sha = commit(clone, {".gitattributes": attributes, "app.py": "print('new')\n", "b.bin": b"\0\1"}, "work")
    plant_traps(clone, canary)
    assert head_of(Repo(clone)) == sha
    assert push_code(home, clone, sha) == ""
    pull = home.forge.open_pull(branch="fleet/1", title="T", body="", author="agent:developer", ticket=0)
    commit(home.checkout, {"other.py": "x\n"}, "meanwhile")
    home.forge.refresh()
    home.forge.snapshot()
    home.forge.commits(pull.number)
    home.forge.changed_paths(pull.number)
    assert "app.py" in home.forge.diff(pull.number)
    home.forge.merge(pull.number, head_sha=sha, actor="agent:release-manager")
    home.forge.publish_base()
    assert not canary.exists(), canary.read_text()


def test_a_clone_that_borrows_from_elsewhere_brings_nothing_of_it(home: ForgeHome) -> None:
    """The trick: a commit whose tree is only in somebody's private repository, reached by an alternate."""
    private = make_checkout(home.folder / "private", {"secret.txt": "token\n"})
    tree = git(private, "rev-parse", "HEAD^{tree}")
    clone = home.clone()
    (clone / ".git" / "objects" / "info" / "alternates").write_text(f"{home.bare}/objects\n{private}/.git/objects\n")
    sha = git(clone, "commit-tree", "-p", "HEAD", "-m", "work", tree)
    assert push_code(home, clone, sha) == "FLT-FRG-030"
    assert home.forge.branch_head("fleet/1") == ""
    secret = git(private, "rev-parse", "HEAD:secret.txt")
    assert git(home.bare, "cat-file", "-t", secret, must=False) == ""


@pytest.mark.parametrize(
    "what", ["gitdir file", "linked git", "linked objects", "linked pack", "linked object", "fifo"]
)
def test_a_clone_whose_folders_lead_elsewhere_is_refused(home: ForgeHome, what: str) -> None:
    clone = home.clone()
    sha = commit(clone, {"a.txt": "1\n"}, "work")
    objects = clone / ".git" / "objects"
    elsewhere = home.folder / "elsewhere"
    if what == "gitdir file":
        (clone / ".git").rename(elsewhere)
        (clone / ".git").write_text(f"gitdir: {elsewhere}\n")
    elif what == "linked git":
        (clone / ".git").rename(elsewhere)
        (clone / ".git").symlink_to(elsewhere)
    elif what == "linked objects":
        objects.rename(elsewhere)
        objects.symlink_to(elsewhere)
    elif what == "linked pack":
        (objects / "pack").rename(elsewhere)
        (objects / "pack").symlink_to(elsewhere)
    elif what == "linked object":
        loose = objects / sha[:2] / sha[2:]
        loose.rename(elsewhere)
        loose.symlink_to(elsewhere)
    else:
        os.mkfifo(objects / sha[:2] / ("0" * 38))
    assert push_code(home, clone, sha) == "FLT-FRG-018"
    assert home.forge.branch_head("fleet/1") == ""


def test_a_folder_that_is_no_repository_is_refused(home: ForgeHome) -> None:
    empty = home.folder / "empty"
    empty.mkdir()
    assert push_code(home, empty, "1" * 40) == "FLT-FRG-018"
    assert push_code(home, home.folder / "absent", "1" * 40) == "FLT-FRG-018"


def test_a_tree_that_would_write_into_git_s_own_folder_is_refused(home: ForgeHome) -> None:
    clone = home.clone()
    blob = git(clone, "hash-object", "-w", "--stdin", stdin=b"[core]\n\tfsmonitor = touch x\n")
    inner = git(clone, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    for name in (".git", ".GIT", "git~1", ".."):
        tree = git(clone, "mktree", stdin=f"040000 tree {inner}\t{name}\n".encode())
        sha = git(clone, "commit-tree", "-p", "HEAD", "-m", "work", tree)
        assert push_code(home, clone, sha) == "FLT-FRG-030", name
    assert home.forge.branch_head("fleet/1") == ""


def test_an_object_whose_content_does_not_fit_its_name_is_refused(home: ForgeHome) -> None:
    clone = home.clone()
    sha = commit(clone, {"a.txt": "1\n"}, "work")
    blob = git(clone, "rev-parse", "HEAD:a.txt")
    other = git(clone, "hash-object", "-w", "--stdin", stdin=b"something else")
    objects = clone / ".git" / "objects"
    target = objects / blob[:2] / blob[2:]
    target.chmod(0o644)
    shutil.copy(objects / other[:2] / other[2:], target)
    assert push_code(home, clone, sha) == "FLT-FRG-030"


def test_what_is_not_a_commit_is_no_head(home: ForgeHome) -> None:
    clone = home.clone()
    sha = commit(clone, {"a.txt": "1\n"}, "work")
    git(clone, "tag", "-a", "-m", "a tag", "v1", sha)
    git(home.checkout, "fetch", "--quiet", str(clone), "v1")
    for thing in ("v1", f"{sha}^{{tree}}", f"{sha}:a.txt"):
        assert push_code(home, clone, git(clone, "rev-parse", thing)) == "FLT-FRG-019", thing
        assert push_code(home, home.checkout, git(clone, "rev-parse", thing)) == "FLT-FRG-019", thing
    assert home.forge.branch_head("fleet/1") == ""


def test_a_clone_without_loose_objects_or_with_its_own_is_as_good(home: ForgeHome) -> None:
    clone = home.clone()
    sha = commit(clone, {f"f{n}.txt": f"{n}\n" for n in range(150)}, "many files")
    git(clone, "repack", "-a", "-d", "-q")
    assert push_code(home, clone, sha) == ""
    alone = home.folder / "alone"
    git(home.folder, "clone", "--quiet", "--no-local", str(home.bare), str(alone))
    sha = commit(alone, {"b.txt": "1\n"}, "work")
    assert push_code(home, alone, sha, "fleet/2") == ""
    mirror = home.folder / "mirror.git"
    git(home.folder, "clone", "--quiet", "--bare", str(alone), str(mirror))
    assert push_code(home, mirror, sha, "fleet/3") == ""


def test_a_person_pushes_from_the_checkout_and_from_its_worktrees(home: ForgeHome) -> None:
    git(home.checkout, "checkout", "--quiet", "-b", "idea")
    sha = commit(home.checkout, {"idea.txt": "1\n"}, "an idea")
    assert push_code(home, home.checkout, sha, "fleet/idea") == ""
    git(home.checkout, "checkout", "--quiet", "main")
    older = commit(home.checkout, {"x.txt": "1\n"}, "x")
    git(home.checkout, "checkout", "--quiet", "-b", "y")
    commit(home.checkout, {"x.txt": "2\n"}, "on top")
    assert push_code(home, home.checkout, older, "fleet/older") == ""


def test_a_push_straight_into_the_repository_is_refused_and_says_what_to_type(home: ForgeHome) -> None:
    clone = home.clone()
    commit(clone, {"a.txt": "1\n"}, "work")
    before = home.base()
    for target in ("main", "refs/heads/fleet/1", "refs/tags/v1"):
        git(clone, "push", "--quiet", "origin", f"HEAD:{target}", must=False)
    git(clone, "push", "--quiet", "origin", ":main", must=False)
    assert home.base() == before
    assert git(home.bare, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    git(clone, "push", "--quiet", "origin", "HEAD:refs/fleet/escrow/r1-e1")  # saving work is not moving a branch


def test_a_repository_with_long_ids_works_the_same(home: ForgeHome) -> None:
    checkout = home.folder / "sha256"
    checkout.mkdir()
    git(checkout, "init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    commit(checkout, {"a.txt": "1\n"}, "first")
    bare = home.folder / "sha256.git"
    home.forge = LocalForge(home.db, bare, checkout, "main")
    clone = home.folder / "sha256-clone"
    git(home.folder, "clone", "--quiet", "--shared", str(bare), str(clone))
    sha = commit(clone, {"b.txt": "1\n"}, "work")
    assert len(sha) == 64
    assert push_code(home, clone, sha) == ""
    pull = home.forge.open_pull(branch="fleet/1", title="T", body="", author="agent:developer", ticket=0)
    home.forge.merge(pull.number, head_sha=sha, actor="agent:release-manager")
    assert home.forge.publish_base().kind == "updated"
    assert (checkout / "b.txt").exists()
