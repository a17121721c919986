"""A red run is looked at again: what fails alone too, what is a promise, and what is more than chance stays red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SUITE = """\
from pathlib import Path

ONCE = Path(__file__).with_name("ran-once")

def fails_once():
    first = not ONCE.exists()
    ONCE.touch()
    assert not first

def test_unsteady():
    fails_once()

def test_promised():
    fails_once()

def test_broken():
    assert False

def test_passes():
    pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A project of its own with one promise."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_it.py").write_text(SUITE)
    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / "docs/reference/guarantees.md").write_text("| G1 | Holds. | `tests/test_it.py::test_promised` |\n")
    return tmp_path


def look_after(suite: Path, *names: str) -> tuple[int, str]:
    """Run these tests, then take the second look; its exit code and what it said."""
    first = [sys.executable, "-m", "pytest", "-q", *(f"tests/test_it.py::{name}" for name in names)]
    subprocess.run(first, cwd=suite, capture_output=True, timeout=100, check=False)
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=suite, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout


SCRIPT = ROOT / "scripts" / "second_look.py"


def test_what_fails_beside_others_and_passes_alone_is_named_and_does_not_stop_the_rest(suite: Path) -> None:
    code, said = look_after(suite, "test_unsteady", "test_passes")
    assert code == 0
    assert "UNSTEADY tests/test_it.py::test_unsteady" in said


def test_what_fails_again_stays_red(suite: Path) -> None:
    code, said = look_after(suite, "test_broken", "test_unsteady")
    assert code == 1
    assert "UNSTEADY" not in said


def test_a_promise_that_is_broken_once_is_broken(suite: Path) -> None:
    code, said = look_after(suite, "test_promised")
    assert (code, "shows a promise" in said) == (1, True)


def test_more_than_a_few_are_no_chance(suite: Path) -> None:
    text = "".join(f"def test_{n}():\n    assert False\n" for n in range(4))
    (suite / "tests/test_it.py").write_text(text)
    code, said = look_after(suite, *(f"test_{n}" for n in range(4)))
    assert (code, "4 tests failed" in said) == (1, True)


def test_without_a_note_of_what_failed_there_is_no_second_look(suite: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=suite, capture_output=True, text=True, timeout=100)
    assert (done.returncode, "nothing is noted" in done.stdout) == (1, True)
