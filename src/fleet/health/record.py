"""Checks of the journal, the clock and of what earlier processes left behind. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.health.words import Check, Leftovers, Record

_SECOND = 1_000_000
_EARLIEST = 1_735_689_600 * _SECOND  # 2025-01-01: no clock that is right says less
_AHEAD = 2 * _SECOND


def record_checks(record: Record, now: int) -> Iterator[Check]:
    """Whether the journal can be read, fits together at its end, and is not from the future."""
    if not record.exists:
        yield Check("journal", "ok", "no record yet")
    elif record.error:
        why = "Every decision stands in the journal; the daemon does not start on a broken one."
        found = f"{record.error}{f' [{record.code}]' if record.code else ''}"
        yield Check("journal", "fail", found, why, f"fleet audit verify; fleet explain {record.code}".rstrip())
    else:
        yield Check("journal", "ok", f"{record.entries} entries, the last {record.checked} fit together")
    if record.frozen:
        why = "Their work could not be saved, so nothing of it is killed; they hold memory until it can."
        fix = "Mend what the error names; saving is tried again. Or: fleet agent stop NAME --even-unsaved"
        yield Check("frozen", "fail", f"sessions stand frozen: {'; '.join(record.frozen)}", why, fix)
    yield clock_check(record, now)


def clock_check(record: Record, now: int) -> Check:
    """The clock against the past: a date that no right clock shows, and entries from the future."""
    why = "Ages, leases and schedules are counted by the wall clock."
    fix = "Set the clock, or let it be kept by NTP: timedatectl"
    if now < _EARLIEST:
        return Check("clock", "fail", "the clock is years behind", why, fix)
    ahead = record.last_at - now
    if record.future and ahead > _AHEAD:
        found = f"{record.future} entries are from the future, the last by {ahead // _SECOND} s"
        return Check("clock", "warn", found, why, fix)
    return Check("clock", "ok", "no entry is from the future")


def leftover_checks(found: Leftovers) -> Iterator[Check]:
    """What is left of processes that are gone."""
    yield from _servers_left(found)
    yield from _work_left(found)
    if found == Leftovers():
        yield Check("left", "ok", "nothing is left of earlier processes")


def _servers_left(found: Leftovers) -> Iterator[Check]:
    """Sockets without a server, and a server without a use."""
    if found.stale_socket:
        why = "The daemon behind it is gone; callers are refused instead of told that none runs."
        yield Check("left.socket", "warn", f"{found.stale_socket} is dead", why, "fleet doctor --fix", "socket")
    if found.stale_tmux:
        why = "The terminal server behind it is gone."
        yield Check("left.tmux", "warn", f"{found.stale_tmux} is dead", why, "fleet doctor --fix", "tmux")
    if found.lost_server:
        why = "Something removed its socket, for example a cleaner of /tmp; sessions in it go on unseen."
        fix = "fleet up: the server is asked to make its socket again"
        yield Check("left.server", "warn", f"the terminal server {found.lost_server} has no socket", why, fix)
    elif found.idle_server:
        why = "No daemon uses it and no session is in it; it only takes up memory."
        fix = "fleet up, then fleet down"
        yield Check("left.server", "warn", f"the terminal server {found.idle_server} is of no use", why, fix)


def _work_left(found: Leftovers) -> Iterator[Check]:
    """What may hold work: named, and never touched."""
    if found.orphan_sessions:
        why = "No live run belongs to them. Something in them may still be at work, so they are not ended by --fix."
        fix = "fleet up looks after them; else look: fleet ps --all, then tmux attach"
        yield Check("left.sessions", "warn", f"sessions without a run: {_named(found.orphan_sessions)}", why, fix)
    if found.orphan_shims:
        why = "They hold processes of runs that are over. They may still be saving work."
        fix = "fleet up looks after them; wait, then look at them with ps"
        yield Check("left.processes", "warn", f"shims without a run: {_named(found.orphan_shims)}", why, fix)
    if found.kept_clones:
        why = "They are kept because their work is not known to be saved elsewhere."
        fix = "fleet gc says why each stays; look into them with git status"
        yield Check("left.clones", "warn", f"clones of runs that are over: {_named(found.kept_clones)}", why, fix)
    if found.unsaved:
        why = "A run ended and its work could not be saved; it is only in its clone."
        fix = "Look into the clone of that run before anything else"
        yield Check("left.escrow", "warn", f"unsaved work: {_named(found.unsaved)}", why, fix)
    if found.half_restore:
        why = "Unless a restore is under way right now, one was killed half-way."
        fix = "fleet up: it finishes the restore or rolls it back, by how far it had come"
        yield Check("left.restore", "warn", f"a restore has not ended: {found.half_restore}", why, fix)


def _named(items: Sequence[object]) -> str:
    shown = ", ".join(str(item) for item in items[:5])
    return f"{shown} and {len(items) - 5} more" if len(items) > 5 else shown
