"""Risk and quarantine on a real store and a hand-turned clock: one promise a test.

The assessor, the dispatcher and control are the real ones; runs end when the test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.assess.assessor import Assessor
from fleet.assess.standing import stand
from fleet.audit.verify import verify_journal
from fleet.control.acceptance import _sync_agents
from fleet.core.agent import AgentState
from fleet.core.errors import BudgetRefused, Conflict, FleetError, Refused
from fleet.core.principal import Principal
from fleet.core.risk import RiskLevel
from fleet.core.work import DeliveryState, RunState
from fleet.dispatch.dispatcher import Dispatcher
from fleet.dispatch.reconciler import Reconciler
from fleet.fabric.router import Router
from fleet.health.reading import read as read_record
from fleet.runtime import moves
from fleet.runtime.outcome import Outcome
from fleet.store import agents, capabilities, deliveries, risk, runs
from fleet.store.db import Tx
from fleet.testing.desk import Desk
from fleet.testing.repos import git
from fleet.testing.scene import load, member, usual_members

HOUR = 3600.0


class Watched:
    """A desk with the services that decide, and the assessor among them."""

    def __init__(self, folder: Path) -> None:
        """``folder`` takes repository and state."""
        self.desk = Desk(folder, (*usual_members(), member("watcher", "developer", "agent_quarantined")))
        self.restart()

    def restart(self) -> None:
        """Another process: services that remember nothing."""
        desk = self.desk
        self.assessor = Assessor(desk.db, desk.context.doorway)
        self.dispatcher = Dispatcher(desk.db, desk.live, desk.context.config)
        self.reconciler = Reconciler(desk.db, desk.live, desk.live, desk.context.config)
        self.router = Router(desk.db, desk.context.config)

    def rest(self) -> None:
        """Tick all of them until none has anything to do."""
        for _ in range(100):
            self.desk.clock.advance(0.001)
            services = (self.router, self.dispatcher, self.reconciler, self.assessor)
            if sum(service.tick(self.desk.clock.now()).did for service in services) == 0:
                return
        raise AssertionError("the fleet does not come to rest")

    def later(self, hours: float) -> None:
        """Time passes."""
        self.desk.clock.advance(hours * HOUR)
        self.rest()

    def ends(self, agent: str, state: RunState, count: int = 1) -> None:
        """Runs of an agent, each on a ticket of its own, that end so; nobody is to take them up again."""
        for _ in range(count):
            ticket = self.desk.ticket()
            who = self.desk.run(agent, f"ticket/{ticket}", event="ticket_ready")
            self.finish(who, state)
        self.rest()

    def finish(self, who: Principal, state: RunState, *events: str) -> None:
        """As the runner ends a run, with the events it had put on record. Its work does not come back."""

        def end(tx: Tx) -> None:
            ending = Outcome(state, "exited", f"ended as {state}", 1.0, events=events)
            assert moves.finish(tx, runs.get(tx, who.run_id), ending)
            runs.follow_up(tx, who.run_id)

        self.desk.db.write(end)

    def state(self, agent: str = "developer") -> AgentState:
        """Where an agent stands."""
        return self.desk.db.read(lambda tx: agents.get(tx, agent)).state

    def level(self, agent: str = "developer") -> RiskLevel:
        """The level that is stored for it."""
        found = self.desk.db.read(lambda tx: risk.level_of_agent(tx, agent))
        return found or RiskLevel.LOW

    def quarantine(self, agent: str = "developer") -> None:
        """Take it out of service as the model does: it keeps running out of time."""
        self.ends(agent, RunState.TIMED_OUT, 5)
        assert self.state(agent) is AgentState.QUARANTINED


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """The usual members and one that subscribes to quarantines."""
    made = Watched(tmp_path)
    yield made
    made.desk.close()


def test_an_agent_that_keeps_failing_is_quarantined_with_the_signals_on_record(watched: Watched) -> None:
    watched.ends("developer", RunState.TIMED_OUT, 2)
    assert (watched.state(), watched.level()) == (AgentState.ACTIVE, RiskLevel.ELEVATED)
    watched.ends("developer", RunState.TIMED_OUT, 3)
    assert (watched.state(), watched.level()) == (AgentState.QUARANTINED, RiskLevel.CRITICAL)
    (entry,) = watched.desk.entries("agent.quarantined")
    assert entry.payload is not None
    readings = entry.payload["readings"]
    assert isinstance(readings, dict)
    assert readings["overruns"]["used"] >= 3
    assert entry.payload["model"] == "shipped-1"
    levels = [str((one.payload or {})["level"]) for one in watched.desk.entries("risk.level_changed")]
    assert levels == ["elevated", "critical"]
    others = [watched.state(name) for name in ("tech-lead", "qa-engineer", "release-manager")]
    assert others == [AgentState.ACTIVE] * 3
    assert verify_journal(watched.desk.db).ok


def test_the_transaction_sets_the_state_revokes_the_capabilities_asks_the_runs_and_publishes(watched: Watched) -> None:
    ticket = watched.desk.ticket()
    busy = watched.desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    other = watched.desk.run("tech-lead", f"ticket/{ticket}", event="note")
    watched.quarantine()
    db = watched.desk.db
    assert db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest(busy.run_id))) is None
    assert db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest(other.run_id))) is not None
    assert db.read(lambda tx: runs.get(tx, busy.run_id)).cancel_reason.startswith(
        "agent quarantined by system:assessor"
    )
    assert db.read(lambda tx: runs.get(tx, other.run_id)).cancel_reason == ""
    (entry,), (event,) = watched.desk.entries("agent.quarantined"), watched.desk.entries("agent_quarantined")
    assert entry.payload is not None
    assert (entry.payload["runs"], entry.payload["capabilities_revoked"]) == ([busy.run_id], 1)
    assert (event.cause_id, event.seq, event.at) == (entry.id, entry.seq + 1, entry.at)
    assert watched.desk.db.read(runs.live)[-1].agent == "watcher", "who subscribes to quarantines was started"


def test_every_door_is_shut_for_a_quarantined_agent(watched: Watched) -> None:
    """Start, publish, push, review, merge: each ends with exit code 7, and nothing of it is on record."""
    desk = watched.desk
    ticket, other = desk.ticket(), desk.ticket()
    _, pull, head = desk.pushed("watcher", other)  # somebody else's work, to review and merge
    on_ticket = desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    clone = desk.clone(on_ticket, f"fleet/{ticket}")
    verbs = frozenset({"pr.review", "pr.merge"})
    on_pull = desk.run("developer", f"pr/{pull}", event="pr_needs_review", item=f"ticket/{other}", head=head)
    on_pull = Principal(
        on_pull.kind, on_pull.name, on_pull.run_id, on_pull.epoch, on_pull.role,
        on_pull.verbs | verbs, on_pull.emits, on_pull.subjects,
    )  # fmt: skip
    watched.quarantine()
    (clone / "new.py").write_text("print()\n")
    before, main = len(desk.entries()), git(desk.paths.bare, "rev-parse", "main")
    calls: list[tuple[str, Principal, dict[str, object]]] = [
        ("fabric.publish", on_ticket, {"event": "note", "summary": "I am still here"}),
        ("pr.push", on_ticket, {"title": "late"}),
        ("pr.review", on_pull, {"number": pull, "verdict": "approve"}),
        ("pr.merge", on_pull, {"number": pull}),
        ("ask", on_ticket, {"text": "may I?"}),
    ]
    for restarted in (False, True):
        if restarted:  # the doorway of a new daemon is open; what the store says is not
            desk.context.doorway.open("developer")
        for verb, who, args in calls:
            with pytest.raises(BudgetRefused, match="developer is quarantined") as refused:
                desk.ask(verb, who, **args)
            assert (refused.value.code, refused.value.exit_code) == ("FLT-RSK-001", 7), verb
    with pytest.raises(BudgetRefused, match="developer is quarantined"):
        desk.ask("agent.start", name="developer", subject=f"ticket/{ticket}")
    with pytest.raises(BudgetRefused):
        desk.ask("task.assign", name="developer", text="do something")
    assert [entry for entry in desk.entries()[before:] if entry.actor == "agent:developer"] == []
    assert git(desk.paths.bare, "rev-parse", "main") == main


def test_a_queued_run_of_a_quarantined_agent_is_never_taken(watched: Watched) -> None:
    ticket = watched.desk.ticket()
    who = watched.desk.run("developer", f"ticket/{ticket}", event="ticket_ready", state=RunState.QUEUED)
    watched.quarantine()
    assert watched.desk.db.write(lambda tx: runs.take(tx, who.run_id, epoch=0, host="local")) is None


def test_work_for_a_quarantined_agent_waits_and_why_tells_what_for(watched: Watched) -> None:
    watched.quarantine()
    ticket = watched.desk.ticket("Greet", "ready")
    watched.desk.publish("ticket_ready", f"ticket/{ticket}")
    watched.rest()
    (waiting,) = [one for one in watched.desk.db.read(deliveries.open_ones) if one.agent == "developer"]
    assert waiting.state is DeliveryState.HELD
    assert "fleet agent release developer" in waiting.reason
    told = "\n".join(watched.desk.ask("why", ref=f"ticket/{ticket}")["lines"])
    assert "quarantined by system:assessor: risk" in told
    about = "\n".join(watched.desk.ask("why", ref="developer")["lines"])
    assert "fleet risk explain developer" in about
    watched.desk.ask("agent.release", name="developer", reason="the tests are mended")
    watched.rest()
    assert [run.agent for run in watched.desk.db.read(runs.live) if run.work_item == f"ticket/{ticket}"] == [
        "developer"
    ]


def test_the_run_that_a_quarantine_ends_comes_back_as_the_same_attempt(watched: Watched) -> None:
    ticket = watched.desk.ticket("Greet", "ready")
    busy = watched.desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    watched.quarantine()
    watched.desk.end(busy, RunState.CANCELLED)
    watched.later(0.1)
    (back,) = watched.desk.entries("work_returned", work_item=f"ticket/{ticket}")
    assert (back.payload or {})["attempt"] == 1
    (waiting,) = [one for one in watched.desk.db.read(deliveries.open_ones) if one.agent == "developer"]
    assert waiting.state is DeliveryState.HELD


def test_only_a_person_lets_an_agent_back(watched: Watched) -> None:
    who = watched.desk.run("tech-lead", "ticket/1", event="note")
    watched.quarantine()
    with pytest.raises(Refused, match="only a person"):
        watched.desk.ask("agent.release", who, name="developer", reason="I need it")
    with pytest.raises(BudgetRefused, match="quarantined, not paused"):
        watched.desk.ask("agent.resume", name="developer")
    watched.later(24 * 30)  # no time heals it by itself
    assert watched.state() is AgentState.QUARANTINED
    watched.desk.ask("agent.release", name="developer", reason="looked into")
    assert watched.state() is AgentState.ACTIVE
    (entry,) = watched.desk.entries("agent.released")
    assert (entry.actor, (entry.payload or {})["reason"]) == ("human:ann", "looked into")


def test_a_released_agent_starts_from_nothing_and_does_one_thing_at_a_time(watched: Watched) -> None:
    watched.quarantine()
    answer = watched.desk.ask("agent.release", name="developer", reason="looked into")
    assert answer["probation"]["needed"] == 5
    watched.rest()
    assert (watched.state(), watched.level()) == (AgentState.ACTIVE, RiskLevel.LOW)
    shown = watched.desk.ask("risk.show", name="developer")["agents"][0]
    assert (shown["probation"]["clean"], shown["probability"]) == (0, 0.0293)
    first, second = watched.desk.ticket("One", "ready"), watched.desk.ticket("Two", "ready")
    for ticket in (first, second):
        watched.desk.publish("ticket_ready", f"ticket/{ticket}")
    watched.rest()
    held = [one for one in watched.desk.db.read(deliveries.open_ones) if one.agent == "developer"]
    assert next(one.reason for one in held).startswith("developer is on probation, where one run at a time")


def test_probation_ends_after_enough_clean_runs_in_a_row(watched: Watched) -> None:
    watched.quarantine()
    watched.desk.ask("agent.release", name="developer", reason="looked into")
    watched.ends("developer", RunState.SUCCEEDED, 4)
    watched.ends("developer", RunState.FAILED)
    watched.ends("developer", RunState.SUCCEEDED, 4)
    assert watched.desk.entries("agent.probation_ended") == []
    watched.ends("developer", RunState.SUCCEEDED)
    assert len(watched.desk.entries("agent.probation_ended")) == 1
    assert watched.desk.ask("risk.show", name="developer")["agents"][0]["probation"] is None


def test_on_probation_it_goes_back_sooner(watched: Watched) -> None:
    watched.quarantine()
    watched.desk.ask("agent.release", name="developer", reason="looked into")
    watched.ends("developer", RunState.TIMED_OUT, 3)
    assert watched.state() is AgentState.QUARANTINED
    watched.ends("qa-engineer", RunState.TIMED_OUT, 3)
    assert watched.state("qa-engineer") is AgentState.ACTIVE, "who is not on probation has more rope"


def test_a_death_after_the_result_is_no_risk(watched: Watched) -> None:
    """The result is on record in the entry of the end; the run was killed while it tidied up."""
    for _ in range(6):
        ticket = watched.desk.ticket()
        who = watched.desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
        watched.finish(who, RunState.TIMED_OUT, "pr_created")
    watched.rest()
    assert (watched.state(), watched.level()) == (AgentState.ACTIVE, RiskLevel.LOW)


def test_silence_is_noticed_as_time_passes(watched: Watched) -> None:
    ticket = watched.desk.ticket()
    who = watched.desk.run("developer", f"ticket/{ticket}", event="ticket_ready")
    watched.desk.ask("fabric.publish", who, event="blocker", summary="no credentials", kind="blocker")
    watched.rest()
    assert watched.level() is RiskLevel.LOW
    watched.later(8)
    assert watched.level() is RiskLevel.ELEVATED
    watched.desk.ask("fabric.publish", who, event="note", summary="still at it")
    watched.later(0.1)
    assert watched.level() is RiskLevel.LOW


def test_leaving_the_configuration_and_coming_back_is_no_way_out(watched: Watched) -> None:
    watched.quarantine()
    desk = watched.desk
    without = load(tuple(one for one in usual_members() if one.name != "developer"), desk.loaded.roles)
    desk.db.write(lambda tx: _sync_agents(tx, without))
    assert watched.state() is AgentState.RETIRED
    desk.db.write(lambda tx: _sync_agents(tx, load(usual_members(), desk.loaded.roles)))
    assert watched.state() is AgentState.QUARANTINED
    desk.ask("agent.release", name="developer", reason="another prompt")
    assert watched.state() is AgentState.ACTIVE


def test_a_run_that_stands_frozen_is_listed_everywhere_and_holds_the_release_until_somebody_lets_go(
    watched: Watched,
) -> None:
    desk = watched.desk
    who = desk.run("developer", f"ticket/{desk.ticket()}", event="ticket_ready")
    watched.quarantine()
    run = desk.db.read(lambda tx: runs.get(tx, who.run_id))
    assert desk.db.write(lambda tx: moves.frozen(tx, run, "no space left"))
    needs = [one for one in desk.ask("status")["attention"] if one["kind"] == "frozen"]
    assert [(one["subject"], one["code"]) for one in needs] == [(f"run/{run.id}", "FLT-RSK-003")]
    assert desk.ask("risk.show", name="developer")["agents"][0]["frozen"][0]["error"] == "no space left"
    assert any("stands frozen" in line for line in desk.ask("why", ref=run.id)["lines"])
    assert read_record(desk.paths.database, desk.clock.now())[0].frozen == (f"{run.session}: no space left",)
    with pytest.raises(Conflict) as still:
        desk.ask("agent.release", name="developer", reason="looked into")
    assert still.value.code == "FLT-RSK-003"
    assert desk.ask("agent.stop", name="developer", even_unsaved=True)["stopping"] == [run.id]
    assert desk.db.read(lambda tx: risk.is_let_go(tx, run.id))
    (entry,) = desk.entries("agent.end_unsaved")
    assert entry.actor == "human:ann"
    watched.finish(who, RunState.CANCELLED)
    assert desk.ask("agent.release", name="developer", reason="looked into")["state"] == "active"


def test_another_name_is_no_way_out(watched: Watched) -> None:
    watched.quarantine()
    desk = watched.desk
    others = tuple(one for one in desk.loaded.config.agents if one.name != "developer")
    desk.db.write(lambda tx: _sync_agents(tx, load((*others, member("coder", "developer")), desk.loaded.roles)))
    assert watched.state("coder") is AgentState.QUARANTINED
    desk.ask("agent.release", name="coder", reason="looked into")
    assert watched.state("coder") is AgentState.ACTIVE


def test_a_person_quarantines_and_a_paused_agent_comes_back_paused(watched: Watched) -> None:
    watched.desk.ask("agent.pause", name="developer", reason="release week")
    answer = watched.desk.ask("agent.quarantine", name="developer", reason="it deletes tests")
    assert (answer["state"], answer["still_inside"]) == ("quarantined", [])
    with pytest.raises(Conflict) as again:
        watched.desk.ask("agent.quarantine", name="developer", reason="it deletes tests")
    assert again.value.code == "FLT-RSK-002"
    assert watched.desk.ask("agent.release", name="developer", reason="no, others did")["state"] == "paused"
    assert watched.state() is AgentState.PAUSED
    with pytest.raises(Conflict, match="paused, not quarantined"):
        watched.desk.ask("agent.release", name="developer", reason="again")


def test_what_is_explained_is_what_was_computed(watched: Watched) -> None:
    watched.ends("developer", RunState.SUCCEEDED)
    watched.ends("developer", RunState.TIMED_OUT, 3)
    told = watched.desk.ask("risk.explain", name="developer")
    found = watched.desk.db.read(lambda tx: stand(tx, "developer"))
    assert told["level"] == "high"
    total = told["intercept"] + sum(part["contribution"] for part in told["signals"])
    assert told["probability"] == round(found.score.probability, 4)
    assert total == pytest.approx(told["intercept"] + sum(part.contribution for part in found.score.parts), abs=1e-3)
    (row,) = [part for part in told["signals"] if part["signal"] == "failures_in_a_row"]
    assert (row["value"], len(row["evidence"])) == (3.0, 3)
    down = told["ways_down"][0]
    assert down["text"] == "one run that goes well"
    assert RiskLevel(down["level"]).rank < RiskLevel.HIGH.rank
    watched.ends("developer", RunState.SUCCEEDED)
    assert watched.level() is RiskLevel(down["level"]), "what was promised to lead down does"


def test_time_alone_leads_down_when_nothing_new_happens(watched: Watched) -> None:
    watched.ends("developer", RunState.TIMED_OUT, 2)
    assert watched.level() is RiskLevel.ELEVATED
    watched.later(24 * 7 + 1)
    assert watched.level() is RiskLevel.LOW


def test_a_label_keeps_the_signals_of_its_moment_and_too_few_are_refused(watched: Watched) -> None:
    watched.ends("developer", RunState.TIMED_OUT, 2)
    (failed, *_rest) = watched.desk.db.read(lambda tx: runs.recent(tx, agent="developer", limit=5))
    watched.ends("developer", RunState.SUCCEEDED, 3)
    answer = watched.desk.ask("risk.label", ref=failed.id, verdict="bad", reason="it looped")
    assert (answer["signals"]["failures_in_a_row"], answer["bad"]) == (2.0, True)
    again = watched.desk.ask("risk.label", ref=failed.id, verdict="ok")
    assert [one["bad"] for one in watched.desk.ask("risk.labels")["labels"]] == [False]
    assert again["about"] == answer["about"]
    with pytest.raises(FleetError) as future:
        watched.desk.ask("risk.label", ref="developer", verdict="ok", at=watched.desk.clock.now() + 10**9)
    assert future.value.code == "FLT-RSK-004"
    with pytest.raises(Refused) as few:
        watched.desk.ask("risk.fit")
    assert few.value.code == "FLT-RSK-005"


def test_a_fit_changes_nothing_until_it_is_applied_and_is_on_record_then(watched: Watched) -> None:
    desk = watched.desk
    watched.ends("developer", RunState.TIMED_OUT, 3)
    watched.ends("qa-engineer", RunState.SUCCEEDED, 2)
    for number in range(12):
        for agent, verdict in (("developer", "ok"), ("qa-engineer", "bad" if number < 6 else "ok")):
            desk.clock.advance(1)
            desk.ask("risk.label", ref=agent, verdict=verdict)
    report = desk.ask("risk.fit")
    assert (report["labels"], report["bad"], report["in_force"], report["applied"]) == (24, 6, "shipped-1", False)
    assert report["brier"]["fitted"] < report["brier"]["now"]
    assert any(change["agent"] == "developer" for change in report["changes"])
    assert desk.entries("risk.model_applied") == []
    applied = desk.ask("risk.apply", reason="a month of labels")
    assert applied["version"] == "fitted-1"
    (entry,) = desk.entries("risk.model_applied")
    assert (entry.payload or {})["before"] == "shipped-1"
    assert desk.ask("risk.explain", name="developer")["model"] == "fitted-1"
    assert desk.ask("risk.fit")["in_force"] == "fitted-1"


def test_the_verdict_at_a_release_is_a_label(watched: Watched) -> None:
    watched.quarantine()
    answer = watched.desk.ask("agent.release", name="developer", reason="the disk was full", verdict="unjust")
    assert answer["labelled"] is True
    (label,) = watched.desk.ask("risk.labels")["labels"]
    assert (label["bad"], label["agent"], label["by"]) == (False, "developer", "human:ann")
    assert label["signals"]["overruns"] >= 3


def test_what_an_agent_does_outside_the_store_is_waited_for_and_nothing_new_is_let_in(watched: Watched) -> None:
    doorway = watched.desk.context.doorway
    with doorway.passing("developer", "pr.merge"):
        watched.ends("developer", RunState.TIMED_OUT, 5)
        assert watched.state() is AgentState.ACTIVE
        with pytest.raises(BudgetRefused):
            watched.desk.ask("fabric.publish", watched.desk.run("developer", "ticket/1"), event="note", summary="x")
    watched.rest()
    assert watched.state() is AgentState.QUARANTINED
    assert (watched.desk.entries("agent.quarantined")[0].payload or {})["still_inside"] == []


def test_what_hangs_outside_the_store_does_not_hold_a_quarantine_up_for_long(watched: Watched) -> None:
    with watched.desk.context.doorway.passing("developer", "pr.merge"):
        watched.ends("developer", RunState.TIMED_OUT, 5)
        watched.desk.clock.advance(6)
        watched.rest()
        assert watched.state() is AgentState.QUARANTINED
    assert (watched.desk.entries("agent.quarantined")[0].payload or {})["still_inside"] == ["pr.merge"]


def test_a_quarantine_needs_no_memory(watched: Watched) -> None:
    """A daemon that died between a score and the quarantine judges again."""
    with watched.desk.context.doorway.passing("developer", "pr.merge"):
        watched.ends("developer", RunState.TIMED_OUT, 5)
    watched.restart()
    watched.rest()
    assert watched.state() is AgentState.QUARANTINED
