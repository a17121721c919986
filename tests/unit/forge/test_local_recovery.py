"""The local forge after a kill at the worst moment: git is the truth, and rows follow it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from fleet.core.errors import Conflict, PermanentError, TemporaryError
from fleet.forge import gitrepo, local, localbase, pullgit
from fleet.forge.gitrepo import RefMove, Repo
from fleet.forge.port import Pull
from fleet.process import Completed, run
from fleet.store.db import Tx
from fleet.store.open import open_read_only
from fleet.testing.forge_home import ForgeHome
from fleet.testing.repos import commit, git


class Killed(Exception):
    """Stands for the moment of the kill."""


def raising(*_: Any, **__: Any) -> Any:
    """A call that is not survived."""
    raise Killed


def merge(home: ForgeHome, pull: Pull) -> pullgit.Found:
    """Merge a pull request at its head."""
    merged = home.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    return pullgit.Found(pull.head_sha, merged.merge_commit)


def merge_killed_before_the_record(home: ForgeHome, pull: Pull) -> str:
    """The base moved, the row did not; returns the merge commit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home.db, "write", raising)
        with pytest.raises(Killed):
            merge(home, pull)
    return home.base()


def marks(home: ForgeHome) -> list[str]:
    """The merging refs that are there."""
    return git(home.bare, "for-each-ref", "--format=%(refname)", "refs/fleet").split()


@pytest.mark.parametrize("look", ["snapshot", "pull", "merge"])
def test_a_merge_killed_before_its_record_is_found_by_the_next_look(home: ForgeHome, look: str) -> None:
    _, pull = home.work()
    commit_id = merge_killed_before_the_record(home, pull)
    assert marks(home) == [f"refs/fleet/merging/{pull.number}"]
    forge = home.reopen()
    if look == "merge":
        again = forge.merge(pull.number, head_sha=pull.head_sha, actor="human:ann")
        assert (again.merge_commit, again.already) == (commit_id, True)
    after = forge.snapshot().pulls[0] if look == "snapshot" else forge.pull(pull.number)
    assert (after.state, after.merged_head, after.merge_commit) == ("merged", pull.head_sha, commit_id)
    assert marks(home) == []
    assert home.base() == commit_id


def test_a_merge_is_found_although_its_branch_moved_on_before_the_record(home: ForgeHome) -> None:
    clone, pull = home.work()
    commit_id = merge_killed_before_the_record(home, pull)
    later = commit(clone, {"work.txt": "later\n"}, "later")
    home.forge.push(clone, later, "fleet/1", expected_old=pull.head_sha)
    (after,) = home.forge.snapshot().pulls
    assert (after.state, after.merged_head, after.merge_commit) == ("merged", pull.head_sha, commit_id)
    assert after.head_sha == later


