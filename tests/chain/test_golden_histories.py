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
from tests.unit.control.test_merges import approved_pull

from fleet.config.gate import GateConfig
from fleet.core.decision import Verdict
from fleet.core.errors import Refused
from fleet.core.journal import Entry
from fleet.core.principal import Principal
from fleet.core.work import RunState
from fleet.policy.record import VERSION, read_record
from fleet.policy.replay import decide
from fleet.store import journal
from fleet.testing.desk import Desk
from fleet.testing.scene import Scene, member, usual_members

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


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_todays_policy_decides_as_it_was_recorded(path: Path) -> None:
    wrong = []
    for number, line in enumerate(lines(path), 1):
        found = decide(read_record(line["facts"])).decision
        # A check that is new since then may say yes as well; what held or forbade it has to be what it was.
        codes = [one.code for one in found.binding] if found.verdict is not Verdict.ALLOW else line["codes"]
        if (str(found.verdict), codes) != (line["verdict"], line["codes"]):
            wrong.append((number, line["type"], line["verdict"], line["codes"], str(found.verdict), found.text))
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


@pytest.mark.skipif(os.environ.get("FLEET_GOLDEN") != "write", reason="records a history")
def test_a_history_is_recorded(tmp_path: Path) -> None:
    target = FOLDER / f"v{VERSION}.jsonl"
    if target.exists():
        pytest.skip(f"{target.name} is there and stays as it is")
    entries: list[Entry] = [*at_the_desk(tmp_path / "desk")]
    for number, gate in enumerate((None, *GATES)):
        entries += in_a_scene(tmp_path / str(number), gate)
    found: dict[str, None] = {}
    for entry in entries:
        payload: dict[str, Any] = dict(entry.payload or {})
        if "facts" in payload:
            decision = payload["decision"]
            codes = [one["code"] for one in decision["reasons"] if one["verdict"] == decision["verdict"]]
            line = {"type": entry.type, "verdict": decision["verdict"], "codes": codes, "facts": payload["facts"]}
            found.setdefault(json.dumps(line, sort_keys=True))
    FOLDER.mkdir(exist_ok=True)
    target.write_text("".join(f"{line}\n" for line in found), "utf-8")


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
