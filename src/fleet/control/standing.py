"""What stands open around a piece of work or an agent, told by ``fleet why``: questions, blockers, claims, messages."""

from __future__ import annotations

from fleet.core.board import Blocker, Question
from fleet.store import blockers, inbox, questions, tasks
from fleet.store.db import Tx

_SHOWN = 200  # characters of somebody's words


def around_work(tx: Tx, work_item: str) -> list[str]:
    """Open questions and blockers of a ticket or lone pull request."""
    asked = [one for one in questions.open_ones(tx) if one.work_item == work_item]
    stuck = [one for one in blockers.open_ones(tx) if one.work_item == work_item]
    return _lines(asked, stuck)


def around_run(tx: Tx, run_id: str) -> list[str]:
    """What a run asked and reported that is still open."""
    asked = [one for one in questions.open_ones(tx) if one.run_id == run_id]
    stuck = [one for one in blockers.open_ones(tx) if one.run_id == run_id]
    return _lines(asked, stuck)


def around_agent(tx: Tx, name: str) -> list[str]:
    """What an agent waits for, what it holds, and what it has not read."""
    who = f"agent:{name}"
    lines = _lines(questions.open_ones(tx, asker=who), blockers.open_ones(tx, opened_by=who))
    held = [task for task in tasks.select(tx, holder=who) if task.lease_until > tx.now]
    lines += [f"It holds task/{task.number}: {task.title[:_SHOWN]}" for task in held]
    unread = inbox.count_unread(tx, who)
    if unread:
        lines.append(f"Its inbox holds {unread} unread: fleet agent messages {name}")
    return lines


def _lines(asked: list[Question], stuck: list[Blocker]) -> list[str]:
    lines = [f"{one.asker} asks a person: {_short(one.body)} (fleet answer {one.number} TEXT)" for one in asked]
    return lines + [
        f"{one.opened_by} is blocked, {one.told} was told: {_short(one.body)} (fleet fabric resolve {one.number} TEXT)"
        for one in stuck
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
