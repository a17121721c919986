"""Tasks: offered on the Fabric, claimed by one, fenced against whoever lost the claim."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.core.errors import Conflict, NotFound, Refused, UsageError
from fleet.core.principal import Principal
from fleet.daemon.janitor import Janitor
from fleet.fabric import claims
from fleet.testing.desk import ANN, Desk


def offer(desk: Desk, title: str = "Write the guide", who: Principal = ANN, **more: object) -> int:
    """A task on the list; its number."""
    made = desk.ask("fabric.publish", who, kind="task", summary=title, **more)
    kind, _, number = made["object"].partition("/")
    assert kind == "task"
    return int(number)


def two(desk: Desk) -> tuple[Principal, Principal]:
    """Runs of two agents."""
    return desk.run("developer", "ticket/1"), desk.run("scribe", "ticket/2")


def lost(desk: Desk, verb: str, who: Principal, number: int, token: str) -> str:
    """How a stale token is told that it lost."""
    with pytest.raises(Conflict) as caught:
        desk.ask(verb, who, task=number, token=token)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-FAB-104", 8)
    return caught.value.message


def test_a_published_task_is_on_the_list_and_on_the_fabric(desk: Desk) -> None:
    number = offer(desk, payload='{"body": "all of it"}', subject="ticket/7")
    (task,) = desk.ask("fabric.tasks")["tasks"]
    assert (task["number"], task["title"], task["body"]) == (number, "Write the guide", "all of it")
    assert (task["state"], task["subject"], task["offered_by"]) == ("open", "ticket/7", "human:ann")
    (entry,) = desk.entries("task")
    assert entry.summary == "Write the guide"


def test_a_repeated_publish_with_a_key_lists_the_task_once(desk: Desk) -> None:
    desk.ask("fabric.publish", kind="task", summary="Once", key="k")
    answer = desk.ask("fabric.publish", kind="task", summary="Once", key="k")
    assert (answer["repeated"], answer["object"]) == (True, "")
    assert len(desk.ask("fabric.tasks")["tasks"]) == 1


def test_one_claims_and_the_other_is_told_who_has_it_and_for_how_long(desk: Desk) -> None:
    developer, scribe = two(desk)
    number = offer(desk)
    won = desk.ask("fabric.claim", developer, task=number, seconds=60)
    assert (won["task"]["state"], won["task"]["holder"]) == ("claimed", "agent:developer")
    assert 59 < won["task"]["lease_left"] <= 60
    with pytest.raises(Conflict) as caught:
        desk.ask("fabric.claim", scribe, task=number)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-FAB-102", 8)
    assert caught.value.message == f"agent:developer (run {developer.run_id}) holds it for another 59 s"
    (entry,) = desk.entries("claim")
    assert (entry.actor, entry.run_id) == ("agent:developer", developer.run_id)
    assert won["token"] not in str(entry.as_dict())
    assert won["token"] not in str(desk.ask("fabric.tasks"))


def test_renew_release_and_complete_ask_for_the_token(desk: Desk) -> None:
    developer, scribe = two(desk)
    number = offer(desk)
    token = desk.ask("fabric.claim", developer, task=number, seconds=60)["token"]
    for verb in ("fabric.renew", "fabric.release", "fabric.complete"):
        assert lost(desk, verb, developer, number, "0" * 32) == "this claim is lost: a later claim of your own holds it"
        assert "agent:developer" in lost(desk, verb, scribe, number, token)
    longer = desk.ask("fabric.renew", developer, task=number, token=token, seconds=600)["task"]
    assert longer["lease_left"] > 590
    assert desk.ask("fabric.release", developer, task=number, token=token, reason="too big")["task"]["state"] == "open"
    (returned,) = desk.entries("task_returned")
    assert (returned.actor, returned.summary) == (
        "agent:developer",
        f"agent:developer gives task/{number} back: too big",
    )
    assert lost(desk, "fabric.complete", developer, number, token) == "this claim is lost: it is open"


def test_a_completed_task_stays_with_its_outcome_and_completing_it_again_is_harmless(desk: Desk) -> None:
    developer, scribe = two(desk)
    number = offer(desk)
    token = desk.ask("fabric.claim", developer, task=number)["token"]
    for _ in range(2):
        done = desk.ask("fabric.complete", developer, task=number, token=token, summary="see artifact/1")["task"]
        assert (done["state"], done["holder"], done["outcome"]) == ("done", "agent:developer", "see artifact/1")
    assert len(desk.entries("task_completed")) == 1
    assert desk.ask("fabric.tasks")["tasks"] == []
    assert [one["number"] for one in desk.ask("fabric.tasks", state="done")["tasks"]] == [number]
    assert [one["number"] for one in desk.ask("fabric.tasks", developer, state="done", mine=True)["tasks"]] == [number]
    assert desk.ask("fabric.tasks", scribe, state="done", mine=True)["tasks"] == []
    with pytest.raises(Conflict, match="the task is done by agent:developer") as caught:
        desk.ask("fabric.claim", scribe, task=number)
    assert caught.value.code == "FLT-FAB-103"


def test_claiming_what_one_holds_gives_a_new_token_and_voids_the_old_one(desk: Desk) -> None:
    developer, _ = two(desk)
    number = offer(desk)
    old = desk.ask("fabric.claim", developer, task=number)["token"]
    new = desk.ask("fabric.claim", developer, task=number)["token"]
    assert "later claim of your own" in lost(desk, "fabric.complete", developer, number, old)
    desk.ask("fabric.complete", developer, task=number, token=new)


def test_an_expired_claim_is_given_back_by_the_janitor_and_taken_by_another(desk: Desk) -> None:
    developer, scribe = two(desk)
    number = offer(desk)
    token = desk.ask("fabric.claim", developer, task=number, seconds=30)["token"]
    janitor = Janitor(desk.db)
    assert janitor.tick(desk.clock.now()).did == 0
    desk.clock.advance(30)
    assert lost(desk, "fabric.renew", developer, number, token) == "this claim is lost: the lease ran out"
    assert janitor.tick(desk.clock.now()).did == 1
    (entry,) = desk.entries("task_returned")
    assert (entry.actor, entry.payload and entry.payload["reason"]) == ("system:janitor", "its lease ran out")
    desk.ask("fabric.claim", scribe, task=number)
    assert lost(desk, "fabric.complete", developer, number, token).startswith("this claim is lost: agent:scribe")


def test_an_expired_claim_is_taken_over_even_before_the_janitor_looked(desk: Desk) -> None:
    developer, scribe = two(desk)
    number = offer(desk)
    desk.ask("fabric.claim", developer, task=number, seconds=30)
    desk.clock.advance(30)
    assert desk.ask("fabric.claim", scribe, task=number)["task"]["holder"] == "agent:scribe"
    assert [entry.type for entry in desk.entries() if entry.type in ("claim", "task_returned")] == [
        "claim",
        "task_returned",
        "claim",
    ]


def test_the_claim_of_a_run_is_over_when_the_run_ends(desk: Desk) -> None:
    developer, scribe = two(desk)
    number = offer(desk)
    desk.ask("fabric.claim", developer, task=number, seconds=3600)
    desk.end(developer)
    assert Janitor(desk.db).tick(desk.clock.now()).did == 1
    (entry,) = desk.entries("task_returned")
    assert entry.payload is not None
    assert entry.payload["reason"] == "its run ended"
    assert desk.ask("fabric.claim", scribe, task=number)["task"]["claim"] == 2


def test_a_task_is_withdrawn_by_people_and_by_whoever_offered_it(desk: Desk) -> None:
    developer, scribe = two(desk)
    first, second = offer(desk, who=developer), offer(desk, "Another")
    with pytest.raises(Refused) as caught:
        desk.ask("fabric.withdraw", scribe, task=first, reason="no")
    assert caught.value.code == "FLT-FAB-105"
    token = desk.ask("fabric.claim", scribe, task=first)["token"]
    desk.ask("fabric.withdraw", developer, task=first, reason="done otherwise")
    assert lost(desk, "fabric.complete", scribe, first, token) == (
        "this claim is lost: it is withdrawn (done otherwise)"
    )
    desk.ask("fabric.withdraw", task=second, reason="not needed")
    with pytest.raises(Conflict, match="FLT-FAB-103"):
        desk.ask("fabric.withdraw", task=second, reason="again")
    assert desk.ask("fabric.tasks")["tasks"] == []


def test_only_a_role_that_claims_may_claim_and_only_a_live_run(desk: Desk) -> None:
    developer, _ = two(desk)
    number = offer(desk)
    with pytest.raises(Refused, match="FLT-AUT-015"):
        desk.ask("fabric.claim", Principal(**{**vars_of(developer), "emits": frozenset()}), task=number)
    desk.end(developer)
    with pytest.raises(Refused, match="FLT-AUT-001"):
        desk.ask("fabric.claim", developer, task=number)


def vars_of(who: Principal) -> dict[str, Any]:
    """The fields of a principal."""
    return {name: getattr(who, name) for name in who.__slots__}


def test_a_person_claims_like_anybody_else(desk: Desk) -> None:
    developer, _ = two(desk)
    number = offer(desk)
    token = desk.ask("fabric.claim", task=number)["token"]
    with pytest.raises(Conflict, match="human:ann holds it"):
        desk.ask("fabric.claim", developer, task=number)
    desk.ask("fabric.complete", task=number, token=token)


@pytest.mark.parametrize(
    "args", [{"task": 0}, {"task": "1"}, {"task": 1, "seconds": -1}, {"task": 1, "seconds": 86_401}, {}]
)
def test_a_claim_with_wrong_arguments_is_refused(desk: Desk, args: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        desk.ask("fabric.claim", **args)
    with pytest.raises(NotFound, match="FLT-FAB-100"):
        desk.ask("fabric.claim", task=77)
    with pytest.raises(UsageError, match="the token that claiming"):
        desk.ask("fabric.complete", task=77, token="guess")


def test_the_list_of_tasks_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_LIVE", 2)
    first = offer(desk)
    offer(desk)
    with pytest.raises(Refused) as caught:
        offer(desk)
    assert caught.value.code == "FLT-FAB-101"
    assert len(desk.entries("task")) == 2, "what was refused is not on the Fabric either"
    desk.ask("fabric.withdraw", task=first, reason="room")
    offer(desk)


def test_one_agent_cannot_fill_the_list_for_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_OF_AGENT", 1)
    developer, scribe = two(desk)
    offer(desk, who=developer)
    with pytest.raises(Refused, match="1 tasks of agent:developer are open"):
        offer(desk, "Another", who=developer)
    offer(desk, who=scribe)
    for _ in range(2):
        offer(desk)
