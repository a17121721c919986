"""A fleet of its own for a test: repository, configuration, and folders that nothing else uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.cli.client import Client
from fleet.config.paths import FleetPaths, fleet_paths
from fleet.config.scaffold import scaffold
from fleet.core.clock import SECOND, SystemClock
from fleet.core.session import Park
from fleet.daemon.terminals import end_terminals
from fleet.store import parks, permissions, schedules
from fleet.store.db import Tx
from fleet.store.open import open_for_daemon
from fleet.testing.folders import make_folder
from fleet.testing.repos import make_checkout
from fleet.testing.waiting import wait_until


@contextmanager
def own_folders() -> Iterator[Path]:
    """A short private folder, with HOME and the XDG folders below it for this process and its children.

    Short because a unix socket's path is limited to about a hundred bytes.
    """
    folder = make_folder()
    names = {"HOME": "home", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config"}
    before = {name: os.environ.get(name) for name in names}
    for name, inner in names.items():
        (folder / inner).mkdir(mode=0o700)
        os.environ[name] = str(folder / inner)
    try:
        yield folder
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fleet_in(files: Mapping[str, str] | None = None, *, allow_merge: bool = True) -> Iterator[FleetPaths]:
    """A repository with the starter configuration, in folders of its own. Nothing is running yet."""
    with own_folders() as folder:
        checkout = make_checkout(folder / "repo", files)
        scaffold(checkout, now=SystemClock().now(), allow_shared_uid_merge=allow_merge, reason="a test")
        paths = fleet_paths(checkout, os.environ, os.getuid())
        try:
            yield paths
        finally:
            end_terminals(paths)


def schedule_agent(paths: FleetPaths, name: str, cron: str, *, more: str = "") -> None:
    """Add an agent that starts by the clock and publishes a note; ``more`` is further keys of its schedule."""
    agent = f"  - {{name: {name}, role: docs-writer, schedule: {{cron: '{cron}'{more}}}}}\n"
    paths.config.write_text(paths.config.read_text(encoding="utf-8") + agent, encoding="utf-8")
    note = "version: 1\nrules:\n  - on: schedule_due\n    do:\n      - publish: {event: note, summary: on time}\n"
    (paths.checkout / ".fleet" / "playbooks" / f"{name}.yaml").write_text(note, encoding="utf-8")


def make_due(paths: FleetPaths, name: str, spec: str, *, ago: float = 1.0) -> None:
    """While no daemon runs: let the schedule with this ``spec`` (cron and zone) have been due ``ago`` seconds ago."""
    db = open_for_daemon(paths.database)
    try:
        due = SystemClock().now() - round(ago * SECOND)
        db.write(lambda tx: schedules.put(tx, name, spec, due))
    finally:
        db.close()


def ask_permissions(paths: FleetPaths, run: str, agent: str, count: int) -> list[str]:
    """While no daemon runs: so many questions of one session wait for a person, and two providers refuse."""
    db = open_for_daemon(paths.database)
    try:

        def make(tx: Tx) -> list[str]:
            day = tx.now + 86_400 * SECOND
            parks.put(tx, Park("anthropic", "account", "credit balance is too low", 1, tx.now, day))
            parks.put(tx, Park("vertex europe-west1", "limit", "slow down", 2, tx.now, day))
            words: dict[str, str] = {
                "run_id": run,
                "agent": agent,
                "tool": "Bash",
                "input_": '{"command": "make deploy"}',
            }
            return [permissions.ask(tx, session=f"{run}-e1", deadline=day, **words) for _ in range(count)]

        return db.write(make)
    finally:
        db.close()


def ask(
    paths: FleetPaths, verb: str, args: Mapping[str, object] | None = None, *, patience: float = 0.0
) -> dict[str, Any]:
    """One call to the fleet's daemon as its owner; with ``patience`` (seconds) a daemon may be away that long."""

    def attempt() -> dict[str, Any]:
        client = Client(str(paths.socket))
        try:
            return client.call(verb, args or {})
        finally:
            client.close()

    return wait_until(attempt, timeout=patience, what=f"an answer to {verb}") if patience else attempt()
