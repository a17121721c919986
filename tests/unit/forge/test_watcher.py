"""The watcher as a service: one look, one transaction, and nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core.clock import SECOND
from fleet.core.errors import TemporaryError
from fleet.core.event import BUILTIN
from fleet.core.journal import Draft, Entry, Stream
from fleet.forge.watcher import Watcher
from fleet.store import cursors, journal
from fleet.store.journal import Filter
from fleet.testing.forge_home import ForgeHome
from fleet.testing.repos import commit, git


def events(home: ForgeHome) -> list[Entry]:
    """Every event on record."""
    return home.db.read(lambda tx: journal.select(tx, Filter(stream="event")))


def types(home: ForgeHome) -> list[str]:
    """Their types, in order."""
    return [entry.type for entry in events(home)]


def test_a_ticket_and_its_pull_request_come_onto_the_fabric(home: ForgeHome) -> None:
    watcher = Watcher(home.db, home.forge)
    assert watcher.tick(home.clock.now()).did == 0
    number = home.forge.create_ticket("Fix it", "", author="human:ann", labels=("ready",)).number
    assert watcher.tick(home.clock.now()).did == 2
    clone = home.clone()
    sha = commit(clone, {"a.txt": "1\n"}, "work")
    home.forge.push(clone, sha, f"fleet/{number}", expected_old="")
    pull = home.forge.open_pull(
        branch=f"fleet/{number}", title="The fix", body="", author="agent:developer", ticket=number
    )
    assert watcher.tick(home.clock.now()).did == 0
    home.forge.set_labels(pull.number, add=("needs-review",), actor="agent:developer")
    assert watcher.tick(home.clock.now()).did == 1
    created, ready, review = events(home)
    assert [created.type, ready.type, review.type] == ["ticket_created", "ticket_ready", "pr_needs_review"]
    assert {entry.actor for entry in (created, ready, review)} == {"forge:local"}
    assert (review.subject, review.generation, review.work_item) == (f"pr/{pull.number}", sha, f"ticket/{number}")
    assert review.kind == BUILTIN["pr_needs_review"].kind == "task"
    assert review.payload is not None
    assert review.payload["branch"] == f"fleet/{number}"


def test_a_look_without_news_writes_nothing(home: ForgeHome) -> None:
    home.forge.create_ticket("T", "", author="human:ann", labels=("ready",))
    watcher = Watcher(home.db, home.forge)
    watcher.tick(home.clock.now())
    commits: list[int] = []
    home.db.on_commit(lambda: commits.append(1))
    tick = watcher.tick(home.clock.now())
    assert (tick.did, tick.next_at) == (0, home.clock.now() + 2 * SECOND)
    assert commits == []


def test_a_new_watcher_says_nothing_again(home: ForgeHome) -> None:
    home.forge.create_ticket("T", "", author="human:ann", labels=("ready",))
    assert Watcher(home.db, home.forge).tick(home.clock.now()).did == 2
    assert Watcher(home.db, home.forge).tick(home.clock.now()).did == 0


def test_facts_that_were_lost_bring_no_event_twice(home: ForgeHome) -> None:
    home.forge.create_ticket("T", "", author="human:ann", labels=("ready",))
    Watcher(home.db, home.forge).tick(home.clock.now())
    home.db.write(lambda tx: tx.run("DELETE FROM forge_seen"))
    assert Watcher(home.db, home.forge).tick(home.clock.now()).did == 0
    assert types(home) == ["ticket_created", "ticket_ready"]


def test_events_and_facts_are_one_transaction(home: ForgeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.forge.create_ticket("T", "", author="human:ann", labels=("ready",))
    watcher = Watcher(home.db, home.forge)
    watcher.tick(home.clock.now())
    home.forge.create_ticket("U", "", author="human:ann", labels=("ready",))
    with monkeypatch.context() as patch:

        def fail(*_: Any) -> None:
            raise TemporaryError("FLT-STO-009", "the store is busy")

        patch.setattr(cursors, "set_seen", fail)
        with pytest.raises(TemporaryError):
            watcher.tick(home.clock.now())
    assert types(home) == ["ticket_created", "ticket_ready"]
    assert watcher.tick(home.clock.now()).did == 2
    assert len(types(home)) == 4


def test_a_required_label_holds_a_ticket_back(home: ForgeHome) -> None:
    number = home.forge.create_ticket("T", "", author="human:ann", labels=("ready",)).number
    watcher = Watcher(home.db, home.forge, required_label=lambda: "fleet")
    watcher.tick(home.clock.now())
    assert types(home) == ["ticket_created"]
    home.forge.set_labels(number, add=("fleet",), actor="human:ann")
    watcher.tick(home.clock.now())
    assert types(home) == ["ticket_created", "ticket_ready"]


def test_who_merged_announces_it_and_the_watcher_only_if_nobody_does(home: ForgeHome) -> None:
    watcher = Watcher(home.db, home.forge, merge_grace_seconds=10)
    _, announced = home.work("fleet/1", {"one.txt": "1\n"})
    _, silent = home.work("fleet/2", {"two.txt": "2\n"})
    watcher.tick(home.clock.now())
    for pull in (announced, silent):
        home.forge.merge(pull.number, head_sha=pull.head_sha, actor="agent:release-manager")
    home.clock.advance(5)
    assert watcher.tick(home.clock.now()).did == 0
    subject = f"pr/{announced.number}"
    home.db.write(
        lambda tx: journal.append(
            tx, Draft(Stream.EVENT, "pr_merged", "agent:release-manager", subject, dedup_key=f"pr_merged:{subject}")
        )
    )
    home.clock.advance(5)
    assert watcher.tick(home.clock.now()).did == 1
    actors = {entry.subject: entry.actor for entry in events(home) if entry.type == "pr_merged"}
    assert actors == {subject: "agent:release-manager", f"pr/{silent.number}": "system:forge"}


def test_a_merge_that_a_person_made_by_hand_is_announced(home: ForgeHome) -> None:
    watcher = Watcher(home.db, home.forge, merge_grace_seconds=0)
    clone, pull = home.work()
    watcher.tick(home.clock.now())
    git(home.checkout, "pull", "--quiet", "--no-ff", "--no-rebase", "--no-edit", str(clone), "HEAD")
    home.forge.refresh()
    assert watcher.tick(home.clock.now()).did == 1
    (entry,) = events(home)
    assert (entry.type, entry.subject, entry.generation) == ("pr_merged", f"pr/{pull.number}", pull.head_sha)


def test_a_forge_that_cannot_be_asked_is_asked_again_later(home: ForgeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(home.db, home.forge)
    home.forge.create_ticket("T", "", author="human:ann")

    def unreachable() -> None:
        raise TemporaryError("FLT-FRG-014", "git took too long")

    with monkeypatch.context() as patch:
        patch.setattr(home.forge, "snapshot", unreachable)
        with pytest.raises(TemporaryError):
            watcher.tick(home.clock.now())
    assert watcher.tick(home.clock.now()).did == 1


def test_every_type_the_watcher_publishes_may_be_published_by_it() -> None:
    for name in ("ticket_created", "ticket_ready", "ticket_shipped", "pr_needs_review", "pr_closed"):
        assert "forge" in BUILTIN[name].producers
    assert "system" in BUILTIN["pr_merged"].producers
