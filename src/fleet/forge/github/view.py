"""What GitHub shows, kept up to date by three conditional listings: issues, label events, pull requests.

State decides, the events explain: a label counts when the issue carries it, and its mark (who put it on,
which time) comes from the event. A label that must be explained and is not yet, is not there yet.

The list of issues is the bell: whatever happens to an issue or a pull request moves its time there. While it
says nothing new the other two are not asked, except now and then, and at the look after one with news: GitHub's
times are whole seconds, so a second change within one of them shows only in the other lists.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fleet.core.clock import SECOND, Clock
from fleet.core.errors import REFUSED_PAUSE, NotFound, TemporaryError
from fleet.core.label import LabelNames
from fleet.forge.github.client import Client, Quota, asked_again
from fleet.forge.github.pace import next_poll
from fleet.forge.github.shapes import GONE, LabelEvent, branch_events, label_events, label_names, repository_name
from fleet.forge.port import Condition, LabelMark

_NEWEST = "state=all&sort=updated&direction=desc&per_page=100"
_FIRST_EVENTS = 300  # items of the feed that are read at the start; older labels are looked up one by one
KEEP_CLOSED = 200
WHOLE_SECONDS = 30  # after which all three lists are asked, whatever the first one says
# Labels that start agents, by the fleet's own names: they count only together with who put them on.
WAKING = ("ready", "needs-review", "shipped")


class View:
    """One repository, as fresh as ``next_poll`` says; ``poll_seconds`` is the quickest pace."""

    def __init__(self, client: Client, repo: str, clock: Clock, *, poll_seconds: float, names: LabelNames) -> None:
        """Nothing is asked until something is wanted. ``names`` is what labels are called there."""
        self.names = names
        self._waking = frozenset(map(names.outside, WAKING))
        self._client = client
        self._root = f"repos/{repo}"
        self._clock = clock
        self._poll = poll_seconds
        self._lock = threading.RLock()
        self._read_at = -1
        self._changed_at = clock.now()
        self._issues = _Listing(repo, "issues")
        self._pulls = _Listing(repo, "pulls")
        self._marks: dict[tuple[int, str], LabelMark] = {}
        self._asked: dict[int, str] = {}  # issue -> its state when its own events were looked through in vain
        self.accounts: dict[str, int] = {}  # of whoever put labels on
        self._last_event = 0
        self._events_taken: str | None = None
        self._remarks: dict[int, tuple[tuple[str, int], list[Any]]] = {}  # and the state of the list they are of
        self._gone: set[int] = set()  # pull requests whose branch was deleted
        self._whole_at = -1  # when all lists were asked last
        self._restless = True  # there was news, or there may be: the next look asks all of them
        self._heads: dict[str, tuple[int, str]] = {}  # branch -> when it was asked for, and its commit

    def forget(self) -> None:
        """We changed something ourselves: the next question looks again, everywhere."""
        with self._lock:
            self._read_at, self._restless = -1, True
            self._heads = {}

    def renew(self) -> None:
        """The next question looks again, as far as the list of issues says that there is news."""
        with self._lock:
            self._read_at = -1

    def issues(self) -> dict[int, Any]:
        """Open issues and those closed lately, by number; no pull requests."""
        with self._lock:
            self._refresh()
            return {number: item for number, item in self._issues.items.items() if "pull_request" not in item}

    def pulls(self) -> dict[int, Any]:
        """Open pull requests and those closed lately, by number, with their labels as the issues list has them."""
        with self._lock:
            self._refresh()
            return {n: {**item, GONE: True} if n in self._gone else item for n, item in self._pulls.items.items()}

    def one_issue(self, number: int) -> Any:
        """An issue that need not be among the recent ones. Raises NotFound."""
        found = self.issues().get(number)
        if found is None:
            found = self._client.read(f"{self._root}/issues/{number}")
            if "pull_request" in found:
                raise NotFound("FLT-FRG-001", "no such ticket", where=f"ticket/{number}")
        return found

    def one_pull(self, number: int) -> Any:
        """A pull request that need not be among the recent ones. Raises NotFound."""
        found = self.pulls().get(number)
        return found if found is not None else self._client.read(f"{self._root}/pulls/{number}")

    def wakes(self, item: Any) -> bool:
        """Whether an issue or pull request carries a label that starts agents, whoever put it on."""
        return not self._waking.isdisjoint(label_names(item))

    def remarks(self, number: int, ask: Callable[[str], list[Any]], *, fresh: bool) -> list[Any]:
        """Who remarked what on a number: asked for where the list of issues says that there is any.

        Not ``fresh``: only where it says that something happened there since.
        """
        with self._lock:
            self._refresh()
            found = self._issues.items.get(number)
            state = (str(found["updated_at"]), int(found["comments"])) if found is not None else ("", -1)
            at, known = self._remarks.get(number, (("", -1), []))
            if state[1] == 0 or (state[0] and state == at and not fresh):
                return known if state[1] else []
            items = ask(f"issues/{number}/comments?per_page=100")
            self._remarks[number] = (state, items)
            for oldest in list(self._remarks)[:-KEEP_CLOSED]:
                del self._remarks[oldest]
            return items

    def head(self, branch: str, ask: Callable[[str], str]) -> str:
        """The commit of a branch, as old as everything else here; ``ask`` asks GitHub for it."""
        with self._lock:  # one of those who want to know it asks, the others hear it from there
            now = self._clock.now()
            at, sha = self._heads.get(branch, (-1, ""))
            if not sha or not at <= now < self._due(Quota(), at):
                sha = ask(branch)
                self._heads[branch] = (now, sha)
            return sha

    def marks(self, item: Any) -> tuple[LabelMark, ...]:
        """The labels of an issue or pull request; those that must be explained, only with their explanation."""
        with self._lock:
            number, found = int(item["number"]), []
            for name in label_names(item):
                mark = self._marks.get((number, name))
                if mark is None and name in self._waking:
                    mark = self._explain(item, name)
                    self._restless = self._restless or mark is None
                if mark is not None:
                    found.append(mark)
                elif name not in self._waking:
                    found.append(LabelMark(name, "", f"{number}:{name}", 0))
            return tuple(sorted(found, key=lambda mark: mark.name))

    # -- keeping up ----------------------------------------------------------------------------

    def _refresh(self) -> None:
        now = self._clock.now()
        if 0 <= self._read_at <= now < self._due(Quota(), self._read_at):
            return
        with asked_again():
            news = self._look(now)
        if news or self._changed_at > now:
            self._changed_at = now
        self._read_at = now

    def _look(self, now: int) -> bool:
        """Ask for what may be new; whether anything was."""
        whole = self._restless or not 0 <= now - self._whole_at < WHOLE_SECONDS * SECOND
        issues = self._issues.take(self._client)
        self._restless = whole or bool(issues)  # also when an answer below is lost: the bell has rung
        told = (whole or bool(issues)) and self._events()
        pulls = self._pulls.take(self._client) if whole or _any_pull(issues) else {}
        if whole:
            self._whole_at = now
        self._restless = bool(issues or told or pulls)
        return self._restless

    @property
    def next_at(self) -> int:
        """When it is looked again; 0 before the first look and after a change of ours."""
        return self._due(self._client.quota, self._read_at) if self._read_at >= 0 else 0

    def condition(self) -> Condition:
        """What GitHub said last of its limit, and present trouble."""
        quota = self._client.quota
        return Condition(
            self._root.removeprefix("repos/"),
            max(self.next_at, quota.closed_until),
            quota.trouble,
            quota.limit,
            quota.remaining,
            quota.reset_at * SECOND,
            quota.requests,
            quota.counted,
        )

    def _due(self, quota: Quota, since: int) -> int:
        return next_poll(
            since,
            poll_seconds=self._poll,
            changed_at=self._changed_at,
            limit=quota.limit,
            remaining=quota.remaining,
            reset_at=quota.reset_at,
            closed_until=quota.closed_until,
        )

    def _events(self) -> bool:
        """Take the changes of labels that are new; False when there are none."""
        path = f"{self._root}/issues/events?per_page=100"
        first = self._client.look(path)
        if first.mark and first.mark == self._events_taken:
            return False
        last = self._last_event

        def enough(read: list[Any]) -> bool:
            return bool(read) and (int(read[-1]["id"]) <= last if last else len(read) >= _FIRST_EVENTS)

        items = self._client.pages(path, enough=enough, first=first)
        for event in label_events(items):
            if event.id > last:
                self._take(event)
        for number, gone in branch_events(items, last):
            (self._gone.add if gone else self._gone.discard)(number)
        self._last_event = max((int(item["id"]) for item in items), default=last)
        self._events_taken = first.mark
        return True

    def _take(self, event: LabelEvent) -> None:
        self.accounts[event.login] = event.account
        key = (event.number, event.label)
        if event.on:
            self._marks[key] = LabelMark(event.label, event.login, str(event.id), event.at)
        else:
            self._marks.pop(key, None)

    def _explain(self, item: Any, name: str) -> LabelMark | None:
        """Look through one issue's own events, once for each state of it."""
        number, state = int(item["number"]), str(item["updated_at"])
        if self._asked.get(number) == state:
            return None
        for event in label_events(self._client.pages(f"{self._root}/issues/{number}/events?per_page=100")):
            own = replace(event, number=number)
            known = self._marks.get((number, own.label))
            if known is None or own.id > int(known.mark_id):
                self._take(own)
        self._asked[number] = state
        return self._marks.get((number, name))


