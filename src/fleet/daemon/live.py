"""The forge in the words of policy, dispatch and the runner: live state, repeatable effects, facts for a brief."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace

from fleet.control.checkout import refresh_base
from fleet.control.queries import review_dicts
from fleet.control.shapes import label_names
from fleet.control.telling import pull_for_agent, remarks, ticket_for_agent
from fleet.core.board import Mail
from fleet.core.errors import NotFound, TemporaryError
from fleet.core.event import subject_kind, subject_number
from fleet.core.live import LiveCheck, LiveCommit, LivePull, LiveRemark, LiveTicket, WantedCheck
from fleet.core.pin import HOLD_LABEL, remark_digest, text_digest
from fleet.core.work import Run
from fleet.dispatch.holds import accepted_pull_text, accepted_text
from fleet.fabric.mail import as_dict
from fleet.forge.port import CommitFact, Forge, Pull, Ticket
from fleet.forge.pullgit import DIFF_LIMIT
from fleet.runtime.brief import WorkFacts
from fleet.store import inbox
from fleet.store.db import Database

_BRANCHES = "fleet/"
_MAIL = 50  # messages in one brief; the agent reads on with: fleet inbox


class ForgeLive:
    """LiveState and LiveEffects over a Forge."""

    def __init__(self, forge: Forge) -> None:
        """Take the forge."""
        self._forge = forge

    def ticket(self, number: int) -> LiveTicket | None:
        """One ticket."""
        try:
            return _ticket(self._forge.ticket(number))
        except NotFound:
            return None

    def pull(self, number: int) -> LivePull | None:
        """One pull request."""
        try:
            found = _pull(self._forge.pull(number))
        except NotFound:
            return None
        return replace(found, parent=self.ticket(found.ticket)) if found.ticket else found

    def pull_for_ticket(self, ticket: int) -> LivePull | None:
        """The open pull request of a ticket."""
        found = [pull for pull in self.pulls() if pull.ticket == ticket and pull.state == "open"]
        return found[-1] if found else None

    def commits(self, number: int) -> tuple[LiveCommit, ...]:
        """Commits of a pull request that its base does not have."""
        try:
            return tuple(_commit(fact) for fact in self._forge.commits(number))
        except NotFound:
            return ()

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """Paths that differ between merge base and head."""
        return self._forge.changed_paths(number)

    def diff_digest(self, number: int) -> str:
        """A digest of the diff from merge base to head."""
        text = self._forge.diff(number, limit=DIFF_LIMIT)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else ""

    def diff_size(self, number: int) -> tuple[int, int]:
        """Changed files, and lines added and removed together."""
        return self._forge.diff_size(number)

    def conflicts(self, number: int) -> str:
        """Why the live head does not merge into the base; "" when it does."""
        return self._forge.conflicts(number)

    def checks(self, number: int, *, fresh: bool = False) -> tuple[LiveCheck, ...]:
        """What programs said about the live head."""
        return self._forge.checks(number, fresh=fresh)

    def ruled_checks(self) -> tuple[WantedCheck, ...]:
        """The checks that the base branch's rules ask for."""
        return self._forge.rules().checks

    def remarks(self, number: int) -> tuple[LiveRemark, ...]:
        """What was remarked on a ticket or pull request."""
        try:
            found = self._forge.comments(number, fresh=False)
        except NotFound:
            return ()
        return tuple(LiveRemark(one.author, remark_digest(one.at, one.body)) for one in found)

    def tickets(self) -> tuple[LiveTicket, ...]:
        """Open tickets and those closed lately."""
        return tuple(_ticket(ticket) for ticket in self._forge.snapshot().tickets)

    def pulls(self) -> tuple[LivePull, ...]:
        """Open pull requests and those closed or merged lately, by number."""
        return tuple(_pull(pull) for pull in sorted(self._forge.snapshot().pulls, key=lambda pull: pull.number))

    def set_labels(self, number: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str) -> None:
        """Change labels in one step."""
        self._forge.set_labels(number, add=add, remove=remove, actor=actor)

    def close_ticket(self, number: int) -> None:
        """Close a ticket."""
        self._forge.close_ticket(number)

    def reopen_ticket(self, number: int) -> None:
        """Open a ticket again."""
        self._forge.reopen_ticket(number)

    def close_pull(self, number: int) -> None:
        """Close a pull request without a merge."""
        self._forge.close_pull(number)

    def open_ticket(self, title: str, body: str, *, author: str, marker: str) -> int:
        """Open a ticket; its number."""
        return self._forge.create_ticket(title, body, author=author, marker=marker).number

    def comment(self, number: int, body: str, *, author: str, marker: str) -> None:
        """Write a remark."""
        self._forge.comment(number, body, author=author, marker=marker)


