"""The merge gate on generated histories, against a reference that shares no code with it.

A history is written into a real store by the calls the other rooms use; facts are gathered and judged as
in production. The reference reads the plain description of the history instead and walks it by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from tests.unit.dispatch.gateinputs import KNOWN, TURNS
from tests.unit.dispatch.histories import GOOD, Reference, Story, stories
from tests.unit.policy.test_merge_gate import facts as good_facts

from fleet.config.catalogue import load_roles
from fleet.config.model import FleetConfig
from fleet.core.approval import ApprovalState
from fleet.core.journal import Draft, Stream
from fleet.core.live import LiveCheck, LiveCommit, LivePull, LiveTicket, WantedCheck
from fleet.core.pin import HOLD_LABEL, text_digest
from fleet.core.principal import Principal, PrincipalKind, human
from fleet.core.work import DeliveryState, RunState
from fleet.dispatch.facts import merge_facts
from fleet.dispatch.glance import Reported
from fleet.policy.approval import Content
from fleet.policy.decide import decide_merge
from fleet.policy.facts import MergeFacts
from fleet.store import approvals, deliveries, journal, refheads, runs
from fleet.store.db import Database, Tx
from fleet.store.open import open_for_daemon
from fleet.testing.scene import load, member

HEAD, OLD = "a" * 40, "b" * 40
CREW = (
    member("dev", "developer", "ticket_ready"),
    member("pat", "pr-reviewer", "pr_needs_review"),
    member("qa", "qa-engineer", "pr_needs_review"),
    member("lead", "tech-lead", "pr_needs_review", enabled=False),
)


TITLE, BODY = "Do it", "as said"
CONTENT = Content(HEAD, text_digest(TITLE, BODY), "d1", "p1")
DIFFS = {"": "", "this": CONTENT.diff, "other": "d2"}
SEALS = {"": "", "this": CONTENT.seal, "other": "another seal"}

# -- the real thing ---------------------------------------------------------------------------------


class Judged(Exception):
    """Carries the verdict out of a transaction that keeps nothing."""


def write_history(tx: Tx, story: Story, pull: LivePull) -> list[str]:
    """Put a story into the store; returns the ids of its runs."""
    made: list[str] = []
    for index, (agent, parent) in enumerate(story.runs):
        delivery = make_delivery(tx, agent, f"run-{index}", "ticket_ready", "ticket/7", "")
        run_id = runs.create(
            tx, delivery_id=delivery, event_id=f"run-{index}", event_type="ticket_ready", agent=agent, role="developer",
            subject="ticket/7", generation="", work_item="ticket/7", attempt=1, allowance_seconds=1,
            parent_run=made[parent] if parent >= 0 else "", allowance_kind="timeout", config_hash="c",
        )  # fmt: skip
        done = runs.finish(tx, run_id, epoch=0, state=RunState.SUCCEEDED, used_seconds=1, exit_code=0, outcome="")
        assert done
        made.append(run_id)
    for pusher in sorted(story.pushed_by_runs):
        push = Draft(Stream.ACTIVITY, "push.done", f"agent:{story.runs[pusher][0]}", run_id=made[pusher])
        say(tx, push, "ticket/7")
    for person in sorted(story.pushed_by_people):
        say(tx, Draft(Stream.EVENT, "pr_updated", f"human:{person}", subject=pull.subject, generation=HEAD), "ticket/7")
    for number, (who, approves, at_head) in enumerate(story.verdicts):
        quarantine(tx, story, number)
        actor, run_id = (f"human:{who}", "") if isinstance(who, str) else (f"agent:{story.runs[who][0]}", made[who])
        kind, head = "pr_approved" if approves else "pr_changes_requested", HEAD if at_head else OLD
        seen = next(
            ({"diff": DIFFS[diff], "content": SEALS[seal]} for one, diff, seal in story.seen if one == number), {}
        )
        payload: dict[str, object] = {name: value for name, value in seen.items() if value}
        word = Draft(Stream.EVENT, kind, actor, subject=pull.subject, generation=head, run_id=run_id, payload=payload)
        say(tx, word, "ticket/7")
    quarantine(tx, story, len(story.verdicts))
    write_surroundings(tx, story, pull)
    for number, (agent, state, at_head) in enumerate(story.asked):
        head = HEAD if at_head else OLD
        kind = "pr_created" if number % 2 else "pr_needs_review"  # whatever told it of this head
        made_id = make_delivery(tx, agent, f"asked-{number}", kind, pull.subject, head)
        if state != "pending":
            assert deliveries.claim(tx, made_id, token="t", until=tx.now)
            assert deliveries.settle(tx, made_id, token="t", state=DeliveryState(state))
    for agent, by_person, at_head in story.waivers:
        actor, head = "human:bob" if by_person else "agent:dev", HEAD if at_head else OLD
        waiver = Draft(
            Stream.EVENT, "review_waived", actor, subject=pull.subject, generation=head, payload={"agent": agent}
        )
        say(tx, waiver, "ticket/7")
    return made


def quarantine(tx: Tx, story: Story, before: int) -> None:
    """Agents that were taken out of service when so many verdicts had been given."""
    for agent, at in story.quarantines:
        if at == before:
            draft = Draft(
                Stream.DECISION, "agent.quarantined", "system:assessor", subject=f"agent/{agent}", agent=agent
            )
            journal.append(tx, draft)


def write_surroundings(tx: Tx, story: Story, pull: LivePull) -> None:
    """What a person granted, where the base stands, and which text was marked ready."""
    for person, this, valid in story.grants:
        made = approvals.create(
            tx, asked="merge", subject=pull.subject, generation=HEAD, work_item="ticket/7", agent="", cause_id="",
            base="base", content=SEALS["this" if this else "other"], bound={}, reasons=(), expires_at=tx.now + 9,
        )  # fmt: skip
        assert made is not None
        until = tx.now + 9 if valid else tx.now
        assert approvals.decide(
            tx, made, state=ApprovalState.GRANTED, by=f"human:{person}", reason="", expires_at=until
        )
    if story.alarm:
        holds, text = story.alarm != "noted", "main moved, and no entry says why"
        refheads.raise_alarm(tx, refheads.Alarm("entry", "refs/heads/main", OLD, HEAD, holds, text, tx.now, ""))
    if story.alarm == "answered":
        refheads.answer_alarm(tx, "entry", "another entry")
    if story.pull_text != "never":
        known = text_digest("", "" if story.pull_text == "known" else "what it said first")
        say(
            tx,
            Draft(Stream.EVENT, "pr_created", story.opened_by, subject=pull.subject, payload={"text": known}),
            "ticket/7",
        )
    if story.text != "never":
        ready = text_digest(TITLE, BODY if story.text == "accepted" else "another text")
        draft = Draft(Stream.EVENT, "ticket_ready", "forge:local", subject="ticket/7", payload={"text": ready})
        say(tx, draft, "ticket/7")


def say(tx: Tx, draft: Draft, item: str) -> None:
    """Append an entry of a work item."""
    fields = {name: getattr(draft, name) for name in Draft.__slots__}
    journal.append(tx, Draft(**{**fields, "work_item": item}))


def make_delivery(tx: Tx, agent: str, event: str, kind: str, subject: str, head: str) -> str:
    """A pending delivery."""
    made = deliveries.create(
        tx, event_seq=1, event_id=event, event_type=kind, agent=agent, subject=subject, generation=head,
        work_item="ticket/7",
    )  # fmt: skip
    assert made is not None
    return made


def pull_of(story: Story) -> LivePull:
    """The live pull request of a story."""
    return LivePull(
        number=8,
        state=story.state,  # type: ignore[arg-type]
        ticket=7,
        head_ref="fleet/7",
        head_sha=HEAD if story.head else "",
        base_ref=story.into,
        base_sha="base",
        labels=frozenset({HOLD_LABEL} if "pr" in story.held else ()),
        author=story.opened_by,
        parent=LiveTicket(7, "open", frozenset({HOLD_LABEL} if "ticket" in story.held else ()), TITLE, BODY),
    )


ROLES = load_roles()


@cache
def configuration(flag: bool, required: tuple[tuple[str, int], ...]) -> FleetConfig:
    """The crew under these settings."""
    checks = tuple({"name": name, "app_id": app} for name, app in dict.fromkeys(required))
    return load(CREW, ROLES, allow_shared_uid_merge=flag, required_checks=checks).config


def real_verdict(db: Database, story: Story) -> str:
    """Write, gather, judge, forget."""
    pull = pull_of(story)
    commits = tuple(
        LiveCommit(str(number), author, committer, others)
        for number, (author, committer, others) in enumerate(story.commits)
    )
    config = configuration(story.flag, story.required)
    said = Reported(
        tuple(WantedCheck(*one) for one in story.ruled),
        tuple(LiveCheck(name, app, state) for name, app, state in story.checks),  # type: ignore[arg-type]
    )

    def judge(tx: Tx) -> None:
        made = write_history(tx, story, pull)
        if isinstance(story.merger, str):
            principal = human(story.merger)
        else:
            agent = story.runs[story.merger][0]
            principal = Principal(PrincipalKind.AGENT, agent, made[story.merger], 1, "release-manager")
        facts = merge_facts(tx, pull, config, ROLES, principal, commits, story.paths, CONTENT, said)
        facts = replace(facts, conflict="conflicts in a.py" if story.conflict else "")  # as before a start
        raise Judged(str(decide_merge(facts).verdict))

    with pytest.raises(Judged) as caught:
        db.write(judge)
    return str(caught.value)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One store for all stories; each is rolled back."""
    database = open_for_daemon(tmp_path_factory.mktemp("gate") / "fleet.db")
    yield database
    database.close()


