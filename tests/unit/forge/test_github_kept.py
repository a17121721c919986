"""Kept connections to GitHub: one is enough, the login stays in memory, and is asked for again when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.core.errors import TemporaryError
from fleet.forge.github import kept
from fleet.forge.github.kept import KeptTransport
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import make_checkout

OLD, NEW = "gho_secret_of_yesterday", "gho_secret_of_today"
SPY = """\
#!/bin/sh
{{ echo "$@"; env; }} >> {log}
exec {gh} "$@"
"""


@dataclass
class Desk:
    """A login in gh's own file, as ``gh auth login`` leaves it, and a witness of every start of gh."""

    place: Place
    folder: Path
    env: dict[str, str]
    way: KeptTransport

    def log_in(self, token: str) -> None:
        """gh knows this token from now on, and GitHub this one only."""
        hosts = self.folder / "gh" / "hosts.yml"
        hosts.write_text(f"github.com:\n    oauth_token: {token}\n    user: {BOT}\n    git_protocol: https\n")
        hosts.chmod(0o600)
        self.place.hub.tokens = {token: BOT}

    def seen_by_gh(self) -> str:
        """Arguments and environment of every gh that was started."""
        return (self.folder / "seen").read_text()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Somebody is logged in."""
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        env = place.env()
        real = next(Path(part) / "gh" for part in env["PATH"].split(":") if (Path(part) / "gh").exists())
        spies = tmp_path / "spies"
        spies.mkdir()
        (spies / "gh").write_text(SPY.format(log=place.folder / "seen", gh=real))
        (spies / "gh").chmod(0o755)
        del env["GH_TOKEN"]
        env["PATH"] = f"{spies}:{env['PATH']}"
        way = KeptTransport(env, seconds=20)
        made = Desk(place, place.folder, env, way)
        made.log_in(OLD)
        yield made
        way.close()


def test_many_requests_travel_over_one_connection_and_start_gh_twice(desk: Desk) -> None:
    for _ in range(20):
        assert desk.way.request("GET", "user").status == 200
    assert desk.place.server.connections == 1
    assert desk.seen_by_gh().count("auth token") == 1
    assert desk.seen_by_gh().count("config get") == 1


def test_a_connection_that_github_closed_meanwhile_is_opened_again(desk: Desk) -> None:
    desk.way.request("GET", "user")
    desk.place.server.faults = lambda number, method, target: Fault(0)
    with pytest.raises(TemporaryError):
        desk.way.request("GET", "user")
    desk.place.server.faults = lambda number, method, target: None
    assert desk.way.request("GET", "user").status == 200
    assert desk.place.server.connections >= 2


def test_a_login_that_was_renewed_is_found_without_anybody_noticing(desk: Desk) -> None:
    assert desk.way.request("GET", "user").status == 200
    desk.log_in(NEW)
    assert desk.way.request("GET", "user").status == 200
    assert [asked.status for asked in desk.place.server.log] == [200, 401, 200]
    assert desk.seen_by_gh().count("auth token") == 2


def test_a_login_that_does_not_work_and_is_not_renewed_is_a_401_and_no_circle(desk: Desk) -> None:
    desk.place.hub.tokens = {}
    assert desk.way.request("GET", "user").status == 401
    assert len(desk.place.server.log) == 1


def test_the_token_is_nowhere_but_in_memory(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.way.request("GET", f"repos/{REPO}/issues?per_page=100")
    desk.place.server.faults = lambda number, method, target: Fault(0)
    with pytest.raises(TemporaryError) as caught:
        desk.way.request("POST", "user", body={"a": "b"})
    told = f"{caught.value!r} {caught.value} {caught.value.as_dict()} {desk.way!r} {caplog.text}"
    assert "user" in told
    assert OLD not in told
    assert OLD not in desk.seen_by_gh()
    assert caught.value.__cause__ is None, "a message of the library could quote what was sent"


@pytest.mark.parametrize("printed", ["", "two words", "line\nbreak", "ü", "x" * 2000])
def test_what_is_no_token_is_never_sent(tmp_path: Path, printed: str) -> None:
    (tmp_path / "gh").write_text(f"#!/bin/sh\nprintf '%s' '{printed}'\n")
    (tmp_path / "gh").chmod(0o755)
    with pytest.raises(TemporaryError) as caught:
        KeptTransport({"PATH": f"{tmp_path}:/usr/bin:/bin"}, seconds=20).request("GET", "user")
    assert caught.value.code == "FLT-GHB-001"


@pytest.mark.parametrize("there", ["https://elsewhere.example/user", "http://api.github.com.elsewhere.example/"])
def test_a_redirect_to_another_host_is_not_followed(desk: Desk, there: str) -> None:
    desk.place.server.faults = lambda number, method, target: Fault(301, "{}", {"Location": there})
    assert desk.way.request("GET", "user").status == 301
    assert len(desk.place.server.log) == 1


def test_redirects_in_circles_come_to_an_end(desk: Desk) -> None:
    circle = Fault(302, "{}", {"Location": "/user"})
    desk.place.server.faults = lambda number, method, target: circle
    with pytest.raises(TemporaryError) as caught:
        desk.way.request("GET", "user")
    assert "circles" in caught.value.message


def test_an_answer_without_an_end_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "OUTPUT_CAP", 1000)
    desk.place.server.faults = lambda number, method, target: Fault(200, "x" * 5000)
    with pytest.raises(TemporaryError) as caught:
        desk.way.request("GET", "user")
    assert "does not end" in caught.value.message


def test_a_transport_that_was_closed_opens_anew(desk: Desk) -> None:
    desk.way.close()
    assert desk.way.request("GET", "user").status == 200


def test_a_proxy_counts_unless_github_is_left_out() -> None:
    proxy = {"HTTPS_PROXY": "http://proxy.example:3128"}
    assert kept._proxy({}) is None
    assert kept._proxy(proxy) == "http://proxy.example:3128"
    assert kept._proxy({**proxy, "NO_PROXY": "localhost,.github.com"}) is None
    assert kept._proxy({**proxy, "NO_PROXY": "example.com"}) == "http://proxy.example:3128"


def test_certificates_are_the_systems_unless_the_environment_names_others(tmp_path: Path) -> None:
    assert kept._trust({}) is True
    assert kept._trust({"SSL_CERT_DIR": str(tmp_path)}) is not True
