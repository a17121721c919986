"""The local GitHub against GitHub's own description of its API: every path that it serves, and every answer's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.openapi.description import Judge, Missing, description

from fleet.testing.github import rest_checks, rest_labels
from fleet.testing.github.hub import REPO, Hub
from fleet.testing.github.rest import ROUTES, Rest, Route
from fleet.testing.github.watching import Rules
from fleet.testing.repos import commit, git, make_checkout

pytestmark = pytest.mark.timeout(300)  # the first time on a machine the package is fetched


@pytest.fixture(scope="module")
def judge() -> Judge:
    """GitHub's description; where it cannot be had, nothing is proved, and that is said."""
    try:
        return Judge(description())
    except Missing as missing:
        pytest.skip(f"NOTHING IS COMPARED with GitHub's own description of its API: {missing}")


class Asking:
    """A local GitHub without HTTP, and everything that it answered."""

    def __init__(self, folder: Path) -> None:
        """A repository with one commit on main; ann is its administrator, bot may write, tim label, xen read."""
        self.checkout = make_checkout(folder / "checkout")
        bare = folder / "hub.git"
        bare.mkdir()
        git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
        self.hub = Hub(bare)
        for login, permission in (("ann", "admin"), ("bot", "write"), ("tim", "triage"), ("xen", "read")):
            self.hub.person(login, permission)
        self.push("main:main")
        self.rest = Rest(self.hub)
        self.answers: list[tuple[Route, int, Any]] = []
        self.rest.heard = lambda route, status, body: self.answers.append((route, status, body))

    def push(self, refspec: str) -> None:
        """Somebody pushes."""
        git(self.checkout, "push", "--quiet", "--force", str(self.hub.bare), refspec)

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None, *, login: str = "ann") -> int:
        """Ask, and return the status."""
        return self.rest.answer(login, method, path, body or {})[0]

    def repo(self, method: str, path: str, body: dict[str, Any] | None = None, *, login: str = "ann") -> int:
        """Ask about the repository."""
        return self(method, f"/repos/{REPO}{path}", body, login=login)


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    """Every route asked at least once with success; most also in vain."""
    made = Asking(tmp_path)
    _issues(made)
    _pulls(made)
    _commits(made)
    return made


def _issues(asking: Asking) -> None:
    assert asking("GET", "/") == 200
    assert asking("GET", "/user") == 200
    assert asking("GET", "/rate_limit") == 200
    for login in ("ann", "xen"):
        assert asking.repo("GET", "", login=login) == 200
    assert asking.repo("GET", "/collaborators/tim/permission") == 200
    assert asking.repo("GET", "/collaborators/tim/permission", login="xen") == 403
    assert asking.repo("POST", "/issues", {"title": "A wish", "body": "text", "labels": ["ready"]}) == 201
    assert asking.repo("POST", "/issues", {"title": " "}) == 422
    for path in ("/issues?state=all", "/issues/1", "/issues/events", "/issues/1/events", "/issues/1/labels"):
        assert asking.repo("GET", path) == 200
    assert asking.repo("GET", "/issues/99") == 404
    assert asking.repo("PUT", "/issues/1/labels", {"labels": ["ready", "needs-review"]}) == 200
    assert asking.repo("PUT", "/issues/1/labels", {"labels": []}, login="xen") == 403
    assert asking.repo("POST", "/issues/1/labels", {"labels": ["more"]}, login="tim") == 200
    assert asking.repo("DELETE", "/issues/1/labels/more") == 200
    assert asking.repo("DELETE", "/issues/1/labels/more") == 404
    gate = {"name": "fleet/gate", "color": "0e8a16", "description": "a label"}
    assert asking.repo("POST", "/labels", gate) == 201
    assert asking.repo("POST", "/labels", {**gate, "name": "Fleet/Gate"}) == 422
    assert asking.repo("POST", "/labels", gate, login="xen") == 403
    assert asking.repo("PATCH", "/labels/fleet%2Fgate", {"color": "ffffff"}) == 200
    assert asking.repo("PATCH", "/labels/none", {"color": "ffffff"}) == 404
    assert asking.repo("GET", "/labels") == 200
    assert asking.repo("DELETE", "/labels/fleet%2Fgate") == 204
    assert asking.repo("DELETE", "/labels/fleet%2Fgate") == 404
    assert asking.repo("POST", "/issues/1/comments", {"body": "a remark"}) == 201
    assert asking.repo("GET", "/issues/1/comments") == 200
    assert asking.repo("PATCH", "/issues/1", {"state": "closed"}) == 200
    assert asking.repo("GET", "/issues/1") == 200


