"""The person's checkout and the fleet's base: forward only, and never over anything a person did not commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.core.errors import FleetError, NotFound, PermanentError
from fleet.forge.local import LocalForge
from fleet.testing.forge_home import ForgeHome
from fleet.testing.repos import commit, git, make_checkout, worktree_state


def head(repo: Path, ref: str = "HEAD") -> str:
    """The commit of a ref."""
    return git(repo, "rev-parse", ref)


# -- checkout -> fleet ---------------------------------------------------------------------------------


def test_new_commits_of_the_checkout_come_in(home: ForgeHome) -> None:
    old = home.base()
    assert home.forge.refresh().kind == "unchanged"
    new = commit(home.checkout, {"b.txt": "1\n"}, "more")
    report = home.forge.refresh()
    assert (report.kind, report.old, report.new) == ("fetched", old, new)
    assert home.base() == new
    assert home.forge.refresh().kind == "unchanged"


def test_work_on_other_branches_of_the_checkout_stays_there(home: ForgeHome) -> None:
    git(home.checkout, "checkout", "--quiet", "-b", "idea")
    commit(home.checkout, {"b.txt": "1\n"}, "idea")
    assert home.forge.refresh().kind == "unchanged"
    assert git(home.bare, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_checkout_that_is_behind_changes_nothing(home: ForgeHome) -> None:
    home.land({"b.txt": "1\n"})
    now = home.base()
    assert home.forge.refresh().kind == "unchanged"
    assert home.base() == now


def test_a_diverged_checkout_moves_nothing_and_is_reported_both_ways(home: ForgeHome) -> None:
    ours = home.land({"b.txt": "1\n"})
    theirs = commit(home.checkout, {"c.txt": "1\n"}, "mine")
    report = home.forge.refresh()
    assert (report.kind, report.old, report.new) == ("diverged", ours, theirs)
    assert f"git pull {home.bare} main" in report.detail
    published = home.forge.publish_base()
    assert published.kind == "left_alone"
    assert f"git pull {home.bare} main" in published.detail
    assert (home.base(), head(home.checkout)) == (ours, theirs)
    git(home.checkout, "pull", "--quiet", "--no-rebase", "--no-edit", str(home.bare), "main")  # what it says to type
    assert home.forge.refresh().kind == "fetched"
    assert home.base() == head(home.checkout)


def test_a_base_branch_that_is_gone_from_the_checkout_is_no_news(home: ForgeHome) -> None:
    git(home.checkout, "branch", "--quiet", "-m", "main", "trunk")
    report = home.forge.refresh()
    assert (report.kind, report.detail) == ("unchanged", "the checkout has no branch main")
    assert home.forge.publish_base().kind == "left_alone"


# -- fleet -> checkout ---------------------------------------------------------------------------------


def test_a_clean_checkout_follows(home: ForgeHome) -> None:
    old = head(home.checkout)
    (home.checkout / "untracked.txt").write_text("mine\n")
    merged = home.land({"new.txt": "1\n", "app.py": None})
    report = home.forge.publish_base()
    assert (report.kind, report.old, report.new) == ("updated", old, merged)
    assert head(home.checkout) == merged
    assert git(home.checkout, "status", "--porcelain") == "?? untracked.txt"
    assert (home.checkout / "untracked.txt").read_text() == "mine\n"
    assert home.forge.publish_base().kind == "unchanged"
    assert not (home.checkout / ".git" / "FETCH_HEAD").exists()


def test_a_checkout_that_is_ahead_is_left_as_it_is(home: ForgeHome) -> None:
    tip = commit(home.checkout, {"b.txt": "1\n"}, "more")
    assert home.forge.publish_base().kind == "unchanged"
    assert head(home.checkout) == tip


def test_when_another_branch_is_checked_out_only_the_base_moves(home: ForgeHome) -> None:
    git(home.checkout, "checkout", "--quiet", "-b", "idea")
    (home.checkout / "app.py").write_text("half done\n")
    before = worktree_state(home.checkout)
    merged = home.land({"app.py": "theirs\n"})
    assert home.forge.publish_base().kind == "updated"
    assert head(home.checkout, "refs/heads/main") == merged
    assert git(home.checkout, "symbolic-ref", "HEAD") == "refs/heads/idea"
    assert worktree_state(home.checkout) == before
    assert git(home.checkout, "status", "--porcelain") == "M app.py"


def test_a_detached_head_does_not_hinder_the_base(home: ForgeHome) -> None:
    git(home.checkout, "checkout", "--quiet", "--detach")
    old = head(home.checkout)
    merged = home.land({"new.txt": "1\n"})
    assert home.forge.publish_base().kind == "updated"
    assert (head(home.checkout), head(home.checkout, "refs/heads/main")) == (old, merged)


def edit(checkout: Path) -> None:
    """A tracked file is being edited, one that the merge does not touch."""
    (checkout / "README.md").write_text("half done\n")


def stage(checkout: Path) -> None:
    """Something is staged."""
    (checkout / "README.md").write_text("half done\n")
    git(checkout, "add", "README.md")


def remove(checkout: Path) -> None:
    """A tracked file is deleted."""
    (checkout / "README.md").unlink()


def add_untracked(checkout: Path) -> None:
    """An untracked file stands where the merge brings one."""
    (checkout / "new.txt").write_text("mine\n")


def add_ignored(checkout: Path) -> None:
    """An ignored file stands where the merge brings one: git alone would overwrite it."""
    (checkout / ".git" / "info").mkdir(exist_ok=True)
    (checkout / ".git" / "info" / "exclude").write_text("new.txt\n")
    (checkout / "new.txt").write_text("mine\n")


def add_folder(checkout: Path) -> None:
    """An untracked folder stands where the merge brings a file."""
    (checkout / "new.txt").mkdir()
    (checkout / "new.txt" / "mine").write_text("mine\n")


def hide(checkout: Path) -> None:
    """An edit that git was told not to look at, in a file that the merge changes."""
    (checkout / "app.py").write_text("mine\n")
    git(checkout, "update-index", "--assume-unchanged", "app.py")


def skip(checkout: Path) -> None:
    """The same by the other flag."""
    (checkout / "app.py").write_text("mine\n")
    git(checkout, "update-index", "--skip-worktree", "app.py")


def start_merge(checkout: Path) -> None:
    """A merge is under way."""
    git(checkout, "checkout", "--quiet", "-b", "idea")
    commit(checkout, {"README.md": "theirs\n"}, "idea")
    git(checkout, "checkout", "--quiet", "main")
    git(checkout, "merge", "--quiet", "--no-commit", "--no-ff", "idea")
    git(checkout, "checkout", "--quiet", "HEAD", "--", ".")


def start_bisect(checkout: Path) -> None:
    """A bisect was started from the base."""
    git(checkout, "bisect", "start")


def lock(checkout: Path) -> None:
    """Another git command is at work."""
    (checkout / ".git" / "index.lock").touch()


@pytest.mark.parametrize(
    "disturb",
    [
        edit, stage, remove, add_untracked, add_ignored, add_folder, hide, skip, start_merge, start_bisect, lock
    ],
    ids=lambda step: step.__name__,
)  # fmt: skip
def test_a_checkout_in_use_is_left_alone(home: ForgeHome, disturb: Callable[[Path], None]) -> None:
    disturb(home.checkout)
    before, tip = worktree_state(home.checkout), head(home.checkout, "refs/heads/main")
    home.land({"new.txt": "theirs\n", "app.py": "theirs\n"})
    report = home.forge.publish_base()
    assert report.kind == "left_alone", report
    assert f"git pull {home.bare} main" in report.detail
    assert worktree_state(home.checkout) == before
    assert head(home.checkout, "refs/heads/main") == tip
    assert home.forge.refresh().kind == "unchanged"


def test_a_base_that_is_being_rebased_is_left_alone(home: ForgeHome) -> None:
    """In the middle of a rebase the branch is checked out nowhere, and must not move all the same."""
    git(home.checkout, "checkout", "--quiet", "-b", "other")
    commit(home.checkout, {"app.py": "other\n"}, "other")
    git(home.checkout, "checkout", "--quiet", "main")
    commit(home.checkout, {"app.py": "mine\n"}, "mine")
    home.forge.refresh()
    home.land({"new.txt": "theirs\n"})
    git(home.checkout, "rebase", "--quiet", "other", must=False)
    assert (home.checkout / ".git" / "rebase-merge").exists()
    tip = head(home.checkout, "refs/heads/main")
    report = home.forge.publish_base()
    assert report.kind == "left_alone"
    assert "rebase" in report.detail
    assert head(home.checkout, "refs/heads/main") == tip


def test_filter_drivers_are_not_run_and_therefore_the_checkout_not_updated(home: ForgeHome) -> None:
    home.land({"sub/.gitattributes": "*.bin filter=lfs\n", "sub/a.bin": "pointer\n"})
    report = home.forge.publish_base()
    assert report.kind == "left_alone"
    assert "filter" in report.detail


def test_hooks_of_the_checkout_are_not_run(home: ForgeHome) -> None:
    canary = home.folder / "canary"
    for name in ("post-merge", "post-checkout", "reference-transaction", "post-index-change", "pre-merge-commit"):
        hook = home.checkout / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch '{canary}'\n")
        hook.chmod(0o755)
    home.land({"new.txt": "1\n"})
    assert home.forge.publish_base().kind == "updated"
    commit(home.checkout, {"x.txt": "1\n"}, "mine")
    canary.unlink()  # that commit was the person's own doing
    assert home.forge.refresh().kind == "fetched"
    assert not canary.exists()


# -- kinds of checkouts --------------------------------------------------------------------------------


def test_a_linked_worktree_serves_as_a_checkout(home: ForgeHome) -> None:
    linked = home.folder / "linked"
    git(home.checkout, "checkout", "--quiet", "--detach")
    git(home.checkout, "worktree", "add", "--quiet", str(linked), "main")
    forge = LocalForge(home.db, home.bare, linked, "main")
    commit(linked, {"mine.txt": "1\n"}, "mine")
    assert forge.refresh().kind == "fetched"
    home.land({"new.txt": "1\n"})
    assert forge.publish_base().kind == "updated"
    assert (linked / "new.txt").exists()
    (linked / "new.txt").write_text("half done\n")
    home.land({"new.txt": "2\n"}, "fleet/10")
    assert forge.publish_base().kind == "left_alone"


def test_the_base_follows_in_whichever_worktree_it_is_checked_out(home: ForgeHome) -> None:
    linked = home.folder / "linked"
    git(home.checkout, "checkout", "--quiet", "-b", "idea")
    git(home.checkout, "worktree", "add", "--quiet", str(linked), "main")
    home.land({"new.txt": "1\n"})
    assert home.forge.publish_base().kind == "updated"
    assert (linked / "new.txt").exists()
    assert git(linked, "status", "--porcelain") == ""
    (linked / "app.py").write_text("half done\n")
    home.land({"more.txt": "1\n"}, "fleet/10")
    assert home.forge.publish_base().kind == "left_alone"


def test_a_folder_inside_a_checkout_is_as_good(home: ForgeHome) -> None:
    (home.checkout / "sub").mkdir()
    commit(home.checkout, {"sub/x.txt": "1\n"}, "sub")
    forge = LocalForge(home.db, home.folder / "sub.git", home.checkout / "sub", "main")
    assert forge.branch_head("main") == head(home.checkout)
    assert forge.publish_base().kind == "unchanged"


def code_of(step: Callable[[], object]) -> str:
    """The code of the error that a step raises."""
    with pytest.raises(FleetError) as caught:
        step()
    return caught.value.code


def test_what_the_fleet_cannot_work_with_is_refused_with_a_reason(home: ForgeHome) -> None:
    other = home.folder / "other.git"
    plain = home.folder / "plain"
    plain.mkdir()
    shallow = home.folder / "shallow"
    commit(home.checkout, {"x": "1"}, "second")
    git(home.folder, "clone", "--quiet", "--depth=1", f"file://{home.checkout}", str(shallow))
    for place in (plain, home.folder / "absent", home.bare, home.checkout / ".git", shallow):
        with pytest.raises(PermanentError) as caught:
            LocalForge(home.db, other, place, "main")
        assert caught.value.code == "FLT-FRG-016", place
    unborn = home.folder / "unborn"
    unborn.mkdir()
    git(unborn, "init", "--quiet", "--initial-branch=main")
    for place, branch in ((unborn, "main"), (home.checkout, "trunk")):
        with pytest.raises(NotFound) as missing:
            LocalForge(home.db, other, place, branch)
        assert missing.value.code == "FLT-FRG-017"
    assert code_of(lambda: LocalForge(home.db, other, home.checkout, "--bare")) == "FLT-FRG-011"
    assert not other.exists()


def test_a_checkout_that_became_unreadable_is_left_alone(home: ForgeHome) -> None:
    home.land({"new.txt": "1\n"})
    (home.checkout / ".git").rename(home.folder / "away")
    assert home.forge.publish_base().kind == "left_alone"
    assert code_of(home.forge.refresh) == "FLT-FRG-015"


def test_paths_with_odd_characters_work_and_are_quoted_in_what_to_type(tmp_path: Path) -> None:
    home = ForgeHome.make(tmp_path / "my $(touch x) 'fleet' \u00e4:b")
    try:
        home.land({"new.txt": "1\n"})
        (home.checkout / "app.py").write_text("half done\n")
        report = home.forge.publish_base()
        assert report.kind == "left_alone"
        command = report.detail.partition("to update it: ")[2]
        git(home.checkout, "checkout", "--quiet", "--", "app.py")
        git(home.checkout, "-c", f"alias.typed=!{command}", "typed")
        assert (home.checkout / "new.txt").exists()
    finally:
        home.db.close()


def test_a_checkout_of_somebody_else_s_making_has_the_same_base(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "c", {"a": "1"}, branch="trunk")
    home = ForgeHome.make(tmp_path / "home")
    try:
        forge = LocalForge(home.db, tmp_path / "trunk.git", checkout, "trunk")
        assert forge.branch_head("trunk") == head(checkout)
        assert git(tmp_path / "trunk.git", "symbolic-ref", "HEAD") == "refs/heads/trunk"
    finally:
        home.db.close()
