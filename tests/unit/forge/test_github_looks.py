"""Which requests a look at GitHub takes, and that no news gets past one that took few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.core.errors import TemporaryError
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.github.server import Fault
from fleet.testing.repos import commit, git, make_checkout

ISSUES, EVENTS, PULLS = "issues", "issues/events", "pulls"


@dataclass
class Post:
    """A forge whose first looks are over, and what it asked for since."""

    place: Place
    forge: GitHubForge
    clock: ManualClock
    checkout: Path
    read: int = field(default=0)

    def asked(self) -> list[str]:
        """The paths below the repository that were asked for since the last time, without their queries."""
        new, self.read = self.place.server.log[self.read :], len(self.place.server.log)
        return [one.target.partition("?")[0].removeprefix(f"/repos/{REPO}/") for one in new if one.login == BOT]

    def look(self, seconds: float = 6) -> list[str]:
        """Time passes, then one look: what it asked for."""
        self.clock.advance(seconds)
        self.forge.snapshot()
        return self.asked()

    def head(self, number: int) -> str:
        """The head of a pull request as the last look has it."""
        (found,) = (pull for pull in self.forge.snapshot().pulls if pull.number == number)
        return found.head_sha


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """One issue by ann, one pull request by the fleet; nothing new."""
    checkout, clock = make_checkout(tmp_path / "checkout"), ManualClock()
    with a_github(checkout) as place:
        with place.hub.lock:
            place.hub.open_issue("ann", "A wish", "text", ())
        git(checkout, "checkout", "--quiet", "-b", "fleet/1")
        commit(checkout, {"work.md": "work\n"})
        place.push(checkout, "HEAD:refs/heads/fleet/1")
        with place.hub.lock:
            place.hub.open_pull(BOT, "Work", "", "fleet/1", "main")
        bare = tmp_path / "state" / "repo.git"
        forge = connect(REPO, bare, checkout, "main", env=place.env(), clock=clock, transport="httpx2")
        made = Post(place, forge, clock, checkout)
        made.look()
        made.look()
        yield made
        forge.close()


def push(post: Post, text: str, *, second: int) -> str:
    """A person's commit on the pull request's branch, in this second after now."""
    sha = commit(post.checkout, {"work.md": text})
    post.place.push(post.checkout, "HEAD:refs/heads/fleet/1")
    with post.place.hub.lock:
        post.place.hub.look_at_heads()
        post.place.hub.items[2].updated = post.place.hub.now() + second
    return sha


def test_a_look_without_news_is_one_request_and_now_and_then_three(post: Post) -> None:
    looks = [post.look() for _ in range(11)]
    assert [len(look) for look in looks].count(1) == 9
    assert [sorted(look) for look in looks if len(look) > 1] == [[ISSUES, EVENTS, PULLS]] * 2


def test_a_label_on_an_issue_takes_its_explanation_and_no_pull_requests(post: Post) -> None:
    with post.place.hub.lock:
        post.place.hub.replace_labels("ann", post.place.hub.items[1], ["ready"])
    assert [one for one in post.look() if "permission" not in one] == [ISSUES, EVENTS]
    assert [mark.name for mark in post.forge.ticket(1).labels] == ["ready"]


@pytest.mark.long
def test_the_look_after_news_asks_for_everything(post: Post) -> None:
    """A second push within the same second does not move the time in the list of issues."""
    push(post, "one\n", second=10)
    moment = post.place.hub.items[2].updated
    post.look()
    last = push(post, "two\n", second=10)
    post.place.hub.items[2].updated = moment
    assert PULLS in post.look()
    assert post.head(2) == last


@pytest.mark.parametrize("lost", [EVENTS, pytest.param(PULLS, marks=pytest.mark.long)])
def test_news_whose_explanation_was_lost_are_asked_for_again(post: Post, lost: str) -> None:
    sha = push(post, "one\n", second=10)
    with post.place.hub.lock:
        post.place.hub.replace_labels("ann", post.place.hub.items[2], ["needs-review"])
    post.place.server.faults = lambda at, method, target: Fault(502) if f"{lost}?" in target else None
    with pytest.raises(TemporaryError):
        post.look()
    post.place.server.faults = lambda at, method, target: None
    post.look()
    assert post.head(2) == sha
    assert [mark.name for mark in post.forge.pull(2).labels] == ["needs-review"]


def test_where_the_base_is_costs_one_request_a_look_and_is_asked_anew_where_it_counts(post: Post) -> None:
    def heads() -> int:
        return sum(one.endswith("git/ref/heads/main") for one in post.asked())

    for _ in range(3):
        post.forge.refresh(fresh=False)
    assert heads() == 1
    commit(post.checkout, {"more.md": "more\n"})
    git(post.checkout, "checkout", "--quiet", "main")
    moved = commit(post.checkout, {"other.md": "more\n"})
    post.place.push(post.checkout)
    assert post.forge.refresh(fresh=False).kind == "unchanged"
    assert post.forge.refresh().new == moved
    post.asked()
    post.clock.advance(6)
    post.forge.refresh(fresh=False)
    assert heads() == 1


def test_remarks_are_asked_for_only_where_there_are_some(post: Post) -> None:
    assert post.forge.comments(1) == ()
    assert not any("comments" in one for one in post.asked())
    post.forge.comment(1, "Hello", author="agent:developer")
    assert [one.body for one in post.forge.comments(1)] == ["Hello"]
    post.place.gh("api", f"repos/{REPO}/issues/1/comments", "-f", "body=And hello to you", login="ann")
    post.clock.advance(6)
    assert len(post.forge.comments(1)) == 2


@pytest.mark.long
def test_who_wrote_what_is_listed_is_asked_seldom_and_at_once_where_something_depends_on_it(post: Post) -> None:
    def asked_about_ann() -> bool:
        return any("collaborators/ann" in one for one in post.asked())

    with post.place.hub.lock:
        post.place.hub.permissions["ann"] = "read"
    post.look(61)
    assert not asked_about_ann()
    assert post.forge.snapshot().tickets[0].author == "human:ann"
    assert post.forge.ticket(1).author == "outsider:ann"
    with post.place.hub.lock:
        post.place.hub.permissions["ann"] = "admin"
        post.place.hub.replace_labels("ann", post.place.hub.items[1], ["ready"])
    post.look(61)
    assert post.forge.snapshot().tickets[0].author == "human:ann"
