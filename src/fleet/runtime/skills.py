"""The ways of working as skills in Claude Code's own format: one folder a skill, with a SKILL.md. Pure.

The steps are those of the handbook, so both say the same. What a skill may use without being asked follows from the
role; that spares questions and is no guard.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet import __version__
from fleet.config.commandsets import commands_of
from fleet.config.roles import SKILLS, Role
from fleet.runtime.handbook import skill_steps

MARK = "<!-- Written by fleet skills install; it replaces this file again. -->"
PLUGIN = ".claude-plugin/plugin.json"


@dataclass(frozen=True, slots=True)
class Skill:
    """What a skill is called, when it is used, and which tools and sets of commands it needs where no role says so."""

    name: str
    description: str
    tools: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The folder of its SKILL.md."""
        return f"fleet-{self.name}"


_READ = ("Read", "Grep", "Glob")
_CATALOGUE = {
    "develop": (
        "Turn a ready ticket into a small, tested pull request, and answer what its reviewers ask for. Use "
        "when a ticket "
        "is to be worked on, when changes were requested, or when a pull request no longer merges.",
        (*_READ, "Edit", "Write"),
        ("@look", "@fleet", "@author"),
    ),
    "review": (
        "Judge a pull request at exactly one commit and give one verdict with reasons. Use when a pull request needs a "
        "review, or when its head has moved since the last verdict.",
        _READ,
        ("@look", "@fleet", "@verdict"),
    ),
    "ship": (
        "Merge a pull request through the merge gate, exactly as it was approved. Use when a pull request is "
        "approved and "
        "is to be merged, or when somebody asks why it is not.",
        ("Read",),
        ("@fleet", "@release"),
    ),
    "ticket": (
        "Write a ticket that somebody who was not there can do: example, limits, checks. Use when a wish, a fault or a "
        "finding is to become work.",
        (*_READ, "Write"),
        ("@look", "@fleet"),
    ),
    "report": (
        "Answer a question about the code, the work or the record in a form that can be checked. Use for "
        "analyses, audits, "
        "summaries, triage and notes about what shipped.",
        (*_READ, "Write"),
        ("@look", "@fleet"),
    ),
}


def skills() -> tuple[Skill, ...]:
    """Every skill, in the order of the roles' table."""
    return tuple(Skill(name, *_CATALOGUE[name]) for name in SKILLS)


def skill_named(name: str) -> Skill:
    """One of them; KeyError for an unknown one."""
    return Skill(name, *_CATALOGUE[name])


def skill_text(skill: Skill, role: Role | None = None) -> str:
    """The SKILL.md: for the runs of a role, or without one for whoever installs it for themselves."""
    patterns = role.scope.commands if role is not None else commands_of(skill.commands)[0]
    tools = ", ".join((*skill.tools, *_bash(patterns)))
    head = f"---\nname: {skill.folder}\ndescription: {json.dumps(skill.description)}\nallowed-tools: {tools}\n---\n"
    about = _FOR_RUN.format(role=role.name) if role is not None else _FOR_PERSON
    more = _OPENS if role is None and skill.name == "ticket" else ""
    return f"{head}\n{MARK}\n\n# {skill.folder}\n\n{about}\n\n{skill_steps(skill.name)}\n{more}"


_FOR_RUN = "How a run in the role {role} works. Its handbook, which `$FLEET_HANDBOOK` names, says the rest."
_FOR_PERSON = (
    "How this is done in a repository with a fleet. `$FLEET_TICKET`, `$FLEET_PR` and `$FLEET_HEAD` are set in a run of "
    "an agent; otherwise put in the numbers that you were given."
)
_OPENS = '\nIn a person\'s own session the person may open it: `fleet ticket create "TITLE" --body-file FILE`.\n'


def _bash(patterns: Iterable[str]) -> Iterator[str]:
    """Patterns of commands as Claude Code writes them; one with a star inside has no counterpart and is left out."""
    for pattern in patterns:
        start = pattern.removesuffix(" **")
        if "*" not in start:
            yield f"Bash({start}:*)" if start != pattern else f"Bash({start})"


def skill_files(role: Role | None = None, *, as_plugin: bool = False) -> dict[str, bytes]:
    """Files by name in their folder: the skill of a role, or all of them. ``as_plugin`` adds what makes it a plugin."""
    chosen = (skill_named(role.skill),) if role is not None else skills()
    inside = "skills/" if as_plugin else ""
    files = {f"{inside}{one.folder}/SKILL.md": skill_text(one, role).encode("utf-8") for one in chosen}
    if as_plugin:
        about = f"How a {role.name} of this fleet works." if role is not None else "How work is done in a fleet."
        facts = {"name": "fleet", "version": __version__, "description": about, "author": {"name": "Fleet"}}
        files[PLUGIN] = (json.dumps(facts, indent=2) + "\n").encode("utf-8")
    return files
