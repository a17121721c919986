"""A repository's own roles: ``.fleet/roles/<name>.yaml``, one file each, in the form of those that come with Fleet.

They are read from the checkout that the configuration is read from, never from a clone, and come into force with it:
their texts are part of its hash and of its revisions. All of them are checked, also those that no agent has.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from fleet.config.kinds import NAME_PATTERN
from fleet.config.roles import DEEPEST, Role, parse_role
from fleet.config.together import noted
from fleet.config.yamlfile import START, Problem, invalid
from fleet.core.errors import ConfigError

FOLDER = "roles"
LIMIT = 64 * 1024  # bytes of one file
MOST = 200  # files
_SUFFIX = ".yaml"


class TeamRoles(Mapping[str, Role]):
    """The roles that come with Fleet and a repository's own. ``texts`` are the files of the latter by role name."""

    def __init__(self, shipped: Mapping[str, Role], own: Mapping[str, Role], texts: Mapping[str, bytes]) -> None:
        """Take roles that were checked against one another."""
        self.shipped = shipped
        self.own = own
        self.texts = texts

    def __getitem__(self, name: str) -> Role:
        """The role; KeyError for an unknown one."""
        return self.own[name] if name in self.own else self.shipped[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is one; nothing is read."""
        return name in self.own or name in self.shipped

    def __iter__(self) -> Iterator[str]:
        """All names, sorted."""
        return iter(sorted({*self.own, *self.shipped}))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.own) + len(self.shipped)


def texts_of(roles: Mapping[str, Role]) -> Mapping[str, bytes]:
    """The files of own roles among these, by role name."""
    return roles.texts if isinstance(roles, TeamRoles) else {}


def own_of(roles: Mapping[str, Role]) -> Mapping[str, Role]:
    """The own roles among these."""
    return roles.own if isinstance(roles, TeamRoles) else {}


def roles_in(settings: Path, shipped: Mapping[str, Role]) -> Mapping[str, Role]:
    """The roles of a repository; ``settings`` is its .fleet/ folder. Own ones among ``shipped`` are read anew.

    Raises ConfigError FLT-CFG-010 with every fault of every file, FLT-CFG-011 for one that cannot be read.
    """
    return roles_with(shipped, read_own(settings))


def roles_with(shipped: Mapping[str, Role], texts: Mapping[str, bytes]) -> Mapping[str, Role]:
    """The shipped roles and own ones of these texts. Raises ConfigError FLT-CFG-010 with every fault."""
    known = shipped.shipped if isinstance(shipped, TeamRoles) else shipped
    if not texts:
        return known
    reader = _Reader(known, texts)
    lines: dict[str, None] = {}
    for name in sorted(texts):
        try:
            reader.role(name, ())
        except ConfigError as error:
            lines.update(dict.fromkeys(error.problems))  # a faulty base is met again by whoever extends it
    if lines:
        found = tuple(lines)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigError("FLT-CFG-010", f"{found[0]}{more}", problems=found)
    return TeamRoles(known, reader.read, dict(texts))


class _Reader:
    """Reads own roles, each after the one that it extends."""

    def __init__(self, shipped: Mapping[str, Role], texts: Mapping[str, bytes]) -> None:
        self.read: dict[str, Role] = {}
        self._shipped = shipped
        self._texts = texts

    def role(self, name: str, above: tuple[str, ...]) -> Role:
        """An own role. Raises ConfigError FLT-CFG-010."""
        if name in self.read:
            return self.read[name]
        shown, way = shown_as(name), (*above, name)
        _named(name, shown, self._shipped)

        def base_of(parent: str) -> Role:
            if parent in way or len(way) >= DEEPEST:
                what = f"extends goes round or too deep: {' -> '.join((*way, parent))}"
                invalid(shown, [Problem(START, what, f"at most {DEEPEST} roles in a row")])
            if parent in self._texts:
                return self.role(parent, way)
            if parent not in self._shipped:
                invalid(shown, [Problem(START, f"extends names {parent!r}", "a role that exists", "fleet role list")])
            return self._shipped[parent]

        self.read[name] = parse_role(self._texts[name], shown, base_of)
        return self.read[name]


def _named(name: str, shown: str, shipped: Mapping[str, Role]) -> None:
    """A name that a role can have, and that none has which comes with Fleet."""
    if not re.fullmatch(NAME_PATTERN, name):
        invalid(shown, [Problem(START, f"the file is named {name!r}", "small letters, digits, - and _, then .yaml")])
    if name in shipped:
        hint = f"Rename file and role; extends: {name} takes over what that one says."
        invalid(shown, [Problem(START, f"a role {name!r} comes with Fleet", "a name of its own", hint)])


def shown_as(name: str) -> str:
    """How messages call the file of an own role."""
    return f".fleet/{FOLDER}/{name}{_SUFFIX}"


# -- the files ------------------------------------------------------------------------------------------


def read_own(settings: Path) -> dict[str, bytes]:
    """The bytes of every role file below .fleet/, by role name; none where there is no such folder.

    Raises ConfigError FLT-CFG-010 for names that cannot be meant, FLT-CFG-011 for what cannot be read.
    """
    folder = settings / FOLDER
    meant = {name: data for name, data in (noted(settings) or {}).items() if name.startswith(f"{FOLDER}/")}
    found = _lying(folder)
    for name, data in meant.items():  # a change that was interrupted: it counts, and is finished by the next one
        role = name.removeprefix(f"{FOLDER}/").removesuffix(_SUFFIX)
        found.pop(role, None)
        if data is not None:
            found[role] = data
    return dict(sorted(found.items()))


def file_of(name: str) -> str:
    """Where the file of an own role lies, relative to .fleet/."""
    return f"{FOLDER}/{name}{_SUFFIX}"


def _lying(folder: Path) -> dict[str, bytes]:
    """The files as they lie there."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(f".fleet/{FOLDER}", error.strerror or str(error)) from error
    found = [name for name in names if name.endswith((_SUFFIX, ".yml")) and not name.startswith(".")]
    if len(found) > MOST:
        invalid(f".fleet/{FOLDER}", [Problem(START, f"there are {len(found)} role files", f"at most {MOST}")])
    wrong = next((name for name in found if not name.endswith(_SUFFIX)), "")
    if wrong:
        what = "a role file ends with .yml"
        invalid(f".fleet/{FOLDER}/{wrong}", [Problem(START, what, f"{wrong[: -len('.yml')]}{_SUFFIX}")])
    return {name.removesuffix(_SUFFIX): _bytes(folder / name, f".fleet/{FOLDER}/{name}") for name in found}


def _bytes(path: Path, shown: str) -> bytes:
    """A plain file of bounded size; never waits on a pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(shown, "it is not a regular file")
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise _unreadable(shown, error.strerror or str(error)) from error
    if len(data) > LIMIT:
        invalid(shown, [Problem(START, "the file is too big", f"at most {LIMIT} bytes")])
    return data


def _unreadable(shown: str, why: str) -> ConfigError:
    problem = f"{shown}:1:1: the file cannot be read: {why}"
    return ConfigError("FLT-CFG-011", problem, hint="Make it a plain file that you may read.", problems=(problem,))