class WorkGatherer:
    """What a run's brief says about the outside; brings the base up to date with the person's checkout first."""

    def __init__(
        self, db: Database, forge: Forge, base: str, *, reads_untrusted: Callable[[str], bool] = lambda agent: False
    ) -> None:
        """``base`` is the base branch's short name; ``reads_untrusted`` says of an agent what it may be told."""
        self._reads_untrusted = reads_untrusted
        self._db = db
        self._forge = forge
        self._base = base

    def __call__(self, run: Run) -> WorkFacts:
        """Facts for one run that is about to start, as they are at this moment.

        Raises TemporaryError when the forge cannot be asked now, FLT-FRG-040 while a changed text is not accepted,
        FLT-FRG-042 when somebody holds the work meanwhile.
        """
        refresh_base(self._db, self._forge, self._base, fresh=False)
        self._forge.renew()
        ticket = self._ticket_of(run)
        pull = self._pull_of(run)
        _require_free(ticket, pull)
        branch = pull.head_ref if pull is not None else f"{_BRANCHES}{ticket.number if ticket is not None else run.id}"
        reads = self._reads_untrusted(run.agent)
        unread, total = self._unread(f"agent:{run.agent}")
        return WorkFacts(
            branch=branch,
            base=self._base,
            ticket=self._ticket_facts(ticket, reads) if ticket is not None else None,
            pull=self._pull_facts(pull, reads) if pull is not None else None,
            reviews=self._reviews(pull) if pull is not None else (),
            # On the local forge a ticket is a person's, or an agent's that a person let open tickets.
            trusted=ticket is not None and ticket.author.startswith(("human:", "bot:")),
            inbox=[as_dict(one) for one in unread],
            inbox_left_out=total - len(unread),
        )

    def _unread(self, reader: str) -> tuple[list[Mail], int]:
        """The oldest messages that a reader has not consumed, and how many there are in all."""
        return self._db.read(lambda tx: (inbox.unread(tx, reader, limit=_MAIL), inbox.count_unread(tx, reader)))

    def _ticket_of(self, run: Run) -> Ticket | None:
        number = subject_number(run.work_item) if subject_kind(run.work_item) == "ticket" else 0
        try:
            return self._forge.ticket(number) if number else None
        except NotFound:
            return None

    def _pull_of(self, run: Run) -> Pull | None:
        """The pull request the run was started on, else the open one of its ticket."""
        if subject_kind(run.subject) == "pr":
            return self._forge.pull(subject_number(run.subject))
        number = subject_number(run.work_item) if subject_kind(run.work_item) == "ticket" else 0
        found = [pull for pull in self._forge.snapshot().pulls if pull.ticket == number and pull.state == "open"]
        return found[-1] if number and found else None

    def _ticket_facts(self, ticket: Ticket, reads: bool) -> dict[str, object]:
        accepted = self._db.read(lambda tx: accepted_text(tx, ticket.number))
        _require_accepted(accepted, ticket, f"ticket/{ticket.number}")
        facts = asdict(ticket_for_agent(ticket, accepted, reads_untrusted=reads))
        said = remarks(self._forge.comments(ticket.number), reads_untrusted=reads)
        return {**facts, "labels": label_names(ticket.labels), **said}

    def _pull_facts(self, pull: Pull, reads: bool) -> dict[str, object]:
        accepted = self._db.read(lambda tx: accepted_pull_text(tx, pull.number))
        _require_accepted(accepted, pull, f"pr/{pull.number}")
        told = asdict(pull_for_agent(pull, accepted, reads_untrusted=reads))
        facts = {**told, "labels": label_names(pull.labels), "head": pull.head_sha, "branch": pull.head_ref}
        return {**facts, "base": pull.base_ref, **remarks(self._forge.comments(pull.number), reads_untrusted=reads)}

    def _reviews(self, pull: Pull) -> list[dict[str, object]]:
        return self._db.read(lambda tx: review_dicts(tx, f"pr/{pull.number}", pull.head_sha))


def _require_free(*items: Ticket | Pull | None) -> None:
    """Raise when somebody put the brake on after the start was decided."""
    for item in items:
        if item is not None and HOLD_LABEL in label_names(item.labels):
            raise TemporaryError(
                "FLT-FRG-042",
                f"somebody holds it by the label {HOLD_LABEL}",
                where=f"{'pr' if isinstance(item, Pull) else 'ticket'}/{item.number}",
                hint="Nothing starts for it until the label is taken off.",
                retry_after=5.0,
            )


def _require_accepted(accepted: str, item: Ticket | Pull, where: str) -> None:
    """Raise unless the text is the ``accepted`` one, or none ever was ("")."""
    if accepted not in ("", text_digest(item.title, item.body)):
        raise TemporaryError(
            "FLT-FRG-040",
            "this text was changed, and nobody has accepted it yet",
            where=where,
            hint=f"Read it, then: fleet ticket accept {item.number}",
            retry_after=5.0,
        )


def _ticket(ticket: Ticket) -> LiveTicket:
    return LiveTicket(
        ticket.number, ticket.state, frozenset(label_names(ticket.labels)), ticket.title, ticket.body, ticket.author
    )


def _pull(pull: Pull) -> LivePull:
    return LivePull(
        number=pull.number,
        state=pull.state,
        ticket=pull.ticket,
        head_ref=pull.head_ref,
        head_sha=pull.head_sha,
        base_ref=pull.base_ref,
        base_sha=pull.base_sha,
        labels=frozenset(label_names(pull.labels)),
        author=pull.author,
        merged_head=pull.merged_head,
        merge_commit=pull.merge_commit,
        title=pull.title,
        body=pull.body,
    )


def _commit(fact: CommitFact) -> LiveCommit:
    return LiveCommit(fact.sha, fact.author_email, fact.committer_email, fact.coauthor_emails)
