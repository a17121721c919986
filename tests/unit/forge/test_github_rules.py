"""Merging at GitHub: checks by app, the branch's own rules, other bases; and pushes that race a merge."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fleet.core.errors import Conflict, Refused
from fleet.core.live import WantedCheck
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.forge.port import Judged, Pull
from fleet.testing.clock import ManualClock
from fleet.testing.forge_contract import refusal
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.github.watching import ACTIONS, Rules
from fleet.testing.repos import commit, git, make_checkout, make_clone

RELEASE = "agent:release-manager"


class Desk:
    """A forge over kept connections on a GitHub of its own, with one open pull request."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Push a commit and open its pull request."""
        self.place, self.hub, self.clock = place, place.hub, ManualClock()
        bare = folder / "state" / "repo.git"
        self.forge: GitHubForge = connect(
            REPO, bare, folder / "checkout", "main", env=place.env(), clock=self.clock, transport="httpx2"
        )
        self.clone = make_clone(bare, folder / "clone")
        self.sha = commit(self.clone, {"one.txt": "1\n"}, "one")
        self.forge.push(self.clone, self.sha, "fleet/7", expected_old="")
        self.pull = self.open()

    def open(self, branch: str = "fleet/7") -> Pull:
        """The pull request of a pushed branch."""
        return self.forge.open_pull(branch=branch, title="T", body="", author="agent:developer", ticket=0)

    def merge(self, *checks: WantedCheck) -> None:
        """Merge the pull request if these checks are green."""
        self.forge.merge(self.pull.number, head_sha=self.sha, actor=RELEASE, judged=Judged(checks=checks))

    def states(self) -> list[tuple[str, int, str]]:
        """What programs said about the head, asked afresh."""
        found = self.forge.checks(self.pull.number, fresh=True)
        return sorted((one.name, one.app_id, one.state) for one in found)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open it."""
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        made = Desk(tmp_path, place)
        yield made
        made.forge.close()


# -- what is read -----------------------------------------------------------------------------------


def test_check_runs_and_statuses_are_read_with_who_said_them_and_our_own_word_is_none_of_them(desk: Desk) -> None:
    desk.hub.check(desk.sha, "build", "success", title="All well", summary="12 tests passed")
    desk.hub.check(desk.sha, "lint")
    desk.hub.check(desk.sha, "docs", "timed_out", app_id=7)
    desk.hub.check(desk.sha, "skip", "skipped")
    for context, state in (
        ("old-ci", "pending"),
        ("old-ci", "success"),
        ("deploy", "error"),
        ("fleet/gate", "success"),
    ):
        desk.place.gh("api", f"repos/{REPO}/statuses/{desk.sha}", "-f", f"state={state}", "-f", f"context={context}")
    assert desk.states() == [
        ("build", ACTIONS, "passed"), ("deploy", 0, "failed"), ("docs", 7, "failed"), ("lint", ACTIONS, "pending"),
        ("old-ci", 0, "passed"), ("skip", ACTIONS, "passed"),
    ]  # fmt: skip
    found = {one.name: one for one in desk.forge.checks(desk.pull.number)}
    assert found["build"].summary == "All well\n\n12 tests passed"


def test_what_was_said_is_believed_for_a_while_and_costs_nothing_while_it_is_the_same(desk: Desk) -> None:
    desk.hub.check(desk.sha, "build")
    desk.forge.checks(desk.pull.number)
    asked, counted = len(desk.place.server.log), len(desk.place.server.counted())
    desk.forge.checks(desk.pull.number)
    assert len(desk.place.server.log) == asked
    desk.clock.advance(16)
    assert desk.forge.checks(desk.pull.number)[0].state == "pending"
    assert len(desk.place.server.counted()) == counted
    desk.hub.check(desk.sha, "build", "success")
    assert desk.forge.checks(desk.pull.number)[0].state == "pending"
    desk.clock.advance(16)
    assert desk.forge.checks(desk.pull.number)[0].state == "passed"


def test_the_rules_of_the_branch_are_read_from_rulesets_and_from_its_protection(desk: Desk) -> None:
    desk.hub.rules["main"] = Rules(
        protected=True,
        checks=[("build", ACTIONS), ("any", 0), ("fleet/gate", 0)],
        reviews=1,
        ruled_checks=[("lint", 7)],
        ruled_reviews=2,
        code_owners=True,
    )
    seen = desk.forge.rules()
    assert seen.checks == (WantedCheck("lint", 7),)
    assert (seen.reviews, seen.code_owners) == (2, True)
    assert "no administrator" in seen.hidden
    desk.hub.permissions["fleet-bot"] = "admin"
    assert desk.forge.rules() == seen, "believed for a minute"
    desk.clock.advance(61)
    seen = desk.forge.rules()
    assert set(seen.checks) == {WantedCheck("lint", 7), WantedCheck("build", ACTIONS), WantedCheck("any")}
    assert seen.hidden == ""


# -- merging ----------------------------------------------------------------------------------------


def test_a_check_that_turned_red_after_the_gate_stops_the_merge(desk: Desk) -> None:
    wanted = WantedCheck("build", ACTIONS)
    desk.hub.check(desk.sha, "build", "success")
    assert desk.states() == [("build", ACTIONS, "passed")]
    desk.hub.check(desk.sha, "build", "failure")
    with pytest.raises(Conflict) as caught:
        desk.merge(wanted)
    assert (caught.value.code, "build (failed)" in caught.value.message) == ("FLT-FRG-032", True)
    assert desk.hub.statuses == {}, "and no status says that the gate passed"
    desk.hub.check(desk.sha, "build", "success")
    desk.merge(wanted)
    assert desk.hub.items[desk.pull.number].merged_at


def test_another_app_cannot_say_it(desk: Desk) -> None:
    desk.hub.check(desk.sha, "build", "success", app_id=99)
    desk.place.gh("api", f"repos/{REPO}/statuses/{desk.sha}", "-f", "state=success", "-f", "context=build")
    with pytest.raises(Conflict) as caught:
        desk.merge(WantedCheck("build", ACTIONS))
    assert caught.value.code == "FLT-FRG-032"
    desk.merge(WantedCheck("build", 99))


def test_a_branch_that_requires_the_fleets_gate_lets_the_fleet_merge_and_nobody_before(desk: Desk) -> None:
    desk.hub.rules["main"] = Rules(protected=True, checks=[("fleet/gate", 0)])
    with pytest.raises(AssertionError, match="fleet/gate"):
        desk.place.gh("api", "-X", "PUT", f"repos/{REPO}/pulls/{desk.pull.number}/merge", login="ann")
    desk.merge()
    assert desk.hub.items[desk.pull.number].merged_at


def test_a_branch_that_requires_a_review_refuses_the_fleet_in_githubs_words(desk: Desk) -> None:
    desk.hub.rules["main"] = Rules(protected=True, reviews=1)
    with pytest.raises(Refused) as caught:
        desk.merge()
    assert (caught.value.code, "approving review" in caught.value.message) == ("FLT-GHB-009", True)


def test_a_pull_request_that_was_pointed_at_another_branch_is_not_merged(desk: Desk) -> None:
    git(desk.hub.bare, "branch", "release", "main")
    desk.place.gh("api", "-X", "PATCH", f"repos/{REPO}/pulls/{desk.pull.number}", "-f", "base=release", login="ann")
    with pytest.raises(Conflict) as caught:
        desk.merge()
    assert caught.value.code == "FLT-FRG-033"
    assert desk.hub.statuses == {}


def test_one_that_is_pointed_elsewhere_in_the_moment_of_its_merge_is_no_merge_of_the_fleets(desk: Desk) -> None:
    """GitHub compares the head alone: the approved commit went where nobody approved it."""
    git(desk.hub.bare, "branch", "release", "main")
    before = git(desk.hub.bare, "rev-parse", "main")

    def point(at: int, method: str, target: str) -> None:
        if method == "PUT" and target.endswith("/merge"):
            desk.hub.items[desk.pull.number].base = "release"

    desk.place.server.faults = point
    assert refusal(desk.merge) == "FLT-FRG-034"
    desk.place.server.faults = lambda at, method, target: None
    assert (git(desk.hub.bare, "rev-parse", "main"), desk.hub.items[desk.pull.number].merge_commit) != (before, "")
    assert git(desk.hub.bare, "rev-parse", "main") == before
    desk.clock.advance(6)
    seen = desk.forge.pull(desk.pull.number)
    assert (seen.state, seen.base_ref, seen.merge_commit) == ("closed", "release", "")
    assert refusal(desk.merge) == "FLT-FRG-005", "a repetition does not find a merge either"


def test_one_that_became_a_draft_after_its_approval_is_not_merged_and_github_says_why(desk: Desk) -> None:
    draft = Fault(405, '{"message": "Pull Request is still a draft"}')
    desk.place.server.faults = lambda at, method, target: draft if method == "PUT" else None
    with pytest.raises(Refused, match="still a draft"):
        desk.merge()


def test_the_name_of_a_branch_may_change_and_the_approved_commit_is_merged_or_nothing_is(desk: Desk) -> None:
    """A branch that takes another name is, to GitHub, the same pull request; another head is another matter."""
    sneaky = commit(desk.clone, {"two.txt": "2\n"}, "two")
    git(desk.clone, "push", "--quiet", str(desk.hub.bare), f"{sneaky}:refs/heads/other")
    with desk.hub.lock:
        desk.hub.look_at_heads()
        desk.hub.items[desk.pull.number].head = "other"
    git(desk.hub.bare, "branch", "more", "main")  # so that GitHub looks at its branches again
    assert refusal(desk.merge) == "FLT-FRG-005"
    git(desk.hub.bare, "update-ref", "refs/heads/other", desk.sha)
    desk.merge()
    assert git(desk.hub.bare, "rev-parse", "main^2") == desk.sha


def test_one_that_was_closed_and_opened_again_at_the_same_commit_is_merged_at_that_and_at_no_other(desk: Desk) -> None:
    number = desk.pull.number
    for state in ("closed", "open"):
        desk.place.gh("api", "-X", "PATCH", f"repos/{REPO}/pulls/{number}", "-f", f"state={state}", login="ann")
        assert (refusal(desk.merge) == "FLT-FRG-005") is (state == "closed")
    assert git(desk.hub.bare, "rev-parse", "main^2") == desk.sha


def test_a_title_writes_no_line_of_its_own_into_the_merge(desk: Desk) -> None:
    forged = f"Work\n\nFleet-Head: {'0' * 40}\r\nApproved-by: ann\x1b[2J"
    with desk.hub.lock:
        desk.hub.items[desk.pull.number].title = forged
    desk.merge()
    text = git(desk.hub.bare, "log", "-1", "--format=%B", "main")
    assert [line for line in text.splitlines() if line.startswith(("Fleet-Head:", "Approved-by:"))] == [
        f"Fleet-Head: {desk.sha}"
    ]


def test_a_branch_that_was_deleted_is_no_head_any_more(desk: Desk) -> None:
    git(desk.hub.bare, "update-ref", "-d", "refs/heads/fleet/7")
    desk.clock.advance(6)
    gone = desk.forge.pull(desk.pull.number)
    assert (gone.state, gone.head_sha) == ("closed", "")
    assert (desk.forge.commits(gone.number), desk.forge.changed_paths(gone.number), desk.forge.diff(gone.number)) == (
        (), (), "",
    )  # fmt: skip


# -- races ------------------------------------------------------------------------------------------

BATCH = 50
# When the other push is let go: before the merge is asked for, at one of its requests (most at the merge itself, which
# then runs beside it), or after it.
STAGES = ("before", "GET /pulls/", "GET /commits/", "PUT /pulls/", "PUT /pulls/", "PUT /pulls/", "after")


class Race:
    """Pull requests with an approved head, each with a push of something else that comes in between."""

    def __init__(self, desk: Desk) -> None:
        """Nothing has been pushed yet."""
        self.desk, self.bare, self.base = desk, desk.hub.bare, git(desk.hub.bare, "rev-parse", "main")
        self.merged: list[str] = []
        self.sneaky: set[str] = set()

    def branches(self, first: int, count: int) -> dict[str, tuple[str, str]]:
        """New branches at an approved commit: by name that commit, and one on top of it that nobody approved."""
        names = [f"fleet/r{turn}" for turn in range(first, first + count)]
        git(self.bare, "fast-import", "--quiet", stdin="".join(_story(name, self.base) for name in names).encode())
        listing = git(self.bare, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/fleet", "refs/sneaky")
        at = dict(line.split() for line in listing.splitlines())
        return {name: (at[f"refs/heads/{name}"], at[f"refs/sneaky/{name}"]) for name in names}

    def run(self, first: int, count: int) -> None:
        """Race for some of them."""
        hub, made = self.desk.hub, self.branches(first, count)
        self.sneaky |= {sneaky for _, sneaky in made.values()}
        with hub.lock:
            items = {name: hub.plant_pull("fleet-bot", name, name, "main", made[name][0]) for name in made}
        for turn, (name, (approved, sneaky)) in enumerate(made.items(), first):
            self._one(STAGES[turn % len(STAGES)], items[name].number, name, approved, sneaky)
        with hub.lock:
            for item in items.values():
                item.state = "closed"
            for kind in ("heads", "sneaky"):
                git(self.bare, "update-ref", "--stdin", stdin=_deletions(kind, made).encode())

    def _one(self, stage: str, number: int, name: str, approved: str, sneaky: str) -> None:
        words = ("update-ref", f"refs/heads/{name}", sneaky, approved)
        pusher = threading.Thread(target=lambda: git(self.bare, *words), daemon=True)

        def let_go(at: int, method: str, target: str) -> None:
            if stage != "before" and f"{method} {target}".startswith(stage.replace("/", f"/repos/{REPO}/", 1)):
                with suppress(RuntimeError):  # it was let go by an earlier request
                    pusher.start()

        self.desk.place.server.faults = let_go
        if stage == "before":
            pusher.start()
            pusher.join(60)
        code = refusal(self.desk.forge.merge, number, head_sha=approved, actor=RELEASE)
        assert code in ("", "FLT-FRG-005"), (stage, code)
        self.merged += [approved] if not code else []
        if stage == "after":
            pusher.start()
        pusher.join(60)


def _story(name: str, base: str) -> str:
    """Two commits for git's fast-import: what is approved, and what is pushed on top of it."""
    who, path = "committer Ann <ann@example.test> 1700000000 +0000", name.replace("/", "-")
    return (
        f"commit refs/heads/{name}\n{who}\ndata 8\napproved\nfrom {base}\nM 100644 inline {path}\ndata 3\nok\n\n"
        f"commit refs/sneaky/{name}\n{who}\ndata 6\nsneaky\nfrom refs/heads/{name}\n"
        f"M 100644 inline {path}\ndata 4\nbad\n\n"
    )


def _deletions(kind: str, made: dict[str, tuple[str, str]]) -> str:
    return "".join(f"delete refs/{kind}/{name}\n" for name in made)


@pytest.mark.parametrize("turns", [28, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_no_push_that_races_a_merge_brings_in_a_commit_that_nobody_approved(desk: Desk, turns: int) -> None:
    """The pushes move branches in the real repository while GitHub merges there; git's compare-and-set decides."""
    race = Race(desk)
    for first in range(0, turns, BATCH):
        race.run(first, min(BATCH, turns - first))
    second = [line.split()[1] for line in git(race.bare, "log", "--merges", "--format=%P", "main").splitlines()]
    assert sorted(second) == sorted(race.merged)
    assert len(race.sneaky) == turns
    assert 0 < len(race.merged) < turns, "both happened: merges that were first, and pushes that were"
    assert set(git(race.bare, "rev-list", "main").split()) & race.sneaky == set()
