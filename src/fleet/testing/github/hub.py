"""One repository's issues, pull requests, labels and people, over a real bare repository. No HTTP here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.core.clock import SECOND, Clock, SystemClock
from fleet.process import run
from fleet.testing.github.watching import ACTIONS, CheckRun, Rules
from fleet.testing.repos import git

OWNER, NAME = "acme", "shop"
REPO = f"{OWNER}/{NAME}"

Json = dict[str, Any]


class Wrong(Exception):
    """An answer that is a refusal: a status and GitHub's words."""

    def __init__(self, status: int, message: str, errors: Sequence[Json] = ()) -> None:
        """Take both, and details where GitHub gives some."""
        super().__init__(message)
        self.status = status
        self.body: Json = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(status),
        }
        if errors:
            self.body["errors"] = list(errors)


@dataclass
class Item:
    """An issue, or a pull request where ``head`` is set."""

    number: int
    title: str
    body: str
    user: str
    created: int
    updated: int
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    head: str = ""
    base: str = ""
    head_sha: str = ""
    merged_at: int = 0
    merge_commit: str = ""


class Hub:
    """All state; every method is called under ``lock``."""

    def __init__(self, bare: Path, *, clock: Clock | None = None, repo: str = REPO) -> None:
        """``bare`` is the repository that pushes go to, ``repo`` its name. Users are added with ``person``."""
        self.bare = bare
        self.repo = repo
        self.lock = threading.RLock()
        self.tokens: dict[str, str] = {}
        self.permissions: dict[str, str] = {}
        self.items: dict[int, Item] = {}
        self.events: list[Json] = []
        self.comments: list[Json] = []
        self.settings: Json = {}  # of the repository, where they are not the usual ones
        self.labels: dict[str, Json] = {}  # that the repository keeps: colour and description
        self.statuses: dict[str, list[Json]] = {}
        self.check_runs: list[CheckRun] = []
        self.rules: dict[str, Rules] = {}  # branch -> what it asks for
        self._clock = clock or SystemClock()
        self._ids = 1000
        self._heads_seen = ""
        self.heads: dict[str, str] = {}  # branches as they were at the beginning of this request

    def person(self, login: str, permission: str) -> str:
        """Somebody with a permission on the repository; the token that speaks for them."""
        token = f"gho_dummy_{login}"
        self.tokens[token] = login
        self.permissions[login] = permission
        return token

    @property
    def owner(self) -> str:
        """Whose repository it is."""
        return self.repo.partition("/")[0]

    def now(self) -> int:
        """Seconds: GitHub's times have no finer grain."""
        return self._clock.now() // SECOND

    def next_id(self) -> int:
        """A fresh number for an event or comment."""
        self._ids += 1
        return self._ids

    # -- issues --------------------------------------------------------------------------------

    def issue(self, number: int) -> Item:
        """An issue or pull request. Raises Wrong 404."""
        found = self.items.get(number)
        if found is None:
            raise Wrong(404, "Not Found")
        return found

    def open_issue(self, login: str, title: str, body: str, labels: Sequence[str]) -> Item:
        """A new issue."""
        if not title.strip():
            raise Wrong(422, "Validation Failed", [{"resource": "Issue", "code": "missing_field", "field": "title"}])
        item = self._add(login, title, body)
        self.replace_labels(login, item, [*labels])
        return item

    def _add(self, login: str, title: str, body: str) -> Item:
        number, now = len(self.items) + 1, self.now()
        item = self.items[number] = Item(number, title, body, login, now, now)
        return item

    def replace_labels(self, login: str, item: Item, labels: Sequence[str]) -> None:
        """Set all labels in one step; one event for each that came or went."""
        wanted = list(dict.fromkeys(self.kept_name(name) or name for name in labels))
        for name in wanted:
            self.labels.setdefault(name, {})
        for name in item.labels:
            if name not in wanted:
                self._event(login, item, "unlabeled", name)
        for name in wanted:
            if name not in item.labels:
                self._event(login, item, "labeled", name)
        if wanted != item.labels:
            item.labels = wanted
            item.updated = self.now()

    def kept_name(self, name: str) -> str:
        """The label that a name finds, whatever its case; "" when there is none."""
        return next((one for one in self.labels if one.casefold() == name.casefold()), "")

    def _event(self, login: str, item: Item, kind: str, label: str) -> None:
        self.events.append(
            {
                "id": self.next_id(),
                "event": kind,
                "actor": login,
                "number": item.number,
                "label": label,
                "at": self.now(),
            }
        )

    def check(
        self, sha: str, name: str, conclusion: str = "", *, app_id: int = ACTIONS, title: str = "", summary: str = ""
    ) -> None:
        """An app says something about a commit; without a conclusion it is still at work."""
        self.check_runs.append(CheckRun(self.next_id(), sha, name, app_id, conclusion, title, summary, self.now()))

    def comment(self, login: str, item: Item, body: str) -> Json:
        """A remark."""
        made = {"id": self.next_id(), "number": item.number, "user": login, "body": body, "at": self.now()}
        self.comments.append(made)
        item.updated = self.now()
        return made

    # -- pull requests -------------------------------------------------------------------------

    def branch(self, name: str) -> str:
        """The commit of a branch; "" when there is none."""
        return git(self.bare, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}", must=False)

    def look_at_heads(self) -> None:
        """Pushes come by git, past this program: open pull requests follow their branches."""
        listing = git(self.bare, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        if listing == self._heads_seen:
            return
        self._heads_seen = listing
        self.heads = {ref.removeprefix("refs/heads/"): sha for ref, sha in map(str.split, listing.splitlines())}
        open_ones = [item for item in self.items.values() if item.head and item.state == "open"]
        contained = {base: self._contained(base) for base in {item.base for item in open_ones}}
        for item in open_ones:
            head = self.heads.get(item.head, "")
            if not head:
                self._branch_deleted(item)
                continue
            if head != item.head_sha:
                self._head_moved(item, head)
            if item.head in contained[item.base]:
                self._merged_by_hand(item)

    def _contained(self, base: str) -> frozenset[str]:
        """The branches whose commits are all in a base."""
        words = ("for-each-ref", "--format=%(refname:lstrip=2)", f"--merged=refs/heads/{base}", "refs/heads")
        return frozenset(git(self.bare, *words, must=False).splitlines())

    def _head_moved(self, item: Item, head: str) -> None:
        if git(self.bare, "rev-list", "--max-count=1", item.head_sha, f"^{head}"):
            self._event(item.user, item, "head_ref_force_pushed", "")
        item.head_sha = head
        item.updated = self.now()

    def _branch_deleted(self, item: Item) -> None:
        """GitHub closes a pull request whose branch is deleted."""
        item.state, item.updated = "closed", self.now()
        self._event(item.user, item, "closed", "")
        self._event(item.user, item, "head_ref_deleted", "")

    def _merged_by_hand(self, item: Item) -> None:
        """GitHub calls a pull request merged once its head is in the base, however it came there."""
        span = f"{item.head_sha}..refs/heads/{item.base}"
        since = git(self.bare, "rev-list", "--first-parent", "--ancestry-path", "--reverse", span).split()
        item.state, item.merged_at, item.updated = "closed", self.now(), self.now()
        item.merge_commit = since[0] if since else item.head_sha

    def open_pull(self, login: str, title: str, body: str, head: str, base: str) -> Item:
        """A new pull request from a pushed branch. Raises Wrong 422 as GitHub does."""
        head_sha, base_sha = self.branch(head), self.branch(base)
        if not head_sha or not base_sha:
            raise Wrong(422, "Validation Failed", [{"resource": "PullRequest", "field": "head", "code": "invalid"}])
        if any(item.head == head and item.state == "open" for item in self.items.values()):
            raise Wrong(422, "Validation Failed", [_custom(f"A pull request already exists for {self.owner}:{head}.")])
        if not git(self.bare, "rev-list", "--max-count=1", f"{base_sha}..{head_sha}"):
            raise Wrong(422, "Validation Failed", [_custom(f"No commits between {base} and {head}")])
        return self.plant_pull(login, title, head, base, head_sha, body=body)

    def plant_pull(self, login: str, title: str, head: str, base: str, sha: str, *, body: str = "") -> Item:
        """A new pull request; nothing is looked at."""
        item = self._add(login, title, body)
        item.head, item.base, item.head_sha = head, base, sha
        return item

    def merge(self, login: str, item: Item, sha: str, title: str, message: str) -> str:
        """A real merge commit on the base branch. Raises Wrong 405 and 409 as GitHub does."""
        self.look_at_heads()
        if item.state != "open":
            raise Wrong(405, "Pull Request is not mergeable")
        if sha and sha != item.head_sha:
            raise Wrong(409, "Head branch was modified. Review and try the merge again.")
        rules = self.rules.get(item.base, Rules())
        missing = rules.missing(
            [one for one in self.check_runs if one.sha == item.head_sha], self.statuses.get(item.head_sha, [])
        )
        if missing:
            raise Wrong(405, missing)
        base = self.branch(item.base)
        done = run(
            ("git", "-C", str(self.bare), "merge-tree", "--write-tree", base, item.head_sha),
            timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        )  # fmt: skip
        if not done.ok:
            raise Wrong(405, "Pull Request is not mergeable")
        text = f"{title or f'Merge pull request #{item.number}'}\n\n{message}\n"
        who = (login, f"{login}@users.noreply.github.test")
        words = ("commit-tree", "-p", base, "-p", item.head_sha, "-F", "-", done.text.split()[0])
        commit = git(self.bare, *words, who=who, stdin=text.encode())
        self._land(item, commit, base)
        item.state, item.merged_at, item.updated, item.merge_commit = "closed", self.now(), self.now(), commit
        return commit

    def _land(self, item: Item, commit: str, base: str) -> None:
        """Move the base in one compare-and-set of head and base. Raises Wrong 409 when either is elsewhere by now."""
        moves = (
            f"start\nverify refs/heads/{item.head} {item.head_sha}\n"
            f"update refs/heads/{item.base} {commit} {base}\nprepare\ncommit\n"
        )
        done = run(
            ("git", "-C", str(self.bare), "update-ref", "--stdin"),
            timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, stdin=moves.encode(),
        )  # fmt: skip
        if not done.ok:
            raise Wrong(409, "Head branch was modified. Review and try the merge again.")


def _custom(text: str) -> Json:
    return {"resource": "PullRequest", "code": "custom", "message": text}


def stamp(seconds: int) -> str | None:
    """GitHub's form of a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
