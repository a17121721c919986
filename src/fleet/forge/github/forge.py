"""The port ``Forge`` over a repository at GitHub.

Reads come from the view, which is a few seconds old at most; whatever has an effect is bound to what it
was decided on: a push to the branch's old commit, a merge to the approved head. Content (commits, paths,
diffs) is read by git in the fleet's bare repository, never from GitHub's rendering of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import Conflict, NotFound, PermanentError, UsageError
from fleet.core.label import LabelSpec
from fleet.core.live import LiveCheck
from fleet.forge import localbase, pullgit
from fleet.forge.content import GitContent
from fleet.forge.github.checks import Checks
from fleet.forge.github.client import Client, asked_again
from fleet.forge.github.gate import post_gate
from fleet.forge.github.hurdles import Hurdles
from fleet.forge.github.labels import Labels
from fleet.forge.github.merging import another_base, merge_request, merged_elsewhere, not_that_head, refused_by_rule
from fleet.forge.github.objects import Objects, unreadable
from fleet.forge.github.people import People
from fleet.forge.github.reading import Reading
from fleet.forge.github.remote import Remote
from fleet.forge.github.shapes import marked
from fleet.forge.github.view import View
from fleet.forge.gitrepo import RefMove, check_ref, check_sha, is_ancestor, move_refs, refs
from fleet.forge.intake import take_from_checkout, take_in
from fleet.forge.judging import require_as_judged
from fleet.forge.localrows import branch_elsewhere, check_body, check_fleet_branch, check_labels, check_title
from fleet.forge.port import (
    BaseReport,
    BaseRules,
    Comment,
    Condition,
    Hurdle,
    Judged,
    Merged,
    Pull,
    Snapshot,
    Ticket,
)


class GitHubForge(GitContent):
    """One repository, named ``owner/name``."""

    name = "github"
    keeps_labels = True

    def __init__(
        self, client: Client, view: View, remote: Remote, people: People, repo: str, base: localbase.Base, clock: Clock
    ) -> None:
        """Bind the parts; asks nothing and needs no network: the first work fetches GitHub's base, announced.

        Raises NotFound FLT-FRG-017 or PermanentError FLT-FRG-016 for a checkout that cannot be used.
        """
        self._client = client
        self._view = view
        self._remote = remote
        self._objects = Objects(base.bare, remote, clock)
        self._repo = repo
        self._root = f"repos/{repo}"
        self._bare = self.repo = base.bare
        self._base = base
        self._clock = clock
        self._names = view.names
        self._labels = Labels(client, repo, view.names)
        self._reading = Reading(view, people, repo, base.name)
        self._checks = Checks(client, repo, base.name, clock)
        self._hurdles = Hurdles(client, repo, base.name, people)
        localbase.prepare(base)

    def next_look(self, now: int) -> int:
        """As the pace says: with the hour's requests, with what GitHub asks for, and with the quiet there."""
        return max(now, self._view.next_at)

    def renew(self) -> None:
        """Look again, when something is asked next; a request that costs nothing where nothing changed."""
        self._view.renew()

    def condition(self) -> Condition:
        """What GitHub said last of its limit, and present trouble."""
        return self._view.condition()

    def close(self) -> None:
        """Let go of connections and login."""
        self._client.close()

    # -- reading ---------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Everything open and what closed lately; a few conditional requests."""
        issues, pulls = self._view.issues(), self._view.pulls()
        base = self._base_here()
        with asked_again():
            return Snapshot(
                tuple(self._reading.ticket(item, listed=True) for item in issues.values()),
                tuple(self._reading.pull(item, base, listed=True) for item in pulls.values()),
                complete=True,
            )

    def ticket(self, number: int) -> Ticket:
        """One ticket. Raises NotFound FLT-FRG-001."""
        try:
            return self._reading.ticket(self._view.one_issue(number))
        except NotFound as error:
            raise NotFound("FLT-FRG-001", "no such ticket", where=f"ticket/{number}") from error

    def pull(self, number: int) -> Pull:
        """One pull request. Raises NotFound FLT-FRG-002."""
        try:
            return self._pull(self._view.one_pull(number))
        except NotFound as error:
            raise NotFound("FLT-FRG-002", "no such pull request", where=f"pr/{number}") from error

    def comments(self, number: int, *, fresh: bool = True) -> tuple[Comment, ...]:
        """Remarks, oldest first. Raises NotFound FLT-FRG-007."""
        return tuple(
            self._reading.comment(item, number) for item in self._of_number(number, self._remarks, number, fresh)
        )

    def branch_head(self, branch: str) -> str:
        """Commit of a branch at GitHub; "" when there is none."""
        try:
            found = self._client.read(f"{self._root}/git/ref/heads/{check_ref(branch)}")
        except NotFound:
            return ""
        return str(found["object"]["sha"])

    def checks(self, number: int, *, fresh: bool = False) -> tuple[LiveCheck, ...]:
        """Check runs and commit statuses of the live head; the fleet's own status is none of them."""
        head = self.pull(number).head_sha
        try:
            return self._checks.of(head, fresh=fresh) if head else ()
        except (NotFound, PermanentError) as error:  # GitHub knows nothing of this commit
            raise unreadable(number, head, error.message) from error

    def rules(self) -> BaseRules:
        """What rulesets and branch protection ask of a merge into the base branch."""
        return self._checks.rules()

    def hurdles(self) -> tuple[Hurdle, ...]:
        """What rights, rules and settings of the repository stand in the way of a fleet with our login."""
        return self._hurdles.all()

    # -- tickets, labels, comments ---------------------------------------------------------------------

    def create_ticket(
        self, title: str, body: str, *, author: str, labels: tuple[str, ...] = (), marker: str | None = None
    ) -> Ticket:
        """Open an issue in our login's name; its marks say for whom, and find it again."""
        title, body = check_title(title), check_body(body)
        check_labels(labels)
        written = marked(body, "by", author)
        if marker is not None:
            self._view.forget()
            for number, item in self._view.issues().items():
                if self._reading.carries(item, marker):
                    return self.ticket(number)
            written = marked(written, "mark", marker)
        text = {"title": title, "body": written, "labels": [self._names.outside(name) for name in labels]}
        made = self._client.write("POST", f"{self._root}/issues", text)
        self._view.forget()
        return self.ticket(int(made["number"]))

    def set_labels(
        self, number: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), actor: str
    ) -> tuple[str, ...]:
        """Read the labels and replace them in one request; nothing is written where nothing changes."""
        check_labels(add, remove)
        found: tuple[str, ...] = self._of_number(
            number, lambda: self._labels.set(number, add, remove, self._view.forget)
        )
        return found

    def kept_labels(self) -> tuple[LabelSpec, ...]:
        """What the repository keeps, by the names they have there."""
        return self._labels.kept()

    def keep_label(self, label: LabelSpec) -> None:
        """Make a label, or give the one of this name its colour and description."""
        self._labels.keep(label)

    def comment(self, number: int, body: str, *, author: str, marker: str | None = None) -> None:
        """Write a remark; the same marker on the same number writes it once."""
        body = marked(check_body(body, required=True), "by", author)
        path = f"{self._root}/issues/{number}/comments"
        if marker is not None:
            found = self._of_number(number, lambda: self._client.pages(f"{path}?per_page=100"))
            if any(self._reading.carries(item, marker) for item in found):
                return
            body = marked(body, "mark", marker)
        self._of_number(number, lambda: self._client.write("POST", path, {"body": body}))
        self._view.forget()

    def close_ticket(self, number: int) -> None:
        """Close an issue; harmless when closed. Raises NotFound FLT-FRG-001."""
        self._turn(number, "closed")

    def reopen_ticket(self, number: int) -> None:
        """Open a closed issue again; harmless when open. Raises NotFound FLT-FRG-001."""
        self._turn(number, "open")

    def _turn(self, number: int, state: str) -> None:
        if self.ticket(number).state != state:
            self._client.write("PATCH", f"{self._root}/issues/{number}", {"state": state})
            self._view.forget()

    def close_pull(self, number: int) -> None:
        """Close a pull request without a merge; GitHub decides between this and a merge at the same moment.

        Raises NotFound FLT-FRG-002, Conflict FLT-FRG-005 when it is merged.
        """
        if self._fresh_pull(number).state == "open":
            with suppress(PermanentError):  # merged meanwhile: the fresh look says so
                self._client.write("PATCH", f"{self._root}/pulls/{number}", {"state": "closed"})
        if self._fresh_pull(number).state == "merged":
            raise Conflict("FLT-FRG-005", "the pull request is merged", where=f"pr/{number}")

    # -- branches and pull requests --------------------------------------------------------------------

    def push(self, source: Path, sha: str, branch: str, *, expected_old: str) -> None:
        """Take the commit in, then move the branch at GitHub from its expected commit.

        Raises as the port says; UsageError FLT-FRG-009 when the base has the commit already.
        """
        ref = check_fleet_branch(branch)
        check_sha(sha)
        present = self.branch_head(branch)
        if present not in (sha, expected_old):
            raise branch_elsewhere(branch, present, expected_old)
        if source.resolve() == self._base.checkout.path.resolve():
            take_from_checkout(self._bare, source, sha)
        else:
            take_in(self._bare, source, sha)
        if is_ancestor(self._bare, sha, self._base_now()):
            raise UsageError(
                "FLT-FRG-009",
                f"{self._base.name} already has this commit",
                where=f"{branch} {sha[:12]}",
                hint="Commit a change first.",
            )
        if present != sha:
            self._remote.push(sha, branch, expected_old=expected_old)
        move_refs(self._bare, [RefMove(ref, sha, None)], reason=f"push {branch}")
        self._view.forget()

    def open_pull(self, *, branch: str, title: str, body: str, author: str, ticket: int) -> Pull:
        """Open a pull request for a pushed branch; an open one for that branch is returned as it is."""
        title, body = check_title(title), check_body(body)
        head = self.branch_head(branch)
        if not head:
            raise NotFound("FLT-FRG-008", "no such branch was pushed", where=branch, hint="Push it first.")
        known = self._open_pull_of(branch)
        if known is not None:
            return known
        if ticket:
            self.ticket(ticket)
        self._objects.have(head)
        pullgit.require_proposal(self._bare, self._base_now(), head, branch)
        closes = f"\n\nCloses #{ticket}" if ticket else ""
        text = {"title": title, "head": branch, "base": self._base.name, "body": marked(body + closes, "by", author)}
        try:
            made = self._client.write("POST", f"{self._root}/pulls", text)
        except PermanentError:
            known = self._open_pull_of(branch)  # somebody was faster, or a first try whose answer was lost
            if known is None:
                raise
            return known
        self._view.forget()
        return self.pull(int(made["number"]))

    def merge(self, number: int, *, head_sha: str, actor: str, judged: Judged | None = None) -> Merged:
        """Merge exactly ``head_sha``: GitHub itself compares it. A repetition finds the first one."""
        check_sha(head_sha)
        pull = self._fresh_pull(number)
        if pull.state == "merged" and pull.merged_head == head_sha:
            return Merged(pull.merge_commit, already=True)
        if pull.state != "open" or pull.head_sha != head_sha:
            raise not_that_head(pull, head_sha)
        if pull.base_ref != self._base.name:
            raise another_base(pull, self._base.name)
        if judged is not None:
            self._objects.have_of(number, head_sha)
            ends = (self._base_now(), head_sha)
            require_as_judged(judged, self._bare, ends, lambda: self.checks(number, fresh=True), f"pr/{number}")
        post_gate(self._client, self._root, head_sha, actor)
        try:
            made = self._client.write("PUT", f"{self._root}/pulls/{number}/merge", merge_request(pull, head_sha, actor))
        except (Conflict, PermanentError) as error:
            return self._after_refusal(number, head_sha, error)
        after = self._fresh_pull(number)
        if after.base_ref != self._base.name:
            raise merged_elsewhere(after, self._base.name)
        return Merged(str(made["sha"]), already=False)

    # -- base and checkout -----------------------------------------------------------------------------

    def refresh(self, announce: Callable[[str, str], None] | None = None, *, fresh: bool = True) -> BaseReport:
        """Bring the fleet's base branch to where GitHub's is (not ``fresh``: was), also where that was rewritten.

        ``announce`` is told old and new commit before the branch moves forward; a rewrite is announced to nobody.
        """
        ours = self._base_here()
        with asked_again():  # a base that is gone there, a person brings back
            theirs = self._base_now(fresh=fresh)
        return localbase.follow(self._base, ours, theirs, announce)

    def publish_base(self) -> BaseReport:
        """Nothing: a person's checkout follows GitHub by the person's own ``git pull``."""
        return BaseReport("unchanged", "")

    # -- inside ----------------------------------------------------------------------------------------

    def _pull(self, item: Any) -> Pull:
        return self._reading.pull(item, self._base_here())

    def _remarks(self, number: int, fresh: bool) -> Any:
        return self._view.remarks(number, lambda path: self._client.pages(f"{self._root}/{path}"), fresh=fresh)

    def _of_number(self, number: int, step: Any, *words: Any) -> Any:
        try:
            return step(*words)
        except NotFound as error:
            text = "neither a ticket nor a pull request has this number"
            raise NotFound("FLT-FRG-007", text, where=f"#{number}") from error

    def _base_now(self, *, fresh: bool = True) -> str:
        """The base branch's commit at GitHub; its objects are here, the fleet's own branch may be behind."""
        head = (self.branch_head if fresh else partial(self._view.head, ask=self.branch_head))(self._base.name)
        if not head:
            raise localbase.no_base(self._base, Path(self._repo))
        self._objects.have(head)
        return head

    def _base_here(self) -> str:
        return refs(self._bare, self._base.ref).get(self._base.ref, "")

    def _base_head(self) -> str:
        head = self._base_here()
        if not head:
            raise localbase.no_base(self._base, self._bare.path)
        return head

    def ends(self, number: int) -> tuple[str, str]:
        """Base and head of a pull request, as they were if it is merged; head "" when its branch is gone."""
        pull = self.pull(number)
        if pull.state == "merged":
            self._objects.have_of(number, pull.merge_commit)
            return pullgit.first_parent(self._bare, pull.merge_commit), pull.merged_head
        base = self._base_head()
        if pull.head_sha:
            self._objects.have_of(number, pull.head_sha)
        return base, pull.head_sha

    def _fresh_pull(self, number: int) -> Pull:
        """A pull request as it is at this moment, whatever was shown before. Raises NotFound FLT-FRG-002."""
        path = f"{self._root}/pulls/{number}"
        self._view.forget()
        try:
            return self._pull(self._client.read(path))
        except NotFound as error:
            raise NotFound("FLT-FRG-002", "no such pull request", where=f"pr/{number}") from error
        finally:
            self._client.forget(path)

    def _open_pull_of(self, branch: str) -> Pull | None:
        self._view.forget()
        found = [pull for pull in self.snapshot().pulls if pull.head_ref == branch and pull.state == "open"]
        return found[-1] if found else None

    def _after_refusal(self, number: int, head_sha: str, error: Conflict | PermanentError) -> Merged:
        """Why GitHub did not merge: somebody else did, the head moved, it conflicts, or a rule of the repository."""
        pull = self._fresh_pull(number)
        if pull.state == "merged" and pull.merged_head == head_sha:
            return Merged(pull.merge_commit, already=True)
        if pull.state != "open" or pull.head_sha != head_sha:
            raise not_that_head(pull, head_sha) from error
        self._objects.have_of(number, head_sha)
        proposal = pullgit.Proposal(number, pull.title, pull.head_ref, self._base_now(), head_sha)
        pullgit.make_merge(self._bare, proposal, actor="agent:check", now=self._clock.now() // SECOND)  # FLT-FRG-006
        raise refused_by_rule(number, error) from error
