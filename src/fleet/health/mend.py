"""What ``fleet doctor --fix`` does: rights, bytecode, dead sockets, missing folders. It never touches work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fleet import process
from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError
from fleet.daemon.door import make_folders
from fleet.health.leftovers import is_dead_socket
from fleet.health.words import Check, Machine

_COMPILE_SECONDS = 300.0


def mend(checks: Iterable[Check], paths: FleetPaths | None, machine: Machine, env: Mapping[str, str]) -> list[str]:
    """Do what the checks propose; what was done, or why not, one line each."""
    wanted = dict.fromkeys(check.mend for check in checks if check.mend)
    return [_one(name, paths, machine, env) for name in wanted]


def _one(name: str, paths: FleetPaths | None, machine: Machine, env: Mapping[str, str]) -> str:
    try:
        if name == "bytecode":
            return _compile(machine, env)
        assert paths is not None  # all else is found in the places of a fleet
        return _IN_PLACE[name](paths)
    except (OSError, FleetError) as error:
        return f"not done ({name}): {error}"


def _compile(machine: Machine, env: Mapping[str, str]) -> str:
    argv = [machine.interpreter, "-m", "compileall", "-q", machine.package]
    done = process.run(argv, timeout=_COMPILE_SECONDS, env=env)
    if not done.ok:
        return f"not done (bytecode): {done.error_text or done.text}"
    return f"compiled the bytecode of {machine.package}"


def _close(folder: Path) -> str:
    """Let only the owner in. Through a descriptor, so that a link put in the folder's place is not followed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        before = os.fstat(handle).st_mode & 0o777
        os.fchmod(handle, 0o700)
    finally:
        os.close(handle)
    return f"set the mode of {folder} to 0700 (it was {before:04o})"


def _remove_socket(path: Path) -> str:
    """Remove a socket that nobody listens to; looked at once more, because a daemon may have started meanwhile."""
    if not is_dead_socket(path):
        return f"left {path} alone: somebody listens to it now"
    path.unlink()
    return f"removed {path}, which nobody listened to"


def _folders(paths: FleetPaths) -> str:
    make_folders(paths)
    return f"made the missing folders of {paths.state}"


_IN_PLACE: dict[str, Callable[[FleetPaths], str]] = {
    "rights:state": lambda paths: _close(paths.state),
    "rights:sockets": lambda paths: _close(paths.runtime),
    "rights:sockets.above": lambda paths: _close(paths.runtime.parent),
    "socket": lambda paths: _remove_socket(paths.socket),
    "tmux": lambda paths: _remove_socket(paths.tmux_socket),
    "folders": _folders,
}
