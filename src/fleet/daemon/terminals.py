"""The private tmux server of a fleet that went down: nothing lives in it any more, so it ends too."""

from __future__ import annotations

from fleet.config.paths import FleetPaths
from fleet.runtime.tmux import Tmux


def end_terminals(paths: FleetPaths) -> None:
    """End the fleet's tmux server, and whatever session is left in it. Only once no daemon and no run lives."""
    if paths.tmux_socket.exists():
        Tmux(paths.tmux_socket).kill_server()
