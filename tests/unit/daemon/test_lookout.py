"""Two open branches that no longer merge with each other are found on real git, recorded once, told to both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.daemon.lookout import PAIRS_A_TICK, Lookout
from fleet.forge.gitrepo import Repo
from fleet.testing.desk import Desk
from fleet.testing.repos import commit, git
from fleet.testing.scene import member, usual_members


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual members and a second developer."""
    made = Desk(tmp_path, (*usual_members(), member("second", "developer", "ticket_ready")))
    yield made
    made.close()


def look(desk: Desk) -> None:
    """The lookout comes by until it has nothing new to look at."""
    lookout = Lookout(desk.db, Repo(desk.paths.bare, bare=True), lambda: "main")
    for _ in range(50):
        if lookout.tick(desk.clock.now()).did == 0:
            return
        desk.clock.advance(6)
    pytest.fail("it never came to rest")


def mail_of(desk: Desk, agent: str) -> list[str]:
    """What lies in an agent's inbox."""
    return [item["text"] for item in desk.ask("inbox", agent=agent)["items"]]


def collide(desk: Desk) -> tuple[int, int]:
    """Two pull requests of two agents that change the same line."""
    desk.ticket("one", "ready")
    desk.ticket("two", "ready")
    _, first, _ = desk.pushed("developer", 1, {"app.py": "print('one')\n"})
    _, second, _ = desk.pushed("second", 2, {"app.py": "print('two')\n", "other.py": "x = 1\n"})
    return first, second


def test_both_authors_are_told_where_and_with_whom_they_collide(desk: Desk) -> None:
    first, second = collide(desk)
    look(desk)
    (entry,) = desk.entries("collision.found")
    assert (entry.payload or {})["subjects"] == [f"pr/{first}", f"pr/{second}"]
    assert (entry.payload or {})["paths"] == ["app.py"]
    (to_first,), (to_second,) = mail_of(desk, "developer"), mail_of(desk, "second")
    assert f"pr/{second} of agent:second" in to_first
    assert f"pr/{first} of agent:developer" in to_second
    (finding,) = [one for one in desk.ask("insights")["insights"] if one["kind"] == "collision"]
    assert finding["evidence"] == (entry.seq,)


def test_a_pair_of_commits_is_told_once_also_by_a_daemon_that_starts_again(desk: Desk) -> None:
    collide(desk)
    look(desk)
    look(desk)
    assert len(desk.entries("collision.found")) == 1
    assert len(mail_of(desk, "developer")) == 1


def test_branches_that_merge_are_left_in_peace(desk: Desk) -> None:
    desk.ticket("one", "ready")
    desk.ticket("two", "ready")
    desk.pushed("developer", 1, {"one.py": "x = 1\n"})
    desk.pushed("second", 2, {"two.py": "x = 2\n"})
    look(desk)
    assert desk.entries("collision.found") == []


def test_a_pull_request_that_is_closed_collides_with_nobody(desk: Desk) -> None:
    first, _ = collide(desk)
    desk.ask("pr.close", number=first, reason="another way")
    look(desk)
    assert desk.entries("collision.found") == []


def test_a_collision_that_a_new_commit_ended_is_no_finding_any_more(desk: Desk) -> None:
    collide(desk)
    look(desk)
    again = desk.run("second", "ticket/2", event="pr_changes_requested")
    clone = desk.clone(again, "fleet/2")
    commit(clone, {"app.py": "print('hello')\n"}, who=("second", "second@agents.fleet.invalid"))
    desk.ask("pr.push", again)
    look(desk)
    assert [one for one in desk.ask("insights")["insights"] if one["kind"] == "collision"] == []
    assert len(desk.entries("collision.found")) == 1


def test_many_branches_are_looked_at_a_few_pairs_at_a_time(desk: Desk) -> None:
    for number in range(1, 9):
        desk.ticket(f"ticket {number}", "ready")
    for number in range(1, 9):
        desk.pushed("developer", number, {f"file{number}.py": "x = 1\n"})
    lookout = Lookout(desk.db, Repo(desk.paths.bare, bare=True), lambda: "main")
    ticks = [lookout.tick(desk.clock.now()) for _ in range(3)]
    assert [tick.did for tick in ticks] == [PAIRS_A_TICK, 28 - PAIRS_A_TICK, 0]
    assert [tick.next_at is None for tick in ticks] == [True, False, False]


def test_a_branch_whose_commit_is_gone_is_no_reason_to_stop(desk: Desk) -> None:
    collide(desk)
    base = git(desk.paths.bare, "rev-parse", "refs/heads/main")
    tree = git(desk.paths.bare, "rev-parse", "main^{tree}")
    stranger = git(desk.paths.bare, "commit-tree", "-m", "unrelated history", tree)
    git(desk.paths.bare, "update-ref", "refs/heads/fleet/77", stranger)
    look(desk)
    assert git(desk.paths.bare, "rev-parse", "refs/heads/main") == base
    assert len(desk.entries("collision.found")) == 1
