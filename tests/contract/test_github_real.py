"""The real GitHub, only where somebody asks for it; reads and changes nothing.

FLEET_REAL_GITHUB_REPO=owner/name and FLEET_REAL_GITHUB_TOKEN (a token that may read it) switch it on; `-rs` says why it
is skipped, `-s` shows what it cost.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fleet.core.clock import SystemClock
from fleet.core.label import LabelNames
from fleet.forge.github.checks import Checks
from fleet.forge.github.client import Client
from fleet.forge.github.gh import GhTransport
from fleet.forge.github.view import View
from fleet.process import run

REPO, TOKEN = os.environ.get("FLEET_REAL_GITHUB_REPO", ""), os.environ.get("FLEET_REAL_GITHUB_TOKEN", "")


@pytest.mark.skipif(not (REPO and TOKEN), reason="no FLEET_REAL_GITHUB_REPO and FLEET_REAL_GITHUB_TOKEN")
def test_looking_at_a_real_repository_twice_costs_once(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GH_TOKEN": TOKEN}
    clock = SystemClock()
    client = Client(GhTransport(env), clock)
    view = View(client, REPO, clock, poll_seconds=0, names=LabelNames())
    first = (view.issues(), view.pulls())
    base = str(client.read(f"repos/{REPO}")["default_branch"])
    Checks(client, REPO, base, clock).rules()
    counted, used = client.quota.counted, _used(env)
    view.forget()
    assert (view.issues().keys(), view.pulls().keys()) == (first[0].keys(), first[1].keys())
    cost = f"{client.quota.requests} requests, {counted} counted; x-ratelimit-used {used} -> {_used(env)}"
    sys.stdout.write(f"{REPO}: {cost}\n")
    assert client.quota.counted - counted <= 3, "a repository where much happens may have changed meanwhile"


def _used(env: dict[str, str]) -> int:
    """What GitHub says of the hour; asking for it is not counted."""
    done = run(("gh", "api", "-i", "rate_limit"), timeout=30, env=env | {"GH_TELEMETRY": "0"})
    lines = (line.partition(":") for line in done.text.splitlines())
    found = {name.lower(): value.strip() for name, colon, value in lines if colon}
    return int(found["x-ratelimit-used"])