def _pulls(asking: Asking) -> None:
    new = {"title": "A change", "head": "fleet/1", "base": "main", "body": "what I did"}
    assert asking.repo("POST", "/pulls", new) == 422
    commit(asking.checkout, {"one.txt": "1\n"}, "one")
    asking.push("HEAD:fleet/1")
    assert asking.repo("POST", "/pulls", new) == 201
    assert asking.repo("POST", "/pulls", new) == 422
    for path in ("/pulls?state=all", "/pulls/2", "/issues/2", "/issues?state=all"):
        assert asking.repo("GET", path) == 200
    assert asking.repo("GET", "/pulls/1") == 404
    asking.push("main:release")
    assert asking.repo("PATCH", "/pulls/2", {"base": "release"}) == 200
    assert asking.repo("PATCH", "/pulls/2", {"base": "main"}) == 200
    git(asking.checkout, "commit", "--quiet", "--amend", "-m", "another way")
    asking.push("HEAD:fleet/1")
    assert asking.repo("GET", "/issues/2/events") == 200
    assert asking.repo("PUT", "/pulls/2/merge", {"sha": "0" * 40}) == 409
    asking.hub.rules["main"] = Rules(reviews=1)
    assert asking.repo("PUT", "/pulls/2/merge", {}) == 405
    del asking.hub.rules["main"]
    assert asking.repo("PUT", "/pulls/2/merge", {"sha": asking.hub.branch("fleet/1")}) == 200
    assert asking.repo("GET", "/pulls/2") == 200
    assert asking.repo("GET", "/pulls?state=all") == 200
    commit(asking.checkout, {"three.txt": "3\n"}, "three")
    asking.push("HEAD:fleet/3")
    assert asking.repo("POST", "/pulls", {**new, "head": "fleet/3"}) == 201
    asking.push(":fleet/3")
    assert asking.repo("GET", "/issues/events") == 200
    assert asking.hub.items[3].state == "closed"


def _commits(asking: Asking) -> None:
    head = asking.hub.branch("main")
    assert asking.repo("GET", "/git/ref/heads/main") == 200
    assert asking.repo("GET", "/git/ref/heads/none") == 404
    for state in ("success", "failure"):
        assert asking.repo("POST", f"/statuses/{head}", {"state": state, "context": "fleet/gate"}) == 201
    asking.hub.check(head, "build", "success", title="All well", summary="12 tests")
    asking.hub.check(head, "lint")
    for what in ("statuses", "status", "check-runs"):
        assert asking.repo("GET", f"/commits/{head}/{what}") == 200
    assert asking.repo("GET", "/branches/none") == 404
    assert asking.repo("GET", "/branches/main/protection") == 404
    asking.hub.rules["main"] = Rules(
        protected=True,
        checks=[("build", 15368), ("any", 0)],
        reviews=2,
        ruled_checks=[("lint", 7)],
        ruled_reviews=1,
        more_ruled=[{"type": "required_linear_history"}, {"type": "required_signatures"}, {"type": "creation"}],
        more_protection={"lock_branch": {"enabled": True}, "required_linear_history": {"enabled": True}},
    )
    for path in ("/branches/main", "/branches/main/protection", "/rules/branches/main", "/rulesets/1"):
        assert asking.repo("GET", path) == 200
    assert asking.repo("GET", "/branches/main/protection", login="bot") == 404
    assert asking.repo("GET", "/rulesets/2") == 404


def test_every_path_that_is_served_is_one_of_githubs(judge: Judge) -> None:
    assert [f"{one.method} {one.template}" for one in ROUTES if not judge.knows(one.method, one.template)] == []


def test_every_path_that_is_served_is_asked_here_with_success(asking: Asking) -> None:
    asked = {(route.method, route.template) for route, status, _ in asking.answers if status < 300}
    assert asked == {(one.method, one.template) for one in ROUTES}
    assert asked >= {
        ("GET", template) for template in rest_checks.HERE | rest_labels.HERE - {"/repos/{owner}/{repo}/labels/{name}"}
    }


def test_every_answer_is_one_that_github_could_have_given(judge: Judge, asking: Asking) -> None:
    faults = {
        fault
        for route, status, body in asking.answers
        for fault in judge.faults(route.method, route.template, status, body)
    }
    assert sorted(faults) == []


def test_an_answer_without_a_field_that_github_promises_is_found(judge: Judge, asking: Asking) -> None:
    route, status, body = next(one for one in asking.answers if one[0].template.endswith("/issues/{issue_number}"))
    assert list(judge.faults(route.method, route.template, status, body)) == []
    maimed = {key: value for key, value in body.items() if key != "node_id"}
    assert "node_id" in next(iter(judge.faults(route.method, route.template, status, maimed)))
    assert list(judge.faults(route.method, route.template, 418, body)) != []
    assert list(judge.faults("GET", "/repos/{owner}/{repo}/nothing", 200, {})) != []