def agree(db: Database, histories: int) -> Counter[str]:
    """So many histories: the real gate and the reference say the same of each. How often which verdict was reached."""
    seen: Counter[str] = Counter()

    @settings(max_examples=histories, deadline=None)
    @given(story=stories())
    def judge(story: Story) -> None:
        expected = Reference(story).verdict()
        seen[expected] += 1
        assert real_verdict(db, story) == expected

    judge()
    return seen


def test_the_gate_agrees_with_the_reference(db: Database) -> None:
    """On every history; and the histories reach every verdict, or the test would prove little."""
    assert agree(db, 500).keys() == {"allow", "hold", "deny"}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_gate_agrees_with_the_reference_on_ten_thousand_histories(db: Database) -> None:
    """The same, in the ring that has the time for it."""
    seen = agree(db, 10_000)
    assert min(seen[verdict] for verdict in ("allow", "hold", "deny")) > 300


@pytest.mark.parametrize("check", [one for one, _ in TURNS.items()])
def test_each_input_by_itself_turns_the_verdict_of_both(db: Database, check: str) -> None:
    """A story that differs from the good one in nothing else: neither of the two may overlook it."""
    assert (Reference(GOOD).verdict(), real_verdict(db, GOOD)) == ("allow", "allow")
    for changes, expected in TURNS[check]:
        story = replace(GOOD, **changes)  # type: ignore[arg-type]
        assert (Reference(story).verdict(), real_verdict(db, story)) == (expected, expected), changes


