"""Insights of a whole fleet on a hand-turned clock: each kind is told when its state really arises, and not before.

Agents are functions, everything else is real: what is found rests on entries that the fleet itself wrote, and the
command that a finding names is asked for its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.testing.ensemble import Ensemble, Turn, waits
from fleet.testing.scene import member, usual_members

HOUR, DAY = 3600.0, 86_400.0
# the usual ones, a second developer that is started by hand, and one that nothing ever reaches
CREW = (*usual_members(), member("second", "developer"), member("standby", "developer", "agent_quarantined"))
# command -> the verb behind it, and the argument that its last word is
COMMANDS = {
    "why": ("why", "ref"), "agent output": ("agent.output", "name"), "agent show": ("agent.show", "name"),
    "pr show": ("pr.show", "number"), "log --ticket": ("log", "ticket"),
}  # fmt: skip


FleetOf = Callable[..., Ensemble]


@pytest.fixture
def fleet_of(tmp_path: Path) -> Iterator[FleetOf]:
    """A fleet of these of the crew; only they, for whatever anybody does costs git."""
    made: list[Ensemble] = []

    def make(*names: str) -> Ensemble:
        made.append(Ensemble(tmp_path, tuple(one for one in CREW if one.name in names)))
        return made[0]

    yield make
    made[0].close()


def told(fleet: Ensemble, kind: str) -> list[dict[str, Any]]:
    """The findings of a kind, as a person is told them."""
    return [one for one in fleet.desk.ask("insights")["insights"] if one["kind"] == kind]


def rests_on(fleet: Ensemble, finding: dict[str, Any]) -> list[str]:
    """What kinds of entries a finding rests on."""
    types = {entry.seq: entry.type for entry in fleet.desk.entries()}
    return [types[seq] for seq in finding["evidence"]]


def helped(fleet: Ensemble, finding: dict[str, Any]) -> str:
    """What the command that helps answers."""
    words, _, about = finding["command"].removeprefix("fleet ").rpartition(" ")
    verb, name = COMMANDS[words]
    args: dict[str, Any] = {name: int(about) if about.isdigit() else about}
    return str(fleet.desk.ask(verb, **args))


def pushes(turn: Turn) -> int:
    """A developer that delivers: something else each time."""
    turn.push({f"work_{turn.run.work_item.partition('/')[2]}.py": f"print('{turn.run.id}')\n"})
    return 0


def test_work_that_was_given_up_is_stuck_until_a_person_has_it_tried_again(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer")
    fleet.parts["developer"] = lambda turn: 1
    ticket = fleet.ready()
    for _ in range(3):
        fleet.later(60)
    assert (fleet.live(), told(fleet, "stuck")) == ({}, []), "it has not been quiet for long"
    fleet.later(900)
    (finding,) = told(fleet, "stuck")
    assert (finding["about"], rests_on(fleet, finding)) == (f"ticket/{ticket}", ["delivery.dead_lettered"])
    assert "fleet deadletters" in helped(fleet, finding)
    fleet.parts["developer"] = waits
    (letter,) = fleet.desk.entries("delivery.dead_lettered")
    fleet.desk.ask("deadletter.replay", id=letter.id, reason="mended")
    fleet.later(1000)
    assert (list(fleet.live()), told(fleet, "stuck")) == (["developer"], [])


def test_a_run_that_nobody_hears_of_any_more_is_stalled_until_it_says_something(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer")
    speaks: list[Turn] = []

    def goes_quiet(turn: Turn) -> None:
        speaks.append(turn)

    fleet.parts["developer"] = goes_quiet
    ticket = fleet.ready()
    fleet.later(1799)
    assert told(fleet, "stalled") == [], "half of its hour is not over"
    fleet.later(2)
    (finding,) = told(fleet, "stalled")
    assert (finding["about"], rests_on(fleet, finding)) == ("developer", ["run.started"])
    fleet.fake.sessions[f"{speaks[0].run.id}-e1"].print("compiling, 4 of 900")
    assert "compiling, 4 of 900" in helped(fleet, finding)
    speaks[0].ask("fabric.publish", event="note", summary="half way", subject=f"ticket/{ticket}")
    fleet.rest()
    assert told(fleet, "stalled") == []


def test_an_agent_that_ends_three_times_without_a_result_is_flapping(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer")
    fleet.parts["developer"] = lambda turn: 1
    ticket = fleet.ready()
    fleet.later(3)
    assert len(fleet.desk.entries("run.failed")) == 2
    assert told(fleet, "flapping") == []
    fleet.later(60)
    (finding,) = told(fleet, "flapping")
    assert finding["about"] == "developer"
    assert rests_on(fleet, finding) == ["work_returned", "work_returned", "delivery.dead_lettered"]
    answer = helped(fleet, finding)
    assert f"ticket/{ticket}" in answer
    assert "ended with exit code 1" in answer


@pytest.mark.long
def test_a_pull_request_that_is_sent_back_three_times_is_over_reviewed(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer", "tech-lead")
    verdicts = iter([False, False, False, True])
    seen: list[int] = []

    def looks_first(turn: Turn) -> int:
        seen.append(len(told(fleet, "over-reviewed")))
        return pushes(turn)

    def reviews(turn: Turn) -> int:
        turn.review(approve=next(verdicts))
        return 0

    fleet.parts.update({"developer": looks_first, "tech-lead": reviews})
    fleet.ready()
    assert seen == [0, 0, 0, 1], "from the third time on"
    (finding,) = told(fleet, "over-reviewed")
    assert (finding["about"], rests_on(fleet, finding)) == ("pr/2", ["pr_changes_requested"] * 3)
    assert "tech-lead" in helped(fleet, finding)


@pytest.mark.long
def test_work_that_takes_three_times_the_usual_is_expensive(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer")
    fleet.parts["developer"] = pushes
    costs = {number: 100.0 for number in range(1, 12)}

    def works(turn: Turn) -> int:
        turn.spend(costs[int(turn.run.work_item.partition("/")[2])])
        return pushes(turn)

    fleet.parts["developer"] = works
    for _ in range(4):
        fleet.ready()
    costs[9] = 310.0
    assert told(fleet, "expensive") == [], "of four pieces of work nobody knows what is usual"
    fleet.ready()
    (finding,) = told(fleet, "expensive")
    assert (finding["about"], rests_on(fleet, finding)) == ("ticket/9", ["run.succeeded"])
    assert "'used_seconds': 310.0" in helped(fleet, finding)


def test_an_agent_that_nothing_reaches_is_idle_while_others_work(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer", "standby")
    fleet.parts["developer"] = pushes
    fleet.ready()
    assert told(fleet, "idle") == [], "on the first day nobody is idle"
    fleet.later(DAY)
    (finding,) = told(fleet, "idle")
    assert (finding["about"], rests_on(fleet, finding)) == ("standby", ["config.accepted"])
    assert "standby" in helped(fleet, finding)
    fleet.parts["standby"] = lambda turn: 0
    fleet.desk.ask("agent.start", name="standby", subject="ticket/1")
    fleet.rest()
    assert told(fleet, "idle") == []


def test_authors_that_collide_are_both_told_while_they_work_and_until_it_is_resolved(fleet_of: FleetOf) -> None:
    fleet = fleet_of("developer", "second")
    working: dict[str, Turn] = {}

    def writes(turn: Turn) -> None:
        working[turn.run.agent] = turn
        turn.push({"app.py": f"print('{turn.run.agent}')\n"})

    fleet.parts.update({"developer": writes, "second": writes})
    fleet.ready("one")
    two = fleet.desk.ticket("two")
    fleet.desk.ask("agent.start", name="second", subject=f"ticket/{two}")
    fleet.rest()
    fleet.later(6)
    assert {"developer", "second"} <= fleet.live().keys(), "both are still at work"
    (finding,) = told(fleet, "collision")
    assert rests_on(fleet, finding) == ["collision.found"]
    assert "app.py; developer and second were told" in finding["text"]
    assert "It and pr/2 no longer merge with each other: app.py" in helped(fleet, finding)
    for name, other in (("developer", "second"), ("second", "developer")):
        (letter,) = working[name].ask("inbox")["items"]
        assert f"of agent:{other} change the same lines" in letter["text"]
    working["second"].push({"app.py": "print('hello')\n", "second.py": "print()\n"})
    fleet.later(6)
    assert told(fleet, "collision") == []
    assert "no longer merge" not in helped(fleet, finding)
    assert len(fleet.desk.entries("collision.found")) == 1
    assert all(len(turn.ask("inbox")["items"]) == 1 for turn in working.values())
