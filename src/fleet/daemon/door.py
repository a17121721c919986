"""The folders and the socket's file: private, made once, removed only by whoever may."""

from __future__ import annotations

import os
import socket
import stat

from fleet.config.paths import FleetPaths, make_private
from fleet.core.errors import Conflict, PermanentError
from fleet.daemon.lease import Lease, holder, take
from fleet.keeping.swap import gate_of, settle

BACKLOG = 512


def make_folders(paths: FleetPaths) -> None:
    """Make the fleet's folders so that only their owner enters; a restore that was killed is settled first.

    Raises PermanentError FLT-CFG-003, Conflict FLT-KEP-017 while a restore is under way, PermanentError
    FLT-KEP-018 when one was interrupted in a way that nobody but a person can put right.
    """
    uid = os.getuid()
    home = paths.runtime.parent.parent
    if str(home) == f"/tmp/fleet-{uid}":  # a place where anybody else could have been first
        make_private(home, uid)
    for folder in (paths.runtime.parent, paths.runtime):
        make_private(folder, uid)
    with gate(paths):
        settle(paths)
        make_private(paths.state, uid)
        for folder in (paths.runs, paths.clones):
            folder.mkdir(exist_ok=True, mode=0o700)


def gate(paths: FleetPaths) -> Lease:
    """The lock that a start holds while it makes its folders, and a restore until it is done.

    Raises Conflict FLT-KEP-017 with the holder's pid.
    """
    paths.state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    hint = "Wait until it has ended, then try again."
    return take(gate_of(paths), "a restore or another start", code="FLT-KEP-017", hint=hint)


def bind_socket(paths: FleetPaths) -> socket.socket:
    """Listen on the fleet's socket, mode 0600; a stale file is replaced. Only for the holder of a lock.

    Raises PermanentError FLT-DMN-017 when something else is in the way.
    """
    remove_socket(paths)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(paths.socket))  # nobody else enters the folder, so nobody comes before the next line
        os.chmod(paths.socket, 0o600)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise PermanentError(
            "FLT-DMN-017",
            f"cannot listen here: {error.strerror or error}",
            where=str(paths.socket),
            hint="Remove what is in the way, or set XDG_RUNTIME_DIR elsewhere.",
        ) from error
    return listening


def remove_socket(paths: FleetPaths) -> None:
    """Remove the socket's file, if it is one."""
    try:
        if stat.S_ISSOCK(paths.socket.lstat().st_mode):
            paths.socket.unlink()
    except FileNotFoundError:
        return


def guard_supervisor(paths: FleetPaths) -> None:
    """Refuse to run beside a supervisor, whose daemon may only be between two starts.

    Raises Conflict FLT-DMN-011 with its pid.
    """
    pid = holder(paths.supervisor_lock)
    if pid is not None:
        raise Conflict(
            "FLT-DMN-011",
            f"a supervisor runs already for this fleet (pid {pid})",
            where=str(paths.supervisor_lock),
            hint="Stop it with: fleet down",
        )


def guard_daemon(paths: FleetPaths) -> None:
    """Refuse to supervise beside a daemon that runs on its own. Raises Conflict FLT-DMN-010 with its pid."""
    pid = holder(paths.daemon_lock)
    if pid is not None:
        raise Conflict(
            "FLT-DMN-010",
            f"a daemon runs already for this fleet (pid {pid})",
            where=str(paths.daemon_lock),
            hint="Stop it with: fleet down",
        )
