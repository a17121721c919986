"""Facts survive the journal: what is read back is what was judged, and what cannot be read is said, never guessed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.policy.test_conditions import LABEL, NIGHT, PERSON, judged
from tests.unit.policy.test_merge_gate import ANN
from tests.unit.policy.test_merge_gate import facts as merge_facts
from tests.unit.policy.test_recovery import BROKEN, LIVE
from tests.unit.policy.test_under import start

from fleet.config.gate import DiffConfig, GateConfig
from fleet.policy import facts as words
from fleet.policy.record import SIZE_LIMIT, Facts, NotReplayable, read_record, recorded

LIMITS = (
    words.Limit("agent", "dev", 50.0, 0.0, 10.0, 5.0, 2, "day", "2026-11-27", 7),
    words.Limit("fleet", "", None, 0.0, 0.0, 0.0),
)
PULL = merge_facts(
    asked=(words.AskedFact("qa", "dispatched", "qa-engineer"),),
    waivers=(("lead", "human:ann"),),
    paths=("a.py",),
    grants=(words.GrantFact("human:ann", ANN),),
)
GATE = GateConfig(all_of=(LABEL, NIGHT, PERSON, GateConfig(max_diff=DiffConfig(files=2))))
REVIEW = words.ReviewFacts(8, "open", "h", "h", "agent:qa", True, "qa-engineer", True, ANN, frozenset(), "pr/8", "h")
FACTS: list[Facts] = [
    start(),
    start(budget=words.BudgetFacts(3600, LIMITS), merge=PULL, pull=words.PullFacts(8, "open", "h", "agent:dev", True)),
    judged(GATE, PULL, events=(words.EventFact("qa_passed", "h", 9, "agent:qa"),)),
    start(ticket=None, disk=None),
    PULL,
    REVIEW,
    BROKEN,
    LIVE,
    words.AttemptFacts("dev", 3, 2),
    words.WarnFacts(LIMITS[0], 41.5, 80),
]


@pytest.mark.parametrize("facts", FACTS, ids=range(len(FACTS)))
def test_what_is_read_back_is_what_was_judged(facts: Facts) -> None:
    assert read_record(json.loads(json.dumps(recorded(facts)))) == facts


def test_a_record_is_compact() -> None:
    assert "waived_by" not in json.dumps(recorded(PULL))  # what has its default is left out
    assert len(json.dumps(recorded(start()))) < 1000


def test_facts_that_are_too_large_are_said_to_be_missing() -> None:
    large = replace(PULL, paths=tuple(f"folder/{number}" for number in range(SIZE_LIMIT // 10)))
    with pytest.raises(NotReplayable, match="too large"):
        read_record(recorded(large))


@pytest.mark.parametrize(
    ("record", "words_"),
    [
        (None, "by an earlier program"),
        ({"v": 2, "kind": "start", "facts": {}}, "another version"),
        ({"v": 1, "kind": "other", "facts": {}}, "another version"),
        ({"v": 1, "kind": "start", "facts": {"work": 1}}, "not one that this program understands"),
        ({"v": 1, "kind": "review", "facts": {**recorded(REVIEW)["facts"], "new": 1}}, "not one that"),  # type: ignore[dict-item]
        ({"v": 1, "kind": "review", "facts": {**recorded(REVIEW)["facts"], "number": "8"}}, "not one that"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_read_is_said(record: object, words_: str) -> None:
    with pytest.raises(NotReplayable, match=words_):
        read_record(record)
