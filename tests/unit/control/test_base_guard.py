"""The base branch against the journal: what nobody announced is on record at the next look and holds merges."""

from __future__ import annotations

import pytest

from fleet.control.checkout import announcing, refresh_base, update_checkout
from fleet.control.context import live_pull
from fleet.control.merges import _allow
from fleet.core.errors import NotFound, Refused
from fleet.forge.gitrepo import Repo
from fleet.forge.refguard import RefGuard, look
from fleet.testing.desk import ANN, Desk
from fleet.testing.repos import commit, git


def guard(desk: Desk) -> int:
    """One look, as the service has it every second."""
    return look(desk.db, Repo(desk.paths.bare, bare=True), "main")


def kinds(desk: Desk) -> list[str]:
    """What the guard put on record."""
    return [entry.type for entry in desk.entries() if entry.actor == "system:refguard"]


def findings(desk: Desk) -> list[str]:
    """What does not fit, apart from runs: a desk ends them without the runner's entry."""
    return [line for line in desk.ask("audit.verify_git")["findings"] if not line.startswith("the run ")]


def slip_in(desk: Desk, who: tuple[str, str], files: dict[str, str] | None = None) -> str:
    """A commit put onto the base past the fleet, in somebody's name; its id."""
    place = desk.paths.state / "elsewhere"
    if not place.exists():
        git(desk.paths.state, "clone", "--quiet", str(desk.paths.bare), str(place))
    git(place, "pull", "--quiet")
    sha = commit(place, files or {f"x{desk.clock.now()}.txt": "x\n"}, who=who)
    git(desk.paths.bare, "fetch", "--quiet", str(place), sha)
    git(desk.paths.bare, "update-ref", "refs/heads/main", sha)
    return sha


@pytest.fixture
def watched(desk: Desk) -> Desk:
    """A desk whose base has been seen once."""
    assert guard(desk) == 1
    assert kinds(desk) == ["base.first_seen"]
    return desk


def approved(desk: Desk) -> tuple[int, str]:
    """A pull request with both reviews."""
    ticket = desk.ticket("Do it", "ready")
    _, pull, head = desk.pushed("developer", ticket)
    for name in ("qa-engineer", "tech-lead"):
        desk.ask("pr.review", desk.reviewer(name, pull, ticket, head), number=pull, verdict="approve")
    return pull, head


def test_pushes_fetches_and_merges_of_the_fleet_are_explained(watched: Desk) -> None:
    pull, _ = approved(watched)
    assert guard(watched) == 0
    watched.ask("pr.merge", number=pull)
    assert guard(watched) == 0
    commit(watched.paths.checkout, {"mine.txt": "by hand\n"})
    refresh_base(watched.db, watched.forge, "main")
    assert guard(watched) == 0
    assert kinds(watched) == ["base.first_seen"]
    found = watched.ask("audit.verify_git")
    assert (findings(watched), found["merges"]) == ([], 1)
    assert found["movements"] >= 1


def test_a_fetch_whose_record_a_kill_swallowed_is_explained_by_its_announcement(watched: Desk) -> None:
    commit(watched.paths.checkout, {"mine.txt": "by hand\n"}, who=("dev", "dev@agents.fleet.invalid"))
    watched.forge.refresh(announcing(watched.db, "main"))
    assert guard(watched) == 0
    assert findings(watched) == []


def test_a_merge_whose_record_a_kill_swallowed_is_explained_by_its_verdict(watched: Desk) -> None:
    pull, head = approved(watched)
    _allow(watched.context, ANN, live_pull(watched.context, pull))
    watched.forge.merge(pull, head_sha=head, actor="human:ann")
    assert guard(watched) == 0


def test_an_agents_commit_on_the_base_past_the_fleet_is_reported_once_and_holds_every_merge(watched: Desk) -> None:
    pull, _ = approved(watched)
    guard(watched)
    sha = slip_in(watched, ("dev", "dev@agents.fleet.invalid"))
    assert guard(watched) == 1
    assert guard(watched) == 0
    entry = watched.entries("base.unexplained")[0]
    assert "dev@agents.fleet.invalid" in entry.summary
    assert (entry.payload or {})["new"] == sha
    with pytest.raises(Refused) as caught:
        watched.ask("pr.merge", number=pull)
    assert caught.value.code == "FLT-POL-096"
    need = watched.ask("status")["attention"]
    assert [one["command"] for one in need if one["kind"] == "base"] == [f"fleet audit accept-base {sha} --reason …"]
    assert watched.ask("audit.verify_git")["ok"] is False
    assert findings(watched) == [entry.summary]


def test_the_merge_itself_looks_first(watched: Desk) -> None:
    pull, _ = approved(watched)
    guard(watched)
    slip_in(watched, ("dev", "dev@agents.fleet.invalid"))
    with pytest.raises(Refused) as caught:
        watched.ask("pr.merge", number=pull)
    assert caught.value.code == "FLT-POL-096"


