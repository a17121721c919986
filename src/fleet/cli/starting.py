"""Starting and stopping the daemon of a checkout, for ``fleet up``, ``down`` and ``watcher``."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from fleet import __version__
from fleet.cli.client import Client
from fleet.cli.door import Door
from fleet.config.catalogue import load_roles
from fleet.config.loader import LoadedConfig, load_config
from fleet.config.org import load_org
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths, fleet_paths
from fleet.core.errors import ConfigError, Conflict, FleetError, Unreachable
from fleet.core.work import LIVE_RUNS, RunState
from fleet.daemon import supervisor
from fleet.daemon.orgnote import org_of
from fleet.daemon.replacing import Replaced, changes_ahead, replace, version_of_running
from fleet.daemon.terminals import end_terminals

# The daemon with this command line's parser: see cli/daemon.py.
PROGRAM = (sys.executable, "-P", "-m", "fleet.cli.daemon")

DRAIN_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon that answers: its pid (the supervisor's, if there is one), and what it works by.

    ``replaced`` tells of the daemon in whose place it came, ``changes`` names the schema changes made at this start.
    """

    pid: int
    supervised: bool
    paths: FleetPaths
    loaded: LoadedConfig
    mode: str
    live: tuple[str, ...] = ()
    replaced: Replaced | None = None
    changes: tuple[str, ...] = ()


def start(door: Door, *, supervised: bool) -> Started:
    """Check the configuration and start the daemon in the background; it answers when this returns.

    A daemon of another version that runs is replaced. Raises ConfigError, PermanentError FLT-STO-012 for a store that
    is newer than this program, Conflict when this version runs already, and what kept the daemon from starting.
    """
    paths, loaded, changes = _looked_ahead(door)
    not_of_an_org(paths)
    if supervisor.running(paths) is not None and version_of_running(paths) not in ("", __version__):
        return _replaced(paths, loaded, changes)
    pid = supervisor.start_detached(paths, supervised=supervised, program=PROGRAM)
    return _started(Started(pid, supervised, paths, loaded, "", changes=changes))


def restart(door: Door) -> Started:
    """Replace the daemon that runs by one of this version; start one where none runs. Raises as ``start`` does."""
    paths, loaded, changes = _looked_ahead(door)
    not_of_an_org(paths)
    if supervisor.running(paths) is None:
        return start(door, supervised=True)
    return _replaced(paths, loaded, changes)


def _looked_ahead(door: Door) -> tuple[FleetPaths, LoadedConfig, tuple[str, ...]]:
    """What a start would fail on, checked while whatever runs still runs."""
    paths = door.paths()
    loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    return paths, loaded, tuple(changes_ahead(paths))


def _replaced(paths: FleetPaths, loaded: LoadedConfig, changes: tuple[str, ...]) -> Started:
    done = replace(paths, PROGRAM)
    return _started(Started(done.pid, done.supervised, paths, loaded, "", replaced=done, changes=changes))


def _started(begun: Started) -> Started:
    """The same, with what the daemon says about itself."""
    client = Client(str(begun.paths.socket))
    try:
        status = client.call("status", {})
    finally:
        client.close()
    return dataclasses.replace(begun, mode=str(status["mode"]), live=tuple(str(run["id"]) for run in status["runs"]))


def become(door: Door, *, supervised: bool) -> NoReturn:
    """Turn this process into the daemon (or its supervisor), for service managers that want no background."""
    words = [*PROGRAM, "--checkout", str(door.paths().checkout), *(["--supervised"] if supervised else [])]
    sys.stdout.flush()
    os.execve(words[0], words, dict(door.env))


def not_of_an_org(paths: FleetPaths) -> None:
    """Refuse to touch a daemon that runs other fleets as well. Raises Conflict FLT-ORG-005."""
    org = org_of(paths)
    if org:
        raise Conflict(
            "FLT-ORG-005",
            f"this fleet runs in the daemon of the org {org}",
            where=str(paths.checkout),
            hint=f"Stop the whole org: fleet down --org {org}; or take this repository out of its org.yaml first.",
        )


