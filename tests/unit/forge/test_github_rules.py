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
