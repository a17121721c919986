"""``setup:`` in the configuration, with real runs: before the agent, within the run, and told when it fails."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.repos import git
from fleet.testing.shell import Shell
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

SECRET = "s3cret-value"
# What the agent does: it writes what it finds to a file outside, then says that it is done.
LOOK = "import json, os, sys; json.dump([dict(os.environ), sorted(os.listdir())], open(sys.argv[1], 'a'))"


@pytest.fixture
def place() -> Iterator[tuple[FleetPaths, Shell, Path]]:
    """A fleet that is not up, and the file that its developer writes."""
    with fleet_in() as paths:
        seen = paths.checkout.parent / "seen.json"
        look = json.dumps([sys.executable, "-c", LOOK, str(seen)])
        play = paths.config.parent / "playbooks" / "developer.yaml"
        play.write_text(f"version: 1\nrules:\n  - on: ticket_ready\n    do:\n      - run: {{argv: {look}}}\n")
        shell = Shell(paths.checkout, {})
        yield paths, shell, seen
        shell.fleet("down")


def start(paths: FleetPaths, shell: Shell, setup: str, *, mode: int = 0o600, **files: str) -> None:
    """Write the setup and the files of variables, and bring the fleet up with one ticket."""
    paths.config.write_text(paths.config.read_text().replace("retry:\n", f"setup: {setup}\nretry:\n", 1))
    paths.env_files.mkdir(parents=True, mode=0o700)
    paths.state.chmod(0o700)
    for name, text in files.items():
        path = paths.env_files / f"{name}.env"
        path.write_text(text)
        path.chmod(mode)
    git(paths.checkout, "add", ".fleet")
    git(paths.checkout, "commit", "--quiet", "-m", "fleet")
    shell.answer("up")
    shell.answer("ticket", "create", "One", "--label", "ready")


def ended(paths: FleetPaths, count: int = 1) -> list[dict[str, Any]]:
    """The runs, once so many have ended."""

    def look() -> list[dict[str, Any]]:
        runs = [
            run
            for run in ask(paths, "ps", {"all": True})["runs"]
            if run["state"] not in ("queued", "starting", "running")
        ]
        return runs if len(runs) >= count else []

    return wait_until(look, what=f"{count} runs to end")


def test_a_setup_prepares_the_clone_and_hands_out_ports_and_keeps_its_variables_to_itself(
    place: tuple[FleetPaths, Shell, Path],
) -> None:
    paths, shell, seen = place
    make = json.dumps([sys.executable, "-c", "import os; open('made', 'w').write(str(len(os.environ['TOKEN'])))"])
    start(paths, shell, f"{{commands: [{make}], env_files: [db], ports: [web]}}", db=f"TOKEN={SECRET}\n")
    run = ended(paths)[0]
    found, files = json.loads(seen.read_text().partition("][")[0])
    assert "made" in files
    assert "TOKEN" not in found
    assert 20_000 <= int(found["FLEET_PORT_WEB"]) < 30_000
    folder = next(paths.runs.glob(f"{run['id']}-e*"))
    assert (folder / "setup.log").exists()
    shell.answer("down")
    everything = [path for path in paths.state.rglob("*") if path.is_file() and paths.env_files not in path.parents]
    assert [path for path in everything if SECRET.encode() in path.read_bytes()] == []


@pytest.mark.long
def test_a_setup_that_fails_is_an_attempt_and_why_tells_its_last_words(place: tuple[FleetPaths, Shell, Path]) -> None:
    paths, shell, seen = place
    cry = json.dumps([sys.executable, "-c", "import sys; print('no network \\x1b[31m'); sys.exit(9)"])
    start(paths, shell, f"{{commands: ['true', {cry}]}}")
    runs = ended(paths, 2)  # it came back
    assert {run["state"] for run in runs} == {"failed"}
    why = shell.fleet("why", runs[-1]["id"]).text
    assert re.search(
        r"its setup failed after [0-9.]+ s: command 2 of 2 \(.*\): it ended with exit code 9; its last words: no net",
        why,
    )
    assert "\x1b" not in why
    assert not seen.exists()


@pytest.mark.long
def test_variables_that_are_open_to_others_start_nothing(place: tuple[FleetPaths, Shell, Path]) -> None:
    paths, shell, seen = place
    start(paths, shell, "{commands: ['true'], env_files: [db]}", mode=0o644, db=f"TOKEN={SECRET}\n")
    run = ended(paths)[0]
    why = shell.fleet("why", run["id"]).text
    assert "FLT-CFG-120" in why
    assert SECRET not in why
    assert not seen.exists()
