"""The roles that come with Fleet, one file each in catalog/.

A role is read when somebody asks for it, so that a catalogue of many costs a start-up nothing. What a list or a search
needs of all of them stands in ``catalog/index.json``, which ``scripts/reference.py`` writes from the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from fleet.config.roles import DEEPEST, Role, parse_role
from fleet.config.yamlfile import START, Problem, invalid
from fleet.core.errors import ConfigError

_PACKAGE = "fleet.config.catalog"
_SUFFIX = ".yaml"
INDEX = "index.json"


class Catalogue(Mapping[str, Role]):
    """Every role by name, read on demand. Raises ConfigError FLT-CFG-010 for a faulty file when it is read."""

    def __getitem__(self, name: str) -> Role:
        """The role; KeyError for an unknown one."""
        return _role(name, ())

    def __contains__(self, name: object) -> bool:
        """Whether there is a file for it; nothing is read."""
        return name in shipped()

    def __iter__(self) -> Iterator[str]:
        """All names, sorted."""
        return iter(sorted(shipped()))

    def __len__(self) -> int:
        """How many there are."""
        return len(shipped())


def load_roles() -> Catalogue:
    """The roles that come with Fleet. Reads none of them yet."""
    return Catalogue()


@cache
def shipped() -> frozenset[str]:
    """Names of the roles that come with Fleet."""
    names = (item.name for item in resources.files(_PACKAGE).iterdir())
    return frozenset(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


@cache
def _read_so_far() -> dict[str, Role]:
    """The shipped roles that this process has read; they cannot change under it."""
    return {}


def _role(name: str, above: tuple[str, ...]) -> Role:
    if name not in shipped():
        raise KeyError(name)
    read = _read_so_far()
    if name not in read:
        file = f"{name}{_SUFFIX}"
        shown = f"catalog/{file}"

        def base_of(parent: str) -> Role:
            way = (*above, name)
            if parent not in shipped():
                invalid(shown, [Problem(START, f"extends names {parent!r}", "a role that exists")])
            if parent in way or len(way) >= DEEPEST:
                what = f"extends goes round or too deep: {' -> '.join((*way, parent))}"
                invalid(shown, [Problem(START, what, f"at most {DEEPEST} roles in a row")])
            return _role(parent, way)

        read[name] = parse_role(resources.files(_PACKAGE).joinpath(file).read_bytes(), shown, base_of)
    return read[name]


# -- what a list needs -----------------------------------------------------------------------------------


def index() -> Mapping[str, Mapping[str, Any]]:
    """Each shipped role in short, by name: what ``short`` says of it. Reads one file."""
    found = _index()
    if frozenset(found) != shipped():
        raise ConfigError(
            "FLT-CFG-010", f"catalog/{INDEX} does not fit the catalogue", hint="python scripts/reference.py"
        )
    return found


@cache
def _index() -> dict[str, dict[str, Any]]:
    text = resources.files(_PACKAGE).joinpath(INDEX).read_text("utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def short(role: Role) -> dict[str, Any]:
    """A role as a list shows it and a search looks through it."""
    return {
        "department": role.department,
        "extends": role.extends,
        "mission": role.mission,
        "owns": list(role.owns),
        "hears": list(role.hears),
        "emits": sorted(role.emits),
        "skill": role.skill,
        "tier": role.default_tier,
        "reviewer": role.is_reviewer,
    }


def index_text() -> str:
    """The content of the index, from the role files."""
    roles = load_roles()
    rows = (f" {json.dumps(name)}: {json.dumps(short(roles[name]))}" for name in roles)
    return "{\n" + ",\n".join(rows) + "\n}\n"
