"""Clearing away on a real store and a real repository: what goes, what stays whatever happens, what is on record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.clock import SECOND
from fleet.core.errors import Conflict
from fleet.core.principal import Principal
from fleet.core.probe import install
from fleet.core.work import RunState
from fleet.keeping import collect as collecting
from fleet.keeping.choose import Choice
from fleet.keeping.collect import Pass, collect, plan
from fleet.keeping.lock import keeping
from fleet.runtime import escrow, proctree, records
from fleet.store import forge_local
from fleet.store.db import Tx
from fleet.testing.desk import Desk
from fleet.testing.repos import commit, git

DAYS = 86_400


@pytest.fixture(autouse=True)
def no_probe() -> Iterator[None]:
    """No handler outlives its test."""
    yield
    install(None)


def run_pass(desk: Desk, most: int = 100) -> Pass:
    """One pass, as the daemon or a person does it."""
    return collect(desk.db, desk.paths, desk.loaded.config, actor="human:ann", most=most, seconds=60)


def judged(desk: Desk) -> dict[str, Choice]:
    """What becomes of each thing now."""
    return {choice.thing.name: choice for choice in plan(desk.db, desk.paths, desk.loaded.config)}


def later(desk: Desk, days: float) -> None:
    """Let time pass; a delivery that has a run is dispatched by then."""

    def dispatch(tx: Tx) -> None:
        tx.run("UPDATE deliveries SET state = 'dispatched' WHERE id IN (SELECT delivery_id FROM runs)")

    desk.db.write(dispatch)
    desk.clock.advance(days * DAYS)


def folder_of(desk: Desk, who: Principal) -> Path:
    """The run folder of a run, as a runner and a shim leave it."""
    folder = desk.paths.runs / f"{who.run_id}-e{who.epoch}"
    folder.mkdir()
    records.write(str(folder), records.STARTED, {"pid": 1, "start": 1, "boot": "another boot"})
    (desk.paths.runs / f"{who.run_id}.lock").touch()
    records.write(str(desk.paths.runs), f"{who.run_id}.epoch", {"epoch": 1})
    return folder


def merged_ticket(desk: Desk) -> tuple[int, int, str]:
    """A ticket whose pull request is merged: its number, the pull request, the branch."""
    ticket = desk.ticket("Do it", "ready")
    _, pull, head = desk.pushed("developer", ticket)
    desk.forge.merge(pull, head_sha=head, actor="human:ann")
    return ticket, pull, f"refs/heads/fleet/{ticket}"


def refs(desk: Desk) -> set[str]:
    """Every ref of the fleet's repository."""
    return set(git(desk.paths.bare, "for-each-ref", "--format=%(refname)").split())


# -- branches -----------------------------------------------------------------------------------------


def test_the_branch_of_a_merged_pull_request_goes_after_its_days(desk: Desk) -> None:
    _, pull, branch = merged_ticket(desk)
    later(desk, 13)
    assert not judged(desk)[branch].goes
    later(desk, 2)
    assert [one.removed for one in run_pass(desk).done if one.choice.thing.name == branch] == [True]
    assert branch not in refs(desk)
    assert desk.ask("pr.diff", number=pull)["diff"], "its changes can still be shown"


