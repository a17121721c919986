"""A forge without a server: tickets and pull requests in the store, branches and merges in a bare repository.

Takes the store, the place of the bare repository, the person's checkout and the base branch; gives the
port ``Forge``. Git is the truth about heads and merges: a merge that git has and the row has not (a
process killed in between) is found at the next look and the row is healed. Safe to call from threads.

Weakness: it trusts the file rights of its bare repository; who can write there can move branches unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fleet.core.clock import SECOND
from fleet.core.errors import Conflict, NotFound, PermanentError, UsageError
from fleet.core.label import LabelSpec
from fleet.forge import localbase, pullgit
from fleet.forge.alone import Alone
from fleet.forge.content import GitContent
from fleet.forge.gitrepo import RefMove, Repo, check_ref, check_sha, is_ancestor, move_refs, refs, refs_merged
from fleet.forge.intake import take_from_checkout, take_in
from fleet.forge.judging import require_as_judged
from fleet.forge.localneeds import require_number, ticket_row
from fleet.forge.localrows import (
    as_pull,
    as_ticket,
    branch_elsewhere,
    check_body,
    check_fleet_branch,
    check_labels,
    check_title,
    require_mergeable,
)
from fleet.forge.port import (
    BaseReport,
    Comment,
    Judged,
    Merged,
    Pull,
    Snapshot,
    Ticket,
)
from fleet.forge.pullgit import Found
from fleet.store import forge_local as rows
from fleet.store.db import Database, Tx

RECENT = 200  # closed tickets and pull requests that a snapshot still shows
_MERGE_ATTEMPTS = 3
_LOOK_EVERY = 2 * SECOND
_READ_ONLY = "FLT-STO-005"  # what a store says that must not be written to


class LocalForge(Alone, GitContent):
    """The port ``Forge`` over the fleet's own bare repository."""

    name = "local"

    def __init__(self, db: Database, bare: Path, checkout: Path, base: str) -> None:
        """Bind the store, and make the bare repository from the checkout where there is none.

        ``base`` is the short name of the base branch. Raises NotFound FLT-FRG-017 when the checkout has
        no such branch, PermanentError FLT-FRG-016 when the checkout cannot be used.
        """
        self._db = db
        self._repo = self.repo = Repo(bare, bare=True)
        self._base = localbase.Base(self._repo, localbase.open_checkout(checkout), base)
        self._own = {checkout.resolve(), self._base.checkout.path.resolve()}
        self._searched: tuple[str, frozenset[str]] = ("", frozenset())
        localbase.prepare(self._base)

    # -- reading ---------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Everything open and the last ``RECENT`` that closed.

        Costs one git process, a second one when the base or a head moved, never one per pull request.
        """

        def look(tx: Tx) -> tuple[list[rows.TicketRow], list[rows.PullRow], dict[int, list[rows.LabelRow]]]:
            marks = rows.labels_of_current(tx, recent=RECENT)
            return rows.tickets(tx, recent=RECENT), rows.pulls(tx, recent=RECENT), marks

        tickets, pulls, marks = self._db.read(look)
        heads = refs(self._repo, "refs/heads", pullgit.MARKS)
        healed = self._heal(pulls, heads)
        return Snapshot(
            tuple(as_ticket(row, marks.get(row.number, ())) for row in tickets),
            tuple(as_pull(healed.get(row.number, row), marks.get(row.number, ()), heads) for row in pulls),
            complete=True,
        )

    def next_look(self, now: int) -> int:
        """Soon: a commit by git alone wakes nobody."""
        return now + _LOOK_EVERY

    def ticket(self, number: int) -> Ticket:
        """One ticket. Raises NotFound FLT-FRG-001."""
        return self._db.read(lambda tx: as_ticket(ticket_row(tx, number), rows.labels_of(tx, number)))

    def pull(self, number: int) -> Pull:
        """One pull request, as git has it. Raises NotFound FLT-FRG-002."""
        row, heads = self._live(number)
        marks = self._db.read(lambda tx: rows.labels_of(tx, number))
        return as_pull(row, marks, heads)

    def comments(self, number: int, *, fresh: bool = True) -> tuple[Comment, ...]:
        """Remarks, oldest first; always as they are. Raises NotFound FLT-FRG-007."""

        def look(tx: Tx) -> tuple[Comment, ...]:
            require_number(tx, number)
            return tuple(Comment(row.number, row.author, row.body, row.at) for row in rows.comments(tx, number))

        return self._db.read(look)

    def branch_head(self, branch: str) -> str:
        """Commit of a branch in the fleet's repository; "" when there is none."""
        ref = f"refs/heads/{check_ref(branch)}"
        return refs(self._repo, ref).get(ref, "")

    # -- tickets, labels, comments ---------------------------------------------------------------------

    def create_ticket(
        self, title: str, body: str, *, author: str, labels: tuple[str, ...] = (), marker: str | None = None
    ) -> Ticket:
        """Open a ticket, once for each marker. Raises UsageError FLT-FRG-012 for its text, FLT-FRG-013 for a label."""
        title, body = check_title(title), check_body(body)
        check_labels(labels)

        def change(tx: Tx) -> Ticket:
            known = rows.ticket_marked(tx, marker) if marker is not None else 0
            if known:
                return as_ticket(ticket_row(tx, known), rows.labels_of(tx, known))
            number = rows.insert_ticket(tx, title=title, body=body, author=author, marker=marker)
            for label in labels:
                rows.put_label(tx, number, label, author)
            return as_ticket(ticket_row(tx, number), rows.labels_of(tx, number))

        return self._db.write(change)

    def set_labels(
        self, number: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str
    ) -> tuple[str, ...]:
        """Change labels in one transaction; a label already on keeps its mark.

        Raises NotFound FLT-FRG-007, UsageError FLT-FRG-013.
        """
        check_labels(add, remove)

        def change(tx: Tx) -> tuple[str, ...]:
            require_number(tx, number)
            taken = [rows.take_label(tx, number, label) for label in remove]
            put = [rows.put_label(tx, number, label, actor) for label in add]
            if any(taken) or any(put):
                rows.touch(tx, number)
            return tuple(row.label for row in rows.labels_of(tx, number))

        return self._db.write(change)

    def kept_labels(self) -> tuple[LabelSpec, ...]:
        """Those that are on something, without colour."""
        return tuple(map(LabelSpec, self._db.read(rows.label_names)))

    def comment(self, number: int, body: str, *, author: str, marker: str | None = None) -> None:
        """Write a remark; the same marker on the same number writes it once. Raises NotFound FLT-FRG-007."""
        body = check_body(body, required=True)
        key = None if marker is None else f"{number}:{marker}"

        def change(tx: Tx) -> None:
            require_number(tx, number)
            if rows.add_comment(tx, number, author=author, body=body, marker=key):
                rows.touch(tx, number)

        self._db.write(change)

    def close_ticket(self, number: int) -> None:
        """Close a ticket; harmless when closed. Raises NotFound FLT-FRG-001."""

        def change(tx: Tx) -> None:
            ticket_row(tx, number)
            rows.close_ticket(tx, number)

        self._db.write(change)

    def reopen_ticket(self, number: int) -> None:
        """Open a closed ticket again; harmless when open. Raises NotFound FLT-FRG-001."""

        def change(tx: Tx) -> None:
            ticket_row(tx, number)
            rows.reopen_ticket(tx, number)

        self._db.write(change)

    # -- branches and pull requests --------------------------------------------------------------------

    def push(self, source: Path, sha: str, branch: str, *, expected_old: str) -> None:
        """Bring commit ``sha`` from ``source`` and move ``branch`` to it by compare-and-set.

        Git works in no folder but the fleet's and, when that is the source, the person's checkout. Raises
        Conflict FLT-FRG-003 when the branch is elsewhere, Refused FLT-FRG-004 outside ``fleet/``, UsageError
        FLT-FRG-009 when the base has the commit already, NotFound FLT-FRG-019 when ``source`` lacks it.
        """
        ref = check_fleet_branch(branch)
        check_sha(sha)
        present = refs(self._repo, ref).get(ref, "")
        if present == sha:
            return
        if present != expected_old:
            raise branch_elsewhere(branch, present, expected_old)
        if source.resolve() in self._own:
            take_from_checkout(self._repo, source, sha)
        else:
            take_in(self._repo, source, sha)
        if is_ancestor(self._repo, sha, self._base_head()):
            raise UsageError(
                "FLT-FRG-009",
                f"{self._base.name} already has this commit",
                where=f"{branch} {sha[:12]}",
                hint="Commit a change first.",
            )
        if not move_refs(self._repo, [RefMove(ref, sha, expected_old)], reason=f"push {branch}"):
            present = refs(self._repo, ref).get(ref, "")
            if present != sha:
                raise branch_elsewhere(branch, present, expected_old)

    def open_pull(self, *, branch: str, title: str, body: str, author: str, ticket: int) -> Pull:
        """Open a pull request for a pushed branch; an open one for that branch is returned as it is.

        Raises NotFound FLT-FRG-008 for a branch that was not pushed, UsageError FLT-FRG-009 when there is
        nothing to merge, FLT-FRG-010 for an unrelated history.
        """
        title, body = check_title(title), check_body(body)
        head = self.branch_head(branch)
        if not head:
            raise NotFound("FLT-FRG-008", "no such branch was pushed", where=branch, hint="Push it first.")
        known = self._db.read(lambda tx: rows.open_pull_of(tx, branch))
        if known is not None and (pull := self.pull(known.number)).state == "open":
            return pull
        pullgit.require_proposal(self._repo, self._base_head(), head, branch)

        def change(tx: Tx) -> int:
            if ticket:
                ticket_row(tx, ticket)
            first = rows.open_pull_of(tx, branch)
            if first is not None:
                return first.number
            return rows.insert_pull(
                tx, title=title, body=body, author=author, ticket=ticket, head_ref=branch, base_ref=self._base.name
            )

        return self.pull(self._db.write(change))

    def close_pull(self, number: int) -> None:
        """Close a pull request without a merge. Raises NotFound FLT-FRG-002, Conflict FLT-FRG-005 when merged.

        A merge that lands at the same moment wins: git has it, and its record says so.
        """
        row, _ = self._live(number)
        if row.state == "open":
            self._db.write(lambda tx: rows.close_pull(tx, number))
            row, _ = self._live(number)
        if row.state == "merged":
            raise Conflict("FLT-FRG-005", "the pull request is merged", where=f"pr/{number}")

    def merge(self, number: int, *, head_sha: str, actor: str, judged: Judged | None = None) -> Merged:
        """Merge exactly ``head_sha`` into the base; a repetition finds the first one.

        Head and base are compared in the ref transaction that moves the base, so no push slips in between.
        Raises Conflict FLT-FRG-005 and FLT-FRG-006 as the port says, FLT-FRG-020 when the base keeps moving.
        """
        check_sha(head_sha)
        for _ in range(_MERGE_ATTEMPTS):
            row, heads = self._live(number)
            if row.state == "merged" and row.merged_head == head_sha:
                return Merged(row.merge_commit, already=True)
            head = heads.get(f"refs/heads/{row.head_ref}", "")
            require_mergeable(row, head, head_sha)
            base = self._base_in(heads)
            require_as_judged(judged, self._repo, (base, head), tuple, f"pr/{number}")
            commit = pullgit.make_merge(
                self._repo,
                pullgit.Proposal(number, row.title, row.head_ref, base, head),
                actor=actor,
                now=self._db.clock.now() // SECOND,
            )
            if pullgit.land(self._repo, number, commit=commit, moves=self._moves(row, base, head, commit)):
                self._record(row, Found(head, commit))
                return Merged(commit, already=False)
        raise Conflict("FLT-FRG-020", "the base branch kept moving", where=f"pr/{number}", hint="Try again.")

    # -- base and checkout -----------------------------------------------------------------------------

    def refresh(self, announce: Callable[[str, str], None] | None = None, *, fresh: bool = True) -> BaseReport:
        """Fetch the person's new base commits, fast-forward only."""
        return localbase.refresh(self._base, announce)

    def publish_base(self) -> BaseReport:
        """Fast-forward the person's checkout (or its base branch) to the fleet's base, if that is harmless."""
        return localbase.publish(self._base)

    def close(self) -> None:
        """Nothing: git keeps nothing open."""

    # -- inside ----------------------------------------------------------------------------------------

    def _base_head(self) -> str:
        return self._base_in(refs(self._repo, self._base.ref))

    def _base_in(self, heads: dict[str, str]) -> str:
        head = heads.get(self._base.ref, "")
        if not head:
            raise localbase.no_base(self._base, self._repo.path)
        return head

    def _moves(self, row: rows.PullRow, base: str, head: str, commit: str) -> Sequence[RefMove]:
        """The compare-and-set of a merge: the base moves if it and the head are what they were."""
        return RefMove(f"refs/heads/{row.head_ref}", None, head), RefMove(self._base.ref, commit, base)

    def _row(self, number: int) -> rows.PullRow:
        row = self._db.read(lambda tx: rows.pull(tx, number))
        if row is None:
            raise NotFound("FLT-FRG-002", "no such pull request", where=f"pr/{number}", hint="fleet pr list shows them")
        return row

    def _live(self, number: int) -> tuple[rows.PullRow, dict[str, str]]:
        """A row and the refs that decide about it (base, head, mark), healed when git is ahead of the row."""
        row = self._row(number)
        heads = refs(self._repo, self._base.ref, f"refs/heads/{row.head_ref}", pullgit.mark_of(number))
        if row.state != "merged" and (found := self._find(row, heads)) is not None:
            row = self._record(row, found)
        return row, heads

    def _find(self, row: rows.PullRow, heads: dict[str, str]) -> Found | None:
        """The merge that git already has of a row that does not say so; of a closed one only the fleet's own."""
        return pullgit.find_merge(
            self._repo,
            head=heads.get(f"refs/heads/{row.head_ref}", "") if row.state == "open" else "",
            base=self._base_in(heads),
            mark=heads.get(pullgit.mark_of(row.number), ""),
        )

    def _heal(self, pulls: Sequence[rows.PullRow], heads: dict[str, str]) -> dict[int, rows.PullRow]:
        """Bring rows up to what git has; returns those that changed, by number.

        The search among the heads is repeated only when the base or an open head moved since the last one.
        """
        waiting = {f"refs/heads/{row.head_ref}": row for row in pulls if row.state == "open"}
        suspects = {row.number: row for row in pulls if pullgit.mark_of(row.number) in heads}
        present = frozenset(f"{ref} {heads[ref]}" for ref in waiting if ref in heads)
        situation = (self._base_in(heads), present)
        if present and situation != self._searched:
            merged = refs_merged(self._repo, situation[0], "refs/heads/fleet")
            suspects.update((waiting[ref].number, waiting[ref]) for ref in merged if ref in waiting)
        changed: dict[int, rows.PullRow] = {}
        for row in suspects.values():
            if row.state == "merged":  # killed after the record, before the mark was dropped
                pullgit.forget_mark(self._repo, row.number, heads[pullgit.mark_of(row.number)])
            elif (found := self._find(row, heads)) is not None:
                changed[row.number] = self._record(row, found)
        self._searched = situation
        return changed

    def _record(self, row: rows.PullRow, found: Found) -> rows.PullRow:
        """Write a merge into its row, whoever comes first, and drop the mark that made it findable.

        Over a store that is open for reading only, the row is shown as it should be and healed by the daemon.
        """
        try:
            self._db.write(lambda tx: rows.record_merge(tx, row.number, head=found.head, commit=found.commit))
        except PermanentError as error:
            if error.code != _READ_ONLY:
                raise
            return replace(row, state="merged", merged_head=found.head, merge_commit=found.commit)
        pullgit.forget_mark(self._repo, row.number, found.commit)
        return self._row(row.number)

    def ends(self, number: int) -> tuple[str, str]:
        """Base and head of a pull request, as they were if it is merged; head "" when the branch is gone."""
        row, heads = self._live(number)
        if row.state == "merged":
            return pullgit.first_parent(self._repo, row.merge_commit), row.merged_head
        return self._base_in(heads), heads.get(f"refs/heads/{row.head_ref}", "")
