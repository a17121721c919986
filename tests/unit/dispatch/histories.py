"""Histories of pull requests, and the merge gate told once more by hand. Shares no code with the product.

``stories`` makes histories near the line where the verdict turns; ``Reference`` walks one and says what
the gate must say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

AGENTS = ("dev", "pat", "qa", "lead")  # pat was a developer and is a reviewer now; lead is disabled
PEOPLE = ("ann", "bob")
MAILS = ("ann@example.org", "x@example.org", *(f"{name}@agents.fleet.invalid" for name in AGENTS))
PATHS = ("src/a.py", "CLAUDE.md", ".github/ci.yml", "docs/b.md")


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, in words a person would use. Runs and people are named by position or name."""

    state: str
    runs: tuple[tuple[str, int], ...]  # agent, and which earlier run started it (-1 = none)
    opened_by: str  # agent:dev, human:ann
    pushed_by_runs: frozenset[int]
    pushed_by_people: frozenset[str]
    commits: tuple[tuple[str, str, tuple[str, ...]], ...]  # author, committer, co-authors
    verdicts: tuple[tuple[str | int, bool, bool], ...]  # person or run, approves?, at the head?
    asked: tuple[tuple[str, str, bool], ...]  # agent, state of its delivery, at the head?
    waivers: tuple[tuple[str, bool, bool], ...]  # agent, by a person?, at the head?
    paths: tuple[str, ...]
    merger: str | int  # a person, or a run
    flag: bool