def test_a_person_says_what_it_was_and_merges_go_on(watched: Desk) -> None:
    pull, _ = approved(watched)
    sha = slip_in(watched, ("dev", "dev@agents.fleet.invalid"))
    guard(watched)
    who = watched.run("developer", "ticket/1")
    with pytest.raises(Refused):
        watched.ask("audit.accept_base", who, sha=sha, reason="it is fine")
    with pytest.raises(NotFound) as caught:
        watched.ask("audit.accept_base", sha="0" * 40, reason="x")
    assert caught.value.code == "FLT-AUD-021"
    made = watched.ask("audit.accept_base", sha=sha, reason="my script did that")
    assert made["open"] == []
    entry = watched.entries("base.accepted")[0]
    assert (entry.actor, entry.generation) == ("human:ann", sha)
    watched.ask("pr.merge", number=pull)
    assert guard(watched) == 0
    assert findings(watched) == []


def test_a_known_persons_own_push_is_recorded_as_theirs_and_holds_nothing(watched: Desk) -> None:
    pull, _ = approved(watched)
    mail = git(watched.paths.bare, "log", "-1", "--format=%ce", "main")
    slip_in(watched, ("Ann", mail))
    assert guard(watched) == 1
    entry = watched.entries("base.moved_by_person")[0]
    assert "a person's own push" in entry.summary
    watched.ask("pr.merge", number=pull)
    assert findings(watched) == []


def test_a_stranger_and_a_move_backwards_are_unexplained(watched: Desk) -> None:
    begin = git(watched.paths.bare, "rev-parse", "main")
    mail = git(watched.paths.bare, "log", "-1", "--format=%ce", "main")
    slip_in(watched, ("Stranger", "stranger@example.org"))
    guard(watched)
    slip_in(watched, ("Ann", mail))
    guard(watched)
    git(watched.paths.bare, "update-ref", "refs/heads/main", begin)
    guard(watched)
    assert kinds(watched)[1:] == ["base.unexplained", "base.moved_by_person", "base.unexplained"]
    assert "moved back" in watched.entries("base.unexplained")[-1].summary


def test_a_merge_on_record_that_the_base_lost_is_named(watched: Desk) -> None:
    begin = git(watched.paths.bare, "rev-parse", "main")
    pull, _ = approved(watched)
    watched.ask("pr.merge", number=pull)
    guard(watched)
    git(watched.paths.bare, "update-ref", "refs/heads/main", begin)
    assert any("which the base does not hold" in line for line in findings(watched))


def test_a_merge_commit_with_something_slipped_in_is_unexplained(watched: Desk) -> None:
    """Same parents, same approved head, another tree."""
    pull, head = approved(watched)
    guard(watched)
    desk, bare = watched, watched.paths.bare
    _allow(desk.context, ANN, live_pull(desk.context, pull))
    base = git(bare, "rev-parse", "main")
    evil = git(bare, "commit-tree", "-p", base, "-p", head, "-m", f"Merge pr/{pull}", f"{base}^{{tree}}")
    git(bare, "update-ref", "refs/heads/main", evil)
    assert guard(desk) == 1
    assert kinds(desk)[-1] == "base.unexplained"


def test_a_branch_that_moved_without_a_push_is_reported_and_holds_nothing(watched: Desk) -> None:
    approved(watched)
    guard(watched)
    sha = git(watched.paths.bare, "rev-parse", "main")
    git(watched.paths.bare, "update-ref", "refs/heads/fleet/99", sha)
    assert guard(watched) == 1
    assert kinds(watched)[-1] == "branch.unexplained"
    assert "fleet/99" in findings(watched)[0]
    watched.ask("audit.accept_base", sha=sha, reason="a test")
    assert findings(watched) == []


def test_a_branch_that_was_cleared_away_is_in_order(watched: Desk) -> None:
    approved(watched)
    guard(watched)
    git(watched.paths.bare, "update-ref", "-d", "refs/heads/fleet/1")
    assert guard(watched) == 0


def test_a_run_that_ended_without_its_entry_is_named(watched: Desk) -> None:
    watched.ticket("One")
    who = watched.run("developer", "ticket/1")
    watched.end(who)  # the desk ends it without the runner's entry
    assert watched.ask("audit.verify_git")["findings"] == [f"the run {who.run_id} ended, and no entry says so"]


def test_the_service_looks_once_a_second_and_does_nothing_while_all_is_well(watched: Desk) -> None:
    service = RefGuard(watched.db, Repo(watched.paths.bare, bare=True), lambda: "main")
    height = len(watched.entries())
    first = service.tick(watched.clock.now())
    assert (first.did, first.next_at) == (0, watched.clock.now() + 1_000_000)
    slip_in(watched, ("dev", "dev@agents.fleet.invalid"))
    assert service.tick(watched.clock.now()).did == 0
    watched.clock.advance(1.1)
    assert service.tick(watched.clock.now()).did == 1
    assert len(watched.entries()) == height + 1


def test_a_persons_checkout_does_not_follow_what_nobody_explained(watched: Desk) -> None:
    pull, _ = approved(watched)
    before = git(watched.paths.checkout, "rev-parse", "HEAD")
    slipped = slip_in(watched, ("developer", "developer@agents.fleet.invalid"))
    assert guard(watched) == 1
    live = live_pull(watched.context, pull)
    (said,) = update_checkout(watched.db, watched.forge, live)
    assert "no entry says why" in said
    assert git(watched.paths.checkout, "rev-parse", "HEAD") == before
    watched.ask("audit.accept_base", sha=slipped, reason="it was me")
    assert update_checkout(watched.db, watched.forge, live) == []
    assert git(watched.paths.checkout, "rev-parse", "HEAD") == slipped
