"""Whatever fails on the way, each thing that happened at GitHub leads to exactly one event and one delivery.

The real watcher and router over a real store; the GitHub of this machine through kept connections, or the real gh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.core.errors import TemporaryError
from fleet.core.journal import Entry, Stream
from fleet.fabric.router import Router
from fleet.forge.github.connect import connect
from fleet.forge.github.forge import GitHubForge
from fleet.forge.watcher import Watcher
from fleet.store import deliveries, journal
from fleet.store.open import open_for_daemon
from fleet.testing.clock import ManualClock
from fleet.testing.github.hub import REPO, Item
from fleet.testing.github.place import BOT, Place, a_github
from fleet.testing.github.server import Fault, Faults
from fleet.testing.repos import commit, git, make_checkout
from fleet.testing.scene import load, member

WAYS = [
    Fault(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    Fault(0),
    Fault(403, '{"message": "You have exceeded a secondary rate limit"}', {"Retry-After": "1"}),
    Fault(0, after=True),
    Fault(429, '{"message": "slow down"}', {"Retry-After": "1"}),
    Fault(200, '[{"number": 1, "ti'),
    Fault(401, '{"message": "Bad credentials"}', after=True),
    Fault(403, '{"message": "API rate limit exceeded"}', {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
    Fault(503, ""),
]
_MEMBERS = (member("developer", "developer", "ticket_ready", "pr_needs_review", "pr_merged", "pr_closed"),)


class Desk:
    """Watcher and router of a fleet; ``look`` is one turn of both, failures included."""

    def __init__(self, folder: Path, place: Place, transport: str, clock: ManualClock) -> None:
        """Open everything."""
        self.place, self.hub, self.folder, self.transport = place, place.hub, folder, transport
        self.clock = clock
        self.db = open_for_daemon(folder / "state" / "fleet.db", clock=self.clock)
        self.loaded = load(_MEMBERS, {})
        self.router = Router(self.db, lambda: self.loaded)
        self.failures = 0
        self.forge: GitHubForge | None = None
        self.start()

    def start(self) -> None:
        """What a daemon that starts has in its memory: nothing."""
        self.stop()
        self.forge = connect(
            REPO, self.folder / "repo.git", self.folder / "checkout", "main",
            env=self.place.env(), clock=self.clock, transport=self.transport,
        )  # fmt: skip
        self.watcher = Watcher(self.db, self.forge)

    def stop(self) -> None:
        """Let go of the forge's connections."""
        if self.forge is not None:
            self.forge.close()

    def look(self) -> bool:
        """One turn, a minute after the one before; False when GitHub could not be asked."""
        self.clock.advance(61)
        try:
            self.watcher.tick(self.clock.now())
        except TemporaryError as error:
            self.failures += 1
            self.clock.advance(error.retry_after)
            return False
        while self.router.tick(self.clock.now()).did:
            pass
        return True

    def settle(self) -> None:
        """Look until twice in a row nothing was in the way."""
        good = 0
        for _ in range(200):
            good = good + 1 if self.look() else 0
            if good == 2:
                return
        raise AssertionError("it never came to rest")

    def events(self) -> list[Entry]:
        """Every event on record."""
        return self.db.read(lambda tx: journal.select(tx, journal.Filter(stream=Stream.EVENT), limit=10_000))

    def told(self, kind: str) -> Counter[str]:
        """How often an event is on record, by subject."""
        return Counter(entry.subject for entry in self.events() if entry.type == kind)

    def delivered(self) -> Counter[str]:
        """How many deliveries there are, by type of event and subject."""
        rows = self.db.read(lambda tx: deliveries.for_agent(tx, "developer", limit=10_000))
        return Counter(f"{row.event_type} {row.subject}" for row in rows)

    def issue(self) -> Item:
        """Ann opens one."""
        with self.hub.lock:
            return self.hub.open_issue("ann", "A wish", "text", ())

    def labels(self, item: Item, *labels: str) -> None:
        """Ann sets the labels."""
        with self.hub.lock:
            self.hub.replace_labels("ann", item, labels)


@contextmanager
def a_desk(folder: Path, transport: str) -> Iterator[Desk]:
    """Open it."""
    clock = ManualClock()
    with a_github(make_checkout(folder / "checkout"), clock=clock) as place:
        made = Desk(folder, place, transport, clock)
        yield made
        made.stop()
        made.db.close()


