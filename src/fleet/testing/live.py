"""A forge held in memory: the live state and the repeatable effects, for tests of rooms that only ask.

It says what a test told it, and counts what it was asked. It is no Forge: for tickets, git and merges use
the local one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from fleet.core.errors import Conflict, NotFound, Refused, TemporaryError, Unreadable
from fleet.core.live import LiveCheck, LiveCommit, LivePull, LiveRemark, LiveTicket, WantedCheck
from fleet.core.pin import remark_digest


class MemoryForge:
    """LiveState and LiveEffects over dictionaries; ``asked`` counts questions, ``effects`` lists changes.

    ``down`` set to True makes every question and effect raise TemporaryError, as an outage would.
    """

    def __init__(self) -> None:
        """An empty forge whose numbers start at 1."""
        self._tickets: dict[int, LiveTicket] = {}
        self._pulls: dict[int, LivePull] = {}
        self._commits: dict[int, tuple[LiveCommit, ...]] = {}
        self._paths: dict[int, tuple[str, ...]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._conflicts: dict[int, str] = {}
        self._checks: dict[str, tuple[LiveCheck, ...]] = {}
        self.ruled: tuple[WantedCheck, ...] = ()
        self._marked: dict[str, int] = {}
        self._remarks: set[str] = set()
        self._remarks_on: dict[int, list[LiveRemark]] = {}
        self.asked: Counter[str] = Counter()
        self.effects: list[tuple[str, int, tuple[str, ...], tuple[str, ...], str]] = []
        self.down = False
        self.unreadable: set[int] = set()  # pull requests whose commits cannot be read
        self.locked: set[int] = set()  # numbers whose labels our login may not change

    # -- what a test tells it ------------------------------------------------------------------

    def add_ticket(self, *labels: str, title: str = "a ticket") -> LiveTicket:
        """Open a ticket with these labels."""
        ticket = LiveTicket(self._next(), "open", frozenset(labels), title=title, author="human:ann")
        self._tickets[ticket.number] = ticket
        return ticket

    def change_ticket(
        self, number: int, *, state: str = "", labels: frozenset[str] | None = None, body: str | None = None
    ) -> None:
        """Close or reopen a ticket, or replace its labels or its body."""
        ticket = self._tickets[number]
        self._tickets[number] = replace(
            ticket,
            state="closed" if (state or ticket.state) == "closed" else "open",
            labels=ticket.labels if labels is None else labels,
            body=ticket.body if body is None else body,
        )

    def open_pull(
        self, *, ticket: int, head: str, author: str, mails: tuple[str, ...] = (), paths: tuple[str, ...] = ("a.py",)
    ) -> LivePull:
        """Open a pull request; every address of ``mails`` is the author of one commit."""
        number = self._next()
        pull = LivePull(
            number=number,
            state="open",
            ticket=ticket,
            head_ref=f"fleet/{ticket or 'topic'}",
            head_sha=head,
            base_ref="main",
            base_sha="base",
            labels=frozenset({"needs-review"}),
            author=author,
        )
        self._pulls[number] = pull
        self._paths[number] = paths
        self._commits[number] = _commits(head, mails)
        return pull

    def move_head(self, number: int, head: str, mails: tuple[str, ...] = ()) -> LivePull:
        """Push: the branch is at ``head`` now, with one more commit for every address."""
        self._pulls[number] = replace(self._pulls[number], head_sha=head)
        self._commits[number] += _commits(head, mails)
        return self._pulls[number]

    def replace_head(self, number: int, head: str, mails: tuple[str, ...] = ()) -> LivePull:
        """Force-push: the branch holds other commits now."""
        self._commits[number] = ()
        return self.move_head(number, head, mails)

    def change_pull(self, number: int, **fields: str) -> LivePull:
        """Set fields, such as ``base_ref``, ``base_sha`` or ``head_sha`` ("" = its branch is gone)."""
        self._pulls[number] = replace(self._pulls[number], **fields)  # type: ignore[arg-type]
        return self._pulls[number]

    def set_conflict(self, number: int, text: str) -> None:
        """Say that it does not merge, or with "" that it does."""
        self._conflicts[number] = text

    def report(self, head: str, *checks: LiveCheck) -> None:
        """What programs say about a head from now on."""
        self._checks[head] = checks

    def label_pull(self, number: int, *labels: str) -> None:
        """Replace the labels of a pull request."""
        self._pulls[number] = replace(self._pulls[number], labels=frozenset(labels))

    def change_size(self, number: int, *, files: int, lines: int) -> None:
        """Say how large the diff of a pull request is."""
        self._sizes[number] = (files, lines)

    def close_by_hand(self, number: int) -> None:
        """Close it without a merge."""
        self._pulls[number] = replace(self._pulls[number], state="closed")

    def merge_pull(self, number: int) -> LivePull:
        """Merge its head."""
        pull = self._pulls[number]
        merged = replace(pull, state="merged", merged_head=pull.head_sha, merge_commit=f"merge-of-{pull.head_sha}")
        self._pulls[number] = merged
        return merged

    def remark(self, number: int, author: str, text: str) -> None:
        """Somebody remarks something on a ticket or pull request."""
        found = self._remarks_on.setdefault(number, [])
        found.append(LiveRemark(author, remark_digest(len(found), text)))

    # -- LiveState -----------------------------------------------------------------------------

    def ticket(self, number: int) -> LiveTicket | None:
        """One ticket, or None."""
        self._ask("ticket")
        return self._tickets.get(number)

    def pull(self, number: int) -> LivePull | None:
        """One pull request, or None."""
        self._ask("pull")
        found = self._pulls.get(number)
        return replace(found, parent=self._tickets.get(found.ticket)) if found is not None else None

    def pull_for_ticket(self, ticket: int) -> LivePull | None:
        """The open pull request of a ticket, or None."""
        self._ask("pull_for_ticket")
        return next((one for one in self._pulls.values() if one.ticket == ticket and one.state == "open"), None)

    def commits(self, number: int) -> tuple[LiveCommit, ...]:
        """Commits of a pull request."""
        self._ask("commits")
        self._readable(number)
        return self._commits.get(number, ())

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """Paths that a pull request changes."""
        self._ask("changed_paths")
        self._readable(number)
        return self._paths.get(number, ())

    def diff_size(self, number: int) -> tuple[int, int]:
        """As ``change_size`` said; one file of one line until then."""
        self._ask("diff_size")
        self._readable(number)
        return self._sizes.get(number, (1, 1))

    def diff_digest(self, number: int) -> str:
        """A digest that changes with the head and the paths of a pull request."""
        self._ask("diff_digest")
        self._readable(number)
        pull = self._pulls.get(number)
        return f"{pull.head_sha}:{self._paths[number]}" if pull is not None else ""

    def conflicts(self, number: int) -> str:
        """Why a pull request does not merge."""
        self._ask("conflicts")
        self._readable(number)
        return self._conflicts.get(number, "")

    def checks(self, number: int, *, fresh: bool = False) -> tuple[LiveCheck, ...]:
        """What programs said about its head."""
        self._ask("checks")
        pull = self._pulls.get(number)
        return self._checks.get(pull.head_sha, ()) if pull is not None else ()

    def ruled_checks(self) -> tuple[WantedCheck, ...]:
        """What the rules of the base branch ask for."""
        self._ask("ruled_checks")
        return self.ruled

    def remarks(self, number: int) -> tuple[LiveRemark, ...]:
        """As ``remark`` said."""
        self._ask("remarks")
        return tuple(self._remarks_on.get(number, ()))

    def tickets(self) -> tuple[LiveTicket, ...]:
        """All tickets."""
        self._ask("tickets")
        return tuple(self._tickets.values())

    def pulls(self) -> tuple[LivePull, ...]:
        """All pull requests."""
        self._ask("pulls")
        return tuple(self._pulls.values())

    # -- LiveEffects ---------------------------------------------------------------------------

    def set_labels(self, number: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str) -> None:
        """Change labels. Raises NotFound for an unknown number and Refused for a locked one, as a forge would."""
        self._ask("set_labels")
        if number in self.locked:
            raise Refused("FLT-GHB-005", "our login may not do this", where=f"#{number}")
        if number in self._tickets:
            ticket = self._tickets[number]
            self._tickets[number] = replace(ticket, labels=(ticket.labels - set(remove)) | set(add))
        elif number in self._pulls:
            pull = self._pulls[number]
            self._pulls[number] = replace(pull, labels=(pull.labels - set(remove)) | set(add))
        else:
            raise NotFound("FLT-FRG-007", "neither a ticket nor a pull request has this number", where=str(number))
        self.effects.append(("set_labels", number, add, remove, actor))

    def close_ticket(self, number: int) -> None:
        """Close a ticket."""
        self._ask("close_ticket")
        self._known(number)
        self._tickets[number] = replace(self._tickets[number], state="closed")
        self.effects.append(("close_ticket", number, (), (), ""))

    def reopen_ticket(self, number: int) -> None:
        """Open a ticket again."""
        self._ask("reopen_ticket")
        self._known(number)
        self._tickets[number] = replace(self._tickets[number], state="open")
        self.effects.append(("reopen_ticket", number, (), (), ""))

    def close_pull(self, number: int) -> None:
        """Close a pull request. Raises Conflict for a merged one, as a forge would."""
        self._ask("close_pull")
        if self._pulls[number].state == "merged":
            raise Conflict("FLT-FRG-005", "the pull request is merged", where=f"pr/{number}")
        self.close_by_hand(number)
        self.effects.append(("close_pull", number, (), (), ""))

    def open_ticket(self, title: str, body: str, *, author: str, marker: str) -> int:
        """Open a ticket, once for each marker."""
        self._ask("open_ticket")
        if marker not in self._marked:
            ticket = self.add_ticket(title=title)
            self._tickets[ticket.number] = replace(ticket, body=body, author=author)
            self._marked[marker] = ticket.number
        return self._marked[marker]

    def comment(self, number: int, body: str, *, author: str, marker: str) -> None:
        """Keep a remark among the effects, once for each marker."""
        self._ask("comment")
        if marker not in self._remarks:
            self._remarks.add(marker)
            self.effects.append(("comment", number, (body,), (), author))

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.down:
            raise TemporaryError("FLT-FRG-014", "the forge does not answer")

    def _readable(self, number: int) -> None:
        if number in self.unreadable:
            raise Unreadable("FLT-GHB-015", "its commit is not to be had", where=f"pr/{number}", hint="Push anew.")

    def _known(self, number: int) -> None:
        if number not in self._tickets:
            raise NotFound("FLT-FRG-001", "no such ticket", where=f"ticket/{number}")

    def _next(self) -> int:
        return len(self._tickets) + len(self._pulls) + 1


def _commits(head: str, mails: tuple[str, ...]) -> tuple[LiveCommit, ...]:
    """One commit for each address, the last of them the head."""
    names = [*(f"{head}-{index}" for index in range(len(mails) - 1)), head]
    return tuple(LiveCommit(name, mail, mail) for name, mail in zip(names, mails, strict=False))
