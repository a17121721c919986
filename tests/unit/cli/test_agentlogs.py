"""Following a terminal: every line once, whatever moment it is read at."""

from __future__ import annotations

import json

import click
import pytest

from fleet.cli.commands.agentlogs import _Printer, logs, unseen
from fleet.cli.door import Door


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ([], ["a"], ["a"]),
        (["a"], ["a", "b"], ["b"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),  # the first lines went out of reach
        (["a", "b"], ["x", "y"], ["x", "y"]),  # cleared
        (["a", "a"], ["a", "a", "a"], ["a"]),
    ],
)
def test_only_what_came_after_is_new(before: list[str], now: list[str], new: list[str]) -> None:
    assert unseen(before, now) == new


def test_a_terminal_that_is_put_away_at_that_moment_is_not_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    ctx = click.Context(logs, obj=Door({}, "/"))
    ctx.meta["fleet.json"] = True
    printer = _Printer(ctx)
    run: dict[str, object] = {"id": "r1", "state": "running", "finished_at": None, "outcome": ""}
    ended: dict[str, object] = {**run, "state": "cancelled", "finished_at": 1}
    looks: list[dict[str, object]] = [
        {**run, "lines": ["a"]},
        {**ended, "lines": []},
        {**ended, "lines": ["a", "b"]},
        {**ended, "lines": []},
    ]
    for look in looks:
        printer.show(
            {**look, "subject": "ticket/1", "event_type": "note", "started_at": 1, "queued_at": 1, "seconds": 1}
        )
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["line"] for one in said if "line" in one] == ["a", "b"]
    assert [one["state"] for one in said if "state" in one] == ["running", "cancelled"]
