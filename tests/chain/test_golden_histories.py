"""Histories that were recorded once are decided by every later program as they were then.

``tests/chain/histories/*.jsonl`` hold decisions with their facts as the journal has them. A file is never changed: a
program that can no longer read it, or decides otherwise, is told here. ``FLEET_GOLDEN=write`` records one that is
missing for the present version of the record.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chain.test_replay_on_fakes import broken, call_off, settled
from tests.unit.control.test_merges import approved_pull

from fleet.assess.assessor import Assessor
from fleet.assess.recorded import is_risk, judge
from fleet.config.catalogue import load_roles
from fleet.config.gate import GateConfig
from fleet.control.replay import WORDS
from fleet.core.decision import Verdict
from fleet.core.errors import Refused
from fleet.core.journal import Entry
from fleet.core.principal import Principal
from fleet.core.work import RunState
from fleet.dispatch.budgetwatch import BudgetWatch
from fleet.dispatch.dispatcher import Dispatcher
from fleet.fabric.router import Router
from fleet.policy.record import KINDS, VERSION, read_record
from fleet.policy.replay import Replayed, decide
from fleet.store import journal
from fleet.testing.desk import Desk
from fleet.testing.scene import Scene, load, member, usual_members

FOLDER = Path(__file__).parent / "histories"
FILES = sorted(FOLDER.glob("*.jsonl"))
GATES: tuple[dict[str, object], ...] = (
    {"label": "go"},
    {"all_of": [{"approvals": 2}, {"any_of": [{"event": "qa_passed"}, {"approved_by_person": True}]}]},
    {"max_diff": {"lines": 0 + 1, "files": 1}},
    {"time_window": {"opens": "02:00", "closes": "03:00", "timezone": "Europe/Berlin"}},
    {"all_of": [{"reviewers_answered": True}, {"approved": True}, {"approvals": 5}]},
)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The decisions of one file."""
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def again(record: dict[str, Any]) -> Replayed:
    """What is answered today on the facts of one line."""
    if is_risk(record):
        judged = judge(record)
        return Replayed(str(judged.level), f"{judged.probability:.4f}")
    return decide(read_record(record))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_todays_policy_decides_as_it_was_recorded(path: Path) -> None:
    wrong = []
    for number, line in enumerate(lines(path), 1):
        found = again(line["facts"])
        # A check that is new since then may say yes as well; what held or forbade it has to be what it was.
        named = found.decision is not None and found.decision.verdict is not Verdict.ALLOW
        codes = [one.code for one in found.decision.binding] if found.decision and named else line["codes"]
        if (found.word, codes) != (line["verdict"], line["codes"]):
            wrong.append((number, line["type"], line["verdict"], line["codes"], found.word, found.text))
    assert wrong == []


def test_the_histories_hold_every_kind_of_decision_and_every_verdict() -> None:
    newest = FOLDER / f"v{VERSION}.jsonl"
    if os.environ.get("FLEET_GOLDEN") == "write" and not newest.exists():
        pytest.skip("it is being recorded")
    seen = Counter((line["facts"]["kind"], line["verdict"]) for line in lines(newest))
    assert {kind for kind, _ in seen} == {"start", "merge", "review"}
    assert {verdict for kind, verdict in seen if kind == "start"} == {"allow", "hold", "deny"}
    assert {verdict for kind, verdict in seen if kind == "merge"} == {"allow", "hold", "deny"}
    codes = {code for line in lines(newest) for code in line["codes"]}
    assert codes >= {"FLT-POL-112", "FLT-POL-113", "FLT-POL-068", "FLT-POL-052", "FLT-POL-013", "FLT-POL-054"}


def test_the_histories_hold_every_kind_of_facts_and_every_answer_about_work() -> None:
    newest = FOLDER / f"v{VERSION}-work.jsonl"
    if os.environ.get("FLEET_GOLDEN") == "write" and not newest.exists():
        pytest.skip("it is being recorded")
    seen = {(line["facts"]["kind"], line["verdict"]) for line in lines(newest)}
    assert seen >= {
        ("broken", "returned"), ("broken", "moot"), ("broken", "dead"), ("attempt", "dead"), ("call_off", "stopped"),
        ("warn", "warned"), ("risk", "high"), ("risk", "critical"), ("review", "allow"), ("merge", "hold"),
    }  # fmt: skip
    known = {line["facts"]["kind"] for path in FILES for line in lines(path)}
    assert known == {*KINDS, "risk"}, "a new kind of facts needs a history"


def whole_chain(folder: Path) -> list[Entry]:
    """Starts, holds, reviews and merges, with every kind of gate."""
    entries = at_the_desk(folder / "desk")
    for number, gate in enumerate((None, *GATES)):
        entries += in_a_scene(folder / str(number), gate)
    return entries


@pytest.mark.skipif(os.environ.get("FLEET_GOLDEN") != "write", reason="records a history")
@pytest.mark.parametrize("suffix", ["", "-work"])
def test_a_history_is_recorded(suffix: str, tmp_path: Path) -> None:
    target = FOLDER / f"v{VERSION}{suffix}.jsonl"
    if target.exists():
        pytest.skip(f"{target.name} is there and stays as it is")
    found: dict[str, None] = {}
    for entry in around_work(tmp_path / "work") if suffix else whole_chain(tmp_path):
        payload: dict[str, Any] = dict(entry.payload or {})
        if "facts" in payload and not (entry.type == "agent.quarantined" and entry.actor.startswith("human:")):
            line = {"type": entry.type, **answered(entry, payload), "facts": payload["facts"]}
            found.setdefault(json.dumps(line, sort_keys=True))
    FOLDER.mkdir(exist_ok=True)
    target.write_text("".join(f"{line}\n" for line in found), "utf-8")


