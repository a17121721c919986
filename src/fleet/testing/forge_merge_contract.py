"""The second half of what every forge must do: merging. Importing it adds its cases to ``CASES``."""

from __future__ import annotations

import threading
from hashlib import sha256

from fleet.core.errors import Conflict
from fleet.core.live import WantedCheck
from fleet.forge.port import Judged, Pull
from fleet.testing.forge_contract import CASES, DEVELOPER, ForgeWorld, case, refusal
from fleet.testing.repos import commit, git

__all__ = ["CASES"]


@case
def a_merge_lands_exactly_the_head_that_was_asked_for(world: ForgeWorld) -> None:
    _, pull = world.opened(files={"work.txt": "done\n"})
    merged = world.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    assert not merged.already
    after = world.forge.pull(pull.number)
    assert (after.state, after.merged_head, after.merge_commit) == ("merged", pull.head_sha, merged.merge_commit)
    assert world.base_file("work.txt") == "done\n"
    clone = world.new_clone()
    assert git(clone, "rev-parse", "HEAD") == merged.merge_commit
    assert git(clone, "rev-parse", "HEAD^2") == pull.head_sha
    assert [fact.sha for fact in world.forge.commits(pull.number)] == [pull.head_sha]
    assert world.forge.changed_paths(pull.number) == ("work.txt",)


@case
def a_repeated_merge_finds_the_first_one(world: ForgeWorld) -> None:
    _, pull = world.opened()
    first = world.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    again = world.forge.merge(pull.number, head_sha=pull.head_sha, actor="human:ann")
    assert (again.merge_commit, again.already) == (first.merge_commit, True)
    assert git(world.new_clone(), "rev-list", "--count", "--merges", "HEAD") == "1"


@case
def a_head_that_moved_is_not_merged(world: ForgeWorld) -> None:
    clone, pull = world.opened()
    second = commit(clone, {"work.txt": "sneaky\n"}, "more")
    world.forge.push(clone, second, "fleet/1", expected_old=pull.head_sha)
    old = refusal(world.forge.merge, pull.number, head_sha=pull.head_sha, actor="a")
    assert old == "FLT-FRG-005"
    assert world.base_file("work.txt") == ""
    world.forge.merge(pull.number, head_sha=second, actor="a")
    later = commit(clone, {"work.txt": "later\n"}, "after the merge")
    world.forge.push(clone, later, "fleet/1", expected_old=second)
    assert refusal(world.forge.merge, pull.number, head_sha=later, actor="a") == "FLT-FRG-005"
    assert world.base_file("work.txt") == "sneaky\n"
    assert refusal(world.forge.merge, 999, head_sha=second, actor="a") == "FLT-FRG-002"


def conflict(world: ForgeWorld, pull: Pull) -> Conflict:
    """The conflict that merging a pull request ends in."""
    try:
        world.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    except Conflict as error:
        return error
    raise AssertionError("it merged")


@case
def a_conflict_names_the_paths_and_changes_nothing(world: ForgeWorld) -> None:
    clone, pull = world.opened(files={"app.py": "print('theirs')\n", "fine.txt": "x\n"})
    commit(world.checkout, {"app.py": "print('mine')\n"}, "meanwhile")
    world.arrive()
    before = git(world.new_clone(), "rev-parse", "HEAD")
    error = conflict(world, pull)
    assert error.code == "FLT-FRG-006"
    assert "app.py" in error.message
    assert "fine.txt" not in error.message
    assert git(world.new_clone(), "rev-parse", "HEAD") == before
    assert world.forge.pull(pull.number).state == "open"
    git(clone, "fetch", "--quiet", "origin", "main")
    git(clone, "merge", "--quiet", "--no-edit", "-X", "ours", "FETCH_HEAD")
    resolved = git(clone, "rev-parse", "HEAD")
    world.forge.push(clone, resolved, "fleet/1", expected_old=pull.head_sha)
    world.forge.merge(pull.number, head_sha=resolved, actor="agent:release-manager")
    assert world.base_file("app.py") == "print('theirs')\n"


@case
def merges_keep_what_the_base_got_meanwhile(world: ForgeWorld) -> None:
    _, one = world.opened("fleet/1", {"one.txt": "1\n"})
    _, two = world.opened("fleet/2", {"two.txt": "2\n"})
    _, same = world.opened("fleet/3", {"one.txt": "1\n"})
    commit(world.checkout, {"person.txt": "3\n"}, "meanwhile")
    world.arrive()
    for pull in (one, two, same):
        world.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    clone = world.new_clone()
    assert {name.name for name in clone.glob("*.txt")} == {"one.txt", "two.txt", "person.txt"}


@case
def a_merge_that_a_person_made_by_hand_is_seen(world: ForgeWorld) -> None:
    clone, pull = world.opened()
    _, other = world.opened("fleet/2", {"open.txt": "x\n"})
    git(world.checkout, "fetch", "--quiet", str(clone), "HEAD")
    git(world.checkout, "merge", "--quiet", "--no-ff", "-m", "by hand", "FETCH_HEAD")
    by_hand = git(world.checkout, "rev-parse", "HEAD")
    world.arrive()
    states = {each.number: (each.state, each.merge_commit) for each in world.forge.snapshot().pulls}
    assert states == {pull.number: ("merged", by_hand), other.number: ("open", "")}
    again = world.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    assert (again.merge_commit, again.already) == (by_hand, True)


