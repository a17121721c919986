"""What ``fleet limits`` prints about what is held, and about what was let go on."""

from __future__ import annotations

from fleet.cli.commands import limits
from fleet.cli.output import Style

LIMITS = {"hops": 40, "review_rounds": 10}


def test_what_is_held_is_listed_with_its_reason_made_safe() -> None:
    held = [{"agent": "developer", "subject": "ticket/1", "work_item": "ticket/1", "reason": "a loop\x1b[2J"}]
    text = limits._list({"limits": LIMITS, "starts_last_hour": 1, "held": held}, Style(False))
    assert "hops             40" in text
    assert "1 run started within the last hour" in text
    assert "developer" in text.splitlines()[-1]
    assert "\x1b" not in text


def test_nothing_held_is_said() -> None:
    assert "nothing is held" in limits._list({"limits": LIMITS, "starts_last_hour": 0, "held": []}, Style(False))


def test_what_was_let_go_on_is_counted() -> None:
    text = limits._released({"released": "agent/developer", "reason": "mended", "deliveries": ["d1"]}, Style(False))
    assert text == "agent/developer goes on; 1 delivery will be judged again\n"
