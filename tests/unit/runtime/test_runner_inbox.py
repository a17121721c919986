"""Messages in a brief: delivered once the session was launched, shown again until they are consumed, lost never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.core.board import Mail, MailKind, MailState
from fleet.core.work import Run, RunState
from fleet.fabric.mail import as_dict
from fleet.runtime.brief import WorkFacts
from fleet.store import inbox
from fleet.store.db import Tx
from fleet.testing.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop whose briefs hold the unread messages of the developer."""
    workshop = Workshop(tmp_path)

    def facts(run: Run) -> WorkFacts:
        unread = workshop.db.read(lambda tx: inbox.unread(tx, f"agent:{run.agent}"))
        return WorkFacts(branch="fleet/7", base="main", inbox=[as_dict(one) for one in unread])

    workshop.facts = facts
    yield workshop
    workshop.close()


def write(shop: Workshop, text: str) -> int:
    """A person wrote to the developer."""

    def put(tx: Tx) -> int:
        number = inbox.next_number(tx)
        inbox.put(
            tx,
            number,
            entry_id=f"e{number}",
            recipient="agent:developer",
            kind=MailKind.MESSAGE,
            sender="human:ann",
            sender_run="",
            subject="",
            work_item="",
            body=text,
        )
        return number

    return shop.db.write(put)


def message(shop: Workshop, number: int) -> Mail:
    """A message as it is now."""
    return shop.db.read(lambda tx: inbox.get(tx, number))


def brief(shop: Workshop, run_id: str, epoch: int = 1) -> list[dict[str, Any]]:
    """The messages that the agent finds in its brief."""
    path = Path(shop.session(run_id, epoch).launch.env["FLEET_BRIEF"])
    found: list[dict[str, Any]] = json.loads(path.read_bytes())["inbox"]
    return found


def test_what_a_brief_holds_is_delivered_to_its_run(shop: Workshop) -> None:
    number = write(shop, "be kind")
    run_id = shop.queue()
    shop.rest()
    assert [(one["number"], one["text"], one["trusted"]) for one in brief(shop, run_id)] == [(number, "be kind", True)]
    found = message(shop, number)
    assert (found.state, found.shown_to) == (MailState.DELIVERED, run_id)
    (entry,) = [entry for entry in shop.entries(run_id) if entry.type == "message.delivered"]
    assert (entry.actor, entry.payload) == ("system:runner", {"messages": [number], "run": run_id})


def test_the_next_run_finds_what_this_one_did_not_consume_and_delivery_is_recorded_once(shop: Workshop) -> None:
    kept, done = write(shop, "one"), write(shop, "two")
    first = shop.queue()
    shop.rest()
    shop.db.write(lambda tx: inbox.consume(tx, done, first))
    shop.runtime.exit(f"{first}-e1", 1)
    shop.rest()
    assert shop.state(first) is RunState.FAILED
    second = shop.queue()
    shop.rest()
    assert [one["number"] for one in brief(shop, second)] == [kept]
    assert message(shop, kept).shown_to == first
    assert [entry.type for entry in shop.entries(second)].count("message.delivered") == 0


def test_a_start_that_failed_delivers_nothing(shop: Workshop) -> None:
    number = write(shop, "be kind")
    shop.queue()
    with shop.crash_at("start.prepared"):
        shop.rest()
    assert message(shop, number).state is MailState.QUEUED


def test_a_runner_killed_between_launch_and_record_shows_the_message_and_loses_nothing(shop: Workshop) -> None:
    number = write(shop, "be kind")
    run_id = shop.queue()
    with shop.crash_at("start.launched"):
        shop.rest()
    assert [one["number"] for one in brief(shop, run_id)] == [number]
    shop.rest()
    assert shop.state(run_id) is RunState.RUNNING
    assert message(shop, number).state is MailState.QUEUED, "the next brief, or a look, shows it again"
