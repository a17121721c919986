"""Named points in the code that tests can wait for or crash at; nothing in normal running.

The weakest place of this room: one module-level variable. It stays None outside ``fleet.testing``,
which is the only importer that sets it; the cost of a point is one comparison.
"""

from __future__ import annotations

from collections.abc import Callable

_handler: Callable[[str], None] | None = None

# Every point that exists, with the promise that is at stake there. The crash ring visits them all.
POINTS: dict[str, str] = {
    "publish.before_commit": "an event that was not acknowledged may be lost, never half-written",
    "publish.after_commit": "an event on record is routed once although its sender saw no answer",
    "route.before_commit": "an unrouted event is routed after the restart",
    "route.after_commit": "a routed event is not routed again",
    "dispatch.claimed": "a claimed delivery is dispatched once after its lease is reclaimed",
    "dispatch.after_commit": "a queued run is started once",
    "approve.after_commit": "a merge that a person let go on goes on, once",
    "schedule.before_commit": "a due time whose event is not on record is due again after the restart",
    "schedule.after_commit": "a due time whose event is on record never comes again",
    "start.claimed": "a run taken over by the runner is started once",
    "start.prepared": "a clone made but not used is replaced, the run starts once",
    "start.launched": "a session that exists is adopted, not doubled",
    "restart.decided": "an agent whose restart is on record is resumed, once",
    "restart.answered": "a session whose death was answered goes on with one agent",
    "finish.observed": "an exit that was seen but not recorded is recorded once",
    "finish.after_commit": "a finished run stays finished",
    "quarantine.before_commit": "an agent whose quarantine is not on record is judged again, and quarantined then",
    "quarantine.after_commit": "a quarantine on record ends its agent's runs, whoever finds it",
    "stop.passed_on": "a session that was told to end ends once, its work saved",
    "frozen.listed": "a session that stands still stays so, and is listed",
    "operation.intended": "what a person asked of a ticket or pull request happens, or was never heard",
    "operation.half": "a ticket that is closed and its pull request not is closed altogether",
    "operation.acted": "what was done and not recorded is recorded once, never doubled",
    "artifact.stored": "an artifact on record has its content; a content that nothing names is removed",
    "push.acted": "a pushed branch without its pull request is completed",
    "merge.intended": "an intended merge is carried out once or not at all",
    "merge.acted": "a merge done but not recorded is recorded, never repeated",
    "merge.recorded": "a recorded merge is announced once",
    "config.intended": "a change that did not reach the file is written off",
    "config.noted": "files that are replaced together are all the new ones for whoever reads, and then for everybody",
    "config.brought": "a file that follows such a change is followed by the others",
    "config.written": "a change that reached the file comes into force, under the name of who made it",
    "config.accepted": "what is in force on record is in force after the restart",
    "checkpoint.signed": "a checkpoint is kept whole, or made anew from the stored bytes",
    "archive.written": "a file without its seal is only a copy; the journal is untouched",
    "archive.sealed": "what the seal covers is gone from the store and whole in the file",
    "rotate.written": "a key whose statement is not on record signs nothing; the old one goes on",
    "rotate.recorded": "a key whose statement is on record takes the place of the old one",
    "migrate.backed_up": "a store with its copy beside it is still the old one",
    "migrate.before_commit": "a schema change that was not committed has changed nothing",
    "gc.planned": "what was meant to go and is still there goes with the next pass",
    "gc.acted": "a pass that ended half-way removed whole things only",
    "gc.moved": "a folder half deleted has another name, and its deletion is finished",
    "backup.written": "a backup has its name once it is whole and verified, never before",
    "restore.prepared": "a prepared state that nothing points to yet is removed; the old one stays",
    "restore.marked": "a restore that moved nothing yet is rolled back",
    "restore.moved_aside": "a restore between its two renames is finished",
    "restore.swapped": "a restore that is done stays done",
}


def probe(name: str) -> None:
    """Mark a named point; calls the test's handler when there is one."""
    if _handler is not None:
        _handler(name)


def install(handler: Callable[[str], None] | None) -> None:
    """Set or clear the handler. For ``fleet.testing`` only."""
    global _handler
    _handler = handler
