"""What the forge says about one piece of work, asked once a tick: what a decision needs of the outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar, cast

from fleet.config.gate import names_in
from fleet.config.loader import LoadedConfig
from fleet.core.event import subject_kind, subject_number
from fleet.core.live import LiveCheck, LiveCommit, LivePull, LiveState, LiveTicket, WantedCheck
from fleet.dispatch.approvals import bound_content
from fleet.policy.approval import MERGE, START, Content, bound_policy
from fleet.policy.conditions import APPROVALS
from fleet.policy.facts import DiffFact

T = TypeVar("T", tuple[LiveCommit, ...], tuple[str, ...], tuple[int, int])

Known = dict[tuple[str, int, str, str], tuple[LiveCommit, ...] | tuple[str, ...] | tuple[int, int]]


class Glance:
    """A LiveState that asks every question once: one tick sees one state.

    Commits and paths of a pull request are fixed by its head and base. They are taken from ``known``, which is
    what the glance of the tick before left in its own ``known``, so that waiting work costs no git.
    """

    def __init__(self, live: LiveState, known: Known | None = None) -> None:
        """Wrap the real thing; throw the glance away at the end of the tick."""
        self.ticket = cache(live.ticket)
        self.pull = cache(live.pull)
        self.pull_for_ticket = cache(live.pull_for_ticket)
        self.tickets = cache(live.tickets)
        self.pulls = cache(live.pulls)
        self.checks = cache(live.checks)
        self.remarks = cache(live.remarks)
        self.ruled_checks = cache(live.ruled_checks)
        self._live = live
        self._before: Known = known or {}
        self.known: Known = {}

    def commits(self, number: int) -> tuple[LiveCommit, ...]:
        """As LiveState."""
        return self._fixed("commits", number, self._live.commits)

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """As LiveState."""
        return self._fixed("paths", number, self._live.changed_paths)

    def diff_digest(self, number: int) -> str:
        """As LiveState."""
        return self._fixed("diff", number, lambda one: (self._live.diff_digest(one),))[0]

    def diff_size(self, number: int) -> tuple[int, int]:
        """As LiveState."""
        return self._fixed("size", number, self._live.diff_size)

    def conflicts(self, number: int) -> str:
        """As LiveState."""
        return self._fixed("conflicts", number, lambda one: (self._live.conflicts(one),))[0]

    def _fixed(self, what: str, number: int, ask: Callable[[int], T]) -> T:
        pull = self.pull(number)
        key = (what, number, pull.head_sha if pull else "", pull.base_sha if pull else "")
        if key not in self.known:
            self.known[key] = self._before[key] if key in self._before else ask(number)
        return cast(T, self.known[key])


@dataclass(frozen=True, slots=True)
class Reported:
    """What programs said at a head, and what the rules of the base branch at the forge want to hear."""

    ruled: tuple[WantedCheck, ...] = ()
    seen: tuple[LiveCheck, ...] = ()


NOTHING_REPORTED = Reported()


def reported(live: LiveState, pull: LivePull, *, fresh: bool = False) -> Reported:
    """Ask the forge about checks. Raises TemporaryError when it cannot be asked now."""
    return Reported(live.ruled_checks(), live.checks(pull.number, fresh=fresh) if pull.head_sha else ())


@dataclass(frozen=True, slots=True)
class Look:
    """What the forge says about one subject. ``in_hand`` is the open pull request of a ticket."""

    ticket: LiveTicket | None = None
    pull: LivePull | None = None
    in_hand: LivePull | None = None
    commits: tuple[LiveCommit, ...] = ()
    changed_paths: tuple[str, ...] = ()
    content: Content | None = None  # what a person's word would be bound to, where one may be asked
    diff: DiffFact | None = None
    reported: Reported = NOTHING_REPORTED
    conflict: str = ""  # why it does not merge


def look(live: LiveState, subject: str, loaded: LoadedConfig | None = None, agent: str = "") -> Look:
    """Ask the forge what a start of this agent on this subject depends on. Raises TemporaryError.

    Without an agent: what it is, and no more.
    """
    number = subject_number(subject)
    kind = subject_kind(subject)
    if kind == "ticket":
        return Look(ticket=live.ticket(number), in_hand=live.pull_for_ticket(number))
    pull = live.pull(number) if kind == "pr" else None
    role = loaded.role_of(agent) if loaded is not None else None
    if pull is None or pull.state != "open" or loaded is None or role is None:
        return Look(pull=pull)
    member = loaded.config.agent(agent)
    gate = names_in(member.subscription_gate if member is not None else None)
    merges, approvals = "pr.merge" in role.verbs, bool(gate & APPROVALS)
    asked = MERGE if merges else START
    policy = bound_policy(asked, agent, loaded.config, loaded.roles)
    return Look(
        pull=pull,
        commits=live.commits(number) if merges or approvals or role.is_reviewer else (),
        changed_paths=live.changed_paths(number) if merges else (),
        content=bound_content(live, pull, policy) if merges or approvals else None,
        diff=DiffFact(*live.diff_size(number)) if merges or "max_diff" in gate else None,
        reported=reported(live, pull) if merges or "check" in gate else NOTHING_REPORTED,
        conflict=live.conflicts(number) if merges and pull.head_sha else "",
    )
