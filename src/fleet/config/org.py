"""An org: several repositories whose fleets run in one daemon, and a fleet of its own that hears all of them.

Takes ``org.yaml`` of the org's folder and gives ``Org``: whole, or not at all with every fault at its line. The folder
is an ordinary fleet besides: a git repository with ``.fleet/config.yaml``, where the org's own agents are configured.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from fleet.config.kinds import Name
from fleet.config.loader import read_config
from fleet.config.model import REPO_PATTERN
from fleet.config.paths import ORG_FILE
from fleet.config.schema import DIALECT
from fleet.config.validate import check
from fleet.config.yamlfile import Document, Problem, invalid, read_yaml, shown

ORG_SCHEMA = "org.schema.json"
MOST = 100  # repositories of one org: each is a fleet of its own in the one daemon


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RepositoryConfig(_Model):
    """One repository of an org."""

    repo: str = Field(pattern=REPO_PATTERN, description="Its name as owner/name, as in its own configuration.")
    checkout: str = Field(
        min_length=1,
        max_length=1000,
        description="The folder of its checkout with .fleet/config.yaml: an absolute path, or one that begins with ~/.",
    )


class OrgConfig(_Model):
    """The whole of org.yaml."""

    version: int = Field(ge=1, le=1, description="Version of this file format.")
    name: Name = Field(description="The org's name: that of the folder.")
    repositories: tuple[RepositoryConfig, ...] = Field(
        default=(), max_length=MOST, description="The repositories whose fleets run in the org's daemon."
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of an org, its checkout as an absolute path."""

    repo: str
    checkout: Path


@dataclass(frozen=True, slots=True)
class Org:
    """An org file in force. ``home`` is its folder, the checkout of the org's own fleet."""

    name: str
    home: Path
    repositories: tuple[Repository, ...]


def org_schema() -> dict[str, object]:
    """The schema of org.yaml as plain data, for editors."""
    schema = OrgConfig.model_json_schema()
    return {"$schema": DIALECT, "title": "Fleet org", **{k: v for k, v in schema.items() if k != "title"}}


def load_org(home: Path, env: Mapping[str, str]) -> Org | None:
    """Read and check the org file of a folder; None where the folder is no org's.

    ``env`` supplies HOME for ``~/``. Raises ConfigError FLT-CFG-010 with every fault, FLT-CFG-011.
    """
    file = home / ORG_FILE
    if not os.path.lexists(file):
        return None
    return parse_org(read_config(file, str(file)), home, env)


def parse_org(data: bytes, home: Path, env: Mapping[str, str]) -> Org:
    """Check the bytes of an org file. Raises ConfigError FLT-CFG-010 with every fault."""
    name = str(home / ORG_FILE)
    document = read_yaml(data, name)
    config = check(document, OrgConfig)
    document.problems.extend(_faults(document, home))
    if config is None or document.problems:
        invalid(name, document.problems)
    user = Path(env.get("HOME") or "/")
    found = tuple(Repository(row.repo, _absolute(row.checkout, user)) for row in config.repositories)
    return Org(config.name, home, found)


def _absolute(text: str, user: Path) -> Path:
    return user / text[2:] if text.startswith("~/") else Path(text)


def _faults(document: Document, home: Path) -> Iterator[Problem]:
    """Every fault between keys: the folder's name, one repository twice, paths that depend on the caller's folder."""
    name = document.data.get("name")
    if isinstance(name, str) and name != home.name:
        yield Problem(document.value_spot(("name",)), f"name is {shown(name)}", f"{home.name}, as the folder is called")
    rows = document.data.get("repositories")
    first: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        for key in ("repo", "checkout") if isinstance(row, dict) else ():
            value = row.get(key)
            if not isinstance(value, str):
                continue
            spot = document.value_spot(("repositories", index, key))
            if key == "checkout" and not value.startswith(("/", "~/")):
                yield Problem(spot, f"checkout is {shown(value)}", "an absolute path, or one that begins with ~/")
            known = (key, value.rstrip("/").lower())
            if known in first:
                yield Problem(spot, f"{key} {shown(value)} stands here and on line {first[known]}", "each once")
            first.setdefault(known, spot.line)
