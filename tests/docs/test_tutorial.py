"""A stranger's walk through the tutorial: every command is typed, in order, and what is shown is what comes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.consoles import ROOT, Typed, blocks, typed

from fleet.config.paths import find_checkout, fleet_paths
from fleet.core.errors import NotFound
from fleet.daemon.terminals import end_terminals
from fleet.process import Completed, run
from fleet.testing.fleets import own_folders
from fleet.testing.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.timeout(300)]

PAGE = ROOT / "docs" / "tutorial" / "first-fleet.md"
# What a reader types again when it does not show yet what the page shows.
LOOKS = re.compile(r"fleet (?:why|status|ps|log|approvals|agent list|release check|ticket show)\b")


def pattern(shown: list[str]) -> re.Pattern[str]:
    """What a reader accepts for the lines of a page: … stands for anything, alone on a line for any lines."""
    parts = []
    for line in shown:
        text = ".*?".join(re.escape(part) for part in line.rstrip().split("…"))
        parts.append(r"(?:.*\n)*?" if line.strip() == "…" else rf"{text}[^\S\n]*\n")
    return re.compile("".join(parts) + r"(?:.*\n)*" * bool(shown and shown[-1].strip() == "…"))


def fits(shown: list[str], text: str) -> bool:
    """Whether an output is what the page shows; nothing shown fits everything."""
    return not shown or pattern(shown).fullmatch(text if text.endswith("\n") else text + "\n") is not None


class Reader:
    """Somebody with an empty environment, a home and a shell that remembers its folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home
        programs = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        self.env = {
            "HOME": str(home),
            "PATH": programs,
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"],
        }
        (home / ".gitconfig").write_text("[user]\n\tname = A Reader\n\temail = reader@example.org\n")

    def type(self, command: str) -> Completed:
        """One command, as typed; a `cd` in it lasts."""
        script = f'{command}\ncode=$?; pwd >"$WALK"; exit $code'
        walk = Path(self.env["HOME"]) / ".walk"
        env = {**self.env, "WALK": str(walk)}
        done = run(["sh", "-c", script], timeout=240, cwd=self.folder, env=env)
        self.folder = Path(walk.read_text().strip())
        return done

    def follow(self, one: Typed) -> str:
        """Type a command until it shows what the page shows; "" or what is wrong."""
        seen: list[Completed] = []

        def shows() -> bool:
            seen.append(self.type(one.command))
            return seen[-1].ok and fits(one.shown, seen[-1].text)

        try:
            wait_until(shows, timeout=PATIENCE if LOOKS.match(one.command) else 0.0, what="the page's lines")
        except AssertionError:
            last, wanted = seen[-1], "\n".join(one.shown)
            return f"$ {one.command}\nends with {last.code}:\n{last.text}{last.error_text}\nthe page shows:\n{wanted}"
        return ""


@pytest.fixture
def reader() -> Iterator[Reader]:
    with own_folders() as folder:
        made = Reader(folder / "home")
        yield made
        made.type("fleet down")
        try:
            end_terminals(fleet_paths(find_checkout(made.folder), made.env, os.getuid()))
        except NotFound:
            return


@pytest.mark.long
def test_a_stranger_walks_through_the_tutorial(reader: Reader) -> None:
    steps = [one for block in blocks(PAGE.read_text("utf-8")) for one in typed(block)]
    assert len(steps) > 20
    for one in steps:
        wrong = reader.follow(one)
        assert wrong == "", wrong


def test_a_page_that_shows_something_else_is_found(reader: Reader) -> None:
    assert reader.follow(Typed("echo a; echo b", ["a", "b"])) == ""
    assert reader.follow(Typed("echo a; echo b", ["…", "b"])) == ""
    assert reader.follow(Typed("echo a; echo b", ["a", "…"])) == ""
    assert reader.follow(Typed("echo apple; echo b", ["a…e", "b"])) == ""
    assert "the page shows:\na" in reader.follow(Typed("echo a; echo b", ["a"]))
    assert "the page shows:\nb" in reader.follow(Typed("echo a; echo b", ["b"]))
    assert "ends with 1" in reader.follow(Typed("false", []))
