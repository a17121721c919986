"""The conditions of a gate: a table of every one, groups as a truth table, and hours against a clock read by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.test_merge_gate import ANN, DEV, OLD, QA, H, said
from tests.unit.policy.test_merge_gate import facts as pull
from tests.unit.policy.test_under import start

from fleet.config.gate import DAYS, DEEPEST, DiffConfig, EventConfig, GateConfig, WindowConfig
from fleet.core.clock import SECOND
from fleet.core.decision import Verdict
from fleet.core.live import LiveCheck
from fleet.policy.conditions import Word, a_person_would_do, answer, check, leaves, next_opening, waits_for_time
from fleet.policy.facts import DiffFact, EventFact, GateFacts, GrantFact, MergeFacts, ReviewerFact, StartFacts
from fleet.policy.window import opens_at

NOON = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()) * SECOND  # a Thursday
LEAD = frozenset({"agent:lead", "run:2"})
NIGHT = GateConfig(time_window=WindowConfig(opens="22:00", closes="06:00"))
DAY = GateConfig(time_window=WindowConfig(opens="08:00", closes="18:00"))
PERSON = GateConfig(approved_by_person=True)
LABEL = GateConfig(label="go")
CHECK = GateConfig(check="ci")
TOO_LARGE = GateConfig(max_diff=DiffConfig(lines=1))


def judged(gate: GateConfig, merge: MergeFacts | None = None, **changes: object) -> StartFacts:
    """A start on pr/8 (where ``merge`` is given) or ticket/7, before which this gate stands."""
    subject, head = ("pr/8", H) if merge is not None else ("ticket/7", "")
    facts = GateFacts(NOON, subject, head, frozenset(), (), DiffFact(2, 10) if merge else None, merge, gate)
    return start(gate=replace(facts, **changes))  # type: ignore[arg-type]


def word(gate: GateConfig, merge: MergeFacts | None = None, **changes: object) -> str:
    """The answer in one word."""
    return str(answer(judged(gate, merge, **changes)).word)


def event(head: str) -> dict[str, object]:
    """qa_passed is on record at a head."""
    return {"events": (EventFact("qa_passed", head, 5, "agent:qa"),)}


TWO = (said("agent:qa", QA, seq=1), said("agent:lead", LEAD, seq=2))
TABLE = [
    (GateConfig(approved=True), pull(), {}, "met"),
    (GateConfig(approved=True), pull(verdicts=()), {}, "not yet"),
    (GateConfig(approved=True), pull(verdicts=(said("agent:qa", QA | DEV),)), {}, "not yet"),
    (GateConfig(approved=True), None, {}, "never"),
    (GateConfig(approvals=2), pull(verdicts=TWO), {}, "met"),
    (GateConfig(approvals=3), pull(verdicts=TWO), {}, "not yet"),
    (GateConfig(approvals=2), pull(verdicts=(TWO[0], said("agent:lead", LEAD, head=OLD))), {}, "not yet"),
    (GateConfig(approvals=2), pull(verdicts=(TWO[0], said("agent:lead", LEAD | {"run:1"}, seq=2))), {}, "not yet"),
    (GateConfig(approvals=2), pull(verdicts=(*TWO, said("agent:lead", LEAD, approves=False, seq=3))), {}, "not yet"),
    (GateConfig(approvals=2), pull(verdicts=TWO[:1], grants=(GrantFact("human:ann", ANN),)), {}, "met"),
    (GateConfig(approvals=1), None, {}, "never"),
    (PERSON, pull(), {}, "not yet"),
    (PERSON, pull(verdicts=(said("human:ann", ANN),)), {}, "met"),
    (PERSON, pull(verdicts=(said("human:ann", ANN),), authors=ANN), {}, "not yet"),
    (PERSON, pull(grants=(GrantFact("human:ann", ANN),)), {}, "met"),
    (PERSON, pull(grants=(GrantFact("human:ann", ANN),), authors=ANN), {}, "not yet"),
    (PERSON, None, {}, "never"),
    (GateConfig(reviewers_answered=True), pull(), {}, "met"),
    (GateConfig(reviewers_answered=True), pull(reviewers=(ReviewerFact("lead", "held"),)), {}, "not yet"),
    (GateConfig(reviewers_answered=True), pull(reviewers=(ReviewerFact("rel", "held"),)), {}, "met"),  # itself
    (GateConfig(reviewers_answered=True), None, {}, "never"),
    (CHECK, pull(), {"checks": (LiveCheck("ci", 1, "passed"),)}, "met"),
    (CHECK, pull(), {"checks": (LiveCheck("ci", 1, "pending"),)}, "not yet"),
    (CHECK, pull(), {"checks": (LiveCheck("ci", 1, "passed"), LiveCheck("ci", 2, "failed"))}, "not yet"),
    (CHECK, pull(), {"checks": (LiveCheck("other", 1, "passed"),)}, "not yet"),
    (CHECK, None, {}, "never"),
    (LABEL, None, {"labels": frozenset({"go"})}, "met"),
    (LABEL, None, {}, "not yet"),
    (LABEL, None, {"subject": "agent/dev"}, "never"),
    (GateConfig(event=EventConfig(type="qa_passed")), pull(), event(H), "met"),
    (GateConfig(event=EventConfig(type="qa_passed")), pull(), event(OLD), "not yet"),
    (GateConfig(event=EventConfig(type="qa_passed", head="any")), pull(), event(OLD), "met"),
    (GateConfig(event=EventConfig(type="other")), pull(), event(H), "not yet"),
    (GateConfig(event=EventConfig(type="qa_passed")), None, event(""), "met"),
    (GateConfig(event=EventConfig(type="qa_passed")), None, {"subject": ""}, "never"),
    (NIGHT, None, {}, "not yet"),
    (DAY, None, {}, "met"),
    (GateConfig(max_diff=DiffConfig(lines=10, files=2)), pull(), {}, "met"),
    (GateConfig(max_diff=DiffConfig(lines=9)), pull(), {}, "never"),
    (GateConfig(max_diff=DiffConfig(files=1)), pull(), {}, "never"),
    (GateConfig(max_diff=DiffConfig(lines=9)), None, {}, "never"),
    (GateConfig(max_risk="elevated"), pull(), {"risks": (("rel", "low"), ("dev", "elevated"))}, "met"),
    (GateConfig(max_risk="low"), pull(), {"risks": (("rel", "low"), ("dev", "elevated"))}, "not yet"),
    (GateConfig(max_risk="high"), pull(), {"risks": (("rel", "low"), ("dev", "critical"))}, "not yet"),
    (GateConfig(max_risk="high"), pull(), {"risks": (("rel", "low"), ("dev", ""))}, "not yet"),  # unknown is not low
    (GateConfig(max_risk="high"), None, {"risks": (("dev", "high"),)}, "met"),
]


@pytest.mark.parametrize(("gate", "merge", "changes", "expected"), TABLE, ids=range(len(TABLE)))
def test_every_condition(gate: GateConfig, merge: MergeFacts | None, changes: dict[str, object], expected: str) -> None:
    assert word(gate, merge, **changes) == expected
    verdict = {"met": Verdict.ALLOW, "not yet": Verdict.HOLD, "never": Verdict.DENY}[expected]
    found = check(judged(gate, merge, **changes))
    assert found.verdict is verdict
    assert found.code == {"met": "FLT-POL-111", "not yet": "FLT-POL-112", "never": "FLT-POL-113"}[expected]


def test_without_a_gate_nothing_stands_before_a_start() -> None:
    assert check(start()).code == "FLT-POL-110"
    no_gate = judged(LABEL).gate
    assert no_gate is not None
    assert check(start(gate=replace(no_gate, gate=None))).code == "FLT-POL-110"


# A condition for each answer, as it is judged on pr/8 at noon.
OF = {"met": DAY, "not yet": LABEL, "never": TOO_LARGE}


def test_groups_as_a_truth_table() -> None:
    """All of them: the worst. Any of them: the best. Three conditions, three answers each, both groups."""
    rank = ["never", "not yet", "met"]
    for words in product(OF, repeat=3):
        inside = tuple(OF[one] for one in words)
        assert word(GateConfig(all_of=inside), pull()) == min(words, key=rank.index)
        assert word(GateConfig(any_of=inside), pull()) == max(words, key=rank.index)


Tree = str | tuple[str, list["Tree"]]


def trees(depth: int) -> st.SearchStrategy[Tree]:
    """Groups within groups over the three answers."""
    leaf = st.sampled_from(sorted(OF))
    if depth == 0:
        return leaf
    return leaf | st.tuples(st.sampled_from(["all_of", "any_of"]), st.lists(trees(depth - 1), min_size=1, max_size=3))


def gate_of(tree: Tree) -> GateConfig:
    """The gate of a tree."""
    if isinstance(tree, str):
        return OF[tree]
    return GateConfig.model_validate({tree[0]: tuple(gate_of(one) for one in tree[1])})


def reference(tree: Tree) -> int:
    """The answer once more, in numbers: 0 never, 1 not yet, 2 met."""
    if isinstance(tree, str):
        return ["never", "not yet", "met"].index(tree)
    found = [reference(one) for one in tree[1]]
    return min(found) if tree[0] == "all_of" else max(found)


@settings(max_examples=200, deadline=None)
@given(trees(DEEPEST))
def test_any_tree_of_groups_agrees_with_a_reference(tree: Tree) -> None:
    facts = judged(gate_of(tree), pull())
    assert ["never", "not yet", "met"].index(answer(facts).word) == reference(tree)
    assert {one.name for one in leaves(answer(facts))} <= {"label", "time_window", "max_diff"}


def test_a_person_is_wanted_only_where_nothing_else_but_the_hour_is_missing() -> None:
    for others, wanted in (((), True), ((DAY,), True), ((NIGHT,), True), ((LABEL,), False), ((TOO_LARGE,), False)):
        facts = judged(GateConfig(all_of=(PERSON, *others)), pull())
        assert a_person_would_do(facts) is wanted
    assert not a_person_would_do(judged(GateConfig(any_of=(PERSON, DAY)), pull()))  # met without
    assert not a_person_would_do(judged(GateConfig(any_of=(PERSON, NIGHT)), pull()))  # the hour brings it by itself
    assert a_person_would_do(judged(GateConfig(approvals=2), pull()))
    assert not a_person_would_do(judged(GateConfig(approvals=3), pull()))


def test_a_reason_names_what_is_missing_and_not_what_an_any_of_goes_without() -> None:
    either = GateConfig(any_of=(LABEL, GateConfig(event=EventConfig(type="qa_passed"))))
    found = check(judged(GateConfig(all_of=(either, PERSON)), pull(), labels=frozenset({"go"})))
    assert found.text == "it waits until its gate is met: approved by a person: no person has approved this head"
    both = check(judged(GateConfig(all_of=(either, PERSON)), pull()))
    assert "label go" in both.text
    assert "event qa_passed" in both.text


def test_what_waits_for_the_hour_alone_says_when() -> None:
    night = NOON + 10 * 3600 * SECOND
    assert waits_for_time(judged(NIGHT)) == night
    assert waits_for_time(judged(GateConfig(all_of=(NIGHT, LABEL)))) is None
    assert next_opening(judged(GateConfig(all_of=(NIGHT, LABEL)))) == night
    assert waits_for_time(judged(DAY)) is None


def test_a_held_start_says_the_same_until_something_changes() -> None:
    """The text of a held delivery is journaled when it changes; the hour alone must not change it."""
    texts = {check(judged(NIGHT, now=NOON + hour * 3600 * SECOND)).text for hour in range(9)}
    assert len(texts) == 1


# -- hours ------------------------------------------------------------------------------------------

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
CLOCKS = [f"{hour:02d}:{minute:02d}" for hour in range(24) for minute in (0, 30)]
# Around both changes of the clock in each zone, and an ordinary week.
AROUND = tuple(
    datetime(2026, month, day, tzinfo=UTC)
    for month, day in ((3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31), (6, 1))
)


def is_open(window: WindowConfig, instant: int) -> bool:
    """Walks the clock of the zone minute by minute from two days before, as a person would who watches it."""
    zone = ZoneInfo(window.timezone)
    moment = datetime.fromtimestamp(instant, UTC) - timedelta(days=3)
    moment = moment.replace(hour=0, minute=0, second=0)
    passed: dict[tuple[str, str], bool] = {}
    state = False
    closing = ""
    while moment.timestamp() <= instant:
        wall = moment.astimezone(zone)
        day, clock = wall.date().isoformat(), wall.strftime("%H:%M")
        if state and (day, clock) >= (closing[:10], closing[11:]):
            state = False
        if DAYS[wall.weekday()] in window.days and clock >= window.opens and (day, "opened") not in passed:
            passed[(day, "opened")] = True
            next_day = (wall.date() + timedelta(days=1)).isoformat()
            closes = f"{next_day} 00:00" if window.closes == "24:00" else f"{day} {window.closes}"
            if window.closes <= window.opens:
                closes = f"{next_day} {window.closes}"
            if (day, clock) < (closes[:10], closes[11:]):
                state, closing = True, closes
        moment += timedelta(minutes=1)
    return state


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES), st.sampled_from(CLOCKS), st.sampled_from([*CLOCKS, "24:00"]),
    st.sets(st.sampled_from(DAYS), min_size=1), st.sampled_from(AROUND), st.integers(0, 2 * 1440),
)  # fmt: skip
def test_hours_agree_with_somebody_who_watches_the_clock(
    zone: str, opens: str, closes: str, days: set[str], around: datetime, minutes: int
) -> None:
    if opens == closes:
        return
    window = WindowConfig.model_validate(
        {"opens": opens, "closes": closes, "days": tuple(sorted(days)), "timezone": zone}
    )
    instant = int(around.timestamp()) + minutes * 60
    found = opens_at(window, instant * SECOND)
    assert (found is None) is is_open(window, instant)
    if found is not None:
        assert found > instant * SECOND
        assert opens_at(window, found) is None
        assert opens_at(window, found - SECOND) == found


def berlin(text: str, fold: int = 0) -> int:
    """An instant by the clock of Berlin."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)
    return int(moment.timestamp()) * SECOND


def test_the_hour_that_spring_leaves_out_and_the_one_that_autumn_repeats() -> None:
    window = WindowConfig(opens="02:30", closes="05:00", timezone="Europe/Berlin")
    assert opens_at(window, berlin("2026-03-29T01:00")) == berlin("2026-03-29T03:00")
    assert opens_at(window, berlin("2026-10-25T02:00")) == berlin("2026-10-25T02:30")
    assert opens_at(window, berlin("2026-10-25T02:10", fold=1)) is None  # the second time round it stays open
    inside = WindowConfig(opens="02:00", closes="03:00", timezone="Europe/Berlin")
    assert opens_at(inside, berlin("2026-03-29T01:00")) == berlin("2026-03-30T02:00")  # no such hour on that day


def test_the_word_of_a_gate_is_one_of_three() -> None:
    assert {str(one) for one in Word} == {"met", "not yet", "never"}