def answered(entry: Entry, payload: dict[str, Any]) -> dict[str, object]:
    """What an entry says that was decided, and the codes of a verdict."""
    decision = payload.get("decision")
    if decision is not None:
        codes = [one["code"] for one in decision["reasons"] if one["verdict"] == decision["verdict"]]
        return {"verdict": decision["verdict"], "codes": codes}
    if is_risk(payload["facts"]):
        level = "critical" if entry.type == "agent.quarantined" else payload["level"]
        return {"verdict": level, "codes": []}
    return {"verdict": WORDS[entry.type], "codes": []}


def around_work(folder: Path) -> list[Entry]:
    """Work that breaks, comes back, is called off and is given up; a warning, a quarantine and what falls with it."""
    desk = Desk(folder)
    ticket, pull, head = approved_pull(desk)
    assessor = Assessor(desk.db, desk.context.doorway)
    for attempt, state in ((1, RunState.FAILED), (3, RunState.LOST), (1, RunState.CANCELLED)):
        broken(desk, attempt, state)
        assessor.tick(desk.clock.now())
    many = desk.ticket("Often", "ready")
    settled(desk)
    desk.publish("ticket_ready", f"ticket/{many}")
    limited = load(usual_members(), load_roles(), budgets={"fleet_seconds": 100, "warn_percent": 30})
    Router(desk.db, desk.context.config).tick(desk.clock.now())
    desk.db.write(lambda tx: tx.run("UPDATE deliveries SET attempt = 9 WHERE state = 'pending'"))
    Dispatcher(desk.db, desk.live, desk.context.config).tick(desk.clock.now())
    desk.context.config.replace(limited)
    BudgetWatch(desk.db, desk.context.config).tick(desk.clock.now())
    call_off(desk)
    desk.ask("agent.quarantine", name="qa-engineer", reason="it approves everything")
    who = desk.run("release-manager", f"pr/{pull}", event="note", item=f"ticket/{ticket}", head=head)
    with pytest.raises(Refused):
        desk.ask("pr.merge", who, number=pull)
    for _ in range(5):
        broken(desk, state=RunState.TIMED_OUT)
        assessor.tick(desk.clock.now())
    found = desk.db.read(lambda tx: journal.select(tx, journal.Filter(), limit=5000))
    desk.close()
    return found


def in_a_scene(folder: Path, gate: dict[str, object] | None) -> list[Entry]:
    """Two rounds of review, a lost run, a pull request of a person, with a gate before the release."""
    folder.mkdir()
    checked = GateConfig.model_validate(gate, strict=False) if gate is not None else None
    release = member("release-manager", "release-manager", "pr_approved", subscription_gate=checked)
    kept = [one for one in usual_members() if one.name != "release-manager"]
    scene = Scene(folder, (*kept, release), allow_shared_uid_merge=gate is not None, required_label="fleet")
    for label in ("fleet", ""):
        scene.ready(*([label] if label else []))
    scene.rest()
    for head, approve in (("h1", False), ("h2", True)):
        developer = scene.start(scene.live()["developer"])
        pull = scene.push(developer, head)
        if gate is not None and "max_diff" in gate:
            scene.forge.change_size(pull.number, files=2, lines=10)
        scene.end(developer)
        scene.rest()
        for name in ("qa-engineer", "tech-lead"):
            reviewer = scene.start(scene.live()[name])
            if approve and name == "qa-engineer":
                scene.end(reviewer, RunState.LOST)
                scene.later(60)
                scene.later(60)  # the pause before another attempt
                reviewer = scene.start(scene.live()[name])
            scene.review(reviewer, approve=approve)
            scene.end(reviewer)
            if approve:
                scene.rest()
        scene.rest()
    scene.push_by_hand("p1")
    scene.emit("pr_needs_review", "pr/4", generation="p0", work_item="pr/4")  # of a head that is gone
    scene.later(60)
    found = scene.db.read(lambda tx: journal.select(tx, journal.Filter(stream="decision"), limit=1000))
    scene.close()
    return found


def at_the_desk(folder: Path) -> list[Entry]:
    """Merges that are held, forbidden and done, and reviews that are refused."""
    folder.mkdir()
    desk = Desk(folder)
    ticket, pull, head = approved_pull(desk, {"CLAUDE.md": "x\n", "new.py": "y\n"})
    author = desk.run("developer", f"pr/{pull}", event="agent_start_requested", item=f"ticket/{ticket}", head=head)

    def on_it(agent: str, parent: str = "") -> Principal:
        """A run on this head, perhaps one that the author started."""
        return desk.run(agent, f"pr/{pull}", event="note", item=f"ticket/{ticket}", head=head, parent=parent)

    for verb, agent, parent, args in (
        ("pr.merge", "release-manager", "", {}),
        ("pr.review", "tech-lead", author.run_id, {"verdict": "approve"}),
        ("pr.merge", "release-manager", author.run_id, {}),
    ):
        who = on_it(agent, parent)
        with pytest.raises(Refused):
            desk.ask(verb, who, number=pull, **args)
        desk.end(who)
    desk.ask("pr.review", number=pull, verdict="approve")
    desk.ask("pr.merge", number=pull)
    found = desk.db.read(lambda tx: journal.select(tx, journal.Filter(stream="decision"), limit=1000))
    desk.close()
    return found
