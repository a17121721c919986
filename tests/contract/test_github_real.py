"""The real GitHub, only where somebody asks for it; reads and changes nothing.

FLEET_REAL_GITHUB_REPO=owner/name and FLEET_REAL_GITHUB_TOKEN (a token that may read it) switch it on; `-rs` says why it
is skipped, `-s` shows what it cost. The same steps are taken here against the GitHub of this machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleet.core.clock import SystemClock
from fleet.core.label import LabelNames
from fleet.forge.github.checks import Checks
from fleet.forge.github.client import Client
from fleet.forge.github.gh import GhTransport, gh_environment
from fleet.forge.github.view import View
from fleet.process import run
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import a_github
from fleet.testing.repos import make_checkout

THEIRS, TOKEN = os.environ.get("FLEET_REAL_GITHUB_REPO", ""), os.environ.get("FLEET_REAL_GITHUB_TOKEN", "")


def look_twice(env: Mapping[str, str], repo: str) -> tuple[int, int]:
    """Look at everything, then again: what the second look counted, by our own book and by GitHub's."""
    clock = SystemClock()
    client = Client(GhTransport(env), clock)
    view = View(client, repo, clock, poll_seconds=0, names=LabelNames())
    first = (view.issues(), view.pulls())
    base = str(client.read(f"repos/{repo}")["default_branch"])
    Checks(client, repo, base, clock).rules()
    counted, used = client.quota.counted, _used(env)
    view.forget()
    assert (view.issues().keys(), view.pulls().keys()) == (first[0].keys(), first[1].keys())
    after = _used(env)
    cost = f"{client.quota.requests} requests, {counted} counted; x-ratelimit-used {used} -> {after}"
    sys.stdout.write(f"{repo}: {cost}\n")
    return client.quota.counted - counted, after - used


@pytest.mark.skipif(not (THEIRS and TOKEN), reason="no FLEET_REAL_GITHUB_REPO and FLEET_REAL_GITHUB_TOKEN")
def test_looking_at_a_real_repository_twice_costs_once(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GH_TOKEN": TOKEN}
    ours, _ = look_twice(env, THEIRS)  # what else the same login does counts in GitHub's book
    assert ours <= 3, "a repository where much happens may have changed meanwhile"


def test_looking_at_a_repository_here_twice_costs_once_in_both_books(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_github(make_checkout(tmp_path / "checkout")) as place:
        with place.hub.lock:
            place.hub.open_issue("ann", "A wish", "text", ("ready",))
        assert look_twice(place.env(), REPO) == (0, 0)
    assert "x-ratelimit-used" in capsys.readouterr().out


def _used(env: Mapping[str, str]) -> int:
    """What GitHub says of the hour; asking for it is not counted."""
    done = run(("gh", "api", "-i", "rate_limit"), timeout=30, env=gh_environment(env))
    lines = (line.partition(":") for line in done.text.splitlines())
    found = {name.lower(): value.strip() for name, colon, value in lines if colon}
    return int(found["x-ratelimit-used"])
