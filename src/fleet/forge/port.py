"""What a forge must do. Effects are repeatable: done twice they are done once, and they say which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fleet.core.label import LabelSpec
from fleet.core.live import LiveCheck, WantedCheck


@dataclass(frozen=True, slots=True)
class LabelMark:
    """One application of a label; ``mark_id`` is new each time the label is put on."""

    name: str
    actor: str
    mark_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """An issue."""

    number: int
    title: str
    body: str
    state: Literal["open", "closed"]
    author: str
    labels: tuple[LabelMark, ...]
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request. ``head_sha`` is the live head of its branch ("" when the branch is gone)."""

    number: int
    title: str
    body: str
    state: Literal["open", "closed", "merged"]
    author: str
    ticket: int  # 0 when it belongs to none
    head_ref: str  # short branch name, such as fleet/7
    base_ref: str
    head_sha: str
    base_sha: str
    labels: tuple[LabelMark, ...]
    merged_head: str
    merge_commit: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark on a ticket or pull request."""

    number: int
    author: str
    body: str
    at: int


@dataclass(frozen=True, slots=True)
class CommitFact:
    """Who is behind a commit: author, committer and co-author trailers, as e-mail addresses in lower case."""

    sha: str
    author_email: str
    committer_email: str
    coauthor_emails: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything open (and what closed lately). ``complete`` False: absence means nothing."""

    tickets: tuple[Ticket, ...]
    pulls: tuple[Pull, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge: the commit on the base branch, and whether it was already there."""

    merge_commit: str
    already: bool


@dataclass(frozen=True, slots=True)
class BaseReport:
    """What came of bringing base branch and checkout together: a fact for the journal, or nothing to say."""

    kind: Literal["unchanged", "fetched", "rewritten", "diverged", "updated", "left_alone"]
    detail: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """How the way to a forge is. ``next_look_at`` in microseconds, 0 = now; ``trouble`` in words, "" = none.

    The rest is what a forge with an hourly limit said last; -1 = nothing yet, or it has none. ``requests`` and
    ``counted`` (those that use the limit up) are since the start.
    """

    repo: str = ""
    next_look_at: int = 0
    trouble: str = ""
    limit: int = -1
    remaining: int = -1
    reset_at: int = 0  # microseconds
    requests: int = 0
    counted: int = 0


@dataclass(frozen=True, slots=True)
class BaseRules:
    """Rules of the base branch at the forge: checks and reviews that it asks for before a merge.

    ``hidden`` says, in words, what could not be read; "" when all of it could.
    """

    checks: tuple[WantedCheck, ...] = ()
    reviews: int = 0
    code_owners: bool = False
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class Hurdle:
    """Something that the forge asks and a fleet cannot meet, or not by itself: ``id`` is stable, ``choose`` what to do.

    ``final``: the fleet can do no work there at all.
    """

    id: str
    found: str
    why: str
    choose: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What a merge was allowed on, beside its head: the digest of the diff ("" = not compared), and green checks."""

    diff: str = ""
    checks: tuple[WantedCheck, ...] = ()


class Forge(Protocol):
    """A place where tickets and pull requests live. Raises TemporaryError when it cannot be asked now."""

    name: str
    keeps_labels: bool  # whether the repository has a list of labels; else any name may be put on anything

    def snapshot(self) -> Snapshot:
        """Live state of all tickets and pull requests."""

    def next_look(self, now: int) -> int:
        """When there may be news for whoever was told nothing; microseconds."""

    def renew(self) -> None:
        """What is shown from now on is as it is now, not as it was a little while ago."""

    def condition(self) -> Condition:
        """How the way there is; asks nobody."""

    def ticket(self, number: int) -> Ticket:
        """One ticket. Raises NotFound FLT-FRG-001."""

    def pull(self, number: int) -> Pull:
        """One pull request. Raises NotFound FLT-FRG-002."""

    def comments(self, number: int, *, fresh: bool = True) -> tuple[Comment, ...]:
        """Remarks, oldest first. Not ``fresh``: what was seen will do where nothing says that there is more."""

    def create_ticket(
        self, title: str, body: str, *, author: str, labels: tuple[str, ...] = (), marker: str | None = None
    ) -> Ticket:
        """Open a ticket; the same marker finds the first one, as it is by now."""

    def set_labels(
        self, number: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str
    ) -> tuple[str, ...]:
        """Change labels in one step; returns the labels afterwards. A label already on keeps its mark."""

    def kept_labels(self) -> tuple[LabelSpec, ...]:
        """The labels that the repository keeps, by their names there; without a list, those that are in use."""

    def keep_label(self, label: LabelSpec) -> None:
        """Make a label, or give the one of this name its colour and description; nothing without a list."""

    def comment(self, number: int, body: str, *, author: str, marker: str | None = None) -> None:
        """Write a remark; the same marker writes it once."""

    def close_ticket(self, number: int) -> None:
        """Close a ticket; harmless when closed. Raises NotFound FLT-FRG-001."""

    def reopen_ticket(self, number: int) -> None:
        """Open a closed ticket again; harmless when open. Raises NotFound FLT-FRG-001."""

    def close_pull(self, number: int) -> None:
        """Close a pull request without a merge; harmless when closed. Its branch stays.

        Raises NotFound FLT-FRG-002, Conflict FLT-FRG-005 when it is merged.
        """

    def push(self, source: Path, sha: str, branch: str, *, expected_old: str) -> None:
        """Bring commit ``sha`` from the repository at ``source`` and move ``branch`` to it.

        ``expected_old`` is the branch's present commit ("" = must not exist). A branch already at ``sha`` is
        success. Raises Conflict FLT-FRG-003 when the branch is elsewhere, Refused FLT-FRG-004 for a branch
        outside ``fleet/``.
        """

    def open_pull(self, *, branch: str, title: str, body: str, author: str, ticket: int) -> Pull:
        """Open a pull request for a pushed branch; an open one for that branch is returned as it is."""

    def merge(self, number: int, *, head_sha: str, actor: str, judged: Judged | None = None) -> Merged:
        """Merge exactly ``head_sha`` into the base.

        Raises Conflict FLT-FRG-005 when the head moved or the pull request is not open, Conflict FLT-FRG-006
        when it does not merge cleanly (``message`` lists the paths), Conflict FLT-FRG-031 when the diff is not
        the ``judged`` one, Conflict FLT-FRG-032 when a check of it is not green. Repeating a merge finds the first one.
        """

    def branch_head(self, branch: str) -> str:
        """Commit of a branch in the fleet's repository; "" when there is none."""

    def commits(self, number: int) -> tuple[CommitFact, ...]:
        """Commits of a pull request that the base does not have, newest first."""

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """Paths that differ between merge base and head, both names of a rename, and links that lead to them."""

    def diff(self, number: int, *, limit: int = 200_000) -> str:
        """The pull request's diff as text, cut at ``limit`` characters with a line that says so."""

    def diff_size(self, number: int) -> tuple[int, int]:
        """Changed files, and lines added and removed together; binary files have no lines."""

    def conflicts(self, number: int) -> str:
        """Why the live head of an open pull request does not merge into the base; "" when it does."""

    def checks(self, number: int, *, fresh: bool = False) -> tuple[LiveCheck, ...]:
        """What programs said about the live head; () on a forge without checks.

        ``fresh``: as it is now; else what was seen a little while ago will do.
        """

    def rules(self) -> BaseRules:
        """What the forge itself asks of a merge into the base branch."""

    def hurdles(self) -> tuple[Hurdle, ...]:
        """What is asked here that the fleet's one login can never meet, or not by itself."""

    def refresh(self, announce: Callable[[str, str], None] | None = None, *, fresh: bool = True) -> BaseReport:
        """Fetch the person's new base commits, forward only.

        ``announce`` is told the old and the new commit before the branch moves, so that the intent is on record.
        A forge whose base branch is elsewhere follows it also where it was rewritten, without announcing that;
        not ``fresh``, as it was there a little while ago.
        """

    def publish_base(self) -> BaseReport:
        """Fast-forward the person's checkout (or its base branch) to the fleet's base, if that is harmless."""

    def close(self) -> None:
        """Let go of what is kept open between two questions."""
