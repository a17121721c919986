"""`./dev` is plain sh, and its parts that need no environment do what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "dev"
SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing in its environment but a bare PATH."""
    return subprocess.run(
        [str(word) for word in argv],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )


def function(name: str) -> str:
    """The text of one of the script's functions."""
    found = re.search(rf"^{name}\(\) \{{\n.*?^\}}$", DEV.read_text(encoding="utf-8"), re.M | re.S)
    assert found, f"./dev has no function {name}"
    return found[0]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_parse_it(shell: str) -> None:
    assert run(shell, "-n", DEV).stderr == ""


def test_ci_script_parses() -> None:
    assert run("bash", "-n", ROOT / ".ci/run").stderr == ""


def test_both_scripts_may_be_executed() -> None:
    assert DEV.stat().st_mode & 0o111 == 0o111
    assert (ROOT / ".ci/run").stat().st_mode & 0o111 == 0o111


def test_help_needs_nothing_and_names_every_verb() -> None:
    answer = run(DEV, "help")
    assert (answer.returncode, answer.stderr) == (0, "")
    verbs = re.search(r"^    (demo \|[^)]*)\) ;;$", DEV.read_text(encoding="utf-8"), re.M)
    assert verbs
    for verb in verbs[1].split(" | "):
        assert f"./dev {verb} " in answer.stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    answer = run(DEV, "deploy")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "./dev help" in answer.stderr


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("3.2a", True),
        ("3.2", False),
        ("3.1c", False),
        ("2.9a", False),
        ("3.3a", True),
        ("3.10", True),
        ("4.0", True),
        ("next-3.4", True),
        ("openbsd-7.1", True),
        ("master", True),
        ("", False),
    ],
)
def test_tmux_versions(version: str, fits: bool) -> None:
    answer = run("sh", "-euc", f"{function('at_least')}\nif at_least 3 2 a '{version}'; then echo yes; fi")
    assert (answer.stdout, answer.stderr) == ("yes\n" if fits else "", "")


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("2.38", True),
        ("2.38.0", True),
        ("2.37.9", False),
        ("2.39.5", True),
        ("2.100.0.rc1", True),
        ("1.99", False),
    ],
)
def test_git_versions(version: str, fits: bool) -> None:
    answer = run("sh", "-euc", f"{function('at_least')}\nif at_least 2 38 '' '{version}'; then echo yes; fi")
    assert (answer.stdout, answer.stderr) == ("yes\n" if fits else "", "")


HOSTILE = {
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONOPTIMIZE": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "error",
    "PIP_TARGET": "/nowhere",
    "PIP_USER": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "VIRTUAL_ENV": "/nowhere",
}
KEPT = {"PIP_CERT": "/etc/cert", "PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"}


def test_variables_that_break_python_or_pip_are_dropped() -> None:
    script = f"{function('clean_environment')}\nclean_environment\nenv"
    answer = subprocess.run(
        ["sh", "-euc", script], env=HOSTILE | KEPT, capture_output=True, text=True, check=True, timeout=30
    )
    left = dict(line.split("=", 1) for line in answer.stdout.splitlines())
    assert {name: left.get(name) for name in KEPT} == KEPT
    assert sorted(set(left) & set(HOSTILE)) == []