class _Listing:
    """Issues or pull requests: what is known of them, and up to which state of GitHub's list that is so.

    That state is remembered only once all that it says is taken: a page that was lost is asked for again.
    """

    def __init__(self, repo: str, what: str) -> None:
        """Nothing is known yet."""
        self.items: dict[int, Any] = {}
        self._repo = repo
        self._path = f"repos/{repo}/{what}"
        self._taken: str | None = None

    def take(self, client: Client) -> dict[int, Any]:
        """Bring what is known up to date; what is new or not as it was, by number. Raises FLT-GHB-014."""
        newest = f"{self._path}?{_NEWEST}"
        first = client.look(newest)
        if first.mark and first.mark == self._taken:
            return {}
        self._require_name(first.items)
        if self._taken is None:
            found = [*client.pages(f"{self._path}?state=open&per_page=100"), *first.items]
        else:
            mark = max((str(item["updated_at"]) for item in self.items.values()), default="")
            found = client.pages(newest, enough=lambda read: str(read[-1]["updated_at"]) < mark, first=first)
        read = {int(item["number"]): item for item in found}
        changed = {number: item for number, item in read.items() if self.items.get(number) != item}
        self.items = _trimmed({**self.items, **read})
        self._taken = first.mark
        return changed

    def _require_name(self, items: list[Any]) -> None:
        """Raise where GitHub led to a repository of another name: it was renamed or moved, and says so nowhere else."""
        name = repository_name(items[0]) if items else ""
        if name and name.lower() != self._repo.lower():
            raise TemporaryError(
                "FLT-GHB-014",
                f"it is called {name} now",
                where=self._repo,
                hint=f"fleet down; fleet config set repo {name}; fleet up. And: git remote set-url origin"
                f" https://github.com/{name}.git",
                retry_after=REFUSED_PAUSE,
            )


def _any_pull(issues: dict[int, Any]) -> bool:
    """Whether a pull request is among items of the list of issues."""
    return any("pull_request" in item for item in issues.values())


def _trimmed(items: dict[int, Any]) -> dict[int, Any]:
    """All that is open, and the latest of what is closed: nothing grows for ever."""
    closed = sorted(
        (item for item in items.values() if item["state"] != "open"), key=lambda item: str(item["updated_at"])
    )
    gone = {int(item["number"]) for item in closed[:-KEEP_CLOSED]}
    return {number: item for number, item in items.items() if number not in gone}