@case
def a_branch_can_be_proposed_again_after_its_merge(world: ForgeWorld) -> None:
    clone, pull = world.opened()
    world.forge.merge(pull.number, head_sha=pull.head_sha, actor="a")
    assert refusal(world.open, "fleet/1") == "FLT-FRG-009"
    more = commit(clone, {"work.txt": "more\n"}, "more")
    world.forge.push(clone, more, "fleet/1", expected_old=pull.head_sha)
    second = world.open("fleet/1")
    assert second.number != pull.number
    assert world.forge.pull(pull.number).state == "merged"


@case
def merges_and_pushes_in_parallel_merge_each_pull_request_once(world: ForgeWorld) -> None:
    pulls = [world.opened(f"fleet/{n}", {f"file{n}.txt": f"{n}\n"})[1] for n in range(1, 4)]
    commits: list[str] = []
    errors: list[str] = []
    start = threading.Barrier(2 * len(pulls))

    def merge(pull: Pull) -> None:
        start.wait()
        while True:
            try:
                merged = world.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
            except Conflict as error:
                if error.code == "FLT-FRG-020":  # the base kept moving: the caller tries again
                    continue
                errors.append(str(error))
            else:
                commits.append(merged.merge_commit)
            return

    threads = [threading.Thread(target=merge, args=(pull,)) for pull in pulls for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(commits)) == len(pulls)
    clone = world.new_clone()
    assert git(clone, "rev-list", "--count", "--merges", "--first-parent", "HEAD") == str(len(pulls))
    assert len(list(clone.glob("file*.txt"))) == len(pulls)


@case
def a_closed_pull_request_keeps_its_branch_and_is_not_merged(world: ForgeWorld) -> None:
    clone, pull = world.opened()
    world.forge.close_pull(pull.number)
    world.forge.close_pull(pull.number)
    closed = world.forge.pull(pull.number)
    assert (closed.state, closed.head_sha) == ("closed", pull.head_sha)
    assert refusal(world.forge.merge, pull.number, head_sha=pull.head_sha, actor="human:ann") == "FLT-FRG-005"
    assert world.base_file("work.txt") == ""
    assert refusal(world.forge.close_pull, 999) == "FLT-FRG-002"
    more = commit(clone, {"work.txt": "better\n"}, "more")
    world.forge.push(clone, more, "fleet/1", expected_old=pull.head_sha)
    second = world.open("fleet/1")
    assert second.number != pull.number
    assert (second.state, second.head_sha) == ("open", more)


@case
def a_merged_pull_request_is_not_closed(world: ForgeWorld) -> None:
    _, pull = world.opened()
    world.forge.merge(pull.number, head_sha=pull.head_sha, actor="human:ann")
    assert refusal(world.forge.close_pull, pull.number) == "FLT-FRG-005"
    assert world.forge.pull(pull.number).state == "merged"


@case
def of_a_merge_and_a_closing_at_the_same_time_one_wins(world: ForgeWorld) -> None:
    _, pull = world.opened()
    codes: list[str] = []

    def merge() -> None:
        codes.append(refusal(world.forge.merge, pull.number, head_sha=pull.head_sha, actor="human:ann"))

    threads = [threading.Thread(target=merge) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes.append(refusal(world.forge.close_pull, pull.number))
    for thread in threads:
        thread.join()
    merged = world.base_file("work.txt") != ""
    assert world.forge.pull(pull.number).state == ("merged" if merged else "closed")
    assert set(codes) <= {"", "FLT-FRG-005", "FLT-FRG-020"}


@case
def what_was_judged_is_what_is_merged_or_nothing_is(world: ForgeWorld) -> None:
    clone, sha = world.pushed(files={"one.txt": "1\n"})
    head = commit(clone, {"two.txt": "2\n"}, "more", who=DEVELOPER)
    world.forge.push(clone, head, "fleet/1", expected_old=sha)
    pull = world.open("fleet/1")
    judged = Judged(sha256(world.forge.diff(pull.number).encode()).hexdigest())
    git(world.checkout, "pull", "--quiet", "--ff-only", str(clone), sha)  # a person takes half of it by hand
    world.arrive()
    refused = refusal(world.forge.merge, pull.number, head_sha=head, actor="agent:r", judged=judged)
    assert refused == "FLT-FRG-031"
    assert world.forge.pull(pull.number).state == "open"
    assert world.base_file("two.txt") == ""
    unseen = Judged(checks=(WantedCheck("build", 1),))
    assert refusal(world.forge.merge, pull.number, head_sha=head, actor="agent:r", judged=unseen) == "FLT-FRG-032"
    again = Judged(sha256(world.forge.diff(pull.number).encode()).hexdigest())
    world.forge.merge(pull.number, head_sha=head, actor="agent:r", judged=again)
    assert world.base_file("two.txt") == "2\n"


@case
def whether_it_would_merge_is_known_before(world: ForgeWorld) -> None:
    _, pull = world.opened(files={"app.py": "print('theirs')\n"})
    assert world.forge.conflicts(pull.number) == ""
    commit(world.checkout, {"app.py": "print('mine')\n"}, "meanwhile")
    world.arrive()
    assert "app.py" in world.forge.conflicts(pull.number)
    assert world.forge.pull(pull.number).state == "open"


@case
def nothing_is_known_of_checks_where_none_reported(world: ForgeWorld) -> None:
    _, pull = world.opened()
    assert world.forge.checks(pull.number) == world.forge.checks(pull.number, fresh=True) == ()
    assert (world.forge.rules().checks, world.forge.rules().reviews) == ((), 0)
