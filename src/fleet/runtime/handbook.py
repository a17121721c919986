"""A handbook: what an agent reads about itself before its work, put together from known sources. Pure.

Role, configuration, the names at the top of the repository, and the team's own instructions: all of it was written or
approved by people who may steer the fleet. What anybody else wrote, tickets, comments, diffs, is in the brief and can
never get in here. Each part knows where it comes from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from fleet import __version__
from fleet.config.loader import LoadedConfig
from fleet.config.model import AgentConfig
from fleet.config.roles import Role
from fleet.config.scope import Scope
from fleet.config.signals import says
from fleet.core.errors import PermanentError
from fleet.runtime.texts import fill

_CONFIG = ".fleet/config.yaml"
_TEXTS = "fleet.runtime.handbooks"

# Title, text, and what beside the text itself it is made of.
_PARTS = (
    ("Who you are", "identity", ("role", "config")),
    ("Your job", "duties", ("role",)),
    ("At the start of every run", "start", ()),
    ("What starts you, and when you are done", "events", ("role", "config")),
    ("How you work", "", ()),
    ("Speaking with the fleet", "fabric", ("role",)),
    ("Git", "git", ("role", "config")),
    ("What you may change and run", "scope", ("role", "config")),
    ("Never", "never", ("role",)),
    ("When to stop and ask", "escalate", ("config",)),
    ("This repository", "repository", ("config", "checkout")),
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where something comes from, as people call it; ``digest`` is the SHA-256 of its bytes in hex, "" without any."""

    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A chapter: its title, its text, and its sources."""

    title: str
    text: str
    sources: tuple[Source, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the text in hex."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class Handbook:
    """What one agent reads."""

    agent: str
    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The whole as Markdown."""
        return "".join(self._pieces())

    @property
    def digest(self) -> str:
        """SHA-256 of the text in hex."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    def _pieces(self) -> Iterator[str]:
        yield f"# Handbook of {self.agent}\n"
        for part in self.parts:
            yield f"\n## {part.title}\n\n{part.text}\n"

    def lines(self) -> list[tuple[int, int]]:
        """First and last line of each part in the text, counted from 1."""
        found, line = [], 1
        for number, piece in enumerate(self._pieces()):
            height = piece.count("\n")
            if number:
                found.append((line + 1, line + height - 1))
            line += height
        return found

    def provenance(self) -> list[dict[str, Any]]:
        """Each part with its lines and sources, as plain data."""
        rows = zip(self.parts, self.lines(), strict=True)
        return [
            {
                "title": part.title,
                "first_line": first,
                "last_line": last,
                "sources": [{"name": source.name, "sha256": source.digest} for source in part.sources],
            }
            for part, (first, last) in rows
        ]


def compile_handbook(
    agent: AgentConfig, loaded: LoadedConfig, kinds: Mapping[str, str], prompt: bytes | None, prompt_name: str
) -> Handbook:
    """Put the handbook of a member together.

    ``kinds`` are those of ``signals.kinds_of``; ``prompt`` holds the team's instructions for this agent, or is None.
    Raises PermanentError FLT-AGT-130 with file and line for instructions that cannot be used,
    FLT-AGT-131 when the configuration does not know the role.
    """
    role = loaded.roles.get(agent.role)
    scope = loaded.scope_of(agent.name)
    if role is None or scope is None:
        raise PermanentError("FLT-AGT-131", f"there is no role {agent.role!r} for {agent.name}", where=_CONFIG)
    values = _values(agent, role, scope, loaded, kinds)
    sources = {
        "role": Source(f"role {role.name} ({role.file})", role.digest),
        "config": Source(_CONFIG, loaded.digest),
        "checkout": Source("names of files at the top of the repository"),
    }
    parts = [
        Part(title, _filled(text or role.skill, values), (_own(text or role.skill), *(sources[key] for key in made_of)))
        for title, text, made_of in _PARTS
    ]
    if prompt is not None:
        shown = f".fleet/{prompt_name}"
        text = fill(_decoded(prompt, shown), shown, values).strip()
        source = Source(shown, hashlib.sha256(prompt).hexdigest())
        said = any(line.strip() and not line.startswith("#") for line in text.splitlines())
        parts.append(
            Part("What the people here want you to know", _deeper(text) if said else "Nothing yet.", (source,))
        )
    return Handbook(agent.name, role.name, tuple(parts))


def skill_steps(skill: str) -> str:
    """The steps of a way of working, as handbooks have them."""
    return _text(skill).strip()


@cache
def _text(name: str) -> str:
    return resources.files(_TEXTS).joinpath(f"{name}.md").read_text("utf-8")


def _own(name: str) -> Source:
    """A text that comes with Fleet."""
    digest = hashlib.sha256(_text(name).encode("utf-8")).hexdigest()
    return Source(f"Fleet {__version__}, {name}.md", digest)


def _filled(name: str, values: Mapping[str, Any]) -> str:
    return fill(_text(name), f"{name}.md", values).strip()


def _decoded(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PermanentError(
            "FLT-AGT-130",
            "the instructions are not UTF-8 text",
            where=f"{shown}:{line}",
            hint="Save the file as UTF-8.",
        ) from error


def _deeper(text: str) -> str:
    """Headings moved down by two, so that they stay inside their part; code blocks as they are."""
    lines, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        lines.append(f"##{line}" if line.startswith("#") and not fenced else line)
    return "\n".join(lines)


# -- what the texts may name -----------------------------------------------------------------------------


def _values(
    agent: AgentConfig, role: Role, scope: Scope, loaded: LoadedConfig, kinds: Mapping[str, str]
) -> dict[str, Any]:
    config = loaded.config
    schedule = agent.schedule
    boss_is_agent = config.agent(agent.reports_to) is not None if agent.reports_to else False
    return {
        "agent": {
            "name": agent.name,
            "role": agent.role,
            "department": agent.department or role.department,
            "reports_to": agent.reports_to,
            "guarded": agent.vendor == "claude-code",
            "reports_to_agent": boss_is_agent,
            "subscribes_to": list(agent.subscribes_to),
            "publishes": list(agent.publishes),
            "schedule": f"{schedule.cron} ({schedule.timezone})" if schedule is not None else "",
        },
        "role": {
            "name": role.name,
            "mission": role.mission,
            "owns": list(role.owns),
            "duties": list(role.duties),
            "examples": list(role.examples),
            "must_never": list(role.must_never),
            "expects": list(_expected(role)),
            "develops": "pr.push" in role.verbs,
            "reviews": "pr.review" in role.verbs,
            "merges": "pr.merge" in role.verbs,
        },
        "scope": {"write": list(scope.write), "never": list(scope.never), "programs": list(programs(scope.commands))},
        "fleet": {
            "repo": config.repo,
            "owner": config.owner,
            "base": config.base,
            "forge": config.forge,
            "required_label": config.required_label or "",
            "protected_paths": list(config.protected_paths),
        },
        "repository": {
            "kinds": list(kinds),
            "signs": [f"There is {says(name)} here, as `{sign}` shows." for name, sign in kinds.items()],
        },
    }


def _expected(role: Role) -> Iterator[dict[str, Any]]:
    for after, events in role.expects.items():
        yield {"after": f"after {after}" if after != "*" else "after anything", "events": list(events)}


def programs(patterns: tuple[str, ...]) -> Iterator[str]:
    """Patterns of commands in few lines: programs with any words first, then each program with what may follow."""
    free = sorted(
        pattern.removesuffix(" **") for pattern in patterns if pattern.count(" ") == 1 and pattern[-3:] == " **"
    )
    if free:
        yield ", ".join(f"`{name}`" for name in free)
    bound: dict[str, list[str]] = {}
    for pattern in patterns:
        program, _, rest = pattern.partition(" ")
        if program not in free:
            bound.setdefault(program, []).append(rest.removesuffix(" **"))
    for program in sorted(bound):
        rests = sorted(rest for rest in bound[program] if rest)
        yield f"`{program}`" + (f" with {', '.join(f'`{rest}`' for rest in rests)}" if rests else "")