def test_a_mark_left_by_a_kill_after_the_record_is_cleared(home: ForgeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pull = home.work()
    with monkeypatch.context() as patch:
        patch.setattr(pullgit, "forget_mark", raising)
        with pytest.raises(Killed):
            merge(home, pull)
    assert len(marks(home)) == 1
    (after,) = home.reopen().snapshot().pulls
    assert after.state == "merged"
    assert marks(home) == []


def test_a_mark_without_its_merge_means_nothing(home: ForgeHome) -> None:
    _, pull = home.work()
    git(home.bare, "update-ref", f"refs/fleet/merging/{pull.number}", pull.head_sha)
    assert home.forge.snapshot().pulls[0].state == "open"
    found = merge(home, pull)
    assert home.base() == found.commit


def test_a_row_older_than_git_is_healed_from_history_alone(home: ForgeHome) -> None:
    """The store was restored from a backup: no mark, an old row, a merge further down the base."""
    _, pull = home.work()
    first = merge(home, pull)
    home.land({"other.txt": "x\n"})

    def forget(tx: Tx) -> None:
        tx.run("UPDATE forge_pulls SET state = 'open', merged_head = '', merge_commit = '' WHERE number = 1")

    home.db.write(forget)
    states = {each.number: (each.state, each.merge_commit) for each in home.reopen().snapshot().pulls}
    assert states[pull.number] == ("merged", first.commit)


def test_a_push_between_check_and_merge_is_noticed(home: ForgeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    clone, pull = home.work()
    before = home.base()
    second = commit(clone, {"work.txt": "sneaky\n"}, "more")
    real = pullgit.make_merge

    def push_meanwhile(*args: Any, **named: Any) -> str:
        made = real(*args, **named)
        home.forge.push(clone, second, "fleet/1", expected_old=pull.head_sha)
        return made

    monkeypatch.setattr(pullgit, "make_merge", push_meanwhile)
    with pytest.raises(Conflict) as caught:
        merge(home, pull)
    assert caught.value.code == "FLT-FRG-005"
    assert home.base() == before
    assert marks(home) == []


def test_a_base_that_moves_is_merged_into_anew_at_most_three_times(
    home: ForgeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pull = home.work()
    real = pullgit.make_merge
    attempts: list[str] = []
    stubborn = 1

    def move_base(repo: Repo, proposal: pullgit.Proposal, **named: Any) -> str:
        made = real(repo, proposal, **named)
        attempts.append(made)
        if len(attempts) <= stubborn:
            commit(home.checkout, {f"meanwhile{len(attempts)}.txt": "x\n"}, "meanwhile")
            assert home.forge.refresh().kind == "fetched"
        return made

    monkeypatch.setattr(pullgit, "make_merge", move_base)
    assert merge(home, pull).commit == attempts[1] == home.base()
    assert home.forge.publish_base().kind == "updated"
    _, pull = home.work("fleet/2", {"more.txt": "x\n"})
    attempts.clear()
    stubborn = 3
    with pytest.raises(Conflict) as caught:
        merge(home, pull)
    assert caught.value.code == "FLT-FRG-020"
    assert len(attempts) == 3
    assert home.forge.pull(pull.number).state == "open"


@pytest.mark.parametrize("step", ["fetch", "move_refs", "_sync_folder"])
def test_a_repository_killed_while_it_is_made_is_made_by_the_next_start(home: ForgeHome, step: str) -> None:
    bare = home.folder / "other" / "repo.git"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localbase, step, raising)
        with pytest.raises(Killed):
            local.LocalForge(home.db, bare, home.checkout, "main")
    assert bare.exists() == (step == "_sync_folder")
    forge = local.LocalForge(home.db, bare, home.checkout, "main")
    assert forge.branch_head("main") == git(home.checkout, "rev-parse", "main")
    assert [path.name for path in bare.parent.iterdir()] == ["repo.git"]


def test_another_base_branch_is_taken_in_at_the_next_start(home: ForgeHome) -> None:
    git(home.checkout, "checkout", "--quiet", "-b", "develop")
    tip = commit(home.checkout, {"d.txt": "x\n"}, "develop")
    forge = local.LocalForge(home.db, home.bare, home.checkout, "develop")
    assert forge.branch_head("develop") == tip
    assert forge.branch_head("main") != tip


def test_locks_of_dead_processes_are_cleared_and_those_of_living_ones_waited_for(home: ForgeHome) -> None:
    clone, pull = home.work()
    fresh = home.bare / "refs" / "heads" / "fleet" / "1.lock"
    stale = home.bare / "packed-refs.lock"
    for lock in (fresh, stale):
        lock.touch()
    os.utime(stale, (1_000_000, 1_000_000))
    home.reopen()
    assert fresh.exists()
    assert not stale.exists()
    second = commit(clone, {"work.txt": "more\n"}, "more")
    with pytest.raises(TemporaryError) as caught:
        home.forge.push(clone, second, "fleet/1", expected_old=pull.head_sha)
    assert caught.value.code == "FLT-FRG-014"
    fresh.unlink()
    home.forge.push(clone, second, "fleet/1", expected_old=pull.head_sha)


def test_what_a_killed_push_left_is_removed_and_a_push_at_work_let_be(home: ForgeHome) -> None:
    stages = home.bare / "fleet-stage"
    for name in ("push-dead", "push-alive"):
        (stages / name / "objects").mkdir(parents=True)
    os.utime(stages / "push-dead", (1_000_000, 1_000_000))
    home.reopen()
    assert [path.name for path in stages.iterdir()] == ["push-alive"]
    home.work()
    assert [path.name for path in stages.iterdir()] == ["push-alive"]


def test_a_reader_without_a_daemon_sees_the_merge_and_leaves_the_healing_to_it(home: ForgeHome) -> None:
    _, pull = home.work()
    commit_id = merge_killed_before_the_record(home, pull)
    db = open_read_only(home.db.path)
    try:
        reader = local.LocalForge(db, home.bare, home.checkout, "main")
        for seen in (reader.pull(pull.number), reader.snapshot().pulls[0]):
            assert (seen.state, seen.merge_commit) == ("merged", commit_id)
        assert [fact.sha for fact in reader.commits(pull.number)] == [pull.head_sha]
        assert reader.diff(pull.number).startswith("diff")
    finally:
        db.close()
    assert len(marks(home)) == 1
    assert home.forge.snapshot().pulls[0].state == "merged"
    assert marks(home) == []


def test_a_snapshot_costs_no_git_process_per_pull_request(home: ForgeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = home.clone()
    head = commit(clone, {"work.txt": "x\n"}, "work")
    home.forge.push(clone, head, "fleet/p0", expected_old="")
    moves = [RefMove(f"refs/heads/fleet/p{number}", head, "") for number in range(1, 50)]
    gitrepo.move_refs(Repo(home.bare, bare=True), moves, reason="test")
    for number in range(50):
        home.forge.open_pull(branch=f"fleet/p{number}", title="T", body="", author="a", ticket=0)
    calls: list[str] = []

    def counted(argv: Any, **named: Any) -> Completed:
        calls.append(argv[-1])
        return run(argv, **named)

    monkeypatch.setattr("fleet.forge.gitrepo.run", counted)
    assert len(home.forge.snapshot().pulls) == 50
    assert len(calls) == 2
    home.forge.snapshot()
    assert len(calls) == 3


def test_a_git_that_hangs_or_is_killed_is_asked_again_later(home: ForgeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = home.folder / "tools"
    tools.mkdir()
    for name, body in (("git", "exec sleep 60"), ("dead", "kill -9 $$")):
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    repo = Repo(home.bare, bare=True)
    monkeypatch.setitem(gitrepo._ENVIRONMENT, "PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(TemporaryError) as caught:
        gitrepo.git(repo, "log", timeout=0.2)
    assert caught.value.code == "FLT-FRG-014"
    (tools / "dead").replace(tools / "git")
    with pytest.raises(TemporaryError) as caught:
        home.forge.snapshot()
    assert caught.value.code == "FLT-FRG-014"


def test_git_s_own_complaint_reaches_the_reader(home: ForgeHome) -> None:
    with pytest.raises(PermanentError) as caught:
        gitrepo.git(Repo(home.bare, bare=True), "cat-file", "-p", "0" * 40)
    assert caught.value.code == "FLT-FRG-015"
    assert "git cat-file failed" in caught.value.message
