"""Looks for what earlier processes left behind, and for the ways out of a run that this machine offers."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from fleet import process
from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.health.words import Leftovers, Ways
from fleet.keeping.swap import marker_of
from fleet.runtime import proctree, records
from fleet.runtime.tmux import KEEPER, Tmux

_SECONDS = 5.0
_LISTENING = "0A"
_SSH_PORT = ":0016"
_PROGRAMS = (
    "systemd-run", "at", "crontab", "ssh", "docker", "podman", "nerdctl", "sudo", "doas", "pkexec",
)  # fmt: skip


def look(
    paths: FleetPaths, env: Mapping[str, str], live: frozenset[str], daemon_runs: bool, recorded: bool
) -> Leftovers:
    """What is left. ``live`` are the sessions of live runs; without a record nothing can be called an orphan."""
    dead_socket = not daemon_runs and is_dead_socket(paths.socket)
    dead_tmux = is_dead_socket(paths.tmux_socket)
    folders = sorted(path for path in _inside(paths.runs) if path.is_dir()) if recorded else []
    over = [path for path in folders if path.name not in live]
    server = Tmux(paths.tmux_socket).known_server_pid()
    lost = dead_tmux or not paths.tmux_socket.exists()
    sessions = _sessions(paths, env)
    return Leftovers(
        stale_socket=str(paths.socket) if dead_socket else "",
        stale_tmux=str(paths.tmux_socket) if dead_tmux else "",
        lost_server=server if lost else 0,
        idle_server=server if not lost and not daemon_runs and not sessions else 0,
        orphan_sessions=tuple(name for name in sessions if name not in live) if recorded else (),
        orphan_shims=tuple(pid for path in over if (pid := _shim(path))),
        kept_clones=tuple(path.name for path in sorted(_inside(paths.clones)) if path.name not in live)
        if recorded
        else (),
        unsaved=tuple(path.name for path in over if _unsaved(path, paths.clones / path.name)),
        half_restore=str(marker_of(paths)) if marker_of(paths).exists() else "",
    )


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def is_dead_socket(path: Path) -> bool:
    """Whether a socket lies here that nobody listens to."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_SECONDS)
            probe.connect(str(path))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _sessions(paths: FleetPaths, env: Mapping[str, str]) -> list[str]:
    """Names of the sessions of the fleet's own terminal server, the keeper left out. Never starts a server."""
    if not paths.tmux_socket.exists():
        return []
    argv = ["tmux", "-u", "-S", str(paths.tmux_socket), "-N", "list-sessions", "-F", "#{session_name}"]
    try:
        done = process.run(argv, timeout=_SECONDS, env=env)
    except FleetError:
        return []
    return sorted(name for name in done.text.split("\n") if name and name != KEEPER) if done.ok else []


def _shim(folder: Path) -> int:
    """The pid of the living shim of a run folder; 0 without one."""
    started = records.read(str(folder), records.STARTED) or {}
    pid, start = started.get("pid"), started.get("start")
    if not isinstance(pid, int) or not isinstance(start, int) or started.get("boot") != proctree.boot_id():
        return 0
    return pid if proctree.is_alive(pid, start) else 0


def _unsaved(folder: Path, clone: Path) -> bool:
    """Whether a run ended without having saved its work, and the clone is still there."""
    ended = records.read(str(folder), records.EXIT) or {}
    return bool(ended.get("escrow_error")) and clone.is_dir()


def ways(env: Mapping[str, str], paths: FleetPaths | None, mode: str) -> Ways:
    """What this machine offers to a process that wants out. Looks only; starts and connects nothing."""
    found = {name for name in _PROGRAMS if shutil.which(name, path=env.get("PATH"))}
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return Ways(
        programs=frozenset(found),
        running=_names(),
        ptrace_scope=_ptrace_scope(),
        user_bus=any(os.path.exists(f"{runtime}/{name}") for name in ("bus", "systemd/private")),
        ssh_listens=_ssh_listens(),
        docker_socket=any(os.access(path, os.W_OK) for path in _engines(runtime)),
        other_terminals=_terminals(env, paths),
        mode=mode,
    )


def _engines(runtime: str) -> tuple[str, ...]:
    return (
        "/run/docker.sock",
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/containerd/containerd.sock",
    )


def _names() -> frozenset[str]:
    """The short names of all processes that can be seen."""
    found = set()
    for pid in proctree.table():
        try:
            found.add(Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip())
        except OSError:
            continue
    return frozenset(found)


def _ptrace_scope() -> int | None:
    try:
        return int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text("ascii"))
    except (OSError, ValueError):
        return None


def _ssh_listens() -> bool:
    """Whether something listens on port 22, by the kernel's table; no connection is made."""
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[1].endswith(_SSH_PORT) and fields[3] == _LISTENING:
                return True
    return False


def _terminals(env: Mapping[str, str], paths: FleetPaths | None) -> int:
    """Sockets of this user's other terminal servers, in the places where tmux and screen put them."""
    uid = os.getuid()
    user = env.get("USER") or env.get("LOGNAME") or ""
    places = [Path(env.get("TMUX_TMPDIR") or "/tmp") / f"tmux-{uid}"]
    places += [Path(f"{top}/S-{user}") for top in ("/run/screen", "/var/run/screen")[:1] if user]
    ours = {paths.tmux_socket} if paths else set()
    found = [path for place in places for path in _inside(place) if path not in ours]
    return sum(not is_dead_socket(path) for path in found)
