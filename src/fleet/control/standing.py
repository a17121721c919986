"""What stands open around a piece of work or an agent, told by ``fleet why``: questions, blockers, claims, messages."""

from __future__ import annotations

from fleet.core.board import Blocker, Question
from fleet.core.risk import RiskLevel
from fleet.store import blockers, inbox, questions, risk, tasks
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


def risk_lines(tx: Tx, name: str) -> list[str]:
    """Why an agent is kept out of service or watched, and how its risk stands where that is worth a word."""
    held, row, watched = risk.quarantine_of(tx, name), risk.last_score(tx, name), risk.probation_of(tx, name)
    lines = []
    if held is not None:
        lines.append(
            f"It is quarantined since entry {held.entry_id}: what comes for it waits, and nothing of it is lost."
        )
        lines.append(
            f"To see what it is held for: fleet risk explain {name}. To let it back: fleet agent release {name}"
        )
    elif watched is not None and watched.ended is None:
        lines.append(f"It is on probation, one run at a time, until {watched.needed} runs in a row went well.")
    if row is not None and row.level is not RiskLevel.LOW:
        lines.append(f"Its risk is {row.level} ({row.probability:.0%}): fleet risk explain {name}")
    return lines


def frozen_lines(tx: Tx, run_id: str) -> list[str]:
    """That a run's processes stand still, and how that ends."""
    return [
        f"It stands frozen, for its work could not be saved: {_short(one.error)}. Saving is tried again; to end it"
        f" without: fleet agent stop {one.agent} --even-unsaved"
        for one in risk.frozen(tx)
        if one.run_id == run_id
    ]


def _lines(asked: list[Question], stuck: list[Blocker]) -> list[str]:
    lines = [f"{one.asker} asks a person: {_short(one.body)} (fleet answer {one.number} TEXT)" for one in asked]
    return lines + [
        f"{one.opened_by} is blocked, {one.told} was told: {_short(one.body)} (fleet fabric resolve {one.number} TEXT)"
        for one in stuck
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
