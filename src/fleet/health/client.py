"""Is Claude Code here, is it new enough, and can agents prove themselves with it? Asks programs, opens no connection.

Nothing that a key helper prints is kept or shown; only whether it printed something, where agents run it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleet import process
from fleet.config.claude import AuthConfig
from fleet.config.model import FleetConfig
from fleet.core.errors import FleetError
from fleet.health.words import Check
from fleet.runtime.brief import SYSTEM_PATH
from fleet.runtime.vendors.claude_code import find_program, version_of

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Client:
    """The program of a name: where it is and its version; or why agents cannot use it, and what to do."""

    path: str = ""
    version: str = ""
    fault: str = ""
    fix: str = ""


def client(name: str = "claude") -> Client:
    """The client that the daemon would start, by the same search and the same least version."""
    try:
        path = find_program(name)
    except FleetError as error:
        return Client(fault=f"{error.message} ({error.where})" if error.where else error.message, fix=error.hint)
    return Client(path, ".".join(map(str, version_of(path, Path(path).stat().st_mtime_ns))))


def sign_in_fault(auth: AuthConfig | None) -> tuple[str, str]:
    """Why an agent could not prove itself this way, and what to do; "" twice where nothing is known against it."""
    if auth is None:
        return "no auth is given", "auth: {kind: key_helper, command: [PROGRAM, ARGUMENT]} in .fleet/config.yaml"
    if auth.kind == "key_helper" and auth.command:
        return _helper_fault(auth.command)
    if auth.kind == "provider" and auth.file and not os.access(auth.file, os.R_OK):
        return f"{auth.file} cannot be read", "Name the credentials file of AWS or Google Cloud: auth.file"
    if auth.kind == "login" and auth.folder and not (Path(auth.folder) / ".credentials.json").is_file():
        return f"there is no login in {auth.folder}", f"CLAUDE_CONFIG_DIR={auth.folder} claude, then /login"
    return "", ""


def _helper_fault(command: tuple[str, ...]) -> tuple[str, str]:
    """Whether the program prints something where agents run it: with their PATH, and not with a person's HOME."""
    env = {"PATH": SYSTEM_PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    hint = "Agents have a HOME of their own. Give a full path, or env first: [env, HOME=/home/you, pass, show, KEY]"
    try:
        done = process.run(list(command), timeout=_SECONDS, env=env, cwd="/")
    except FleetError as error:
        return f"the key helper {command[0]} cannot be run: {error.message}", hint
    if not done.ok:
        return f"the key helper {command[0]} ends with exit code {done.code} where agents run it", hint
    return ("", "") if done.text.strip() else (f"the key helper {command[0]} prints nothing", hint)


def client_checks(config: FleetConfig) -> Iterator[Check]:
    """What agents of Claude Code need beside the configuration: the client, and a way to prove themselves."""
    members = [agent for agent in config.agents if agent.vendor == "claude-code"]
    if not members:
        return
    why = "Their runs fail before they begin, again and again."
    found = client(config.claude.program)
    if found.fault:
        yield Check("claude.client", "fail", found.fault, why, found.fix)
    else:
        yield Check("claude.client", "ok", f"Claude Code {found.version}, {found.path}")
    ways = {auth.model_dump_json(): auth for auth in map(config.auth_of, members) if auth is not None}
    for number, auth in enumerate(ways.values(), 1):
        names = ", ".join(agent.name for agent in members if config.auth_of(agent) == auth)
        fault, fix = sign_in_fault(auth)
        name = f"claude.auth.{number}" if len(ways) > 1 else "claude.auth"
        if fault:
            yield Check(name, "fail", f"{fault} (auth of {names})", why, fix)
        else:
            yield Check(name, "ok", f"{auth.kind} of {names}; whether the provider takes it shows in the first run")
