"""What the isolation mode protects from, and the ways round it that this machine offers. Pure.

A way is *open* when what it needs was found here, *closed* when it was not, and *possible* when only trying
would tell (nothing is tried: a way out that leaves traces in another log is not ours to test).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fleet.health.words import Check, Ways

MEANS = {
    "shared-uid": "all agents run as you: protects against mistakes and self-declared names, not against a hostile "
    "process",
    "isolated": "each run has its own user or namespaces",
}
_CRONS = ("cron", "crond", "fcron", "systemd-cron")
Standing = Literal["open", "possible", "closed"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way round the mode: what a process could do, whether it can here, and what was found."""

    id: str
    does: str
    state: Standing
    seen: str

    def as_dict(self) -> dict[str, str]:
        """The way as doors print it."""
        return {"id": self.id, "does": self.does, "state": self.state, "seen": self.seen}


def ways(facts: Ways) -> tuple[Way, ...]:
    """Every known way, with how it stands on this machine."""
    if facts.mode != "shared-uid":
        return ()
    return (
        Way("store", "open the database, the run folders and other runs' capabilities", "open", "same user"),
        Way("environ", "read the environment and open files of your other processes in /proc", "open", "same user"),
        Way("startup", "write to .profile, .bashrc or a git hook that your own shell runs later", "open", "same user"),
        _ptrace(facts),
        _programs(facts, "systemd-run", "systemd-run", facts.user_bus, "systemd-run starts a process outside the run",
                  "a user bus answers", "no user bus"),
        _service(facts, "at", "at", ("atd",), "at starts a process later, outside the run"),
        _service(facts, "cron", "crontab", _CRONS, "crontab starts a process later, outside the run"),
        _programs(facts, "ssh", "ssh", facts.ssh_listens, "ssh to this machine starts a process outside the run",
                  "something listens on port 22", "nothing listens on port 22"),
        _docker(facts),
        _bus(facts),
        _terminals(facts),
        _sudo(facts),
    )  # fmt: skip


def isolation_checks(facts: Ways) -> Iterator[Check]:
    """The mode as one line: no fault, but never hidden."""
    open_ones = sum(way.state != "closed" for way in ways(facts))
    yield Check("isolation", "ok", f"{facts.mode}; {open_ones} known ways round it on this machine")


def _ptrace(facts: Ways) -> Way:
    does = "read and change the memory of your other processes, the daemon's included"
    scope = facts.ptrace_scope
    if scope is None:
        return Way("ptrace", does, "open", "the kernel restricts ptrace between your processes in no way (no yama)")
    seen = f"kernel.yama.ptrace_scope is {scope}"
    return Way("ptrace", does, "open" if scope == 0 else "closed", seen)


def _programs(facts: Ways, name: str, program: str, reaches: bool, does: str, yes: str, no: str) -> Way:
    if program not in facts.programs:
        return Way(
            name, does, "possible" if reaches else "closed", f"{program} is not installed; {yes if reaches else no}"
        )
    return Way(name, does, "open" if reaches else "closed", f"{program} is installed; {yes if reaches else no}")


def _service(facts: Ways, name: str, program: str, services: tuple[str, ...], does: str) -> Way:
    runs = next((service for service in services if service in facts.running), "")
    there = program in facts.programs
    if there and runs:
        return Way(name, does, "open", f"{program} is installed and {runs} runs")
    if there:
        return Way(name, does, "possible", f"{program} is installed; no {services[0]} is seen running now")
    return Way(name, does, "closed", f"{program} is not installed")


def _docker(facts: Ways) -> Way:
    does = "a container engine starts a process outside the run, perhaps as root"
    tools = sorted(facts.programs & {"docker", "podman", "nerdctl"})
    if facts.docker_socket:
        return Way("containers", does, "open", "you may write to the engine's socket")
    if tools:
        return Way("containers", does, "possible", f"{', '.join(tools)} installed; no engine's socket is open to you")
    return Way("containers", does, "closed", "no container engine is seen")


def _bus(facts: Ways) -> Way:
    does = "a call on your D-Bus session makes another service start a process"
    return Way(
        "dbus", does, "open" if facts.user_bus else "closed", "a user bus answers" if facts.user_bus else "no bus"
    )


def _terminals(facts: Ways) -> Way:
    does = "another terminal server of yours (tmux, screen) runs what it is sent"
    count = facts.other_terminals
    return Way("terminals", does, "open" if count else "closed", f"{count} sockets of other terminal servers")


def _sudo(facts: Ways) -> Way:
    does = "sudo without a password starts a process as another user"
    tools = sorted(facts.programs & {"sudo", "doas", "pkexec"})
    if tools:
        return Way(
            "sudo", does, "possible", f"{', '.join(tools)} installed; whether it asks for a password is not tried"
        )
    return Way("sudo", does, "closed", "not installed")
