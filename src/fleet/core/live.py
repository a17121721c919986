"""Live state: what the forge says right now, in words that every room may use.

Events are hints, live state is the truth. Rooms that are strangers to the forge (dispatch, control,
runtime) ask through ``LiveState``; the daemon's wiring adapts a forge to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class LiveTicket:
    """A ticket as it is now. ``title``, ``body`` and ``author`` are untrusted text, for briefs only."""

    number: int
    state: Literal["open", "closed"]
    labels: frozenset[str]
    title: str = ""
    body: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class LivePull:
    """A pull request as it is now.

    ``ticket`` is 0 when it belongs to none; ``head_sha`` is "" when its branch is gone. ``author`` is the
    principal that opened it, such as ``agent:developer``. ``merged_head`` and ``merge_commit`` are "" until
    it is merged. ``title`` and ``body`` are untrusted text, for briefs only.
    """

    number: int
    state: Literal["open", "closed", "merged"]
    ticket: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    labels: frozenset[str]
    author: str
    merged_head: str = ""
    merge_commit: str = ""
    title: str = ""
    body: str = ""
    parent: LiveTicket | None = None  # its ticket, where it was asked for by itself

    @property
    def subject(self) -> str:
        """Its name as a subject, such as ``pr/8``."""
        return f"pr/{self.number}"

    @property
    def work_item(self) -> str:
        """The ticket it belongs to, such as ``ticket/7``, else the pull request itself."""
        return f"ticket/{self.ticket}" if self.ticket else self.subject


@dataclass(frozen=True, slots=True)
class LiveCheck:
    """What a program said about one head, such as a test run.

    ``app_id`` is the number of the GitHub App that said it, 0 for whoever may write a commit status. ``name`` and
    ``summary`` are untrusted text.
    """

    name: str
    app_id: int
    state: Literal["pending", "passed", "failed"]
    summary: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class WantedCheck:
    """A check that has to be green before a merge; ``app_id`` 0 = whoever says it."""

    name: str
    app_id: int = 0


def not_green(wanted: Iterable[WantedCheck], seen: Iterable[LiveCheck]) -> tuple[tuple[WantedCheck, str], ...]:
    """The wanted checks that did not pass, each with how it stands: ``pending``, ``failed`` or ``missing``.

    Where several answer to one name, all of them have to have passed.
    """
    found: list[tuple[WantedCheck, str]] = []
    known = tuple(seen)
    for one in dict.fromkeys(wanted):
        states = {check.state for check in known if check.name == one.name and one.app_id in (0, check.app_id)}
        word = next((state for state in ("failed", "pending") if state in states), "" if states else "missing")
        if word:
            found.append((one, word))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LiveCommit:
    """Who is behind one commit, as e-mail addresses in lower case."""

    sha: str
    author_mail: str
    committer_mail: str
    coauthor_mails: tuple[str, ...] = ()

    @property
    def mails(self) -> frozenset[str]:
        """Every address that stands behind this commit."""
        return frozenset(mail for mail in (self.author_mail, self.committer_mail, *self.coauthor_mails) if mail)


@dataclass(frozen=True, slots=True)
class LiveRemark:
    """That somebody remarked something; ``digest`` as in ``core/pin.py``. Its text is not needed here."""

    author: str
    digest: str


class LiveState(Protocol):
    """What may be asked of the forge. Every question raises TemporaryError when it cannot be asked now."""

    def ticket(self, number: int) -> LiveTicket | None:
        """One ticket; None when there is no such ticket."""

    def pull(self, number: int) -> LivePull | None:
        """One pull request; None when there is no such pull request."""

    def pull_for_ticket(self, ticket: int) -> LivePull | None:
        """The open pull request of a ticket, if there is one."""

    def commits(self, number: int) -> tuple[LiveCommit, ...]:
        """Commits of a pull request that its base does not have; () when there is no such pull request."""

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """Paths that differ between merge base and head, both names of a rename."""

    def diff_digest(self, number: int) -> str:
        """A digest of the diff from merge base to head; "" when there is nothing to compare."""

    def diff_size(self, number: int) -> tuple[int, int]:
        """Changed files, and lines added and removed together (binary files have none), from merge base to head."""

    def conflicts(self, number: int) -> str:
        """Why the live head does not merge into the base, in words that name the paths; "" when it does."""

    def checks(self, number: int, *, fresh: bool = False) -> tuple[LiveCheck, ...]:
        """What programs said about the live head; () on a forge without checks.

        ``fresh``: as it is now; else what was seen a little while ago will do.
        """

    def ruled_checks(self) -> tuple[WantedCheck, ...]:
        """The checks that the rules of the base branch ask for, as far as our login may read those rules."""

    def remarks(self, number: int) -> tuple[LiveRemark, ...]:
        """What was remarked on a ticket or pull request, oldest first; () when there is none of that number."""

    def tickets(self) -> tuple[LiveTicket, ...]:
        """All open tickets, and those closed lately."""

    def pulls(self) -> tuple[LivePull, ...]:
        """All open pull requests, and those closed or merged lately."""


class LiveEffects(Protocol):
    """The few repeatable effects that recovery needs: done twice they are done once."""

    def set_labels(self, number: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str) -> None:
        """Change the labels of a ticket or pull request in one step."""

    def close_ticket(self, number: int) -> None:
        """Close a ticket; harmless when it is closed."""

    def reopen_ticket(self, number: int) -> None:
        """Open a ticket again; harmless when it is open."""

    def close_pull(self, number: int) -> None:
        """Close a pull request without a merge; harmless when it is closed.

        Raises Conflict FLT-FRG-005 when it is merged.
        """

    def open_ticket(self, title: str, body: str, *, author: str, marker: str) -> int:
        """Open a ticket and return its number; the same marker finds the first one."""

    def comment(self, number: int, body: str, *, author: str, marker: str) -> None:
        """Write a remark; the same marker writes it once."""
