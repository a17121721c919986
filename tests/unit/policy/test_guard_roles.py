"""Every role against the guard: what it may run is not refused to everybody, and the steps it is told can be taken."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import PurePosixPath

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.presets import preset_for
from fleet.config.roles import Role
from fleet.config.signals import KINDS, Kind
from fleet.policy.guard import Ground, Objection, judge

ROLES = dict(load_roles())

# How the tests of a kind of repository are run. Images and pages are checked by what builds them.
TESTS = {
    "go": "go test ./...",
    "python": "python3 -m unittest",
    "node": "npm test",
    "web": "npm test",
    "rust": "cargo test",
    "jvm": "./gradlew test",
    "dotnet": "dotnet test",
    "ruby": "bundle exec rspec",
    "php": "phpunit",
    "native": "ctest",
    "apple": "swift test",
    "data": "dbt test",
    "infrastructure": "terraform validate",
    "docker": "make test",
    "docs": "make test",
}
# What stands in the texts for what a run knows.
WORDS = {
    "$FLEET_TICKET": "7", "$FLEET_PR": "8", "$FLEET_HEAD": "3fe8403635", "SUBJECT": "ticket/7", "FILE": "/run/tmp/a.md",
    "TITLE": "Greet", "TOKEN": "abc", "NUMBER": "3", "AGENT": "tech-lead", "CODE": "FLT-GRD-002", " N": " 7",
}  # fmt: skip


def refused(role: Role, command: str) -> Objection | None:
    """What the guard says of a command of this role."""
    ground = Ground(
        role=role.name, scope=role.scope, clone="/clone", cwd="/clone", writable=("/run/tmp",), readable=("/usr",),
        secret=("/proc",), protected=lambda _: False, real=lambda path: path, matches=lambda _: (),
    )  # fmt: skip
    return judge("Bash", {"command": command}, ground)


def plainest(pattern: str) -> str:
    """The shortest command that a pattern allows."""
    return " ".join(word.replace("*", "x") for word in pattern.split(" ") if word != "**")


@pytest.mark.parametrize("name", ROLES)
def test_no_command_of_a_role_is_refused_to_everybody(name: str) -> None:
    role = ROLES[name]
    found = {pattern: refused(role, plainest(pattern)) for pattern in role.scope.commands}
    assert {pattern: objection.text for pattern, objection in found.items() if objection is not None} == {}


def test_a_command_that_no_role_may_run_would_be_noticed() -> None:
    assert refused(ROLES["developer"], plainest("gdb --batch **")) is not None


def steps(text: str) -> list[str]:
    """The commands of fleet that a text tells an agent to type, with its placeholders filled in."""
    found = re.findall(r"`(fleet [a-z][^`]*)`", text)
    for word, value in WORDS.items():
        found = [command.replace(word, value) for command in found]
    return found


def handbook(name: str) -> str:
    """One of the texts that handbooks are made of."""
    return resources.files("fleet.runtime.handbooks").joinpath(f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("name", ROLES)
def test_the_steps_that_a_handbook_tells_are_open_to_the_role(name: str) -> None:
    role = ROLES[name]
    everybodys = handbook("fabric").split("{% if role.develops %}", 1)[0]
    texts = (handbook(role.skill), handbook("start"), handbook("escalate").split("{% if", 1)[0], everybodys)
    commands = [command for text in texts for command in steps(text)]
    assert len(commands) > 15
    assert {command: refused(role, command) for command in commands if refused(role, command) is not None} == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_author_and_reviewers_of_a_first_team_can_run_the_tests_of_its_repository(kind: Kind) -> None:
    team, _ = preset_for({kind.name: kind.names[0]})
    for seat in team.seats[:-1]:
        assert refused(ROLES[seat.role], TESTS[kind.name]) is None, seat.role


def test_no_place_of_a_role_lies_inside_another_of_its_places() -> None:
    """Such a pattern says nothing, and hides whose place it is."""
    for role in ROLES.values():
        plain = [pattern for pattern in role.scope.write if pattern.endswith("/**") and "*" not in pattern[:-3]]
        inner = [
            (one, other)
            for one in plain
            for other in plain
            if one != other and PurePosixPath(one[:-3]).is_relative_to(PurePosixPath(other[:-3]))
        ]
        assert inner == [], role.name