@dataclass(frozen=True, slots=True)
class Stopped:
    """What stopping did: whether a daemon ran, the runs that were asked to end, and those that had not yet."""

    ran: bool
    asked: tuple[str, ...]
    left: tuple[str, ...]


def stop(door: Door, *, keep_runs: bool) -> Stopped:
    """Ask the live runs to end (unless they are kept), wait for that, then stop the daemon."""
    paths = door.paths()
    not_of_an_org(paths)
    if supervisor.running(paths) is None:
        return Stopped(False, (), ())
    fleets = (paths, *_beside(door, paths))
    asked = tuple(run for one in fleets for run in _asked_to_end(one)) if not keep_runs else ()
    left = {one: _left(one, door, asked, drain=not keep_runs) for one in fleets}
    supervisor.stop(paths, STOP_SECONDS)
    for one in fleets:
        if not keep_runs and not left[one]:
            end_terminals(one)
    return Stopped(True, asked, tuple(run for runs in left.values() for run in runs))


def _beside(door: Door, paths: FleetPaths) -> tuple[FleetPaths, ...]:
    """The fleets of an org's repositories that run in its daemon; none for any other fleet."""
    try:
        org = load_org(paths.checkout, door.env)
    except ConfigError:
        return ()  # what runs was started with another text; a faulty one keeps nobody from stopping
    members = [fleet_paths(one.checkout, door.env, os.getuid()) for one in org.repositories] if org else []
    return tuple(one for one in members if org is not None and org_of(one) == org.name)


def _asked_to_end(paths: FleetPaths) -> tuple[str, ...]:
    """The runs of one fleet that were told to end."""
    client = Client(str(paths.socket))
    try:
        return tuple(client.call("fleet.drain", {})["stopping"])
    except Unreachable as error:
        sys.stderr.write(f"fleet: {error.message}; stopping it without asking its runs\n")
        return ()
    finally:
        client.close()


def _left(paths: FleetPaths, door: Door, asked: Collection[str], *, drain: bool) -> tuple[str, ...]:
    """The runs that live on, after a while in which they may end; none where nobody answers."""
    client = Client(str(paths.socket))
    try:
        return _drained(client, door, asked) if drain else _live(client)
    except Unreachable:
        return ()
    finally:
        client.close()


def _drained(client: Client, door: Door, asked: Collection[str]) -> tuple[str, ...]:
    """Wait until no run lives any more; the runs that outlast the deadline."""
    deadline = door.clock.monotonic() + DRAIN_SECONDS
    head = client.call("log", {"limit": 1})["head"]
    while (live := outlasting(client.call("ps", {})["runs"], asked)) and door.clock.monotonic() < deadline:
        head = client.call("log", {"after": head, "limit": 1000, "wait_seconds": 1.0})["head"]
    return live


def outlasting(rows: Iterable[Mapping[str, Any]], asked: Collection[str]) -> tuple[str, ...]:
    """The runs that still have to end before a fleet is down; ``rows`` as `ps` lists them, ``asked`` those told to end.

    One that was queued by a tick under way when starts were switched off is none of them: nobody told it, it has no
    process, and it waits for the next start.
    """
    live = (run for run in rows if run["state"] in LIVE_RUNS)
    return tuple(str(run["id"]) for run in live if run["state"] != RunState.QUEUED or run["id"] in asked)


def _live(client: Client) -> tuple[str, ...]:
    runs: list[dict[str, Any]] = client.call("ps", {})["runs"]
    return tuple(str(run["id"]) for run in runs if run["state"] in LIVE_RUNS)


def state_of(door: Door) -> dict[str, Any]:
    """Whether a daemon runs here, which one, and how its services do."""
    paths = door.paths()
    running = supervisor.running(paths)
    facts: dict[str, Any] = {
        "running": running is not None,
        "pid": running.pid if running else None,
        "supervised": running.supervised if running else False,
        "services": [],
    }
    if running is None:
        return facts
    client = Client(str(paths.socket))
    try:
        answer = client.call("watcher.status", {}, seconds=10)
        return {**facts, **answer, "answers": True, "supervisor_pid": running.pid if running.supervised else None}
    except FleetError as error:
        return {**facts, "answers": False, "error": error.as_dict()}
    finally:
        client.close()
