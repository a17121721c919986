"""What no single key of a configuration can tell: faults and warnings that need the whole of it.

Works on the plain data, so that these faults are found together with wrong types elsewhere in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from fleet.config import budgetcheck, claudecheck, gatecheck, labelcheck
from fleet.config.commands import faults_of
from fleet.config.roles import Role
from fleet.config.scope import command_fault, path_fault
from fleet.config.timetable import BadTimetable, timetable, zone_named
from fleet.config.validate import nearest
from fleet.config.yamlfile import Document, Path, Problem, shown
from fleet.core.event import BUILTIN

# An owner is letters, digits and single dashes; a name must not be a path that climbs.
_GITHUB_REPO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")

Agents = dict[str, tuple[int, Mapping[str, Any]]]


def faults(document: Document, roles: Mapping[str, Role]) -> Iterator[Problem]:
    """Every fault between keys: names, roles, reports_to, may_start, publishes, schedules, paths, the base."""
    agents = _agents(document.data)
    if isinstance(document.data.get("version"), bool):
        yield Problem(document.value_spot(("version",)), "version is a truth value", "1")
    yield from _duplicate_names(document)
    yield from _roles(document, roles)
    yield from _reporting(document, agents)
    yield from _may_start(document, agents)
    yield from _teams(document, agents)
    yield from _publishes(document, agents, roles)
    yield from _schedules(document)
    yield from budgetcheck.faults(document)
    yield from _commands(document)
    yield from _patterns(document)
    yield from claudecheck.faults(document)
    yield from _playbooks(document)
    yield from _protected_paths(document)
    yield from _base(document)
    yield from _forge(document)
    yield from labelcheck.faults(document)
    for index, row in _rows(document.data):
        yield from gatecheck.faults(document, ("agents", index, "subscription_gate"), row.get("subscription_gate"))


def warnings(document: Document, roles: Mapping[str, Role], *, hears: bool = False) -> Iterator[Problem]:
    """What is allowed but will hardly do what its writer wants. ``hears``: events of other fleets come in as well."""
    agents = _agents(document.data)
    if not hears:
        yield from _silent_events(document, agents, roles)
    yield from _idle_variables(document)
    yield from _idle_transport(document)
    for index, row in agents.values():
        yield from gatecheck.warnings(document, ("agents", index, "subscription_gate"), row)
    ceiling = document.data.get("max_concurrent")
    for index, agent in agents.values():
        wanted = agent.get("max_concurrent")
        if isinstance(wanted, int) and isinstance(ceiling, int) and wanted > ceiling:
            spot = document.value_spot(("agents", index, "max_concurrent"))
            yield Problem(spot, f"max_concurrent is {wanted}", f"at most the fleet's {ceiling}, which comes first")
    if document.data.get("allow_shared_uid_merge") is True and not document.data.get("shared_uid_merge_reason"):
        spot = document.key_spot(("allow_shared_uid_merge",))
        yield Problem(spot, "agents may merge in shared-uid mode and no reason is given", "shared_uid_merge_reason")


def _rows(data: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The entries of `agents` that are mappings."""
    rows = data.get("agents")
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if isinstance(row, dict):
            yield index, row


def _agents(data: Mapping[str, Any]) -> Agents:
    """The first agent of each name."""
    found: Agents = {}
    for index, row in _rows(data):
        name = row.get("name")
        if isinstance(name, str):
            found.setdefault(name, (index, row))
    return found


