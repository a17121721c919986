"""Installations of Fleet beside this one: a bare environment with exactly what the lock of the runtime names."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from fleet.process import Completed, run
from fleet.testing.shell import object_of

_SECONDS = 240.0
_NAME = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Install:
    """An environment with Fleet in it, and surroundings to call it in."""

    root: Path
    env: Mapping[str, str]

    @property
    def site(self) -> Path:
        """Where its packages are."""
        found = sysconfig.get_path("purelib", vars={"base": str(self.root), "platbase": str(self.root)})
        return Path(found)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / "bin" / "python"

    def fleet(self, folder: Path, *words: str) -> Completed:
        """One command of this installation to its end."""
        return run([self.root / "bin" / "fleet", *words], timeout=_SECONDS, cwd=folder, env=self.env)

    def answer(self, folder: Path, *words: str) -> dict[str, Any]:
        """The object that a command prints with --json. Raises AssertionError when it fails."""
        done = self.fleet(folder, *words, "--json")
        assert done.ok, f"fleet {' '.join(words)} ended with {done.code}: {done.text}{done.error_text}"
        return object_of(done)


def bare_install(root: Path, lock: Path, env: Mapping[str, str]) -> Install:
    """An environment without pip, with the distributions of ``lock`` and nothing else: links to those of this one."""
    done = run([sys.executable, "-I", "-m", "venv", "--without-pip", root], timeout=_SECONDS, env=dict(os.environ))
    assert done.ok, done.error_text
    made = Install(root, env)
    for name in _NAME.findall(lock.read_text("utf-8")):
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # the lock names it for another Python or system
            continue
        tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            target = made.site / top
            if not target.exists():
                target.symlink_to(Path(str(found.locate_file(top))))
    return made


def copy_of_this(made: Install, package: Path, version: str, changes: Mapping[str, str]) -> None:
    """Put a copy of the package into an environment, as release ``version``.

    ``changes`` are further files by their path below the package, with their whole text.
    """
    target = made.site / "fleet"
    shutil.copytree(package, target)
    start = target / "__init__.py"
    start.write_text(re.sub(r'__version__ = "[^"]+"', f'__version__ = "{version}"', start.read_text("utf-8")), "utf-8")
    for name, text in changes.items():
        (target / name).write_text(text, "utf-8")
    script = made.root / "bin" / "fleet"
    script.write_text(f"#!{made.python}\nimport sys\n\nfrom fleet.cli.entry import main\n\nsys.exit(main(sys.argv))\n")
    script.chmod(0o755)