def test_an_open_pull_request_keeps_its_branch(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    _, pull, _ = desk.pushed("developer", ticket)
    later(desk, 1000)
    assert judged(desk)[f"refs/heads/fleet/{ticket}"].why == f"pr/{pull} is open"


def close(desk: Desk, pull: int) -> None:
    """A pull request is closed without a merge."""

    def change(tx: Tx) -> None:
        tx.run("UPDATE forge_pulls SET state = 'closed' WHERE number = :number", number=pull)

    desk.db.write(change)
    assert desk.db.read(lambda tx: forge_local.pull(tx, pull)).state == "closed"  # type: ignore[union-attr]


def test_a_closed_branch_stays_unless_saved_work_holds_its_commits(desk: Desk) -> None:
    ticket = desk.ticket("Do it", "ready")
    who, pull, head = desk.pushed("developer", ticket)
    close(desk, pull)
    branch = f"refs/heads/fleet/{ticket}"
    later(desk, 30)
    assert judged(desk)[branch].why == "its commits are neither merged nor saved elsewhere"
    saved = f"refs/fleet/escrow/{who.run_id}-e1"
    git(desk.paths.bare, "update-ref", saved, head)
    run_pass(desk)
    assert branch not in refs(desk)
    assert saved in refs(desk)
    assert git(desk.paths.bare, "cat-file", "-t", head) == "commit"


def test_a_branch_that_moved_after_it_was_judged_stays(desk: Desk) -> None:
    ticket, _, branch = merged_ticket(desk)
    later(desk, 30)

    def push(name: str) -> None:
        if name == "gc.planned":
            clone = desk.clone(desk.run("developer", f"ticket/{ticket}"), f"fleet/{ticket}")
            sha = commit(clone, {"more.py": "pass\n"})
            git(desk.paths.bare, "fetch", "--quiet", str(clone), sha)
            git(desk.paths.bare, "update-ref", branch, sha)

    install(push)
    done = {one.choice.thing.name: one for one in run_pass(desk).done}
    assert (done[branch].removed, done[branch].why) == (False, "it moved meanwhile")
    assert branch in refs(desk)


def test_a_base_that_no_longer_contains_the_branch_keeps_it(desk: Desk) -> None:
    """The one who vouches is asked again in the moment of the deletion."""
    before = git(desk.paths.bare, "rev-parse", "main")
    _, _, branch = merged_ticket(desk)
    later(desk, 30)

    def reset(name: str) -> None:
        if name == "gc.planned":
            git(desk.paths.bare, "update-ref", "refs/heads/main", before)

    install(reset)
    done = {one.choice.thing.name: one for one in run_pass(desk).done}
    assert not done[branch].removed
    assert branch in refs(desk)


# -- saved work ---------------------------------------------------------------------------------------


def test_saved_work_of_a_live_run_of_undecided_work_and_of_work_in_hand_stays(desk: Desk) -> None:
    live = desk.run("developer", "ticket/1")
    lost = desk.run("developer", "ticket/2")
    desk.end(lost, RunState.LOST)
    sha = git(desk.paths.bare, "rev-parse", "main")
    for who in (live, lost):
        git(desk.paths.bare, "update-ref", f"refs/fleet/escrow/{who.run_id}-e1", sha)
    git(desk.paths.bare, "update-ref", "refs/fleet/escrow/runknown-e1", sha)
    later(desk, 1000)
    whys = {name: choice.why for name, choice in judged(desk).items() if "escrow" in name}
    assert whys == {
        f"refs/fleet/escrow/{live.run_id}-e1": "its run is running",
        f"refs/fleet/escrow/{lost.run_id}-e1": "what becomes of its run's work is not decided yet",
        "refs/fleet/escrow/runknown-e1": "the store knows no such run",
    }
    assert run_pass(desk).done == ()


def test_unmerged_saved_work_goes_after_its_days_and_its_size_is_known(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    clone = desk.clone(who, "fleet/1")
    (clone / "big.bin").write_bytes(os.urandom(200_000))
    saved = escrow.save(clone, desk.paths.bare, clone.name)
    desk.end(who)

    def remember(tx: Tx) -> None:
        tx.run("UPDATE runs SET escrow_ref = :ref, escrow_sha = :sha", ref=saved.ref, sha=saved.sha)

    desk.db.write(remember)
    shutil.rmtree(clone)
    assert any("git fetch" in line for line in desk.ask("why", ref=who.run_id)["lines"])
    later(desk, 89)
    choice = judged(desk)[saved.ref]
    assert not choice.goes
    assert 150_000 < choice.thing.size < 400_000
    later(desk, 2)
    assert run_pass(desk).freed >= choice.thing.size
    assert saved.ref not in refs(desk)
    assert any("its time is over" in line for line in desk.ask("why", ref=who.run_id)["lines"])


# -- clones and run folders ---------------------------------------------------------------------------


def test_a_clone_goes_only_after_all_that_is_in_it_was_saved(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    clone = desk.clone(who, "fleet/1")
    sha = commit(clone, {"done.py": "committed\n"})
    (clone / "draft.py").write_text("not committed, not tracked\n")
    desk.end(who)
    later(desk, 8)
    run_pass(desk)
    assert not clone.exists()
    saved = f"refs/fleet/escrow/{clone.name}"
    assert git(desk.paths.bare, "show", f"{saved}:draft.py") == "not committed, not tracked"
    assert git(desk.paths.bare, "merge-base", sha, saved) == sha


def test_a_clone_whose_work_cannot_be_saved_stays_and_says_why(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    clone = desk.clone(who, "fleet/1")
    git(clone, "init", "--quiet", "inner")  # a repository inside, which is not saved
    commit(clone / "inner", {"x.py": "precious\n"})
    desk.end(who)
    later(desk, 30)
    done = {one.choice.thing.name: one for one in run_pass(desk).done}
    assert "cannot be saved" in done[clone.name].why
    assert (clone / "inner" / "x.py").exists()


def test_the_clone_of_a_live_run_stays(desk: Desk) -> None:
    clone = desk.clone(desk.run("developer", "ticket/1"), "fleet/1")
    later(desk, 1000)
    assert judged(desk)[clone.name].why == "its run is running"


def test_a_run_folder_goes_with_its_lock_and_fence_once_everything_about_it_is_decided(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    folder = folder_of(desk, who)
    later(desk, 100)
    assert judged(desk)[folder.name].why == "its run is running", "its end was not taken in yet"
    desk.end(who, RunState.FAILED)
    later(desk, 100)
    assert judged(desk)[folder.name].why == "what becomes of its run's work is not decided yet"

    other = desk.run("developer", "ticket/2")
    done = folder_of(desk, other)
    desk.end(other)
    later(desk, 31)
    run_pass(desk)
    assert not done.exists()
    assert sorted(path.name for path in desk.paths.runs.iterdir()) == [
        folder.name, f"{who.run_id}.epoch", f"{who.run_id}.lock",
    ]  # fmt: skip


def test_a_folder_whose_processes_live_stays_whatever_the_store_says(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    folder = folder_of(desk, who)
    me = {"pid": os.getpid(), "start": proctree.start_time(os.getpid()), "boot": proctree.boot_id()}
    records.write(str(folder), records.STARTED, me)
    desk.end(who)
    later(desk, 100)
    assert judged(desk)[folder.name].why == "its processes still live"


def test_a_folder_whose_lock_is_held_stays(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    folder = folder_of(desk, who)
    desk.end(who)
    later(desk, 100)
    held = records.lock_run(str(desk.paths.runs), who.run_id)
    assert held is not None
    done = {one.choice.thing.name: one for one in run_pass(desk).done}
    os.close(held)
    assert done[folder.name].why == "a process of its run still lives"
    assert folder.exists()


# -- the rest -----------------------------------------------------------------------------------------


def test_copies_of_the_store_go_but_never_the_newest(desk: Desk) -> None:
    backups = desk.paths.state / "backups"
    backups.mkdir(exist_ok=True)
    now = desk.clock.now() / SECOND
    for number, age in ((2, 90), (3, 60), (4, 40)):
        path = backups / f"before-000{number}-1.db"
        path.write_bytes(b"x" * 5000)
        os.utime(path, (now - age * DAYS, now - age * DAYS))
    run_pass(desk)
    assert [path.name for path in backups.glob("before-000*")] == ["before-0004-1.db"]


def test_objects_that_nothing_needs_go_only_while_no_clone_may_borrow_them(desk: Desk) -> None:
    bare = desk.paths.bare
    blob = bare.parent / "blob"
    blob.write_bytes(os.urandom(50_000))
    sha = git(bare, "hash-object", "-w", str(blob))
    loose = bare / "objects" / sha[:2] / sha[2:]
    old = loose.stat().st_mtime - 20 * DAYS
    os.utime(loose, (old, old))
    clone = desk.clone(desk.run("developer", "ticket/1"), "fleet/1")
    (stays,) = [choice for choice in judged(desk).values() if choice.thing.kind == "unused objects"]
    assert clone.name in stays.why
    assert run_pass(desk).done == ()
    assert loose.exists()
    shutil.rmtree(clone)
    run_pass(desk)
    assert not loose.exists()
    assert git(bare, "fsck", "--full") == ""


def test_a_clone_made_before_objects_are_collected_is_whole_afterwards(desk: Desk) -> None:
    """Packing moves what a clone borrows; the clone finds it again."""
    for number in range(3):
        merged_ticket(desk)
        assert number >= 0
    who = desk.run("developer", "ticket/9")
    clone = desk.clone(who, "fleet/9")
    git(desk.paths.bare, "repack", "-A", "-d", "-l", "--quiet")
    assert git(clone, "fsck", "--full", "--connectivity-only") == ""


def test_what_a_restore_left_is_named_and_left_to_a_person(desk: Desk) -> None:
    aside = desk.paths.state.with_name(f"{desk.paths.fleet_id}.before-restore-1")
    aside.mkdir()
    later(desk, 1000)
    assert "rm -r" in judged(desk)[aside.name].why
    run_pass(desk)
    assert aside.exists()


def test_leavings_of_killed_processes_go_after_a_day(desk: Desk) -> None:
    now = desk.clock.now() / SECOND
    draft = desk.paths.clones / ".r1-e1.partial"
    draft.mkdir()
    os.utime(draft, (now, now))
    assert run_pass(desk).done == ()
    later(desk, 2)
    run_pass(desk)
    assert not draft.exists()


def test_a_folder_that_was_being_deleted_is_finished_at_once_with_lock_and_fence(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    folder = folder_of(desk, who)
    desk.end(who)
    folder.rename(desk.paths.runs / f".gone-{folder.name}")
    run_pass(desk)
    assert list(desk.paths.runs.iterdir()) == []


# -- a pass -------------------------------------------------------------------------------------------


def test_the_intent_is_on_record_before_and_the_outcome_after(desk: Desk) -> None:
    _, _, branch = merged_ticket(desk)
    later(desk, 30)
    seen: list[str] = []

    def look(name: str) -> None:
        if name == "gc.planned":
            seen.extend(entry.type for entry in desk.entries() if entry.type.startswith("gc."))
            assert branch in refs(desk)

    install(look)
    run_pass(desk)
    assert seen == ["gc.planned"]
    planned, done = (entry for entry in desk.entries() if entry.type.startswith("gc."))
    assert done.cause_id == planned.id
    assert done.actor == "human:ann"
    named = [thing["name"] for thing in (done.payload or {})["things"]]  # type: ignore[attr-defined]
    assert branch in named


def test_a_pass_that_finds_nothing_writes_nothing(desk: Desk) -> None:
    head = len(desk.entries())
    assert run_pass(desk).done == ()
    assert len(desk.entries()) == head


def test_a_pass_is_bounded_and_says_how_much_is_left(desk: Desk) -> None:
    for _ in range(3):
        merged_ticket(desk)
    later(desk, 30)
    first = run_pass(desk, most=2)
    assert (len(first.done), first.left) == (2, 4), "three clones and three branches"
    assert run_pass(desk).left == 0


def test_a_looker_changes_nothing(desk: Desk) -> None:
    merged_ticket(desk)
    later(desk, 1000)
    before = refs(desk)
    assert desk.ask("gc.plan")["goes"]
    assert refs(desk) == before


def test_two_operators_at_once_do_not_disturb_each_other(desk: Desk) -> None:
    with keeping(desk.paths.state), pytest.raises(Conflict) as caught:
        run_pass(desk)
    assert caught.value.code == "FLT-KEP-019"


def test_every_kind_of_thing_has_its_act() -> None:
    kinds = {"clone", "run folder", "branch", "escrow", "store copy", "left over", "unused objects", "old state"}
    assert set(collecting._ACTS) == kinds
