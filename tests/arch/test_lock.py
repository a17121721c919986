"""The locks pin every distribution by version and hash, say nothing about where to fetch, and agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)(\[[a-z0-9,_-]+\])?==(?P<version>[0-9][\w.+!]*)( ; [^@]+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def requirements(lock: Path) -> list[list[str]]:
    """Each requirement of a lock as its pin followed by its hashes; comments are dropped."""
    text = "\n".join(line for line in lock.read_text(encoding="utf-8").splitlines() if "#" not in line)
    joined = text.replace("\\\n", "\n    ")
    entries: list[list[str]] = []
    for line in filter(str.strip, joined.splitlines()):
        if line.startswith(" "):
            entries[-1].append(line.strip())
        else:
            entries.append([line.strip()])
    return entries


def pins(lock: Path) -> dict[str, str]:
    """Versions by name."""
    matches = [PIN.fullmatch(entry[0]) for entry in requirements(lock)]
    return {match["name"]: match["version"] for match in matches if match}


def listed(source: Path) -> list[str]:
    """The requirements somebody wrote into an ``.in`` file."""
    lines = (line.partition("#")[0].strip() for line in source.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def test_both_locks_are_there() -> None:
    assert [lock.name for lock in LOCKS] == ["dev.txt", "runtime.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_is_a_pin_with_hashes(lock: Path) -> None:
    entries = requirements(lock)
    assert entries
    for pin, *hashes in entries:
        assert PIN.fullmatch(pin), f"not an exact pin: {pin}"
        assert hashes, f"no hash: {pin}"
        assert [word for word in hashes if not HASH.fullmatch(word)] == [], pin


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_line_says_where_to_fetch(lock: Path) -> None:
    assert re.findall(r"https?:|file:|--(?:extra-)?index-url|--find-links", lock.read_text(encoding="utf-8")) == []


def test_what_is_developed_with_is_what_is_shipped() -> None:
    shipped, developed = pins(ROOT / "requirements/runtime.txt"), pins(ROOT / "requirements/dev.txt")
    assert {name: developed.get(name) for name in shipped} == shipped


def test_every_listed_requirement_is_locked() -> None:
    for name in ("runtime", "dev"):
        locked = pins(ROOT / f"requirements/{name}.txt")
        wanted = {re.split(r"[<>=\[ ]", line)[0].replace(".", "-") for line in listed(ROOT / f"requirements/{name}.in")}
        assert sorted(wanted - set(locked)) == [], f"run ./dev lock for requirements/{name}.in"


def test_runtime_requirements_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert listed(ROOT / "requirements/runtime.in") == project["dependencies"]