def test_the_reference_knows_every_input_of_the_predicate() -> None:
    """Every field of every fact that the merge checks can see, and every check."""
    found: dict[str, set[str]] = {}
    todo: list[Any] = [MergeFacts]
    while todo:
        hint = todo.pop()
        todo += get_args(hint)
        if is_dataclass(hint) and isinstance(hint, type) and hint.__name__ not in found:
            found[hint.__name__] = {one.name for one in fields(hint)}
            todo += get_type_hints(hint).values()
    assert found == {name: set(known) for name, known in KNOWN.items()}, (
        "a merge is judged by something that the reference does not know: put it into a Story, into Reference, and"
        " into KNOWN and TURNS"
    )
    judged = {reason.check for reason in decide_merge(good_facts()).reasons}
    assert judged == TURNS.keys(), "a check of the merge gate is unknown to the reference"


def test_self_approval_through_any_lineage_never_passes(db: Database) -> None:
    """Five hundred ways to approve one's own work are tried in the property above; here the named ones."""
    for runs_of, approver in (
        ((("dev", -1), ("dev", -1)), 1),  # the same agent in a second run
        ((("dev", -1), ("qa", 0)), 1),  # a reviewer that the author's run started
        ((("dev", -1), ("qa", 0), ("lead", 1)), 2),  # and one that this one started
        ((("qa", -1), ("dev", 0)), 0),  # the run that started the author
    ):
        story = Story(
            "open", runs_of, "human:ann", frozenset({1 if runs_of[0][0] == "qa" else 0}), frozenset(), (),
            ((approver, True, True),), (("qa", "denied", True), ("pat", "denied", True)), (), (), "bob", True,
        )  # fmt: skip
        assert real_verdict(db, story) == "hold"
