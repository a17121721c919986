"""A fleet whose repository lives at the GitHub of this machine, for tests and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import Place, a_github
from fleet.testing.repos import git
from fleet.testing.waiting import PATIENCE


@contextmanager
def fleet_at_github(config: str = "", playbooks: Mapping[str, str] | None = None) -> Iterator[tuple[FleetPaths, Place]]:
    """A fleet on a repository that lives at GitHub; nothing runs yet, and nothing afterwards.

    ``config`` replaces the starter configuration where it is given, ``playbooks`` are texts by agent.
    """
    with fleet_in() as paths:
        if config:
            paths.config.write_text(config, encoding="utf-8")
        for name, text in (playbooks or {}).items():
            (paths.config.parent / "playbooks" / f"{name}.yaml").write_text(text, encoding="utf-8")
        _on_github(paths.config)
        git(paths.checkout, "add", ".fleet")
        git(paths.checkout, "commit", "--quiet", "-m", "fleet")
        with a_github(paths.checkout) as place, surroundings(place):
            try:
                yield paths, place
            finally:
                stop(paths)


@contextmanager
def surroundings(place: Place) -> Iterator[None]:
    """This process and its children find this GitHub, and nothing else under that name."""
    wanted = {name: value for name, value in place.env().items() if name != "HOME"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _on_github(file: Path) -> None:
    """Change the forge of a configuration."""
    yaml = YAML()
    data = yaml.load(file)
    data["forge"], data["repo"] = "github", REPO
    yaml.dump(data, file)


def entries(paths: FleetPaths, kind: str) -> list[dict[str, Any]]:
    """Journal entries of a type, oldest first; a daemon that is just being replaced is waited for."""
    found: list[dict[str, Any]] = ask(paths, "log", {"type": kind, "limit": 500}, patience=PATIENCE)["entries"]
    return found


def open_issue(place: Place, login: str, title: str = "Greet the user") -> int:
    """Somebody writes an issue, by the real gh; its number."""
    made = place.gh("api", f"repos/{REPO}/issues", "-f", f"title={title}", "--jq", ".number", login=login)
    return int(made)
