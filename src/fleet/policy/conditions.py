"""Check: the conditions that a ``subscription_gate`` puts before a start. Each answers *met*, *not yet* or *never*.

*Never* is said of this subject at this head: a diff that is too large does not shrink, a ticket has no approvals.
A group tells what its conditions told: ``all_of`` is what the worst of them is, ``any_of`` what the best is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from shlex import quote
from typing import Any

from fleet.config.gate import GateConfig
from fleet.core.decision import Reason, Verdict
from fleet.core.live import WantedCheck, not_green
from fleet.core.risk import RiskLevel
from fleet.policy.facts import GateFacts, MergeFacts, StartFacts
from fleet.policy.gates import approvals, people, reviewers_answered
from fleet.policy.window import in_words, opens_at

CHECK = "subscription_gate"
# Conditions that ask who approved, or who was asked to.
APPROVALS = frozenset({"approved", "approvals", "approved_by_person", "reviewers_answered"})


class Word(StrEnum):
    """The three answers, from best to worst."""

    MET = "met"
    NOT_YET = "not yet"
    NEVER = "never"


_WORST_FIRST = (Word.NEVER, Word.NOT_YET, Word.MET)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one condition says: its name with what it asks for, the answer, the fact it saw, and what may be typed.

    ``opens_at`` is the instant (microseconds) at which time alone may change it.
    """

    name: str
    asks: str
    word: Word
    text: str
    hint: str = ""
    opens_at: int | None = None
    inside: tuple[Answer, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As it is journaled and printed; what is empty is left out."""
        found: dict[str, Any] = {"condition": self.name, "asks": self.asks, "answer": str(self.word), "text": self.text}
        if self.hint:
            found["hint"] = self.hint
        if self.opens_at is not None:
            found["opens_at"] = self.opens_at
        if self.inside:
            found["conditions"] = [one.as_dict() for one in self.inside]
        return found


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts of a gate, and what is supposed for a moment: a person's word, or windows that are open."""

    facts: GateFacts
    pull: MergeFacts | None
    person: bool = False
    windows: bool = False


def check(facts: StartFacts) -> Reason:
    """HOLD until the gate's conditions are met; DENY where they never will be."""
    gate = facts.gate.gate if facts.gate is not None else None
    if facts.gate is None or gate is None:
        return Reason(CHECK, Verdict.ALLOW, "FLT-POL-110", "no condition stands before its starts", {})
    found = answer(facts)
    seen: dict[str, object] = {"gate": found.as_dict()}
    if found.word is Word.MET:
        return Reason(CHECK, Verdict.ALLOW, "FLT-POL-111", "the conditions before this start are met", seen)
    lacking = "; ".join(dict.fromkeys(f"{one.asks}: {one.text}" for one in _lacking(found)))
    if found.word is Word.NEVER:
        text = f"a condition before this start can never be met here: {lacking}"
        return Reason(CHECK, Verdict.DENY, "FLT-POL-113", text, seen)
    return Reason(CHECK, Verdict.HOLD, "FLT-POL-112", f"it waits until its gate is met: {lacking}", seen)


def answer(facts: StartFacts, *, person: bool = False, windows: bool = False) -> Answer:
    """The answer of the gate that stands before a start; what is supposed is true for this question only."""
    assert facts.gate is not None
    assert facts.gate.gate is not None
    return _answer(facts.gate.gate, Seen(facts.gate, facts.merge or facts.gate.approval, person, windows))


def a_person_would_do(facts: StartFacts) -> bool:
    """True when the gate waits for a person's word, and for nothing else but the hour."""
    gate = facts.gate.gate if facts.gate is not None else None
    if gate is None or answer(facts, windows=True).word is not Word.NOT_YET:
        return False
    return answer(facts, person=True, windows=True).word is Word.MET


def waits_for_time(facts: StartFacts) -> int | None:
    """The instant at which a window may open the gate, when it waits for nothing else; else None."""
    gate = facts.gate.gate if facts.gate is not None else None
    if gate is None or answer(facts).word is not Word.NOT_YET or answer(facts, windows=True).word is not Word.MET:
        return None
    return next_opening(facts)


def next_opening(facts: StartFacts) -> int | None:
    """The next instant at which a window of the gate opens."""
    if facts.gate is None or facts.gate.gate is None:
        return None
    return min((one.opens_at for one in leaves(answer(facts)) if one.opens_at is not None), default=None)


def leaves(found: Answer) -> Iterator[Answer]:
    """Single conditions of a group, in order."""
    if not found.inside:
        yield found
    for one in found.inside:
        yield from leaves(one)


def _lacking(found: Answer) -> Iterator[Answer]:
    """The conditions that make a gate's answer what it is; what an ``any_of`` that is met goes without is none."""
    if not found.inside:
        yield found
    for one in found.inside:
        if one.word is found.word:
            yield from _lacking(one)


def _answer(gate: GateConfig, seen: Seen) -> Answer:
    if gate.inside:
        return _group(gate, tuple(_answer(one, seen) for one in gate.inside))
    return _CONDITIONS[gate.name](gate, seen)


def _group(gate: GateConfig, inside: tuple[Answer, ...]) -> Answer:
    words = {one.word for one in inside}
    order = _WORST_FIRST if gate.name == "all_of" else reversed(_WORST_FIRST)
    word = next(one for one in order if one in words)
    met = sum(one.word is Word.MET for one in inside)
    return Answer(gate.name, gate.name, word, f"{met} of {len(inside)} met", inside=inside)


# -- the conditions --------------------------------------------------------------------------------


def _no_pull(name: str, asks: str, seen: Seen) -> Answer:
    return Answer(name, asks, Word.NEVER, f"{seen.facts.subject or 'this'} is no open pull request")


def _approved(gate: GateConfig, seen: Seen) -> Answer:
    return _counted(gate.name, "approved", 1, seen)


def _approvals(gate: GateConfig, seen: Seen) -> Answer:
    wanted = gate.approvals or 1
    return _counted(gate.name, f"approvals {wanted}", wanted, seen)


def _counted(name: str, asks: str, wanted: int, seen: Seen) -> Answer:
    """So many approvals by principals that neither wrote the change nor descend from one another."""
    if seen.pull is None:
        return _no_pull(name, asks, seen)
    found = approvals(seen.pull)
    number = len(found) + seen.person
    who = ", ".join(" with ".join(group) for group in found) or "nobody"
    text = f"{who} approved {seen.pull.head[:12]}" if number >= wanted else f"{number} of {wanted} ({who})"
    hint = f"fleet pr review {seen.pull.number} --approve" if number < wanted else ""
    return Answer(name, asks, Word.MET if number >= wanted else Word.NOT_YET, text, hint)


def _by_person(gate: GateConfig, seen: Seen) -> Answer:
    asks = "approved by a person"
    if seen.pull is None:
        return _no_pull(gate.name, asks, seen)
    found = people(seen.pull)
    if found or seen.person:
        return Answer(gate.name, asks, Word.MET, f"{', '.join(found)} approved {seen.pull.head[:12]}")
    hint = f"fleet pr review {seen.pull.number} --approve; once it is asked also: fleet approve pr/{seen.pull.number}"
    return Answer(gate.name, asks, Word.NOT_YET, "no person has approved this head", hint)


def _reviewers(gate: GateConfig, seen: Seen) -> Answer:
    asks = "reviewers answered"
    if seen.pull is None:
        return _no_pull(gate.name, asks, seen)
    # A reviewer that starts by this gate would wait for itself.
    others = tuple(one for one in seen.pull.reviewers if f"agent:{one.agent}" != seen.pull.principal)
    found = reviewers_answered(replace(seen.pull, reviewers=others))
    if found.verdict is Verdict.ALLOW:
        return Answer(gate.name, asks, Word.MET, found.text)
    return Answer(gate.name, asks, Word.NOT_YET, found.text, f"fleet pr waive {seen.pull.number} NAME --reason TEXT")


def _check(gate: GateConfig, seen: Seen) -> Answer:
    asks = f"check {gate.check}"
    if not seen.facts.head:
        return _no_pull(gate.name, asks, seen)
    wrong = not_green((WantedCheck(gate.check or ""),), seen.facts.checks)
    if not wrong:
        return Answer(gate.name, asks, Word.MET, f"it is green at {seen.facts.head[:12]}")
    words = {"missing": "nobody reported it", "pending": "it is not done", "failed": "it failed"}
    return Answer(gate.name, asks, Word.NOT_YET, f"{words[wrong[0][1]]} at {seen.facts.head[:12]}")


def _label(gate: GateConfig, seen: Seen) -> Answer:
    label, subject = gate.label or "", seen.facts.subject
    asks = f"label {label}"
    if not subject.startswith(("pr/", "ticket/")):
        return Answer(gate.name, asks, Word.NEVER, f"{subject or 'this'} carries no labels")
    if label in seen.facts.labels:
        return Answer(gate.name, asks, Word.MET, f"{subject} carries it")
    hint = f"fleet ticket label {subject.partition('/')[2]} --add {quote(label)}"
    return Answer(gate.name, asks, Word.NOT_YET, f"{subject} does not carry it", hint)


def _event(gate: GateConfig, seen: Seen) -> Answer:
    assert gate.event is not None
    facts, wanted = seen.facts, gate.event
    here = bool(facts.head) and wanted.head == "this"
    asks = f"event {wanted.type}"
    if not facts.subject:
        return Answer(gate.name, asks, Word.NEVER, "this start is about no ticket and no pull request")
    found = [one for one in facts.events if one.type == wanted.type and (not here or one.generation == facts.head)]
    if found:
        newest = max(found, key=lambda one: one.seq)
        return Answer(gate.name, asks, Word.MET, f"{newest.actor} published it (entry {newest.seq})")
    where = f"at {facts.head[:12]}" if here else f"about {facts.subject}"
    hint = f"fleet fabric publish --event {wanted.type} --subject {facts.subject}"
    return Answer(gate.name, asks, Word.NOT_YET, f"nobody published it {where}", hint)


def _window(gate: GateConfig, seen: Seen) -> Answer:
    assert gate.time_window is not None
    asks = f"time {in_words(gate.time_window)}"
    opens = opens_at(gate.time_window, seen.facts.now)
    if opens is None or seen.windows:
        return Answer(gate.name, asks, Word.MET, "it is open")
    return Answer(gate.name, asks, Word.NOT_YET, "it is closed", opens_at=opens)


def _diff(gate: GateConfig, seen: Seen) -> Answer:
    assert gate.max_diff is not None
    limit, found = gate.max_diff, seen.facts.diff
    bounds = [_so_many(number, word) for number, word in ((limit.lines, "line"), (limit.files, "file")) if number]
    asks = f"a diff of at most {' and '.join(bounds)}"
    if found is None:
        return _no_pull(gate.name, asks, seen)
    text = f"it is {_so_many(found.lines, 'line')} in {_so_many(found.files, 'file')}"
    fits = found.lines <= (limit.lines or found.lines) and found.files <= (limit.files or found.files)
    return Answer(gate.name, asks, Word.MET if fits else Word.NEVER, text, "" if fits else "split the change up")


def _risk(gate: GateConfig, seen: Seen) -> Answer:
    """The highest level decides; an agent that was never assessed is waited for: what is not known is not low."""
    limit = RiskLevel(gate.max_risk or RiskLevel.LOW)
    asks = f"risk at most {limit}"
    unknown = [name for name, level in seen.facts.risks if not level]
    high = [(name, level) for name, level in seen.facts.risks if level and RiskLevel(level).rank > limit.rank]
    if high:
        text = ", ".join(f"{name} is at {level}" for name, level in high)
        return Answer(gate.name, asks, Word.NOT_YET, text, f"fleet risk explain {high[0][0]}")
    if unknown or not seen.facts.risks:
        who = ", ".join(unknown) or "its agent"
        return Answer(
            gate.name,
            asks,
            Word.NOT_YET,
            f"{who} was not assessed yet",
            f"fleet risk show {unknown[0]}" if unknown else "",
        )
    return Answer(gate.name, asks, Word.MET, ", ".join(f"{name} is at {level}" for name, level in seen.facts.risks))


def _so_many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


_CONDITIONS: dict[str, Callable[[GateConfig, Seen], Answer]] = {
    "approved": _approved,
    "approvals": _approvals,
    "approved_by_person": _by_person,
    "reviewers_answered": _reviewers,
    "check": _check,
    "label": _label,
    "event": _event,
    "time_window": _window,
    "max_diff": _diff,
    "max_risk": _risk,
}
