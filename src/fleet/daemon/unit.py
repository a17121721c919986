"""The systemd unit of one fleet, as text. Pure: no file is written and no program asked.

A fleet's agents live in the same control group as its daemon; the unit says that neither a stop of the service nor one
agent that used up the memory ends the others. Why it is made so: docs/adr/0016-living-with-it.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fleet.config.paths import FleetPaths
from fleet.core.errors import PermanentError

MARK = "# Written by fleet service install."
WATCHDOG_SECONDS = 180  # the supervisor ends a silent daemon after 60; this is for the supervisor itself
START_SECONDS = 300  # a large store that has to be brought up to date takes its time
STOP_SECONDS = 30

_PLAIN = re.compile(r"[A-Za-z0-9_./:=@+,-]+")


def unit_name(paths: FleetPaths) -> str:
    """The name of the fleet's unit."""
    return f"fleet-{paths.fleet_id}.service"


def unit_text(paths: FleetPaths, program: Sequence[str], path: str) -> str:
    """The whole unit file. ``program`` is the supervisor's command line, ``path`` where git and tmux are found.

    Raises PermanentError FLT-SVC-008 for a path that cannot be written into a unit.
    """
    words = [_word(program[0]), *(_word(word).replace("$", "$$") for word in program[1:])]
    environment = {
        "PATH": path,
        "XDG_STATE_HOME": str(paths.state.parent.parent),
        "XDG_RUNTIME_DIR": str(paths.runtime.parent.parent),
    }
    return (
        f"{MARK} Your own changes belong into: systemctl --user edit {unit_name(paths)}\n"
        "\n"
        "[Unit]\n"
        f"Description=Fleet {paths.fleet_id}\n"
        "StartLimitIntervalSec=300\n"
        "StartLimitBurst=5\n"
        "\n"
        "[Service]\n"
        "Type=notify\n"
        "# Only the supervisor may speak for the service: agents live in the same control group.\n"
        "NotifyAccess=main\n"
        f"ExecStart={' '.join(words)}\n"
        "ExecReload=/bin/kill -HUP $MAINPID\n"
        f"{_environment(environment)}"
        "Restart=on-failure\n"
        "RestartSec=5\n"
        "# Wrong usage, an invalid configuration, a checkout that is gone: starting again cures none of them.\n"
        "RestartPreventExitStatus=2 3 4\n"
        f"WatchdogSec={WATCHDOG_SECONDS}\n"
        f"TimeoutStartSec={START_SECONDS}\n"
        f"TimeoutStopSec={STOP_SECONDS}\n"
        "# Agents outlive the daemon, also when the service is stopped or restarted.\n"
        "KillMode=process\n"
        "# One agent that uses up the memory does not end the others.\n"
        "OOMPolicy=continue\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def _word(text: str) -> str:
    """One word of a command line or an assignment, quoted where systemd would otherwise take it apart.

    A percent sign begins a specifier everywhere in a unit; a dollar sign only in arguments, which the caller knows.
    """
    if not text.isprintable() or (not text.isascii() and not _is_utf8(text)):
        raise PermanentError(
            "FLT-SVC-008",
            "this path holds a character that cannot stand in a unit",
            where=ascii(text),
            hint="Move the repository, or rename the folder.",
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if _PLAIN.fullmatch(text) else f'"{escaped}"'


def _is_utf8(text: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def _environment(values: Mapping[str, str]) -> str:
    return "".join(f"Environment={_word(f'{name}={value}')}\n" for name, value in values.items())
