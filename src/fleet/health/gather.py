"""Looks at the machine and the fleet and writes down what it sees; judges nothing, changes nothing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import resource
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fleet
from fleet import process
from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE, SOCKET_LIMIT, FleetPaths
from fleet.config.sections import KeepingConfig
from fleet.core.errors import ConfigError, FleetError
from fleet.daemon import supervisor
from fleet.health import disks, leftovers
from fleet.health.client import client_checks
from fleet.health.credentials import credentials_of
from fleet.health.words import Check, Config, Daemon, Folder, Git, Machine, Place, Record, Sockets
from fleet.runtime import proctree

_SECONDS = 10.0
_PACKAGE = Path(fleet.__file__).parent
_LINGER = Path("/var/lib/systemd/linger")

Ask = Callable[[str], Mapping[str, Any]]  # a verb without arguments, answered by the daemon


def output(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> str:
    """What a program prints; "" when it cannot be asked or says no."""
    try:
        done = process.run(argv, timeout=_SECONDS, env=env, cwd=cwd)
    except FleetError:
        return ""
    return done.text.strip() if done.ok else ""


def machine(env: Mapping[str, str]) -> Machine:
    """This machine and this installation. Asks the programs for their versions; opens no connection."""
    system = os.uname()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    asked = [sys.executable, "-c", "import apsw; print(apsw.sqlite_lib_version())"]
    return Machine(
        system=system.sysname,
        release=system.release,
        program=f"{fleet.__version__} in {_PACKAGE}",
        python=".".join(map(str, sys.version_info[:3])),
        sqlite=output(asked, env),
        git=output(["git", "--version"], env),
        tmux=output(["tmux", "-V"], env),
        gh=output(["gh", "--version"], env) if shutil.which("gh", path=env.get("PATH")) else "",
        gh_login=_gh_login(env),
        bytecode=Path(importlib.util.cache_from_source(str(_PACKAGE / "cli" / "entry.py"))).exists(),
        bytecode_off=bool(env.get("PYTHONDONTWRITEBYTECODE")),
        package=str(_PACKAGE),
        package_writable=os.access(_PACKAGE, os.W_OK),
        interpreter=sys.executable,
        descriptors_soft=soft if soft >= 0 else 1 << 20,
        descriptors_hard=hard if hard >= 0 else 1 << 20,
    )


def _gh_login(env: Mapping[str, str]) -> bool:
    """Whether gh has an account on file or in the environment. Its own check would ask the network."""
    if env.get("GH_TOKEN") or env.get("GITHUB_TOKEN"):
        return True
    home = Path(env.get("HOME") or "/")
    config = Path(env.get("GH_CONFIG_DIR") or Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "gh")
    try:
        return (config / "hosts.yml").stat().st_size > 0
    except OSError:
        return False


def folder(path: Path) -> Folder:
    """A folder as it lies there; links are not followed."""
    try:
        facts = path.lstat()
    except OSError:
        above = next((parent for parent in path.parents if parent.exists()), Path("/"))
        return Folder(str(path), exists=False, writable=os.access(above, os.W_OK))
    is_folder = (facts.st_mode & 0o170000) == 0o040000
    return Folder(
        str(path), True, is_folder, facts.st_uid == os.getuid(), facts.st_mode & 0o777, os.access(path, os.W_OK)
    )


def place(paths: FleetPaths, env: Mapping[str, str], ask: Ask, now: int) -> Place:
    """Everything about one fleet. ``ask`` speaks to its daemon and raises FleetError; ``now`` is microseconds."""
    there = config(paths)
    running = daemon(paths, ask, now)
    found, started = record(paths, now)
    if running.pid is not None:
        running = _with_start(running, started)
    return Place(
        state=folder(paths.state),
        disk=disks.disk(paths, _limits(paths)),
        sockets=_sockets(paths, env),
        git=git(paths, env),
        config=there,
        daemon=running,
        record=found,
        leftovers=leftovers.look(paths, env, frozenset(found.live_sessions), running.pid is not None, found.exists),
        parts=tuple(folder(part) for part in (paths.runs, paths.clones, paths.runtime)) if found.exists else (),
        now=now,
    )


def config(paths: FleetPaths) -> Config:
    """The configuration file, checked as ``fleet up`` checks it."""
    try:
        loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    except ConfigError as error:
        return Config(str(CONFIG_RELATIVE), error=error.message, problems=error.problems)
    except FleetError as error:
        return Config(str(CONFIG_RELATIVE), error=error.message)
    agents = len(loaded.config.agents)
    return Config(
        str(CONFIG_RELATIVE),
        agents,
        warnings=loaded.warnings,
        digest=loaded.digest,
        credentials=credentials_of(loaded.config),
        client=tuple(client_checks(loaded.config)),
    )


def _limits(paths: FleetPaths) -> KeepingConfig:
    """The limits of the configuration; the usual ones where it is not valid."""
    try:
        return load_config(paths.config, roles=load_roles()).config.keeping
    except FleetError:
        return KeepingConfig()


def git(paths: FleetPaths, env: Mapping[str, str]) -> Git:
    """Who commits in the checkout, and whether the base branch has a commit."""
    try:
        base = load_config(paths.config, roles=load_roles()).config.base
    except FleetError:
        base = ""
    name, email = (output(["git", "config", key], env, paths.checkout) for key in ("user.name", "user.email"))
    found = output(["git", "rev-parse", "--quiet", "--verify", f"refs/heads/{base}^{{commit}}"], env, paths.checkout)
    return Git(name, email, base, bool(found) or not base)


def daemon(paths: FleetPaths, ask: Ask, now: int) -> Daemon:
    """The daemon by its locks, its answers and its line in the process table."""
    running = supervisor.running(paths)
    if running is None:
        return Daemon(program_version=fleet.__version__)
    try:
        ping, status = ask("ping"), ask("status")
    except FleetError as error:
        return Daemon(running.pid, running.supervised, error=error.message, program_version=fleet.__version__)
    pid = int(ping["pid"])
    used, limit = _descriptors(pid)
    forge = status["forge"]
    quota = forge["quota"] or {"remaining": -1, "limit": -1, "reset_at": 0}
    failing = [one for one in status["daemon"]["services"] if one["failures"] or not one["alive"]]
    return Daemon(
        pid=pid,
        supervised=running.supervised,
        answers=True,
        version=str(ping["version"]),
        program_version=fleet.__version__,
        config_digest=str(status["config"]["hash"]),
        open_files=used,
        open_files_limit=limit,
        forge=" ".join(word for word in (forge["kind"], forge["repo"]) if word),
        forge_trouble=str(forge["last_error"] or "") if forge["failures"] else "",
        pulls_unreadable=tuple(
            f"{one['subject']} {one['text']}" for one in status["attention"] if one["kind"] == "unreadable"
        ),
        requests_left=quota["remaining"],
        requests_limit=quota["limit"],
        requests_reset_at=quota["reset_at"],
        **hurdles(ask, asked=not forge["failures"]),
        services_failing=tuple(f"{one['name']}: {one['last_error'] or 'has ended'}" for one in failing),
        started_wall=_started(pid, now),
    )


def hurdles(ask: Ask, *, asked: bool) -> dict[str, Any]:
    """What the forge asks of a fleet, by the daemon; a forge that does not answer at all is told by another check."""
    if not asked:
        return {}
    try:
        found = ask("forge.check")["hurdles"]
    except FleetError as error:
        # an older daemon does not know the question; that it is older is told by another check
        return {} if error.code == "FLT-CTL-001" else {"hurdles_unknown": error.message}
    return {
        "hurdles": tuple(
            Check(str(one["id"]), "fail" if one["final"] else "warn", one["found"], one["why"], one["choose"])
            for one in found
        )
    }


def _with_start(running: Daemon, recorded: int) -> Daemon:
    facts = {name: getattr(running, name) for name in Daemon.__slots__}
    return Daemon(**{**facts, "started_recorded": recorded})


def _descriptors(pid: int) -> tuple[int, int]:
    """Open descriptors of a process and its limit; zeros when that cannot be read."""
    try:
        used = len(os.listdir(f"/proc/{pid}/fd"))
        limits = Path(f"/proc/{pid}/limits").read_text("ascii")
    except OSError:
        return 0, 0
    line = next((line for line in limits.splitlines() if line.startswith("Max open files")), "")
    soft = line.split()[3:4]
    return used, int(soft[0]) if soft and soft[0].isdigit() else 0


def _started(pid: int, now: int) -> int:
    """When a process started, by the time since boot and the present wall clock, in microseconds; 0 if gone."""
    ticks = proctree.start_time(pid)
    if not ticks:
        return 0
    up = float(Path("/proc/uptime").read_text("ascii").split()[0])
    age = up - ticks / os.sysconf("SC_CLK_TCK")
    return now - int(age * 1_000_000)


def record(paths: FleetPaths, now: int) -> tuple[Record, int]:
    """The end of the journal, and when the newest daemon start was recorded (0 without one)."""
    if not paths.database.exists():
        return Record(), 0
    try:
        # at the time of use: where apsw is missing or broken, doctor has to say so and not break with it
        reading = importlib.import_module("fleet.health.reading")
    except ImportError as error:
        return Record(exists=True, error=f"SQLite cannot be loaded: {error}", code="FLT-STO-001"), 0
    found: tuple[Record, int] = reading.read(paths.database, now)
    return found


def _sockets(paths: FleetPaths, env: Mapping[str, str]) -> Sockets:
    user = env.get("USER") or env.get("LOGNAME") or ""
    under = str(paths.runtime).startswith("/run/user/")
    longest = max(len(os.fsencode(path)) for path in (paths.socket, paths.tmux_socket))
    lingering = not under or not user or (_LINGER / user).exists()
    return Sockets(
        folder(paths.runtime),
        folder(paths.runtime.parent),
        longest,
        SOCKET_LIMIT,
        bool(env.get("XDG_RUNTIME_DIR")),
        lingering,
        under,
    )
