"""The wheel, tried in a bare environment: everything is in it, nothing else is needed, and it runs a fleet."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from fleet import __version__
from fleet.config.paths import fleet_paths
from fleet.daemon.terminals import end_terminals
from fleet.process import run
from fleet.testing.fleets import own_folders
from fleet.testing.installs import Install, bare_install
from fleet.testing.repos import make_checkout
from fleet.testing.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "runtime.txt"


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    """Built offline, from a copy of the sources, by the backend that pyproject.toml names."""
    with own_folders() as folder:
        tree = folder / "tree"
        ignored = shutil.ignore_patterns("__pycache__", ".*", "build", "*.egg-info", "node_modules")
        shutil.copytree(ROOT, tree, ignore=ignored, symlinks=True)
        program = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
        done = run(program, timeout=PATIENCE, cwd=tree, env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})
        assert done.ok, done.error_text
        (made,) = (folder / "dist").glob("*.whl")
        yield made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Install:
    """The wheel in an environment that has the locked runtime and nothing else, as pip installs it."""
    folder = wheel.parents[1]
    env = {
        "PATH": "/usr/bin:/bin",
        **{name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")},
    }
    made = bare_install(folder / "venv", LOCK, env)
    pip = [sys.executable, "-m", "pip", "--python", str(made.python), "install", "--no-deps", "--no-index", str(wheel)]
    done = run(pip, timeout=PATIENCE, env={"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]})
    assert done.ok, done.error_text
    return made


def test_every_file_of_the_package_is_in_it_and_nothing_else(wheel: Path) -> None:
    package = ROOT / "src" / "fleet"
    ours = {
        f"fleet/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert ours - inside == set()
    about = {name for name in inside - ours if ".dist-info/" in name or name.endswith(".data/scripts/fleet")}
    assert inside - ours - about == set()
    for needed in ("config/catalog/developer.yaml", "config/scaffolds/config.yaml", "py.typed"):
        assert f"fleet/{needed}" in inside
    assert any(name.startswith("fleet/store/migrations/sqlite/0001_") for name in inside)


def test_its_metadata_say_what_it_is_and_what_it_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    facts = Parser().parsestr(archive.read(name).decode())
    assert (facts["Name"], facts["Version"], facts["Requires-Python"]) == ("fleet-agents", __version__, ">=3.11")
    needed = set(facts.get_all("Requires-Dist") or [])
    wanted = {
        line.split("#")[0].strip()
        for line in (ROOT / "requirements/runtime.in").read_text().splitlines()
        if line[:1].isalpha()
    }
    assert {_plain(line) for line in needed if "extra ==" not in line} == {_plain(line) for line in wanted}
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
    assert "Root-Is-Purelib: true" in archive.read(name).decode()
    assert not any(name.endswith("entry_points.txt") for name in archive.namelist())  # see ADR 1: our own script


def _plain(requirement: str) -> str:
    """A requirement without spaces and with its bounds in order."""
    name = requirement.replace(" ", "").replace("ruamel-yaml", "ruamel.yaml")
    at = next((at for at, letter in enumerate(name) if letter in "<>=!~"), len(name))
    return name[:at] + ",".join(sorted(name[at:].split(",")))


@pytest.mark.long
def test_it_runs_a_fleet_where_nothing_else_is_installed(installed: Install) -> None:
    assert installed.fleet(installed.root, "--version").text == f"fleet {__version__}\n"
    here = make_checkout(installed.root.parent / "repo")
    where = run([installed.python, "-I", "-c", "import fleet; print(fleet.__file__)"], timeout=60, env=installed.env)
    assert where.text.startswith(str(installed.site))
    installed.answer(here, "init", "--allow-shared-uid-merge", "--reason", "a test")
    up = installed.answer(here, "up")
    try:
        installed.answer(here, "ticket", "create", "Try the wheel", "--label", "ready")
        wait_until(
            lambda: installed.answer(here, "fabric", "history", "--event", "ticket_shipped")["entries"],
            timeout=PATIENCE,
            what="a shipped ticket",
        )
        assert installed.answer(here, "audit", "verify")["ok"] is True
        assert up["version"] == __version__
    finally:
        installed.fleet(here, "down")
        end_terminals(fleet_paths(here, installed.env, os.getuid()))


@pytest.mark.long
def test_its_demo_runs_too(installed: Install) -> None:
    done = installed.fleet(installed.root.parent, "demo")
    assert done.ok, done.text + done.error_text
    assert "The journal is verified" in done.text


@pytest.mark.long
def test_pip_compiles_it_and_the_doctor_says_so(installed: Install) -> None:
    found = {item["id"]: item for item in installed.answer(installed.root, "doctor")["checks"]}
    assert found["bytecode"]["state"] == "ok"