def every_fifth(place: Place) -> Faults:
    """Of the fleet's own requests every fifth fails, each in another way."""
    seen = iter(range(1, 1_000_000))

    def faults(number: int, method: str, target: str) -> Fault | None:
        if place.server.log[number - 1].login != BOT:
            return None
        at = next(seen)
        return WAYS[at // 5 % len(WAYS)] if at % 5 == 0 else None

    return faults


@pytest.mark.parametrize(
    ("transport", "rounds"), [("httpx2", 6), pytest.param("gh", 12, marks=pytest.mark.long)], ids=["kept", "gh"]
)
@pytest.mark.timeout(300)
def test_each_label_leads_to_one_delivery_while_every_fifth_request_fails_in_another_way(
    tmp_path: Path, transport: str, rounds: int
) -> None:
    with a_desk(tmp_path, transport) as desk:
        desk.place.server.faults = every_fifth(desk.place)
        issues = [desk.issue() for _ in range(4)]
        expected: Counter[str] = Counter()
        for turn in range(rounds):
            item = issues[turn % 4]
            if transport == "gh":
                desk.place.label(item.number, "ready", login="ann")
            else:
                desk.labels(item, "ready", "bug")
            expected[f"ticket/{item.number}"] += 1
            desk.settle()
            assert desk.told("ticket_ready") == expected
            if turn % 3 == 2:
                desk.start()
            desk.labels(item)
            desk.settle()
        assert desk.failures >= rounds // 4
        assert desk.told("ticket_created") == Counter(f"ticket/{item.number}" for item in issues)
        assert desk.told("ticket_unready") == expected
        assert desk.delivered() == Counter({f"ticket_ready {subject}": count for subject, count in expected.items()})


@pytest.mark.parametrize(
    ("way", "restarted"),
    [
        (Fault(0), True),
        pytest.param(Fault(0), False, marks=pytest.mark.long),
        pytest.param(Fault(503, ""), True, marks=pytest.mark.long),
        pytest.param(Fault(403, '{"message": "secondary rate limit"}'), False, marks=pytest.mark.long),
    ],
    ids=["dropped-restarted", "dropped", "503-restarted", "limited"],
)
@pytest.mark.timeout(120)
def test_what_happened_while_github_could_not_be_asked_is_caught_up_once(
    tmp_path: Path, way: Fault, restarted: bool
) -> None:
    with a_desk(tmp_path, "httpx2") as desk:
        ready, flapped, closed, talked = (desk.issue() for _ in range(4))
        desk.labels(closed, "ready")
        pulls = [_pull(desk, number) for number in (11, 12)]
        desk.settle()
        desk.place.server.faults = lambda number, method, target: (
            way if desk.place.server.log[number - 1].login == BOT else None
        )
        assert not desk.look()
        desk.labels(ready, "ready")
        for labels in (("ready",), (), ("ready",), ()):
            desk.labels(flapped, *labels)
        desk.place.gh("api", "-X", "PATCH", f"repos/{REPO}/issues/{closed.number}", "-f", "state=closed", login="ann")
        desk.place.gh("api", f"repos/{REPO}/issues/{talked.number}/comments", "-f", "body=Hear me", login="ann")
        desk.place.gh("api", "-X", "PUT", f"repos/{REPO}/pulls/{pulls[0].number}/merge", login="ann")
        desk.place.gh("api", "-X", "PATCH", f"repos/{REPO}/pulls/{pulls[1].number}", "-f", "state=closed", login="ann")
        late = desk.issue()
        desk.labels(late, "ready")
        for _ in range(3):
            assert not desk.look()
        desk.place.server.faults = lambda number, method, target: None
        if restarted:
            desk.start()
        for _ in range(3):
            desk.settle()
        news = Counter(f"{entry.type} {entry.subject}" for entry in desk.events())
        assert news == Counter(
            {
                **{f"ticket_created ticket/{one.number}": 1 for one in (ready, flapped, closed, talked, late)},
                **{f"ticket_ready ticket/{one.number}": 1 for one in (closed, ready, late)},
                f"ticket_closed ticket/{closed.number}": 1,
                f"pr_merged pr/{pulls[0].number}": 1,
                f"pr_closed pr/{pulls[1].number}": 1,
            }
        )
        assert desk.delivered() == Counter(
            {f"{kind} {subject}": 1 for kind, subject in map(str.split, news) if kind in _MEMBERS[0].subscribes_to}
        )
        assert desk.forge is not None
        assert [comment.body for comment in desk.forge.comments(talked.number)] == ["Hear me"]


def _pull(desk: Desk, number: int) -> Item:
    """A pull request by the fleet's login, with a commit of its own."""
    checkout = desk.folder / "checkout"
    git(checkout, "checkout", "--quiet", "-B", f"fleet/{number}", "main")
    commit(checkout, {f"{number}.txt": "x\n"}, "work")
    desk.place.push(checkout, f"fleet/{number}:fleet/{number}")
    git(checkout, "checkout", "--quiet", "main")
    with desk.hub.lock:
        return desk.hub.open_pull(BOT, f"Work {number}", "", f"fleet/{number}", "main")
