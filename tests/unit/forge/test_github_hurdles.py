"""What a repository asks that a fleet with one login cannot meet is found before the first merge fails on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import Refused
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.forge.port import Hurdle
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.github.watching import ACTIONS, Rules
from fleet.testing.repos import make_checkout


class Desk:
    """A repository and a forge over it."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Connect."""
        self.hub, self.place = place.hub, place
        self.forge: GitHubForge = connect(
            REPO, folder / "repo.git", folder / "checkout", "main",
            env=place.env(), clock=ManualClock(), transport="httpx2",
        )  # fmt: skip

    def met(self) -> dict[str, Hurdle]:
        """What is in the way, by its id."""
        found = self.forge.hurdles()
        assert len({one.id for one in found}) == len(found)
        assert all(one.found and one.why and one.choose for one in found)
        return {one.id: one for one in found}

    def protect(self, **more: Any) -> None:
        """Protect the base branch so, and let our login read by what."""
        self.hub.permissions[BOT] = "admin"
        self.hub.rules["main"] = Rules(protected=True, more_protection=more)


@pytest.fixture(scope="module")
def open_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One for all tests: what differs between them is a few facts."""
    folder = tmp_path_factory.mktemp("hurdles")
    with a_github(make_checkout(folder / "checkout")) as place:
        made = Desk(folder, place)
        yield made
        made.forge.close()


@pytest.fixture
def desk(open_desk: Desk) -> Desk:
    """As it was at first."""
    open_desk.hub.permissions[BOT] = "write"
    open_desk.hub.rules.clear()
    open_desk.hub.settings = {}
    open_desk.place.server.faults = lambda number, method, target: None
    return open_desk


def test_a_repository_that_a_fleet_can_work_in_has_none_and_asking_again_costs_nothing(desk: Desk) -> None:
    desk.hub.permissions[BOT] = "admin"
    desk.hub.rules["main"] = Rules(
        protected=True, checks=[("build", ACTIONS), ("fleet/gate", 0)], ruled_checks=[("fleet/gate", 0)]
    )
    assert desk.met() == {}
    counted = len(desk.place.server.counted())
    assert desk.met() == {}
    assert len(desk.place.server.counted()) == counted


@pytest.mark.parametrize("kind", ["ruleset", "protection"])
def test_reviews_that_one_login_can_never_give_are_told_with_what_to_choose(desk: Desk, kind: str) -> None:
    desk.hub.permissions[BOT] = "admin"
    by_ruleset = kind == "ruleset"
    desk.hub.rules["main"] = Rules(
        protected=not by_ruleset, reviews=0 if by_ruleset else 2, ruled_reviews=2 * by_ruleset, code_owners=True
    )
    (one,) = desk.met().values()
    assert (one.id, one.final) == ("forge.reviews", False)
    assert "2 approving reviews and a review by a code owner" in one.found
    assert BOT in one.why
    assert "status check fleet/gate in place of the review" in one.choose
    assert f"let {BOT} bypass" in one.choose


def rule(kind: str, **parameters: object) -> dict[str, Any]:
    """A rule of a ruleset."""
    return {"type": kind, **({"parameters": parameters} if parameters else {})}


_GATE = {"context": "fleet/gate", "integration_id": 77}


@pytest.mark.parametrize(
    ("ruled", "met"),
    [
        (rule("required_signatures"), "forge.signatures"),
        (rule("required_linear_history"), "forge.merge_commits"),
        (rule("pull_request", allowed_merge_methods=["squash"]), "forge.merge_commits"),
        (rule("pull_request", allowed_merge_methods=["merge", "squash"]), ""),
        (rule("pull_request", require_last_push_approval=True), "forge.reviews"),
        (rule("merge_queue", merge_method="MERGE"), "forge.merge_queue"),
        (rule("update"), "forge.base_closed"),
        (rule("required_status_checks", required_status_checks=[_GATE]), "forge.gate"),
        (rule("required_status_checks", strict_required_status_checks_policy=True), "forge.up_to_date"),
        (rule("non_fast_forward"), ""),
        (rule("deletion"), ""),
        (rule("a_kind_of_tomorrow", x=1), ""),
    ],
)
def test_each_rule_of_a_ruleset_that_stops_a_fleet_is_told(desk: Desk, ruled: dict[str, Any], met: str) -> None:
    desk.hub.rules["main"] = Rules(more_ruled=[ruled])
    assert list(desk.met()) == ([met] if met else [])


@pytest.mark.parametrize(
    ("part", "met"),
    [
        ({"required_signatures": {"enabled": True}}, "forge.signatures"),
        ({"required_signatures": {"enabled": False}}, ""),
        ({"required_linear_history": {"enabled": True}}, "forge.merge_commits"),
        ({"required_pull_request_reviews": {"require_last_push_approval": True}}, "forge.reviews"),
        ({"lock_branch": {"enabled": True}}, "forge.base_closed"),
        ({"restrictions": {"users": [{"login": "ann"}], "teams": []}}, "forge.base_closed"),
        ({"restrictions": {"users": [{"login": BOT}], "teams": []}}, ""),
        ({"restrictions": {"users": [], "teams": [{"slug": "makers"}]}}, ""),
        ({"required_status_checks": {"strict": True, "checks": []}}, "forge.up_to_date"),
        ({"required_status_checks": {"checks": [{"context": "fleet/gate", "app_id": 77}]}}, "forge.gate"),
    ],
)
def test_each_part_of_a_protection_that_stops_a_fleet_is_told(desk: Desk, part: dict[str, Any], met: str) -> None:
    desk.protect(**part)
    assert list(desk.met()) == ([met] if met else [])


@pytest.mark.parametrize(
    ("bypass", "merges", "pushes"),
    [
        ("never", True, True),
        ("pull_requests_only", False, True),
        ("always", False, False),
        ("exempt", False, False),
        ("a_word_of_tomorrow", True, True),
    ],
)
def test_a_ruleset_that_our_login_may_bypass_is_in_nobodys_way(
    desk: Desk, bypass: str, merges: bool, pushes: bool
) -> None:
    desk.hub.rules["main"] = Rules(ruled_reviews=1, bypass=bypass)
    desk.hub.rules["fleet/1"] = Rules(more_ruled=[rule("creation")], bypass=bypass)
    assert list(desk.met()) == ["forge.reviews"] * merges + ["forge.branches"] * pushes
    desk.place.server.faults = lambda at, method, target: Fault(404) if "/rulesets/" in target else None
    assert list(desk.met()) == ["forge.reviews", "forge.branches"], "what GitHub does not say is taken for a no"


@pytest.mark.parametrize(
    ("part", "met"),
    [
        ({"enforce_admins": {"enabled": False}}, []),
        ({"enforce_admins": {"enabled": True}}, ["forge.reviews", "forge.signatures"]),
        ({"bypass_pull_request_allowances": {"users": [{"login": BOT}]}}, ["forge.signatures"]),
        ({"bypass_pull_request_allowances": {"users": [{"login": "ann"}]}}, ["forge.reviews", "forge.signatures"]),
    ],
)
def test_a_protection_that_our_login_may_bypass_is_in_nobodys_way(
    desk: Desk, part: dict[str, Any], met: list[str]
) -> None:
    reviews = {"required_approving_review_count": 1, **part}
    desk.protect(required_pull_request_reviews=reviews, required_signatures={"enabled": True}, **part)
    assert list(desk.met()) == met


def test_settings_and_rights_of_the_repository_are_told_too(desk: Desk) -> None:
    desk.hub.settings = {"allow_merge_commit": False}
    assert list(desk.met()) == ["forge.merge_commits"]
    desk.hub.settings = {}
    desk.hub.permissions[BOT] = "triage"
    assert desk.met()["forge.rights"].final
    desk.hub.settings = {"archived": True}
    assert list(desk.met()) == ["forge.archived"]


def test_a_protection_that_our_login_may_not_read_is_told_as_that(desk: Desk) -> None:
    desk.hub.rules["main"] = Rules(protected=True)
    assert list(desk.met()) == ["forge.hidden"]
    desk.hub.rules["main"] = Rules(protected=True, ruled_reviews=1)
    assert list(desk.met()) == ["forge.reviews"], "the ruleset says by what"


def test_a_ruleset_for_all_branches_stops_the_pushes_of_agents(desk: Desk) -> None:
    desk.hub.rules["fleet/1"] = Rules(more_ruled=[rule("deletion"), rule("update"), rule("creation")])
    (one,) = desk.met().values()
    assert (one.id, one.found) == ("forge.branches", "a ruleset covers the branches fleet/* too: creation, update")


def test_a_plan_without_rulesets_has_no_rules(desk: Desk) -> None:
    text = '{"message": "Upgrade to GitHub Pro or make this repository public to enable this feature."}'
    desk.place.server.faults = lambda at, method, target: Fault(403, text) if "/rules/" in target else None
    assert desk.met() == {}
    assert desk.forge.rules().checks == ()
    desk.place.server.faults = lambda at, method, target: Fault(403) if "/rules/" in target else None
    with pytest.raises(Refused):
        desk.met()
