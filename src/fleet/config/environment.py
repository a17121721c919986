"""The variables that Fleet reads from a person's environment. There is no key of the file that one overrides.

A test compares this table with the source. What an agent's run gets in its environment is another matter
(``runtime/brief.py``).
"""

from __future__ import annotations

VARIABLES: dict[str, str] = {
    "FLEET_SOCKET": "Which daemon to speak to, by its socket, instead of that of the repository around this folder.",
    "FLEET_DEBUG": "Set to anything: an internal error prints its whole traceback.",
    "XDG_STATE_HOME": "Where fleets keep their state; default ~/.local/state.",
    "XDG_RUNTIME_DIR": "Where fleets keep their sockets; default /tmp/fleet-<uid>.",
    "XDG_CONFIG_HOME": "Where fleet service install puts the unit of a systemd user service; default ~/.config.",
    "PATH": "Where programs such as git, tmux, gh and systemctl are found.",
    "HOME": "Your home folder: where the state lies unless XDG_STATE_HOME says otherwise.",
    "NO_COLOR": "Set to anything: no colours. --color comes first.",
    "FORCE_COLOR": "Set to anything: colours although no terminal reads. --color and NO_COLOR come first.",
    "TERM": "dumb: no colours. --color, NO_COLOR and FORCE_COLOR come first.",
}
