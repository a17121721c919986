"""Two looks become rates; the table fits, and no text of others moves the cursor."""

from __future__ import annotations

from typing import Any

from fleet.cli.output import Style
from fleet.cli.topview import Look, facts_of, text_of
from fleet.health.processes import Usage

NOW = 1_800_000_000_000_000


def run(pid: int | None, agent: str = "developer", **more: Any) -> dict[str, Any]:
    """A live run of the verb."""
    return {
        "id": f"r{pid}", "agent": agent, "state": "running", "subject": "ticket/7", "attempt": 1, "seconds": 60.0,
        "allowance_seconds": 600, "last_entry_at": NOW - 5_000_000, "pid": pid, "other": "not shown", **more,
    }  # fmt: skip


def look(at: float, entries: int, *runs: dict[str, Any], costs: dict[int, Usage] | None = None, **more: Any) -> Look:
    """One look at the fleet."""
    answer = {
        "fleet": "shop-0123456789", "now": NOW, "runs": list(runs),
        "deliveries": {"pending": 2, "claimed": 1, "held": 4},
        "journal": {"entries": entries}, "writer": {"queue": 3, "commit_ms": 1.25},
        "daemon": {"pid": 99, "failing": []}, **more,
    }  # fmt: skip
    return Look(answer, costs or {}, at)


def test_the_first_look_has_no_rates() -> None:
    facts = facts_of(look(1.0, 10, run(7), costs={7: Usage(2.0, 3_000_000, 4)}), None)
    (first,) = facts["runs"]
    assert (first["cpu_percent"], first["rss_bytes"], first["processes"]) == (None, 3_000_000, 4)
    assert facts["entries_per_second"] is None
    assert "other" not in first


def test_two_looks_give_rates() -> None:
    before = look(1.0, 10, run(7), costs={7: Usage(2.0, 1, 1), 99: Usage(1.0, 1, 1)})
    after = look(3.0, 15, run(7), run(8), costs={7: Usage(3.0, 1, 1), 8: Usage(9.0, 1, 1), 99: Usage(1.5, 1, 1)})
    facts = facts_of(after, before)
    assert [one["cpu_percent"] for one in facts["runs"]] == [50.0, None]
    assert facts["daemon"]["cpu_percent"] == 25.0
    assert facts["entries_per_second"] == 2.5


def test_a_tree_that_lost_a_process_and_a_store_that_was_replaced_have_no_negative_rates() -> None:
    facts = facts_of(
        look(3.0, 5, run(7), costs={7: Usage(1.0, 1, 1)}), look(1.0, 10, run(7), costs={7: Usage(2.0, 1, 2)})
    )
    assert (facts["runs"][0]["cpu_percent"], facts["entries_per_second"]) == (0.0, 0.0)


def test_a_run_that_has_not_answered_costs_nothing_yet() -> None:
    facts = facts_of(look(1.0, 1, run(None, state="queued", seconds=0.0, last_entry_at=None)), None)
    text = text_of(facts, Style(), width=100, height=24)
    assert "queued" in text
    assert facts["runs"][0]["rss_bytes"] is None


def test_the_text_says_who_what_and_how_busy() -> None:
    before = look(1.0, 10, run(7), costs={7: Usage(2.0, 1, 1)})
    facts = facts_of(look(3.0, 16, run(7), costs={7: Usage(3.0, 52_000_000, 5)}), before)
    text = text_of(facts, Style(), width=120, height=24)
    for words in ("1 run, 3 deliveries to look at, 4 held", "3.0/s", "writer 3 waiting, 1.2 ms", "50%",
                  "52 MB", "5.0s", "[#---------] 10% of 10m00s"):  # fmt: skip
        assert words in text, words


def test_the_busiest_come_first_and_the_rest_is_counted() -> None:
    runs = [run(pid, f"agent-{pid:02d}") for pid in range(1, 41)]
    before = look(1.0, 1, *runs, costs={pid: Usage(0.0, 1, 1) for pid in range(1, 41)})
    after = look(2.0, 1, *runs, costs={pid: Usage(pid / 100, 1, 1) for pid in range(1, 41)})
    text = text_of(facts_of(after, before), Style(), width=80, height=24)
    lines = text.splitlines()
    assert len(lines) <= 23
    assert all(len(line) <= 80 for line in lines)
    assert "agent-40" in lines[4]
    assert "more runs: fleet ps" in lines[-1]


def test_failing_services_are_named_and_an_idle_fleet_says_so() -> None:
    text = text_of(
        facts_of(look(1.0, 1, daemon={"pid": 99, "failing": ["watcher"]}), None), Style(), width=80, height=24
    )
    assert "✗ failing: watcher" in text
    assert "nobody works" in text


def test_names_of_others_cannot_move_the_cursor() -> None:
    evil = "x\x1b[2J\n\u202e"
    text = text_of(facts_of(look(1.0, 1, run(7, evil, subject=evil), fleet=evil), None), Style(), width=200, height=24)
    assert "\x1b" not in text
    assert "\u202e" not in text