# The release manager merges what the developer wrote and both reviewers approved.
GOOD = Story(
    state="open",
    runs=(("dev", -1), ("qa", -1), ("pat", -1), ("rel", -1)),
    opened_by="agent:dev",
    pushed_by_runs=frozenset({0}),
    pushed_by_people=frozenset(),
    commits=(("dev@agents.fleet.invalid", "dev@agents.fleet.invalid", ()),),
    verdicts=((1, True, True), (2, True, True)),
    asked=(("qa", "dispatched", True), ("pat", "dispatched", True)),
    waivers=(),
    paths=("src/a.py",),
    merger=3,
    flag=True,
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """The good story after a few changes: near the line where the verdict turns."""
    made = list(GOOD.runs)
    for index in range(len(made), len(made) + draw(st.integers(0, 4))):
        made.append((draw(st.sampled_from(AGENTS)), draw(st.integers(-1, index - 1))))
    story = replace(GOOD, runs=tuple(made))
    for _ in range(draw(st.integers(1, 6))):
        story = draw(st.sampled_from(CHANGES))(draw, story)
    return story


def a_run(draw: st.DrawFn, story: Story) -> int:
    """Any run of the story."""
    return draw(st.integers(0, len(story.runs) - 1))


def one_more_verdict(draw: st.DrawFn, story: Story) -> Story:
    """Somebody speaks, at this head or an older one."""
    who: str | int = a_run(draw, story) if draw(st.booleans()) else draw(st.sampled_from(PEOPLE))
    return replace(story, verdicts=(*story.verdicts, (who, draw(st.booleans()), draw(st.booleans()))))


def one_verdict_less(draw: st.DrawFn, story: Story) -> Story:
    """Somebody has not spoken after all, or of an older head."""
    if not story.verdicts:
        return story
    kept = list(story.verdicts)
    who, approves, _ = kept.pop(draw(st.integers(0, len(kept) - 1)))
    return replace(story, verdicts=(*kept, (who, approves, False)) if draw(st.booleans()) else tuple(kept))


def another_delivery(draw: st.DrawFn, story: Story) -> Story:
    """A reviewer was asked, or asked in another way."""
    agent, at_head = draw(st.sampled_from(AGENTS)), draw(st.booleans())
    state = draw(st.sampled_from(("pending", "dispatched", "held", "denied", "dead")))
    kept = tuple(one for one in story.asked if (one[0], one[2]) != (agent, at_head))
    return replace(story, asked=(*kept, (agent, state, at_head)))


def nobody_asked(draw: st.DrawFn, story: Story) -> Story:
    """The deliveries are not there (yet)."""
    return replace(story, asked=story.asked[draw(st.integers(0, len(story.asked))) :])


def a_waiver(draw: st.DrawFn, story: Story) -> Story:
    """Somebody waives a reviewer, rightly or not."""
    given_up = (draw(st.sampled_from(AGENTS[1:])), draw(st.booleans()), draw(st.booleans()))
    return replace(story, waivers=(*story.waivers, given_up))


def a_commit(draw: st.DrawFn, story: Story) -> Story:
    """One more commit, by anybody, with or without a co-author."""
    mail = st.sampled_from(MAILS)
    others = (draw(mail),) if draw(st.booleans()) else ()
    plain = draw(st.sampled_from(MAILS[:2]))
    author, committer = draw(st.sampled_from(((plain, plain), (draw(mail), plain), (plain, draw(mail)))))
    return replace(story, commits=(*story.commits, (author, committer, others)))


def a_push(draw: st.DrawFn, story: Story) -> Story:
    """One more run or person that pushed."""
    if draw(st.booleans()):
        return replace(story, pushed_by_people=story.pushed_by_people | {draw(st.sampled_from(PEOPLE))})
    return replace(story, pushed_by_runs=story.pushed_by_runs | {a_run(draw, story)})


def something_else(draw: st.DrawFn, story: Story) -> Story:
    """One of the single facts."""
    name, value = draw(
        st.sampled_from(
            (
                ("state", "closed"),
                ("opened_by", "agent:pat"),
                ("opened_by", "human:ann"),
                ("pushed_by_runs", frozenset()),
                ("flag", False),
            )
        )
    )
    return replace(story, **{name: value})  # type: ignore[arg-type]


def another_merger(draw: st.DrawFn, story: Story) -> Story:
    """A person or any run merges."""
    return replace(story, merger=a_run(draw, story) if draw(st.booleans()) else draw(st.sampled_from(PEOPLE)))


def another_path(draw: st.DrawFn, story: Story) -> Story:
    """One more file is touched."""
    return replace(story, paths=(*story.paths, draw(st.sampled_from(PATHS))))


def a_silent_reviewer(draw: st.DrawFn, story: Story) -> Story:
    """No answer from one reviewer; its delivery or a waiver may explain that."""
    run, agent = draw(st.sampled_from(((1, "qa"), (2, "pat"))))
    silent = replace(story, verdicts=tuple(one for one in story.verdicts if one[0] != run))
    if draw(st.booleans()):
        return replace(silent, waivers=(*silent.waivers, (agent, draw(st.booleans()), draw(st.booleans()))))
    state = draw(st.sampled_from(("denied", "denied", "dead")))
    kept = tuple(one for one in silent.asked if one[0] != agent)
    return replace(silent, asked=(*kept, (agent, state, draw(st.booleans()))))


def a_protected_change(draw: st.DrawFn, story: Story) -> Story:
    """A person looks at a protected path, perhaps one who pushed."""
    person = draw(st.sampled_from(PEOPLE))
    people = story.pushed_by_people | ({person} if draw(st.booleans()) else set())
    said = (person, draw(st.booleans()), draw(st.booleans()))
    return replace(story, paths=(*story.paths, "CLAUDE.md"), verdicts=(*story.verdicts, said), pushed_by_people=people)


def a_person_merges_without_the_flag(draw: st.DrawFn, story: Story) -> Story:
    """What the configuration forbids agents, people may do."""
    return replace(story, flag=False, merger=draw(st.sampled_from(PEOPLE)))


CHANGES: tuple[Callable[[st.DrawFn, Story], Story], ...] = (
    one_more_verdict,
    one_verdict_less,
    another_delivery,
    nobody_asked,
    a_waiver,
    a_commit,
    a_push,
    something_else,
    another_merger,
    another_path,
    a_silent_reviewer,
    a_protected_change,
    a_person_merges_without_the_flag,
)


# -- the reference ----------------------------------------------------------------------------------


class Reference:
    """The gate once more: no sets of atoms, no facts, only questions to the story."""

    def __init__(self, story: Story) -> None:
        """Take a story."""
        self.story = story

    def ancestry(self, run: int) -> list[int]:
        """A run and the runs it descends from."""
        parent = self.story.runs[run][1]
        return [run] if parent < 0 else [run, *self.ancestry(parent)]

    def has_part_as_agent(self, agent: str) -> bool:
        """Did this agent open, push (itself, or as the ancestor of a pusher) or sign a commit?"""
        if self.story.opened_by == f"agent:{agent}":
            return True
        for pusher in self.story.pushed_by_runs:
            if any(self.story.runs[one][0] == agent for one in self.ancestry(pusher)):
                return True
        mine = f"{agent}@agents.fleet.invalid"
        return any(mine in (author, committer, *others) for author, committer, others in self.story.commits)

    def has_part(self, who: str | int) -> bool:
        """Is this reviewer behind the change in any way?"""
        if isinstance(who, str):
            return self.story.opened_by == f"human:{who}" or who in self.story.pushed_by_people
        for one in self.ancestry(who):
            if self.has_part_as_agent(self.story.runs[one][0]):
                return True
            if any(one in self.ancestry(pusher) for pusher in self.story.pushed_by_runs):
                return True
        return False

    def last_words(self) -> dict[str, tuple[str | int, bool]]:
        """By principal: who spoke last at the head, and what."""
        words: dict[str, tuple[str | int, bool]] = {}
        for who, approves, at_head in self.story.verdicts:
            if at_head:
                words[who if isinstance(who, str) else "agent " + self.story.runs[who][0]] = (who, approves)
        return words

    def silent(self) -> bool:
        """Is an answer missing?"""
        for reviewer in ("pat", "qa", "lead"):
            mine = [state for agent, state, at_head in self.story.asked if agent == reviewer and at_head]
            if mine == ["denied"] or (not mine and reviewer == "lead"):
                continue  # lead is disabled: only asked when somebody did ask it
            waived = (reviewer, True, True) in self.story.waivers
            if "agent " + reviewer not in self.last_words() and not waived:
                return True
        return False

    def verdict(self) -> str:
        """allow, hold or deny."""
        story = self.story
        merger_is_agent = isinstance(story.merger, int)
        if story.state != "open" or (merger_is_agent and self.has_part(story.merger)):
            return "deny"
        words = list(self.last_words().values())
        good = [who for who, approves in words if approves and not self.has_part(who)]
        touchy = any(path in ("CLAUDE.md", ".github/ci.yml") for path in story.paths)
        if not good or any(not approves for _, approves in words) or self.silent():
            return "hold"
        if touchy and not any(isinstance(who, str) for who in good):
            return "hold"
        return "hold" if merger_is_agent and not story.flag else "allow"
