"""Limits on loops at the door: what is held, and who lets it go on."""

from __future__ import annotations

import pytest

from fleet.core.errors import Conflict, Refused, UsageError
from fleet.core.journal import Draft, Stream
from fleet.core.work import DeliveryState
from fleet.store import deliveries, journal
from fleet.store.db import Tx
from fleet.testing.desk import ANN, Desk


def hold(desk: Desk, agent: str, subject: str, code: str, hops: int = 0) -> str:
    """A delivery that a limit holds."""
    event = desk.publish("note", subject)

    def make(tx: Tx) -> str:
        made = deliveries.create(
            tx, event_seq=event.seq, event_id=event.id, event_type="note", agent=agent, subject=subject,
            generation="", work_item=subject, hops=hops,
        )  # fmt: skip
        assert made is not None
        assert deliveries.claim(tx, made, token="t", until=tx.now + 1)
        assert deliveries.settle(tx, made, token="t", state=DeliveryState.HELD, reason=f"held by {code}")
        decision = {"verdict": "hold", "reasons": [{"verdict": "hold", "code": code, "text": "held"}]}
        payload: dict[str, object] = {"delivery": made, "decision": decision}
        draft = Draft(
            Stream.DECISION, "delivery.held", "system:dispatcher", subject=subject, agent=agent, payload=payload
        )
        journal.append(tx, draft)
        return made

    return desk.db.write(make)


@pytest.mark.parametrize(
    ("code", "target", "released"),
    [
        ("FLT-POL-141", "ticket/1", "ticket/1"),
        ("FLT-POL-143", "ticket/1", "ticket/1"),
        ("FLT-POL-147", "developer", "agent/developer"),
        ("FLT-POL-147", "agent/developer", "agent/developer"),
    ],
)
def test_a_person_lets_go_on_what_a_limit_holds(desk: Desk, code: str, target: str, released: str) -> None:
    made = hold(desk, "developer", "ticket/1", code, hops=41)
    (held,) = desk.ask("limits")["held"]
    assert (held["id"], held["codes"]) == (made, [code])
    needs = [one for one in desk.ask("status")["attention"] if one["kind"] == "loop"]
    assert [one["command"].startswith("fleet limits release ") for one in needs] == [True]
    done = desk.ask("limit.release", target=target, reason="mended")
    assert (done["released"], done["deliveries"]) == (released, [made])
    (entry,) = desk.entries("limit.released")
    assert (entry.actor, entry.subject, (entry.payload or {})["hops"]) == (str(ANN), released, 41)


def test_no_agent_lets_itself_go_on(desk: Desk) -> None:
    hold(desk, "developer", "ticket/1", "FLT-POL-141")
    who = desk.run("tech-lead", "ticket/1")
    with pytest.raises(Refused) as refused:
        desk.ask("limit.release", who, target="ticket/1", reason="please")
    assert refused.value.code == "FLT-AUT-011"


@pytest.mark.parametrize(
    ("target", "code"), [("ticket/1", "FLT-CTL-121"), ("developer", "FLT-CTL-121"), ("No such", "FLT-CTL-003")]
)
def test_there_is_nothing_to_let_go_on(desk: Desk, target: str, code: str) -> None:
    hold(desk, "developer", "ticket/2", "FLT-POL-145")
    with pytest.raises((Conflict, UsageError)) as refused:
        desk.ask("limit.release", target=target, reason="why not")
    assert refused.value.code == code