def _words(value: object) -> tuple[str, ...]:
    """A list of texts, or one text, as a tuple; anything else as nothing."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, tuple) else ()


def _entries(document: Document, path: Path) -> Iterator[tuple[Path, str]]:
    """Each text of a list (or the single text) with its path."""
    value: Any = document.data
    for part in path:
        value = value.get(part) if isinstance(value, dict) else value[part]
    if isinstance(value, str):
        yield path, value
    for index, item in enumerate(value if isinstance(value, tuple) else ()):
        if isinstance(item, str):
            yield (*path, index), item


def _duplicate_names(document: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, row in _rows(document.data):
        name = row.get("name")
        if not isinstance(name, str):
            continue
        spot = document.value_spot(("agents", index, "name"))
        if name in first:
            what = f"agent name {shown(name)} stands here and on line {first[name]}"
            yield Problem(spot, what, "every name once", f"Rename it here or on line {first[name]}.")
        first.setdefault(name, spot.line)


def _roles(document: Document, roles: Mapping[str, Role]) -> Iterator[Problem]:
    for index, row in _rows(document.data):
        role = row.get("role")
        if isinstance(role, str) and role not in roles:
            spot = document.value_spot(("agents", index, "role"))
            hint = nearest(role, list(roles)) or "fleet role list shows them all."
            yield Problem(spot, f"unknown role {shown(role)}", "a role of the catalogue", hint)


def _reporting(document: Document, agents: Agents) -> Iterator[Problem]:
    """reports_to must name an agent or the owner, and never lead back."""
    owner = document.data.get("owner")
    bosses: dict[str, str] = {}
    for name, (index, agent) in agents.items():
        boss = agent.get("reports_to")
        if not isinstance(boss, str) or not boss or boss == owner:
            continue
        bosses[name] = boss
        if boss not in agents:
            spot = document.value_spot(("agents", index, "reports_to"))
            hint = nearest(boss, list(agents))
            yield Problem(spot, f"reports_to names {shown(boss)}", "an agent of this file, or the owner", hint)
    for cycle in _cycles(bosses):
        spot = document.value_spot(("agents", agents[cycle[0]][0], "reports_to"))
        round_trip = " -> ".join([*cycle, cycle[0]])
        yield Problem(spot, f"reports_to goes round: {round_trip}", "a way to the top", "Remove one of these lines.")


def _cycles(bosses: Mapping[str, str]) -> Iterator[list[str]]:
    """Each ring of names that report to one another, once; every name is walked over once."""
    done: set[str] = set()
    for start in bosses:
        way: dict[str, None] = {}
        name = start
        while name in bosses and name not in done and name not in way:
            way[name] = None
            name = bosses[name]
        if name in way:
            ring = list(way)
            yield ring[ring.index(name) :]
        done.update(way)


def _may_start(document: Document, agents: Agents) -> Iterator[Problem]:
    for index, row in _rows(document.data):
        if "may_start" not in row:
            continue
        for path, name in _entries(document, ("agents", index, "may_start")):
            if name not in agents:
                hint = nearest(name, list(agents))
                yield Problem(
                    document.value_spot(path), f"may_start names {shown(name)}", "an agent of this file", hint
                )


def _teams(document: Document, agents: Agents) -> Iterator[Problem]:
    """Every team once, every member an agent, and once in its team."""
    teams = document.data.get("teams")
    first: dict[str, int] = {}
    for index, team in enumerate(teams if isinstance(teams, tuple) else ()):
        if not isinstance(team, dict):
            continue
        name, members = team.get("name"), set[str]()
        if isinstance(name, str):
            spot = document.value_spot(("teams", index, "name"))
            if name in first:
                what = f"team name {shown(name)} stands here and on line {first[name]}"
                yield Problem(spot, what, "every name once", "Make one team of the two, or rename one.")
            first.setdefault(name, spot.line)
        for path, member in _entries(document, ("teams", index, "agents")) if "agents" in team else ():
            spot = document.value_spot(path)
            if member not in agents:
                hint = nearest(member, list(agents))
                yield Problem(spot, f"a team names {shown(member)}", "an agent of this file", hint)
            elif member in members:
                yield Problem(spot, f"{shown(member)} is in this team twice", "every member once", "Remove one.")
            members.add(member)


def _publishes(document: Document, agents: Agents, roles: Mapping[str, Role]) -> Iterator[Problem]:
    """A custom event must not borrow the name of a built-in one that its publisher may not emit."""
    for index, row in _rows(document.data):
        role = roles.get(str(row.get("role")))
        if role is None or "publishes" not in row:
            continue
        for path, event in _entries(document, ("agents", index, "publishes")):
            if event in BUILTIN and event not in role.emits:
                what = f"publishes holds the built-in event {shown(event)}"
                hint = f"A {role.name} may not emit it; choose another name."
                yield Problem(document.value_spot(path), what, "a name of your own", hint)


def _schedules(document: Document) -> Iterator[Problem]:
    """Cron text that no clock can follow, and zones that the system does not know."""
    for index, row in _rows(document.data):
        schedule, path = row.get("schedule"), ("agents", index, "schedule")
        cron, zone = (
            (schedule.get("cron"), schedule.get("timezone", "UTC")) if isinstance(schedule, dict) else (schedule, "UTC")
        )
        if isinstance(zone, str):
            try:
                zone_named(zone)
            except BadTimetable as fault:
                yield Problem(document.value_spot((*path, "timezone")), f"timezone is {shown(zone)}", str(fault))
                continue
        if isinstance(cron, str):
            try:
                timetable(cron, "UTC")
            except BadTimetable as fault:
                yield Problem(document.value_spot((*path, "cron")), f"cron is {shown(cron)}", str(fault))


def _commands(document: Document) -> Iterator[Problem]:
    """A command exactly where the vendor is one, and one that can be run."""
    for index, row in _rows(document.data):
        path: Path = ("agents", index)
        is_command = row.get("vendor") == "command"
        if is_command and not row.get("command"):
            spot = document.value_spot((*path, "vendor"))
            yield Problem(spot, "vendor is command and there is no command", "command: [program, argument, …]")
        for key in ("command", "stdin"):
            if key in row and not is_command:
                what = f"{key} is given and the vendor is {shown(row.get('vendor', 'scripted'))}"
                yield Problem(document.key_spot((*path, key)), what, "vendor: command, or no such key")
        command = row.get("command")
        if isinstance(command, tuple) and all(isinstance(word, str) for word in command):
            for number, what, expected in faults_of(command):
                yield Problem(document.value_spot((*path, "command", number)), what, expected)


def _patterns(document: Document) -> Iterator[Problem]:
    """What an agent may run and change is written in a grammar."""
    for index, row in _rows(document.data):
        for key, fault_of in (("may_run", command_fault), ("may_change", path_fault)):
            for path, pattern in _entries(document, ("agents", index, key)) if key in row else ():
                fault = fault_of(pattern)
                if fault:
                    yield Problem(document.value_spot(path), f"{key} holds {shown(pattern)}", fault)


def _playbooks(document: Document) -> Iterator[Problem]:
    for index, row in _rows(document.data):
        playbook = row.get("playbook")
        if isinstance(playbook, str) and playbook and not _stays_inside(playbook):
            spot = document.value_spot(("agents", index, "playbook"))
            yield Problem(spot, f"playbook is {shown(playbook)}", "a relative path that stays inside .fleet/")


def _protected_paths(document: Document) -> Iterator[Problem]:
    if "protected_paths" not in document.data:
        return
    for path, text in _entries(document, ("protected_paths",)):
        if not _stays_inside(text):
            spot = document.value_spot(path)
            yield Problem(spot, f"protected path {shown(text)}", "a relative path that stays inside the repository")


def _stays_inside(text: str) -> bool:
    """True for a relative path without dots that climb, backslashes or control characters."""
    path = PurePosixPath(text)
    clean = text.isprintable() and "\\" not in text and text.strip() == text
    return bool(text) and clean and not path.is_absolute() and ".." not in path.parts and str(path) != "."


def _base(document: Document) -> Iterator[Problem]:
    base = document.data.get("base")
    if not isinstance(base, str):
        return
    parts = base.split("/")
    bad_part = any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts)
    if ".." in base or bad_part or parts[0] == "fleet":
        spot = document.value_spot(("base",))
        yield Problem(spot, f"base is {shown(base)}", "a branch name that git takes, outside fleet/")


def _forge(document: Document) -> Iterator[Problem]:
    if document.data.get("required_checks") and document.data.get("forge", "local") == "local":
        spot = document.key_spot(("required_checks",))
        yield Problem(spot, "required_checks can never be green with forge: local", "forge: github, or no such checks")
    repo = document.data.get("repo", "")
    if document.data.get("forge") != "github" or not isinstance(repo, str) or _GITHUB_REPO.fullmatch(repo):
        return
    spot = document.value_spot(("repo",)) if "repo" in document.data else document.key_spot(("forge",))
    yield Problem(spot, f"forge is github and repo is {shown(repo)}", "repo: owner/name, as GitHub spells it")


def _idle_transport(document: Document) -> Iterator[Problem]:
    if "forge_transport" in document.data and document.data.get("forge", "local") == "local":
        spot = document.key_spot(("forge_transport",))
        yield Problem(spot, "forge_transport says how to reach GitHub and forge is local", "forge: github beside it")


def _silent_events(document: Document, agents: Agents, roles: Mapping[str, Role]) -> Iterator[Problem]:
    """Subscriptions that nothing in this file can ever satisfy."""
    active = [row for _, row in agents.values() if row.get("enabled", True) is not False]
    declared = {event for row in active for event in _words(row.get("publishes"))}
    emitted = {event for row in active for event in _emits(row, roles)}
    known = sorted(declared | set(BUILTIN))
    for index, row in _rows(document.data):
        if "subscribes_to" not in row:
            continue
        for path, event in _entries(document, ("agents", index, "subscribes_to")):
            spot, builtin = document.value_spot(path), BUILTIN.get(event)
            if event in declared:
                continue
            if builtin is None:
                hint = (
                    nearest(event, known, likeness=0.65) or "Declare it under `publishes:` of the agent that sends it."
                )
                yield Problem(
                    spot, f"nobody publishes {shown(event)}", "a built-in event or one an agent publishes", hint
                )
            elif "agent" in builtin.producers and event not in emitted:
                yield Problem(
                    spot,
                    f"no agent here can publish {event}",
                    "an agent whose role may",
                    f"Only a person could start this agent by it; fleet role search {event} names roles.",
                )


def _idle_variables(document: Document) -> Iterator[Problem]:
    """Files of variables where no command would get them."""
    places: list[tuple[Path, Any]] = [(("setup",), document.data.get("setup"))]
    places += [(("agents", index, "setup"), row.get("setup")) for index, row in _rows(document.data)]
    for path, setup in places:
        if isinstance(setup, dict) and setup.get("env_files") and not setup.get("commands"):
            spot = document.key_spot((*path, "env_files"))
            yield Problem(spot, "env_files without commands", "commands, which alone get these variables")


def _emits(row: Mapping[str, Any], roles: Mapping[str, Role]) -> frozenset[str]:
    role = roles.get(str(row.get("role")))
    return role.emits if role is not None else frozenset()
