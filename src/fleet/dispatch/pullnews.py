"""What happened to open pull requests past the fleet, each as one event: head moved, branch gone, pointed at another
base, conflicting, checks ended.

Compares the live pull request with the journal, so that nothing is said twice, also not by a restarted daemon.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fleet.config.model import FleetConfig
from fleet.core.clock import SECOND
from fleet.core.errors import Unreadable
from fleet.core.journal import Draft, Entry
from fleet.core.live import LiveCheck, LivePull, LiveState
from fleet.dispatch.pullevents import author_of, conflict, pull_event
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.journal import Filter

OWN_BRANCHES = "fleet/"
_PUSHED = ("pr_created", "pr_updated", "pr_head_moved")
# A branch that is cleared away long after its pull request was closed is housekeeping.
_WITH_ITS_PULL = 3600 * SECOND
_EVERYTHING = 10_000
_SHOWN = 10  # failing checks in an event


@dataclass(frozen=True, slots=True)
class Seen:
    """What the forge said about one pull request beside its state."""

    conflict: str = ""
    checks: tuple[LiveCheck, ...] = ()


class Asker:
    """Asks about the fleet's own open pull requests; whether two commits conflict, once for each pair."""

    def __init__(self, live: LiveState) -> None:
        """Take who is asked."""
        self._live = live
        self._conflicts: dict[tuple[int, str, str], str] = {}
        self.unreadable: dict[int, Unreadable] = {}  # pull requests that could not be read at this look

    def __call__(
        self, pulls: Iterable[LivePull], base: str, doubtful: Collection[int] = frozenset()
    ) -> dict[int, Seen]:
        """What is to be known of each, by number. Raises TemporaryError when the forge cannot be asked now.

        One that cannot be read is left out, and found in ``unreadable``; of ``doubtful`` ones everything is tried.
        """
        known, self._conflicts, self.unreadable = self._conflicts, {}, {}
        found: dict[int, Seen] = {}
        for pull in pulls:
            if pull.state != "open" or not pull.head_sha:
                continue
            try:
                if pull.number in doubtful:
                    self._read_all(pull.number)
                if _ours(pull) and pull.base_ref == base:
                    found[pull.number] = self._seen(pull, known)
            except Unreadable as error:
                self.unreadable[pull.number] = error
        return found

    def _seen(self, pull: LivePull, known: Mapping[tuple[int, str, str], str]) -> Seen:
        pair = (pull.number, pull.head_sha, pull.base_sha)
        self._conflicts[pair] = known[pair] if pair in known else self._live.conflicts(pull.number)
        return Seen(self._conflicts[pair], self._live.checks(pull.number))

    def _read_all(self, number: int) -> None:
        """All that anybody may want to read of it: it can be read again only when all of that can."""
        for read in (self._live.commits, self._live.changed_paths, self._live.diff_size, self._live.diff_digest):
            read(number)


def news(
    tx: Tx, pulls: Iterable[LivePull], seen: Mapping[int, Seen], config: FleetConfig, actor: str
) -> Iterator[Draft]:
    """The events that are not on record yet."""
    for pull in pulls:
        if pull.head_sha == "":
            yield from _branch_deleted(tx, pull, actor)
        if pull.state != "open" or not _ours(pull):
            continue
        if pull.base_ref != config.base:
            yield from _retargeted(tx, pull, config, actor)
        one = seen.get(pull.number)
        if one is None:
            continue
        if one.conflict and not _told(tx, "pr_conflict", pull):
            yield conflict(pull, one.conflict, author=author_of(pull, config), run_id="")
        yield from _checks(tx, pull, one.checks, config, actor)


def _ours(pull: LivePull) -> bool:
    return pull.state == "open" and pull.head_ref.startswith(OWN_BRANCHES)


# -- heads and branches --------------------------------------------------------------------------------


def head_before(tx: Tx, pull: LivePull) -> str:
    """The head that was on record last, if the present one came past the fleet; "" when it did not."""
    if pull.state != "open" or not pull.head_sha or _announced(tx, pull):
        return ""
    known = [entry for kind in _PUSHED for entry in _about(tx, kind, pull)]
    if not known:  # opened by hand: the first head that anybody spoke of
        known = [entry for entry in _about(tx, "pr_needs_review", pull) if entry.generation != pull.head_sha]
    last = max(known, key=lambda entry: entry.seq, default=None)
    return last.generation if last is not None and last.generation != pull.head_sha else ""


