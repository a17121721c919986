"""What every way to GitHub must do: the same answers, the same errors, whatever carries the request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.core.clock import SystemClock
from fleet.core.errors import FleetError, PermanentError, TemporaryError
from fleet.forge.github.client import Client
from fleet.forge.github.connect import transport_named
from fleet.forge.github.gh import Transport
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import make_checkout

WAYS = ("gh", "httpx2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One GitHub for all."""
    with a_github(make_checkout(tmp_path_factory.mktemp("transport") / "checkout")) as made:
        yield made


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, place: Place) -> Iterator[Transport]:
    """Every way in turn; nothing goes wrong yet."""
    place.server.faults = lambda number, method, target: None
    made = transport_named(request.param, place.env(), 30.0)
    yield made
    made.close()
    place.server.faults = lambda number, method, target: None


def fail(place: Place, fault: Fault) -> None:
    """From now on nothing else comes back."""
    place.server.faults = lambda number, method, target: fault


def test_an_answer_comes_with_its_validator_and_its_limits(way: Transport) -> None:
    reply = way.request("GET", f"repos/{REPO}/issues?state=all&sort=updated&direction=desc&per_page=100")
    assert (reply.status, reply.json()) == (200, [])
    assert reply.etag.startswith('W/"')
    assert reply.headers["x-ratelimit-limit"] == "5000"


def test_what_has_not_changed_is_304_and_costs_nothing(way: Transport, place: Place) -> None:
    path = f"repos/{REPO}/issues/events?per_page=100"
    first = way.request("GET", path)
    before = len(place.server.counted())
    again = way.request("GET", path, etag=first.etag)
    assert (again.status, again.body) == (304, "")
    assert len(place.server.counted()) == before


def test_pages_lead_to_one_another(way: Transport, place: Place) -> None:
    with place.hub.lock:
        for _ in range(3 - len(place.hub.items)):
            place.hub.open_issue(BOT, "A wish", "", ())
    reply = way.request("GET", f"repos/{REPO}/issues?per_page=2")
    assert len(reply.json()) == 2
    following = way.request("GET", reply.next_path)
    assert (len(following.json()), following.next_path) == (1, "")


def test_a_body_arrives_as_it_was_sent(way: Transport) -> None:
    text = 'ümläut "quoted" \\ back\nline $(id) `id` ' + "x" * 20_000
    made = way.request("POST", f"repos/{REPO}/issues", body={"title": "A wish", "body": text})
    assert (made.status, made.json()["body"]) == (201, text)
    way.request("PATCH", f"repos/{REPO}/issues/{made.json()['number']}", body={"state": "closed"})


def test_every_request_carries_the_login_of_gh(way: Transport, place: Place) -> None:
    assert way.request("GET", "user").json()["login"] == BOT
    assert place.server.log[-1].login == BOT


def test_a_repository_that_was_renamed_is_followed_within_github(way: Transport, place: Place) -> None:
    moved = Fault(301, "{}", {"Location": "https://api.github.com/user"})
    place.server.faults = lambda number, method, target: moved if "old/name" in target else None
    assert way.request("GET", "repos/old/name").json()["login"] == BOT


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(401, '{"message": "Bad credentials"}'), "FLT-GHB-001"),
        (Fault(403, '{"message": "API rate limit exceeded"}', {"X-RateLimit-Remaining": "0"}), "FLT-GHB-002"),
        (Fault(403, '{"message": "secondary rate limit"}', {"Retry-After": "7"}), "FLT-GHB-002"),
        (Fault(429, '{"message": "slow down"}', {"Retry-After": "7"}), "FLT-GHB-002"),
        (Fault(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"}), "FLT-GHB-003"),
        (Fault(200, '[{"number": 1, "ti'), "FLT-GHB-004"),
        (Fault(403, '{"message": "Resource not accessible by personal access token"}'), "FLT-GHB-005"),
        (Fault(404, '{"message": "Not Found"}'), "FLT-GHB-006"),
        (Fault(409, '{"message": "Head branch was modified"}'), "FLT-GHB-007"),
        (Fault(422, '{"message": "Validation Failed"}'), "FLT-GHB-008"),
        (Fault(0), "FLT-GHB-010"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.status}-{'-'.join(value.headers)}",
)
def test_a_failure_has_one_code_whatever_carried_it(way: Transport, place: Place, fault: Fault, code: str) -> None:
    fail(place, fault)
    with pytest.raises(FleetError) as caught:
        Client(way, SystemClock()).read(f"repos/{REPO}/issues?per_page=100")
    assert caught.value.code == code
    if "Retry-After" in fault.headers:
        assert isinstance(caught.value, TemporaryError)
        assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("name", WAYS)
def test_a_silent_github_is_given_up_at_the_cap(place: Place, name: str) -> None:
    fail(place, Fault(-1))
    way = transport_named(name, place.env(), 1.0)
    with pytest.raises(TemporaryError) as caught:
        way.request("GET", "user")
    assert caught.value.code == "FLT-GHB-010"
    assert "did not answer within 1 s" in caught.value.message
    way.close()


@pytest.mark.parametrize("name", WAYS)
def test_no_gh_and_no_login_are_told_apart(place: Place, name: str, tmp_path: Path) -> None:
    env = place.env()
    with pytest.raises(PermanentError) as missing:
        transport_named(name, env | {"PATH": "/nowhere"}, 30.0).request("GET", "user")
    assert missing.value.code == "FLT-GHB-011"
    without = {key: value for key, value in env.items() if key != "GH_TOKEN"}
    with pytest.raises(TemporaryError) as unknown:
        transport_named(name, without, 30.0).request("GET", "user")
    assert unknown.value.code == "FLT-GHB-001"
