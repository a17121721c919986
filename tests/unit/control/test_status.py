"""What ``status`` says needs a person, with the command to type, and when it stops saying so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.config.sections import KeepingConfig
from fleet.control.attention import needs
from fleet.control.commands import Control
from fleet.control.context import Context, Host
from fleet.core.agent import AgentState
from fleet.core.errors import Unreadable
from fleet.core.journal import Draft, Stream
from fleet.core.work import DeliveryState
from fleet.dispatch.reconciler import Reconciler
from fleet.keeping.gauge import DiskGauge
from fleet.store import agents, audits, deliveries, journal
from fleet.store.db import Tx
from fleet.testing.desk import ANN, Desk
from fleet.testing.repos import commit, git

SERVICE = {
    "name": "watcher", "alive": True, "failures": 0, "last_error": "", "ticks": 3, "last_tick_at": 5,
    "last_change_at": 0, "next_at": None,
}  # fmt: skip


def hosted(desk: Desk, *services: Mapping[str, object]) -> Context:
    """The desk as a daemon would have it."""
    return replace(desk.context, host=Host(4711, True, lambda: services or (SERVICE,), started_at=7))


def attention(context: Context) -> list[dict[str, Any]]:
    """What needs a person now."""
    found: list[dict[str, Any]] = Control(context).handle(ANN, "status", {})["attention"]
    return found


def deliver(desk: Desk, agent: str, subject: str, item: str = "") -> tuple[str, int]:
    """An event for one agent; the delivery's id and the event's place in the journal."""

    def make(tx: Tx) -> tuple[str, int]:
        event = journal.append(
            tx, Draft(Stream.EVENT, "note", "forge:local", subject=subject, work_item=item or subject)
        )
        found = deliveries.create(
            tx, event_seq=event.seq, event_id=event.id, event_type="note", agent=agent, subject=subject, generation="",
            work_item=item or subject,
        )  # fmt: skip
        assert found is not None
        return found, event.seq

    return desk.db.write(make)


def hold(desk: Desk, agent: str, subject: str, *codes: str) -> str:
    """A delivery that policy holds for these reasons, as the dispatcher writes it."""
    one, _ = deliver(desk, agent, subject)
    reasons = [{"code": code, "verdict": "hold", "text": f"because {code}"} for code in codes]
    reasons.append({"code": "FLT-POL-001", "verdict": "allow", "text": "fine"})

    def make(tx: Tx) -> None:
        assert deliveries.claim(tx, one, token="t", until=tx.now + 10)
        assert deliveries.settle(tx, one, token="t", state=DeliveryState.HELD, reason=f"because {codes[0]}")
        payload: dict[str, object] = {"delivery": one, "decision": {"verdict": "hold", "reasons": reasons}}
        draft = Draft(Stream.DECISION, "delivery.held", "system:x", subject=subject, agent=agent, payload=payload)
        journal.append(tx, draft)

    desk.db.write(make)
    return one


def bury(desk: Desk, agent: str, subject: str) -> None:
    """Every attempt of an agent on a ticket failed."""
    draft = Draft(
        Stream.DECISION, "delivery.dead_lettered", "system:x", subject=subject, agent=agent, work_item=subject,
        summary="all 3 attempts were used",
    )  # fmt: skip
    desk.db.write(lambda tx: journal.append(tx, draft))


def test_a_fleet_that_is_well_needs_nobody(desk: Desk) -> None:
    assert attention(hosted(desk)) == []


def test_without_a_daemon_that_is_the_first_thing_to_know(desk: Desk) -> None:
    (found,) = attention(desk.context)
    assert (found["kind"], found["command"]) == ("daemon", "fleet up")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"failures": 2, "last_error": "git hangs"}, "git hangs"), ({"alive": False}, "has ended")],
)
def test_a_service_that_fails_or_ended_is_named(desk: Desk, change: dict[str, object], words: str) -> None:
    (found,) = attention(hosted(desk, {**SERVICE, **change}))
    assert found["kind"] == "service"
    assert words in found["text"]


def test_a_disk_that_is_nearly_full_is_named(desk: Desk) -> None:
    everything = KeepingConfig(low_disk_mb=10_000_000)
    context = replace(hosted(desk), disk=DiskGauge(desk.paths.state, lambda: everything))
    (found,) = attention(context)
    assert (found["kind"], found["code"]) == ("disk", "FLT-KEP-002")


def copy(checkout: Path, bare: Path, name: str) -> None:
    """Put one object of a checkout into a bare repository."""
    place = Path("objects") / name[:2] / name[2:]
    (bare / place).parent.mkdir(exist_ok=True)
    (bare / place).write_bytes((checkout / ".git" / place).read_bytes())


def test_a_pull_request_that_git_cannot_read_is_named_until_it_can_and_told_by_why(desk: Desk) -> None:
    ticket = desk.ticket()
    _, number, head = desk.pushed("developer", ticket)
    checkout, bare = desk.paths.checkout, desk.paths.bare
    commit(checkout, {"more.txt": "1\n"})
    desk.forge.refresh()
    git(checkout, "fetch", "--quiet", str(bare), head)
    git(checkout, "checkout", "--quiet", "--detach", head)
    broken = commit(checkout, {"other.txt": "2\n"})
    objects = git(checkout, "rev-parse", broken, f"{broken}^{{tree}}", f"{broken}:other.txt").split()
    copy(checkout, bare, objects[0])  # the commit came, what it consists of did not
    git(bare, "update-ref", f"refs/heads/fleet/{ticket}", broken)
    reconciler = Reconciler(desk.db, desk.live, desk.live, lambda: desk.loaded)

    def looks() -> list[dict[str, Any]]:
        for _ in range(2):
            desk.clock.advance(40)
            reconciler.tick(desk.clock.now())
        return attention(hosted(desk))

    (found,) = looks()
    assert (found["kind"], found["code"]) == ("unreadable", "FLT-FRG-041")
    assert (found["subject"], found["command"]) == (f"pr/{number}", f"fleet why pr/{number}")
    assert "It cannot be judged now" in "".join(desk.ask("why", ref=f"pr/{number}")["lines"])
    with pytest.raises(Unreadable, match="FLT-FRG-041"):
        desk.ask("pr.merge", number=number)
    for name in objects:
        copy(checkout, bare, name)
    assert looks() == []


@pytest.mark.parametrize(
    ("codes", "kind", "command"),
    [
        (("FLT-POL-074",), "merge", "fleet pr merge 8"),
        (("FLT-POL-072",), "review", "fleet pr review 8 --approve"),
        (("FLT-POL-072", "FLT-POL-074"), "review", "fleet pr review 8 --approve"),
        (("FLT-POL-021",), "budget", "fleet budget grant release-manager SECONDS --reason TEXT"),
        (("FLT-POL-024",), "budget", "fleet budget grant fleet SECONDS --reason TEXT"),
    ],
)
def test_what_only_a_person_can_end_needs_one(desk: Desk, codes: tuple[str, ...], kind: str, command: str) -> None:
    hold(desk, "release-manager", "pr/8", *codes)
    (found,) = attention(hosted(desk))
    assert (found["kind"], found["command"], found["subject"]) == (kind, command, "pr/8")
    (held,) = desk.ask("status")["held"]
    assert held["codes"] == list(codes)


@pytest.mark.parametrize(
    "codes", [("FLT-POL-031",), ("FLT-POL-064", "FLT-POL-074"), ("FLT-POL-068",), ("FLT-POL-004",)]
)
def test_what_ends_by_itself_or_is_not_yet_a_persons_turn_needs_nobody(desk: Desk, codes: tuple[str, ...]) -> None:
    hold(desk, "release-manager", "pr/8", *codes)
    assert attention(hosted(desk)) == []
    assert len(desk.ask("status")["held"]) == 1


def test_an_empty_budget_is_told_once_however_much_waits_for_it(desk: Desk) -> None:
    for number in range(3):
        hold(desk, "developer", f"ticket/{number + 1}", "FLT-POL-021")
    assert [one["kind"] for one in attention(hosted(desk))] == ["budget"]


def test_a_dead_letter_needs_a_person_until_the_work_is_taken_up_or_done(desk: Desk) -> None:
    bury(desk, "developer", "ticket/1")
    bury(desk, "developer", "ticket/2")
    bury(desk, "developer", "ticket/3")
    found = attention(hosted(desk))
    assert [one["subject"] for one in found] == [f"ticket/{number}" for number in (1, 2, 3)]
    assert all(one["command"].startswith("fleet deadletters explain e") for one in found)
    assert all(one["then"].startswith("fleet deadletters replay e") for one in found)
    desk.run("developer", "ticket/1")  # started again by hand
    shipped = Draft(Stream.EVENT, "ticket_shipped", "forge:local", subject="ticket/2", work_item="ticket/2")
    desk.db.write(lambda tx: journal.append(tx, shipped))
    assert [one["subject"] for one in attention(hosted(desk))] == ["ticket/3"]


@pytest.mark.parametrize("end", ["ticket.cancelled", "ticket.closed"])
def test_a_ticket_that_a_person_ended_needs_nobody(desk: Desk, end: str) -> None:
    bury(desk, "developer", "ticket/1")
    desk.db.write(lambda tx: journal.append(tx, Draft(Stream.ACTIVITY, end, "human:ann", subject="ticket/1")))
    assert attention(hosted(desk)) == []


def test_work_for_somebody_else_does_not_revive_a_dead_letter(desk: Desk) -> None:
    bury(desk, "developer", "ticket/1")
    deliver(desk, "qa-engineer", "pr/2", "ticket/1")
    assert [one["kind"] for one in attention(hosted(desk))] == ["dead_letter"]


def test_a_record_that_is_not_signed_any_more_comes_first_until_it_is_signed_again(desk: Desk) -> None:
    bury(desk, "developer", "ticket/1")
    refused = Draft(Stream.DECISION, "checkpoint.refused", "system:x", summary="no", payload={"code": "FLT-AUD-007"})
    desk.db.write(lambda tx: journal.append(tx, refused))
    first = attention(hosted(desk))[0]
    assert (first["kind"], first["command"], first["code"]) == ("record", "fleet audit verify", "FLT-AUD-007")
    seq = desk.ask("status")["journal"]["entries"]
    row = audits.CheckpointRow(1, seq, "h", "k", 1, "s", "g")
    desk.db.write(lambda tx: audits.add_key(tx, audits.KeyRow("k", "p", "s", "n", "", 1, 1)))
    assert desk.db.write(lambda tx: audits.add_checkpoint(tx, row))
    assert [one["kind"] for one in attention(hosted(desk))] == ["dead_letter"]


def test_a_quarantined_agent_is_named_with_its_reason(desk: Desk) -> None:
    desk.db.write(lambda tx: agents.put(tx, "developer", "developer", AgentState.QUARANTINED, "too many errors"))
    (found,) = attention(hosted(desk))
    assert (found["kind"], found["agent"]) == ("quarantine", "developer")
    assert "too many errors" in found["text"]


def test_questions_and_blockers_need_a_person_until_they_are_answered_and_resolved(desk: Desk) -> None:
    dev = desk.run("developer", "ticket/1")
    desk.ask("ask", dev, text="Which colour?")
    desk.ask("fabric.publish", dev, kind="blocker", summary="No access to the printer")
    found = attention(hosted(desk))
    assert [(one["kind"], one["agent"], one["command"]) for one in found] == [
        ("question", "developer", "fleet answer 1 TEXT"),
        ("blocker", "developer", "fleet fabric resolve 1 TEXT"),
    ]
    desk.ask("answer", question=1, text="Blue")
    desk.ask("fabric.resolve", blocker=1, text="It has access now")
    assert attention(hosted(desk)) == []


def test_what_stops_everything_comes_before_what_stops_one_piece_of_work(desk: Desk) -> None:
    bury(desk, "developer", "ticket/1")
    hold(desk, "release-manager", "pr/8", "FLT-POL-074")
    desk.db.write(lambda tx: agents.put(tx, "developer", "developer", AgentState.QUARANTINED, ""))
    found = attention(hosted(desk, {**SERVICE, "failures": 1}))
    assert [one["kind"] for one in found] == ["service", "merge", "dead_letter", "quarantine"]


def test_forge_daemon_disk_and_journal_are_told(desk: Desk) -> None:
    bury(desk, "developer", "ticket/1")
    answer = Control(hosted(desk)).handle(ANN, "status", {})
    assert answer["forge"] == {
        "kind": "local",
        "repo": None,
        "last_look_at": 5,
        "next_look_at": SERVICE["next_at"],
        "failures": 0,
        "last_error": "",
        "quota": None,
    }
    assert (answer["daemon"]["started_at"], answer["daemon"]["pid"]) == (7, 4711)
    assert answer["disk"]["store"] > 0
    assert answer["journal"]["last_day"] == answer["journal"]["entries"]
    desk.clock.advance(90_000)
    bury(desk, "developer", "ticket/2")
    later = desk.ask("status")
    assert 0 < later["journal"]["last_day"] < later["journal"]["entries"]
    assert later["forge"]["last_look_at"] is None


def test_needs_are_read_in_one_transaction(desk: Desk) -> None:
    assert desk.db.read(lambda tx: needs(hosted(desk), tx)) == []


def test_what_github_says_is_one_need_whichever_services_it_stops(desk: Desk) -> None:
    said = "GET repos/acme/shop/{}: our login may not do this [FLT-GHB-005] Give it access"
    services = [
        {**SERVICE, "name": name, "failures": 2, "last_error": error}
        for name, error in (
            ("watcher", said.format("issues")),
            ("runner", "no terminal [FLT-RTM-001]"),
            ("reconciler", said.format("pulls")),
        )
    ]
    found = [(one["text"], one["command"]) for one in attention(hosted(desk, *services)) if one["kind"] == "service"]
    assert found == [
        (f"GitHub: {said.format('issues')}", "fleet doctor"),
        ("runner fails: no terminal [FLT-RTM-001]", "fleet watcher status"),
    ]