def _announced(tx: Tx, pull: LivePull) -> bool:
    if any(entry.generation == pull.head_sha for kind in _PUSHED for entry in _about(tx, kind, pull)):
        return True
    meant = journal.select(tx, Filter(type="push.intended", generation=pull.head_sha), limit=50)
    return any((entry.payload or {}).get("branch") == pull.head_ref for entry in meant)


def _branch_deleted(tx: Tx, pull: LivePull, actor: str) -> Iterator[Draft]:
    """A branch that went while its pull request was open, or together with it."""
    if pull.state == "merged" or not pull.head_ref.startswith(OWN_BRANCHES) or _about(tx, "pr_branch_deleted", pull):
        return
    known = [entry for kind in (*_PUSHED, "pr_needs_review") for entry in _about(tx, kind, pull)]
    closed = [entry for entry in _about(tx, "pr_closed", pull) if tx.now - entry.at < _WITH_ITS_PULL]
    if not known or (pull.state == "closed" and not closed):
        return
    last = max(known, key=lambda entry: entry.seq).generation
    gone = f"the branch {pull.head_ref} of {pull.subject} is gone; it was at {last[:12]}"
    key = f"pr_branch_deleted:{pull.subject}:{last}"
    yield pull_event(pull, "pr_branch_deleted", "status", actor, gone, key, head=last)


def _retargeted(tx: Tx, pull: LivePull, config: FleetConfig, actor: str) -> Iterator[Draft]:
    last = next(iter(_about(tx, "pr_retargeted", pull)[::-1]), None)
    if last is not None and (last.payload or {}).get("into") == pull.base_ref:
        return
    text = f"{pull.subject} is to go into {pull.base_ref}, not {config.base}; the fleet does not merge it there"
    key = f"pr_retargeted:{pull.subject}:{pull.base_ref}:{last.seq if last is not None else 0}"
    where = {"into": pull.base_ref, "base": config.base}
    yield pull_event(pull, "pr_retargeted", "status", actor, text, key, more=where)


# -- checks --------------------------------------------------------------------------------------------


def _checks(tx: Tx, pull: LivePull, checks: tuple[LiveCheck, ...], config: FleetConfig, actor: str) -> Iterator[Draft]:
    """``ci_fail`` at the first failure of a head, ``ci_pass`` once all its checks passed; again when that turns."""
    failed = [check for check in checks if check.state == "failed"]
    if not failed and (not checks or any(check.state == "pending" for check in checks)):
        return
    kind = "ci_fail" if failed else "ci_pass"
    said = [entry for name in ("ci_fail", "ci_pass") for entry in _about(tx, name, pull)]
    here = sorted((entry for entry in said if entry.generation == pull.head_sha), key=lambda entry: entry.seq)
    if here and here[-1].type == kind:
        return
    shown = failed[:_SHOWN] if failed else list(checks)[:_SHOWN]
    names = ", ".join(check.name for check in shown[:3]) + (" and more" if len(failed or checks) > 3 else "")
    word = f"failed: {names}" if failed else f"passed: {names}"
    # What a check says is written by whoever wrote the change it ran on.
    told = [
        {
            "name": check.name,
            "app_id": check.app_id,
            "state": check.state,
            "url": check.url,
            "untrusted": {"summary": check.summary},
        }
        for check in shown
    ]
    yield pull_event(
        pull,
        kind,
        "blocker" if failed else "status",
        actor,
        f"the checks of {pull.subject} at {pull.head_sha[:12]} {word}",
        f"ci:{pull.subject}:{pull.head_sha}:{len(here)}",
        agent=author_of(pull, config) if failed else "",
        more={"checks": told},
    )


# -- reading -------------------------------------------------------------------------------------------


def _about(tx: Tx, kind: str, pull: LivePull) -> list[Entry]:
    return journal.select(tx, Filter(type=kind, subject=pull.subject), limit=_EVERYTHING)


def _told(tx: Tx, kind: str, pull: LivePull) -> bool:
    return any(entry.generation == pull.head_sha for entry in _about(tx, kind, pull))
