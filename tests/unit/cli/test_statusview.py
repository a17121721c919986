"""The status screen: its order, its folding, and that it fits 80 by 24."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.cli.output import Style, wrapped
from fleet.cli.statusview import UNFOLDED, bar, megabytes, screen

GOLDEN = Path(__file__).parent / "golden"
SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND
FORGE: dict[str, Any] = {
    "kind": "local", "repo": None, "last_look_at": NOW - 2 * SECOND, "next_look_at": None, "failures": 0,
    "last_error": "", "quota": None,
}  # fmt: skip


def agent(name: str, role: str = "developer", state: str = "active", enabled: bool = True) -> dict[str, Any]:
    """A member, as far as the screen looks."""
    return {"name": name, "role": role, "state": state, "enabled": enabled, "risk": "low"}


def run(name: str, subject: str, seconds: float, state: str = "running", **more: Any) -> dict[str, Any]:
    """A live run."""
    started = None if state == "queued" else NOW - int(seconds * SECOND)
    return {
        "agent": name, "subject": subject, "state": state, "seconds": seconds if started else 0.0,
        "allowance_seconds": 1800, "attempt": 1, "stopping": "", "started_at": started,
        "turn": "", "tool": "", "usage": None,
        "queued_at": NOW - int(seconds * SECOND), **more,
    }  # fmt: skip


def held(name: str, subject: str, reason: str) -> dict[str, Any]:
    """A delivery that waits."""
    return {"agent": name, "subject": subject, "reason": reason, "event_type": "ticket_ready"}


def need(kind: str, text: str, command: str, subject: str = "", name: str = "", then: str = "") -> dict[str, Any]:
    """Something that needs a person."""
    about = {"subject": subject, "agent": name, "since": 0, "code": ""}
    return {"kind": kind, "text": text, "command": command, "then": then, **about}


def fleet(**more: Any) -> dict[str, Any]:
    """An answer of the verb; quiet unless the test says otherwise."""
    return {
        "fleet": "shop-0123456789", "mode": "shared-uid", "now": NOW, "attention": [], "held": [], "runs": [],
        "agents": [agent("developer"), agent("qa-engineer", "qa-engineer"), agent("tech-lead", "tech-lead")],
        "daemon": {"pid": 4711, "supervised": True, "paused": False, "started_at": NOW - 8040 * SECOND,
                   "version": "0.1.0", "services": []},
        "forge": FORGE,
        "disk": {"path": "/s", "free": 41_000_000_000, "total": 1, "floor": 500_000_000, "low": False,
                 "store": 4_000_000},
        "journal": {"entries": 2000, "last_day": 500, "head": "h"},
        "deliveries": {"pending": 1}, "inbox": {"people": {"queued": 0, "delivered": 0}, "agents": {}},
        "config": {"hash": "h", "warnings": []}, **more,
    }  # fmt: skip


BUSY = fleet(
    attention=[
        need("service", "watcher fails: git is not there", "fleet watcher status"),
        need("merge", "all runs share one uid, and the configuration does not let agents merge", "fleet pr merge 8",
             "pr/8", "release-manager"),
        need("dead_letter", "the work does not come back: all 3 attempts were used", "fleet why ticket/7", "ticket/7",
             "developer", "fleet ticket retry 7"),
    ],
    held=[
        held("release-manager", "pr/8", "all runs share one uid"),
        held("qa-engineer", "pr/9", "qa-engineer has as many live runs as its max_concurrent"),
        held("qa-engineer", "pr/10", "qa-engineer has as many live runs as its max_concurrent"),
        held("qa-engineer", "pr/11", "qa-engineer has as many live runs as its max_concurrent"),
    ],
    runs=[
        run("developer", "ticket/12", 192.0), run("qa-engineer", "pr/7", 30.0, attempt=2),
        run("developer", "ticket/13", 4.0, "queued"), run("tech-lead", "pr/7", 1700.0, stopping="budget"),
    ],
    agents=[agent("developer"), agent("qa-engineer", "qa-engineer"), agent("tech-lead", "tech-lead"),
            agent("release-manager", "release-manager"), agent("docs", "docs", "paused"),
            agent("ops", "ops", enabled=False)],
    config={"hash": "h", "warnings": ["x"]},
)  # fmt: skip

LARGE = fleet(
    attention=[need("dead_letter", f"no. {n} does not come back", f"fleet why ticket/{n}", f"ticket/{n}", "dev-01")
               for n in range(1, 13)],
    held=[held(f"dev-{n:02d}", f"ticket/{n}", f"reason {n}") for n in range(20)],
    runs=[run(f"dev-{n:02d}", f"ticket/{n}", 60.0 * n) for n in range(1, 31)],
    agents=[agent(f"dev-{n:02d}") for n in range(1, 41)] + [agent(f"qa-{n}", "qa-engineer") for n in range(10)],
)  # fmt: skip

STATES = {
    "quiet": fleet(),
    "busy": BUSY,
    "large": LARGE,
    "no-daemon": fleet(
        attention=[need("daemon", "no daemon runs: nothing is watched and nothing starts", "fleet up")],
        daemon={"pid": None, "supervised": False, "paused": False, "started_at": None, "version": None, "services": []},
        forge={**FORGE, "last_look_at": None, "next_look_at": None, "failures": None, "last_error": None},
    ),
}


@pytest.mark.parametrize("name", sorted(STATES))
def test_the_screen_is_as_agreed_and_fits_a_terminal(name: str) -> None:
    """FLEET_GOLDEN=write writes the files anew."""
    text = screen(STATES[name], Style(), width=80, height=24)
    path = GOLDEN / f"status-{name}.txt"
    if os.environ.get("FLEET_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 23, "the prompt needs a line"
    assert [line for line in lines if len(line) > 80] == []


def test_what_needs_a_person_comes_first_then_what_waits_then_who_works() -> None:
    text = screen(BUSY, Style(), height=UNFOLDED)
    order = [
        text.index(word) for word in ("NEEDS YOU", "WAITING", "WORKING", "idle", "daemon ", "forge", "disk", "journal")
    ]
    assert order == sorted(order)


def test_every_need_names_a_command_that_is_never_cut() -> None:
    long = (
        "fleet pr waive 123 a-reviewer-with-a-long-name-indeed --reason 'it is on holiday until the end of the month'"
    )
    text = screen(fleet(attention=[need("review", "x" * 500, long)]), Style())
    assert f"do: {long}\n" in text
    assert max(len(line) for line in text.splitlines() if "x" in line and "do:" not in line) <= 80


def test_a_long_line_goes_on_below_and_only_an_endless_one_is_cut() -> None:
    words = " ".join(f"word{number}" for number in range(30))
    text = screen(fleet(attention=[need("service", words, "fleet doctor")]), Style(), width=60)
    told = text[: text.index("do:")]
    assert all(f"word{number}" in told for number in range(30))
    assert max(map(len, told.splitlines())) <= 60
    endless = screen(fleet(attention=[need("service", "y" * 100_000, "fleet doctor")]), Style(), width=60)
    assert len(endless.splitlines()) < 24
    assert "…\n      do: fleet doctor" in endless
    whole = screen(fleet(attention=[need("service", words, "fleet doctor")]), Style(), width=UNFOLDED, height=UNFOLDED)
    assert words in whole


@given(st.text(max_size=300), st.integers(1, 100), st.integers(0, 8))
def test_wrapping_keeps_every_character_that_is_not_a_space(text: str, width: int, indent: int) -> None:
    lines = wrapped(text, width, indent=" " * indent)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_folding_takes_from_the_end_and_says_what_is_left_out() -> None:
    text = screen(LARGE, Style())
    assert "more that need you: fleet status --all" in text
    assert "more reasons: fleet status --all" in text
    assert "more runs: fleet ps" in text
    assert "idle     20 agents: 10 developer, 10 qa-engineer" in text
    whole = screen(LARGE, Style(), width=UNFOLDED, height=UNFOLDED)
    assert all(f"fleet why ticket/{n}\n" in whole for n in range(1, 13))
    assert "more" not in whole


def test_a_tiny_terminal_still_shows_one_row_of_each() -> None:
    text = screen(BUSY, Style(), width=40, height=5)
    for word in ("NEEDS YOU (3)", "WAITING (3)", "WORKING (4)", "git is not"):
        assert word in text


def test_what_waits_for_a_person_is_told_once_and_like_waits_together() -> None:
    text = screen(BUSY, Style(), width=UNFOLDED)
    assert text.count("one uid") == 1
    assert "qa-engineer on pr/9, pr/10 and 1 more: qa-engineer has" in text


def test_words_carry_the_state_and_colour_only_repeats_it() -> None:
    plain, painted = screen(BUSY, Style()), screen(BUSY, Style(colour=True))
    assert "\x1b" not in plain
    stripped = painted
    for code in ("1", "1;31", "1;32", "1;33", "33", "0"):
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert stripped == plain


def test_other_peoples_text_cannot_move_the_cursor() -> None:
    evil = "x\x1b[2J\u202e\nfleet: all is well"
    found = fleet(
        attention=[need("blocker", evil, f"fleet why {evil}", evil, evil)], held=[held(evil, evil, evil)],
        runs=[run(evil, evil, 1.0, stopping=evil)], agents=[agent(evil, evil)],
    )  # fmt: skip
    text = screen(found, Style(), height=UNFOLDED)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\nfleet: all is well" not in text


def test_advice_of_others_does_not_stand_where_ours_stands() -> None:
    text = screen(fleet(attention=[need("blocker", "stuck  do: curl x | sh", "fleet why t")]), Style())
    assert [line for line in text.splitlines() if line.strip().startswith("do: ")] == ["      do: fleet why t"]


def test_the_next_look_at_the_forge_is_told_and_what_is_left_of_its_limit() -> None:
    quota = {"limit": 5000, "remaining": 4321, "reset_at": NOW + 1800 * SECOND, "requests": 9, "counted": 3}
    forge = {**FORGE, "kind": "github", "repo": "acme/shop", "next_look_at": NOW + 3 * SECOND, "quota": quota}
    lines = screen(fleet(forge=forge), Style()).splitlines()
    assert "forge    github acme/shop, looked at 2.0s ago, again in 3.0s" in lines
    assert "quota    4321 of 5000 requests left, all again in 30m" in " ".join(lines)


def test_trouble_of_forge_and_disk_is_in_the_foot() -> None:
    found = fleet(
        forge={**FORGE, "last_look_at": NOW, "failures": 3, "last_error": "git hangs"},
        disk={"path": "/s", "free": None, "total": None, "floor": None, "low": None, "store": None},
        daemon={**fleet()["daemon"], "supervised": False, "paused": True, "version": "0.0.9"},
        inbox={"people": {"queued": 2, "delivered": 1}, "agents": {}},
    )
    text = screen(found, Style())
    for words in (
        "✗ fails: git hangs",
        "cannot be asked",
        "! not supervised",
        "! going down",
        "3 unread",
        "! the daemon is version 0.0.9",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("used", "whole", "text"),
    [
        (0, 60, "[----------] 0% of 1m00s"),
        (30.9, 60, "[#####-----] 51% of 1m00s"),
        (59.9, 60, "[#########-] 99% of 1m00s"),
        (61, 60, "[##########] 100% of 1m00s"),
        (1, 0, "[##########] 100% of 0.0s"),
    ],
)
def test_a_bar_is_signs_and_numbers(used: float, whole: float, text: str) -> None:
    assert bar(used, whole) == text


def test_bytes_are_told_in_the_unit_of_the_configuration() -> None:
    sizes = (0, 400, 52_000, 400_000, 512_000_000, 5.411e9, 41e9)
    assert [megabytes(size) for size in sizes] == [
        "0.0 kB", "0.4 kB", "52 kB", "0.4 MB", "512 MB", "5.4 GB", "41 GB",
    ]  # fmt: skip
