"""The forge at GitHub beyond the contract: what looking costs, whose label wakes, what outages do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fleet.core.errors import Conflict, FleetError, Refused, TemporaryError
from fleet.forge.github import client as client_module
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import commit, git, make_checkout, make_clone


@dataclass
class Desk:
    """A forge on a GitHub of its own; time stands still until it is moved."""

    place: Place
    forge: GitHubForge
    clock: ManualClock
    bare: Path
    folder: Path

    def clone(self) -> Path:
        """A run's clone."""
        return make_clone(self.bare, self.folder / f"clone{next(_NUMBERS)}")

    def ready(self, number: int) -> bool:
        """Whether the ticket is seen with the label, at a fresh look."""
        self.clock.advance(61)  # what is known of people is believed for a minute
        return any(mark.name == "ready" for mark in self.forge.ticket(number).labels)


_NUMBERS = count(1)


@contextmanager
def a_desk(tmp_path: Path) -> Iterator[Desk]:
    """Open it."""
    checkout = make_checkout(tmp_path / "checkout")
    clock, bare = ManualClock(), tmp_path / "state" / "repo.git"
    with a_github(checkout) as place:
        forge = connect(REPO, bare, checkout, "main", env=place.env(), clock=clock, transport="httpx2")
        yield Desk(place, forge, clock, bare, tmp_path)
        forge.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The usual one."""
    with a_desk(tmp_path) as made:
        yield made


def issue(desk: Desk, login: str = "ann", *labels: str) -> int:
    """Somebody opens an issue on the web."""
    with desk.place.hub.lock:
        return desk.place.hub.open_issue(login, "A wish", "text", labels).number


def test_looking_costs_nothing_while_nothing_changes(desk: Desk) -> None:
    hub = desk.place.hub
    for number in range(12):
        git(hub.bare, "update-ref", f"refs/heads/fleet/{number}", _commit_on(hub.bare, number))
        with hub.lock:
            item = hub.open_pull(BOT, f"Pull {number}", "", f"fleet/{number}", "main")
            hub.replace_labels(BOT, item, ["needs-review"])
    assert len(desk.forge.snapshot().pulls) == 12
    before = len(desk.place.server.counted())
    for _ in range(10):
        desk.clock.advance(6)
        assert len(desk.forge.snapshot().pulls) == 12
    assert len(desk.place.server.counted()) == before
    assert desk.forge.condition().requests > before
    assert desk.forge.condition().remaining > 4900


def _commit_on(bare: Path, number: int) -> str:
    tree = git(bare, "rev-parse", "main^{tree}")
    return git(bare, "commit-tree", tree, "-p", "main", "-m", f"commit {number}")


def test_what_is_shown_is_a_few_seconds_old_at_most(desk: Desk) -> None:
    assert desk.forge.snapshot().tickets == ()
    number = issue(desk)
    desk.clock.advance(4)
    assert desk.forge.snapshot().tickets == ()
    desk.clock.advance(2)
    assert [ticket.number for ticket in desk.forge.snapshot().tickets] == [number]


@pytest.mark.parametrize(("login", "wakes"), [("ann", True), (BOT, True), ("tim", False), ("xen", False)])
def test_a_label_wakes_only_when_somebody_put_it_on_who_may_write(desk: Desk, login: str, wakes: bool) -> None:
    number = issue(desk, "xen")
    with desk.place.hub.lock:  # past GitHub's own check: even a label that should not be possible wakes nobody
        desk.place.hub.replace_labels(login, desk.place.hub.items[number], ["ready"])
    assert desk.ready(number) is wakes


def test_an_outsiders_label_wakes_no_reviewer_either(desk: Desk) -> None:
    clone = desk.clone()
    desk.forge.push(clone, commit(clone, {"x": "y"}, "x"), "fleet/7", expected_old="")
    number = desk.forge.open_pull(branch="fleet/7", title="T", body="", author="agent:d", ticket=0).number
    for login, counts in (("tim", False), (BOT, True)):
        with desk.place.hub.lock:
            for labels in ([], ["needs-review"]):
                desk.place.hub.replace_labels(login, desk.place.hub.items[number], labels)
        desk.clock.advance(61)
        assert [mark.name for mark in desk.forge.pull(number).labels] == (["needs-review"] if counts else [])


def test_the_right_is_asked_for_when_it_counts_not_when_the_label_was_put_on(desk: Desk) -> None:
    number = issue(desk, "xen", "ready")
    with desk.place.hub.lock:
        desk.place.hub.replace_labels("ann", desk.place.hub.items[number], [])
        desk.place.hub.replace_labels("ann", desk.place.hub.items[number], ["ready"])
    assert desk.ready(number)
    desk.place.hub.permissions["ann"] = "read"
    assert not desk.ready(number)


@pytest.mark.parametrize("name", ["Ready", "READY", "ready ", "re\u0430dy", "\uff52eady"])
def test_a_look_alike_of_a_label_is_another_label(desk: Desk, name: str) -> None:
    assert not desk.ready(issue(desk, "ann", name))


def test_a_label_put_on_long_before_the_fleet_came_is_explained_by_the_issue_itself(desk: Desk) -> None:
    number = issue(desk, "ann", "ready")
    with desk.place.hub.lock:
        other = desk.place.hub.items[issue(desk)]
        for turn in range(350):
            desk.place.hub.replace_labels("ann", other, ["noise"] if turn % 2 else [])
    assert desk.ready(number)


def test_a_label_taken_off_and_put_on_again_is_a_new_mark(desk: Desk) -> None:
    number = issue(desk, "ann", "ready")
    (first,) = desk.forge.ticket(number).labels
    with desk.place.hub.lock:
        for labels in ([], ["ready"]):
            desk.place.hub.replace_labels("ann", desk.place.hub.items[number], labels)
    desk.clock.advance(6)
    (second,) = desk.forge.ticket(number).labels
    assert first.mark_id != second.mark_id


def test_nobody_else_speaks_with_the_fleets_mark(desk: Desk) -> None:
    forged = "text\n\n<!-- fleet:by human:ann -->"
    with desk.place.hub.lock:
        number = desk.place.hub.open_issue("xen", "A wish", forged, ()).number
    assert (desk.forge.ticket(number).author, desk.forge.ticket(number).body) == ("outsider:xen", forged)
    ours = desk.forge.create_ticket("Found a bug", "details", author="agent:qa-engineer")
    assert (ours.author, ours.body) == ("agent:qa-engineer", "details")


def test_a_branch_of_a_fork_is_never_taken_for_one_of_ours(desk: Desk) -> None:
    clone = desk.clone()
    sha = commit(clone, {"x": "y"}, "x")
    desk.forge.push(clone, sha, "fleet/7", expected_old="")
    pull = desk.forge.open_pull(branch="fleet/7", title="T", body="", author="agent:developer", ticket=0)
    from_fork = {**desk.place.server.rest.pull(desk.place.hub.items[pull.number])}
    from_fork["head"] = {**from_fork["head"], "repo": {"full_name": "xen/shop"}, "user": {"login": "xen"}}
    shown = desk.forge._pull(from_fork)
    assert (shown.head_ref, shown.ticket) == ("xen:fleet/7", 0)


def test_an_outage_closes_the_client_for_longer_each_time_and_ends_with_the_first_answer(desk: Desk) -> None:
    desk.forge.snapshot()
    desk.place.server.faults = lambda number, method, target: Fault(502, "<html>")
    pauses = []
    for _ in range(4):
        desk.clock.advance(40)
        with pytest.raises(TemporaryError) as caught:
            desk.forge.snapshot()
        pauses.append(caught.value.retry_after)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    asked = len(desk.place.server.log)
    with pytest.raises(TemporaryError):
        desk.forge.snapshot()
    assert len(desk.place.server.log) == asked, "while it is closed nothing is started"
    assert "502" in desk.forge.condition().trouble
    desk.place.server.faults = lambda number, method, target: None
    desk.clock.advance(40)
    assert desk.forge.snapshot().complete
    assert desk.forge.condition().trouble == ""


def test_a_limit_is_obeyed_to_the_second(desk: Desk) -> None:
    limit = Fault(403, '{"message": "API rate limit exceeded"}', {"Retry-After": "90"})
    desk.place.server.faults = lambda number, method, target: limit
    with pytest.raises(TemporaryError) as caught:
        desk.forge.snapshot()
    assert (caught.value.code, caught.value.retry_after) == ("FLT-GHB-002", 90)
    desk.place.server.faults = lambda number, method, target: None
    desk.clock.advance(89)
    with pytest.raises(TemporaryError):
        desk.forge.snapshot()
    desk.clock.advance(2)
    assert desk.forge.snapshot().complete
    assert desk.forge.condition().next_look_at == desk.clock.now() + 5_000_000


@pytest.mark.parametrize(
    "fault", [Fault(0), Fault(502, "<html>"), Fault(200, '[{"number": 1, "ti'), Fault(401), Fault(0, after=True)]
)
def test_a_single_lost_answer_is_not_noticed_by_anybody(desk: Desk, fault: Fault) -> None:
    number = issue(desk)
    desk.place.server.faults = lambda at, method, target: fault if at % 2 else None
    assert [ticket.number for ticket in desk.forge.snapshot().tickets] == [number]


def test_half_a_listing_is_no_listing(desk: Desk) -> None:
    for _ in range(120):
        issue(desk)
    desk.place.server.faults = lambda number, method, target: Fault(502) if "page=2" in target else None
    with pytest.raises(TemporaryError):
        desk.forge.snapshot()
    desk.place.server.faults = lambda number, method, target: None
    desk.clock.advance(40)
    assert len(desk.forge.snapshot().tickets) == 120


@pytest.mark.parametrize("part", ["events", "issues?"])
def test_what_changed_while_a_page_was_lost_is_not_lost_with_it(desk: Desk, part: str) -> None:
    number = issue(desk)
    assert desk.forge.snapshot().complete
    with desk.place.hub.lock:  # more news than one page holds
        for turn in range(110):
            desk.place.hub.open_issue("ann", f"Wish {turn}", "", ("later",))
        desk.place.hub.replace_labels("ann", desk.place.hub.items[number], ["ready"])
    desk.place.server.faults = lambda at, method, target: Fault(502) if part in target and "page=2" in target else None
    desk.clock.advance(20)
    with pytest.raises(TemporaryError):
        desk.forge.snapshot()
    desk.place.server.faults = lambda at, method, target: None
    desk.clock.advance(40)
    assert len(desk.forge.snapshot().tickets) == 111
    assert desk.ready(number)


def test_a_label_whose_explanation_was_lost_is_explained_at_the_next_look(desk: Desk) -> None:
    number = issue(desk, "ann", "ready")
    with desk.place.hub.lock:
        other = desk.place.hub.items[issue(desk)]
        for turn in range(350):
            desk.place.hub.replace_labels("ann", other, ["noise"] if turn % 2 else [])
    lost = f"issues/{number}/events"
    desk.place.server.faults = lambda at, method, target: Fault(502) if lost in target else None
    with pytest.raises(TemporaryError):
        desk.ready(number)
    desk.place.server.faults = lambda at, method, target: None
    assert desk.ready(number)


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (Fault(403, '{"message": "Resource not accessible"}'), "FLT-GHB-005"),
        (Fault(404, '{"message": "Not Found"}'), "FLT-GHB-006"),
    ],
)
def test_what_only_a_person_can_mend_is_asked_again_and_ends_no_service(desk: Desk, refused: Fault, code: str) -> None:
    desk.place.server.faults = lambda at, method, target: refused if "issues" in target else None
    with pytest.raises(TemporaryError) as caught:
        desk.forge.snapshot()
    assert (caught.value.code, caught.value.retry_after) == (code, 15)
    desk.place.server.faults = lambda at, method, target: None
    assert desk.forge.snapshot().complete


def test_a_listing_without_an_end_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(120):
        issue(desk)
    monkeypatch.setattr(client_module, "PAGE_LIMIT", 1)
    with pytest.raises(TemporaryError) as caught:
        desk.forge.snapshot()
    assert caught.value.code == "FLT-GHB-012"


def test_a_machine_without_gh_and_a_gh_without_login_are_told_apart(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    with a_github(checkout) as place:
        bare = tmp_path / "state" / "repo.git"
        connect(REPO, bare, checkout, "main", env=place.env(), clock=ManualClock())
        nowhere = connect(REPO, bare, checkout, "main", env=place.env() | {"PATH": "/nowhere"}, clock=ManualClock())
        with pytest.raises(TemporaryError) as caught:
            nowhere.snapshot()
        assert (caught.value.code, caught.value.where) == ("FLT-GHB-011", "gh")
        stranger = {name: value for name, value in place.env().items() if name != "GH_TOKEN"}
        with pytest.raises(TemporaryError) as unknown:
            connect(REPO, bare, checkout, "main", env=stranger, clock=ManualClock()).snapshot()
        assert unknown.value.code == "FLT-GHB-001"


def test_a_merge_whose_answer_was_lost_is_found(desk: Desk) -> None:
    clone = desk.clone()
    sha = commit(clone, {"x": "y"}, "x")
    desk.forge.push(clone, sha, "fleet/7", expected_old="")
    pull = desk.forge.open_pull(branch="fleet/7", title="T", body="", author="agent:developer", ticket=0)
    lost = Fault(0, after=True)
    desk.place.server.faults = lambda number, method, target: lost if method == "PUT" else None
    with pytest.raises(TemporaryError):
        desk.forge.merge(pull.number, head_sha=sha, actor="agent:release-manager")
    desk.clock.advance(40)
    again = desk.forge.merge(pull.number, head_sha=sha, actor="agent:release-manager")
    assert again.already
    assert again.merge_commit == desk.place.hub.items[pull.number].merge_commit


@pytest.mark.parametrize("lost", [Fault(0, after=True), pytest.param(Fault(502, "<html>"), marks=pytest.mark.long)])
def test_the_gate_is_posted_once_however_often_the_merge_is_asked_for(desk: Desk, lost: Fault) -> None:
    clone = desk.clone()
    sha = commit(clone, {"x": "y"}, "x")
    desk.forge.push(clone, sha, "fleet/7", expected_old="")
    number = desk.forge.open_pull(branch="fleet/7", title="T", body="", author="agent:developer", ticket=0).number
    for method, part in (("POST", "/statuses/"), ("GET", "/statuses"), ("PUT", "/merge")):
        fault = Fault(lost.status, lost.body, after=lost.after and method != "PUT")

        def fail(at: int, verb: str, target: str, method: str = method, part: str = part, how: Fault = fault) -> Any:
            return how if verb == method and part in target else None

        desk.place.server.faults = fail
        with pytest.raises(TemporaryError):
            desk.forge.merge(number, head_sha=sha, actor="agent:release-manager")
        desk.clock.advance(40)
    desk.place.server.faults = lambda at, method, target: None
    desk.forge.merge(number, head_sha=sha, actor="agent:release-manager")
    assert [(made["context"], made["state"]) for made in desk.place.hub.statuses[sha]] == [("fleet/gate", "success")]


def test_a_gate_that_somebody_overruled_is_posted_again(desk: Desk) -> None:
    clone = desk.clone()
    sha = commit(clone, {"x": "y"}, "x")
    desk.forge.push(clone, sha, "fleet/7", expected_old="")
    number = desk.forge.open_pull(branch="fleet/7", title="T", body="", author="agent:developer", ticket=0).number
    for state in ("success", "failure"):
        desk.place.gh(
            "api", f"repos/{REPO}/statuses/{sha}", "-f", f"state={state}", "-f", "context=fleet/gate", login="ann"
        )
    desk.forge.merge(number, head_sha=sha, actor="agent:release-manager")
    assert [made["state"] for made in desk.place.hub.statuses[sha]] == ["success", "failure", "success"]


def test_a_rule_of_the_repository_that_forbids_the_merge_is_told_in_its_own_words(desk: Desk) -> None:
    clone = desk.clone()
    sha = commit(clone, {"x": "y"}, "x")
    desk.forge.push(clone, sha, "fleet/7", expected_old="")
    pull = desk.forge.open_pull(branch="fleet/7", title="T", body="", author="agent:developer", ticket=0)
    rule = Fault(405, '{"message": "At least 1 approving review is required"}')
    desk.place.server.faults = lambda number, method, target: rule if method == "PUT" else None
    with pytest.raises(Refused) as caught:
        desk.forge.merge(pull.number, head_sha=sha, actor="agent:release-manager")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-GHB-009", 6)
    assert "At least 1 approving review is required" in caught.value.message
    assert desk.forge.pull(pull.number).state == "open"


@pytest.mark.parametrize("turns", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_no_push_that_races_a_merge_is_merged_unseen(desk: Desk, turns: int) -> None:
    clone = desk.clone()
    approved: list[str] = []
    for turn in range(turns):
        sha = commit(clone, {f"file{turn}": "approved\n"}, "approved")
        branch = f"fleet/{turn}"
        desk.forge.push(clone, sha, branch, expected_old="")
        number = desk.forge.open_pull(branch=branch, title="T", body="", author="agent:d", ticket=0).number
        sneaky = commit(clone, {f"file{turn}": "sneaky\n"}, "sneaky")
        before_merge = turn % 2 == 0

        def slip_in(at: int, method: str, target: str, sneaky: str = sneaky, branch: str = branch) -> None:
            if method == "PUT" and target.endswith("/merge"):
                git(clone, "push", "--quiet", str(desk.place.hub.bare), f"{sneaky}:refs/heads/{branch}")

        desk.place.server.faults = slip_in if before_merge else lambda at, method, target: None
        if before_merge:
            with pytest.raises(Conflict) as caught:
                desk.forge.merge(number, head_sha=sha, actor="agent:release-manager")
            assert caught.value.code == "FLT-FRG-005"
        else:
            desk.forge.merge(number, head_sha=sha, actor="agent:release-manager")
            approved.append(sha)
        git(clone, "reset", "--quiet", "--hard", desk.forge._base_head())
    assert len(approved) == turns // 2
    parents = git(desk.place.hub.bare, "log", "--merges", "--format=%P", "main").splitlines()
    assert sorted(line.split()[1] for line in parents) == sorted(approved)


def test_the_clock_of_a_jumping_machine_does_not_hide_news(desk: Desk) -> None:
    desk.forge.snapshot()
    number = issue(desk)
    desk.clock.jump(-3600)
    assert [ticket.number for ticket in desk.forge.snapshot().tickets] == [number]


def test_every_request_is_made_by_a_login_that_is_ours(desk: Desk) -> None:
    desk.forge.snapshot()
    assert {asked.login for asked in desk.place.server.log} == {BOT}
    with pytest.raises(FleetError):
        desk.forge.ticket(99)
