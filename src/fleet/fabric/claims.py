"""Tasks and who holds them: claimed under a lease, renewed, given back, done. Transactions, each with its entry.

A claim has a token that only its claimant was told. The store keeps the hash; with the claimant it fences: whoever
lost a claim is told so, whatever it still believes. A renewal is the one move without an entry: it is frequent and
changes only how long.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NoReturn

from fleet.core.board import Task, TaskState
from fleet.core.clock import SECOND
from fleet.core.errors import Conflict, Refused
from fleet.core.journal import Draft, Stream
from fleet.core.principal import Principal, system
from fleet.store import journal, tasks
from fleet.store.db import Tx

MOST_LIVE = 1000  # open and claimed tasks of a fleet
MOST_OF_AGENT = 100  # of which one agent offered so many: it cannot fill the list for the others
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that was won: the task as it is now, and the token, which nobody can read again."""

    task: Task
    token: str


def digest(token: str) -> str:
    """SHA-256 of a token's text, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def room_for_one(tx: Tx, offered_by: str) -> int:
    """The number of the next task. Raises Refused FLT-FAB-101 when the list, or an agent's part of it, is full."""
    of_agent = offered_by.startswith("agent:") and tasks.count_live(tx, offered_by=offered_by) >= MOST_OF_AGENT
    if of_agent or tasks.count_live(tx) >= MOST_LIVE:
        raise Refused(
            "FLT-FAB-101",
            f"{MOST_OF_AGENT} tasks of {offered_by} are open" if of_agent else f"{MOST_LIVE} tasks are open or claimed",
            hint="Complete or withdraw some: fleet fabric tasks",
        )
    return tasks.next_number(tx)


def claim(tx: Tx, number: int, who: Principal, *, seconds: int) -> Claim:
    """Take a task for ``seconds``. Exactly one of several claimants gets it.

    Whoever holds it already gets a new token, and its earlier one is void. Raises NotFound FLT-FAB-100, Conflict
    FLT-FAB-102 while somebody else holds it, Conflict FLT-FAB-103 when it has ended.
    """
    task = tasks.get(tx, number)
    if task.state is TaskState.CLAIMED and not return_lapsed(tx, task):
        if not _is_holder(task, who):
            raise Conflict("FLT-FAB-102", _held(tx, task), where=_name(task), hint="Wait, or take another task.")
        tasks.give_back(tx, number, token_hash=task.token_hash)
    token = tx.entropy(_TOKEN_BYTES).hex()
    until = tx.now + seconds * SECOND
    won = tasks.claim(tx, number, holder=str(who), run_id=who.run_id, token_hash=digest(token), until=until)
    if not won:
        _ended(tasks.get(tx, number))
    now = tasks.get(tx, number)
    facts: dict[str, object] = {"task": number, "claim": now.claims, "lease_until": until, "seconds": seconds}
    _note(tx, now, Stream.EVENT, "claim", str(who), f"{who} claims task/{number}: {now.title}", facts, who.run_id)
    return Claim(now, token)


def renew(tx: Tx, number: int, who: Principal, token: str, *, seconds: int) -> Task:
    """Hold a task for ``seconds`` from now. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-104 for a lost claim."""
    task = _mine(tx, number, who, token)
    tasks.renew(tx, number, token_hash=task.token_hash, until=tx.now + seconds * SECOND)
    return tasks.get(tx, number)


def release(tx: Tx, number: int, who: Principal, token: str, *, reason: str) -> Task:
    """Give a task back undone. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-104 for a lost claim."""
    task = _mine(tx, number, who, token)
    tasks.give_back(tx, number, token_hash=task.token_hash)
    text = f"{who} gives task/{number} back" + (f": {reason}" if reason else "")
    _returned(tx, task, str(who), text, reason or "released", who.run_id)
    return tasks.get(tx, number)


def complete(tx: Tx, number: int, who: Principal, token: str, *, outcome: str) -> Task:
    """The task is done. Raises NotFound FLT-FAB-100, Conflict FLT-FAB-104 for a lost claim."""
    known = tasks.get(tx, number)
    if known.state is TaskState.DONE and _is_holder(known, who):
        return known  # the answer to the first call was lost on its way
    task = _mine(tx, number, who, token)
    tasks.complete(tx, number, token_hash=task.token_hash, outcome=outcome)
    facts: dict[str, object] = {"task": number, "claim": task.claims, "outcome": outcome}
    text = f"{who} completes task/{number}" + (f": {outcome}" if outcome else "")
    _note(tx, task, Stream.EVENT, "task_completed", str(who), text, facts, who.run_id)
    return tasks.get(tx, number)


