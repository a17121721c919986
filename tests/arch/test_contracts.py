"""Every import contract is seen to fail: a contract that cannot fail guards nothing."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# For each contract one module that breaks it and no other: a new one in a room, or one that is there.
BREAKS = {
    "floors": ("fabric", "import fleet.forge"),
    "pure": ("policy", "import socket"),
    "sql": ("control", "import sqlite3"),
    "programs": ("runtime", "import subprocess"),
    "doors": ("cli", "import fleet.store"),
    "scores": ("dispatch", "import fleet.assess.scorecard"),
    "judgements": ("assess", "import fleet.assess.scorecard"),
    "opinions": ("assess/scorecard.py", "import fleet.assess.signals"),
}


def test_each_contract_catches_its_break(tmp_path: Path) -> None:
    names = contract_names()
    assert sorted(names) == sorted(BREAKS), "give every contract of .importlinter a break here"
    package = copy_of_the_package(tmp_path)
    for contract, (room, statement) in BREAKS.items():
        with broken(package, room, contract).open("a") as file:
            file.write(f"\n{statement}\n")
    answer = lint_imports(tmp_path)
    assert answer.returncode == 1, answer.stdout
    for contract, (room, _) in BREAKS.items():
        assert f"{names[contract]} BROKEN" in answer.stdout, answer.stdout
        module = ".".join(broken(package, room, contract).relative_to(package).with_suffix("").parts)
        assert f"fleet.{module} -> " in answer.stdout, answer.stdout


def broken(package: Path, room: str, contract: str) -> Path:
    """The module that breaks a contract."""
    return package / room if room.endswith(".py") else package / room / f"break_{contract}.py"


def test_a_folder_without_a_place_is_refused(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    (package / "attic").mkdir()
    (package / "attic" / "__init__.py").write_text('"""Nobody placed this."""\n')
    answer = lint_imports(tmp_path)
    assert answer.returncode == 1, answer.stdout
    assert "- fleet.attic" in answer.stdout


def contract_names() -> dict[str, str]:
    """The readable names of the contracts by their ids."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    prefix = "importlinter:contract:"
    return {s.removeprefix(prefix): parser[s]["name"] for s in parser.sections() if s.startswith(prefix)}


def copy_of_the_package(place: Path) -> Path:
    """A copy of the sources with the contracts beside it."""
    shutil.copy(ROOT / ".importlinter", place)
    return shutil.copytree(
        ROOT / "src" / "fleet", place / "src" / "fleet", ignore=shutil.ignore_patterns("__pycache__")
    )


def lint_imports(place: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the copy; its sources stand before the installed ones."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
