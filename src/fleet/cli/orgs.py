"""What the commands of a daemon's life say of an org: its repositories, and how the fleet of each does."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from fleet.cli import starting
from fleet.cli.client import Client
from fleet.cli.door import Door
from fleet.cli.output import Style, counted, visible
from fleet.config.org import Org, load_org
from fleet.config.paths import fleet_paths
from fleet.core.errors import FleetError
from fleet.core.work import LIVE_RUNS

_SETTLE_SECONDS = 30.0  # in which a repository comes up or says why not
_ASK_SECONDS = 5.0

org_option = click.option(
    "--org", metavar="NAME", default=None, help="The org of this name instead of the fleet of this folder."
)


def settled(door: Door) -> dict[str, Any]:
    """The org of the door's folder, once each of its repositories has come up or said why not; {} for no org."""
    org = load_org(door.paths().checkout, door.env)
    if org is None:
        return {}
    deadline = door.clock.monotonic() + _SETTLE_SECONDS
    while True:
        state = starting.state_of(door)
        told = {str(row["name"]) for row in state["services"] if row["ticks"] or row["failures"]}
        if told.issuperset(one.repo for one in org.repositories) or door.clock.monotonic() > deadline:
            return described(door, org, state)
        time.sleep(0.1)


def described(door: Door, org: Org | None, state: dict[str, Any]) -> dict[str, Any]:
    """The repositories of an org beside what ``watcher status`` says of its daemon; {} for no org."""
    if org is None:
        return {}
    services = {str(row["name"]): row for row in state["services"]}
    rows = []
    for one in org.repositories:
        service = services.get(one.repo)
        trouble = str(service["last_error"]) if service is not None and service["failures"] else ""
        running = service is not None and bool(service["ticks"]) and not trouble
        rows.append(
            {
                "repo": one.repo,
                "checkout": str(one.checkout),
                "running": running,
                "live_runs": _live_runs(door, str(one.checkout)) if running else None,
                "trouble": trouble,
            }
        )
    return {"org": org.name, "folder": str(org.home), "repositories": rows}


def _live_runs(door: Door, checkout: str) -> int | None:
    """How many runs live there; None when it does not say."""
    client = Client(str(fleet_paths(Path(checkout), door.env, os.getuid()).socket))
    try:
        runs = client.call("ps", {}, seconds=_ASK_SECONDS)["runs"]
    except FleetError:
        return None
    finally:
        client.close()
    return sum(run["state"] in LIVE_RUNS for run in runs)


def lines(found: dict[str, Any], style: Style) -> str:
    """The repositories for people, one a line."""
    if not found:
        return ""
    text = f"org {visible(found['org'])}: {counted(len(found['repositories']), 'repository', 'repositories')}\n"
    for row in found["repositories"]:
        if row["running"]:
            live = "" if row["live_runs"] is None else f", {counted(row['live_runs'], 'live run')}"
            state = f"{style.paint('up', 'green')}{live}"
        else:
            state = style.paint("down", "red") + (f": {visible(row['trouble'])}" if row["trouble"] else "")
        text += f"  {visible(row['repo'])}  {visible(row['checkout'])}  {state}\n"
    return text