def withdraw(tx: Tx, number: int, who: Principal, *, reason: str) -> Task:
    """Take a task off the list. A person may, and whoever offered it.

    Raises NotFound FLT-FAB-100, Conflict FLT-FAB-103 when it has ended, Refused FLT-FAB-105.
    """
    task = tasks.get(tx, number)
    if not who.is_human and task.offered_by != str(who):
        raise Refused("FLT-FAB-105", f"only {task.offered_by} or a person may withdraw it", where=_name(task))
    if not tasks.withdraw(tx, number, outcome=reason):
        _ended(task)
    facts: dict[str, object] = {"task": number, "reason": reason, "holder": task.holder}
    text = f"{who} withdraws task/{number}: {reason}"
    _note(tx, task, Stream.EVENT, "task_withdrawn", str(who), text, facts, who.run_id)
    return tasks.get(tx, number)


def return_lapsed(tx: Tx, task: Task) -> bool:
    """Give a claim back whose lease has run out or whose run has ended; False when somebody did already."""
    if not tasks.is_lapsed(tx, task.number) or not tasks.give_back(tx, task.number, token_hash=task.token_hash):
        return False
    reason = "its lease ran out" if task.lease_until <= tx.now else "its run ended"
    text = f"the claim of {task.holder} on task/{task.number} is over: {reason}"
    _returned(tx, task, str(system("janitor")), text, reason, task.holder_run)
    return True


# -- the rules -----------------------------------------------------------------------------------------


def _is_holder(task: Task, who: Principal) -> bool:
    """Claims of agents belong to one run: the next run of the same agent has not done their work."""
    return task.holder == str(who) and task.holder_run == who.run_id


def _mine(tx: Tx, number: int, who: Principal, token: str) -> Task:
    """The task, held by ``who`` under this token right now. Raises Conflict FLT-FAB-104 and says who has it."""
    task = tasks.get(tx, number)
    held = task.state is TaskState.CLAIMED and task.lease_until > tx.now
    if held and _is_holder(task, who) and task.token_hash == digest(token):
        return task
    if task.state is not TaskState.CLAIMED:
        ended = task.state is not TaskState.OPEN
        now = f"it is {task.state}" + (f" ({task.outcome})" if ended and task.outcome else "")
    elif not held:
        now = "the lease ran out"
    elif _is_holder(task, who):
        now = "a later claim of your own holds it"
    else:
        now = _held(tx, task)
    raise Conflict(
        "FLT-FAB-104", f"this claim is lost: {now}", where=_name(task), hint="Stop; what is open can be claimed anew."
    )


def _held(tx: Tx, task: Task) -> str:
    left = max(1, (task.lease_until - tx.now) // SECOND)
    run = f" (run {task.holder_run})" if task.holder_run else ""
    return f"{task.holder}{run} holds it for another {left} s"


def _ended(task: Task) -> NoReturn:
    who = f" by {task.holder}" if task.state is TaskState.DONE else ""
    raise Conflict("FLT-FAB-103", f"the task is {task.state}{who}", where=_name(task), hint="fleet fabric tasks")


def _name(task: Task) -> str:
    return f"task/{task.number}"


def _returned(tx: Tx, task: Task, actor: str, text: str, reason: str, run_id: str) -> None:
    facts: dict[str, object] = {"task": task.number, "claim": task.claims, "holder": task.holder, "reason": reason}
    _note(tx, task, Stream.EVENT, "task_returned", actor, text, facts, run_id)


def _note(
    tx: Tx, task: Task, stream: Stream, kind: str, actor: str, text: str, facts: dict[str, object], run_id: str
) -> None:
    journal.append(
        tx,
        Draft(
            stream,
            kind,
            actor,
            subject=task.subject,
            summary=text,
            payload=facts,
            kind="claim" if kind == "claim" else "task",
            work_item=task.work_item,
            run_id=run_id,
            cause_id=task.entry_id,
        ),
    )
