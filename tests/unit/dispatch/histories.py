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
    head: bool = True  # is there a branch?
    into: str = "main"
    seen: tuple[tuple[int, str, str], ...] = ()  # number of a verdict, and whether its diff and content were this one
    grants: tuple[tuple[str, bool, bool], ...] = ()  # person, for this content?, still valid?
    quarantines: tuple[tuple[str, int], ...] = ()  # agent, and how many verdicts were given before
    alarm: str = ""  # the base moved past the fleet: holding, noted, answered
    held: tuple[str, ...] = ()  # what carries the label: pr, ticket
    text: str = "accepted"  # of the ticket: accepted, changed, never (marked ready)
    pull_text: str = "known"  # of the pull request: known (from its opening), changed, never (kept)
    required: tuple[tuple[str, int], ...] = ()  # checks by the configuration: name and app
    ruled: tuple[tuple[str, int], ...] = ()  # by the rules of the base branch
    checks: tuple[tuple[str, int, str], ...] = ()  # what programs said: name, app, state
    conflict: bool = False  # its author was told


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


CHECK_NAMES, APPS = ("build", "lint"), (0, 15368, 7)


def a_check(draw: st.DrawFn, story: Story) -> Story:
    """A check is wanted, by whichever rule, and somebody says something of that name."""
    wanted = (draw(st.sampled_from(CHECK_NAMES)), draw(st.sampled_from(APPS[:2])))
    name = "required" if draw(st.booleans()) else "ruled"
    story = replace(story, **{name: (*getattr(story, name), wanted)})  # type: ignore[arg-type]
    said = tuple(
        (draw(st.sampled_from((wanted[0], *CHECK_NAMES))), draw(st.sampled_from((wanted[1], *APPS))), state)
        for state in draw(st.lists(st.sampled_from(("passed", "passed", "pending", "failed")), max_size=2))
    )
    green = ((*wanted, "passed"),) if draw(st.booleans()) else ()
    return replace(story, checks=(*story.checks, *said, *green))


def another_thing_was_seen(draw: st.DrawFn, story: Story) -> Story:
    """What a verdict was given on: this diff and content, another one, or nobody wrote it down."""
    if not story.verdicts:
        return story
    number = draw(st.integers(0, len(story.verdicts) - 1))
    word = st.sampled_from(("", "this", "other"))
    kept = tuple(one for one in story.seen if one[0] != number)
    return replace(story, seen=(*kept, (number, draw(word), draw(word))))


def a_grant(draw: st.DrawFn, story: Story) -> Story:
    """A person answers what was asked, for this content or an earlier one; perhaps of a touchy change, by a pusher."""
    person, this, valid = draw(st.sampled_from(PEOPLE)), draw(st.booleans()), draw(st.integers(0, 3)) > 0
    kept = tuple(one for one in story.grants if one[1] != this)  # each content is asked about once
    pushed = story.pushed_by_people | ({person} if draw(st.integers(0, 3)) == 0 else set())
    story = replace(story, grants=(*kept, (person, this, valid)), pushed_by_people=pushed)
    if draw(st.booleans()):
        return replace(story, flag=False)
    return replace(story, paths=(*story.paths, "CLAUDE.md")) if draw(st.booleans()) else story


def a_quarantine(draw: st.DrawFn, story: Story) -> Story:
    """An agent is taken out of service, before, between or after the verdicts; perhaps it speaks again."""
    agent, at = draw(st.sampled_from(AGENTS)), draw(st.integers(0, len(story.verdicts)))
    story = replace(story, quarantines=(*story.quarantines, (agent, at)))
    speaks = draw(st.booleans())
    runs = [number for number, (name, _) in enumerate(story.runs) if name == agent]
    if runs and speaks:
        return replace(story, verdicts=(*story.verdicts, (draw(st.sampled_from(runs)), True, True)))
    return story


def something_in_the_way(draw: st.DrawFn, story: Story) -> Story:
    """One of the facts that hold or forbid a merge by themselves, or nearly did."""
    name, value = draw(
        st.sampled_from(
            (
                ("head", False),
                ("into", "release"),
                ("alarm", "holding"),
                ("alarm", "noted"),
                ("alarm", "answered"),
                ("held", ("pr",)),
                ("held", ("ticket",)),
                ("text", "changed"),
                ("text", "never"),
                ("pull_text", "changed"),
                ("pull_text", "never"),
                ("conflict", True),
            )
        )
    )
    return replace(story, **{name: value})  # type: ignore[arg-type]


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
    a_check,
    another_thing_was_seen,
    a_grant,
    a_quarantine,
    something_in_the_way,
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

    def fell(self, number: int) -> bool:
        """Was somebody behind this approval quarantined after it?"""
        who = self.story.verdicts[number][0]
        behind = [] if isinstance(who, str) else [self.story.runs[one][0] for one in self.ancestry(who)]
        return any(agent in behind and before > number for agent, before in self.story.quarantines)

    def saw(self, number: int) -> tuple[str, str]:
        """On which diff and which content a verdict was given: this, other, or nobody wrote it down."""
        return next(((diff, content) for one, diff, content in self.story.seen if one == number), ("", ""))

    def last_words(self) -> dict[str, tuple[int, str | int, bool]]:
        """By principal: the number of the verdict that counts at the head, who gave it, and what it was."""
        words: dict[str, tuple[int, str | int, bool]] = {}
        for number, (who, approves, at_head) in enumerate(self.story.verdicts):
            if at_head and not (approves and self.fell(number)):
                name = who if isinstance(who, str) else "agent " + self.story.runs[who][0]
                words[name] = (number, who, approves)
        return words

    def granted(self) -> bool:
        """Did a person without a part in it approve exactly this, and is that still valid?"""
        return any(this and valid and not self.has_part(person) for person, this, valid in self.story.grants)

    def all_green(self) -> bool:
        """Did every wanted check pass, said by whoever has to say it, and by nobody otherwise?"""
        for name, app in (*self.story.required, *self.story.ruled):
            states = [state for one, by, state in self.story.checks if one == name and (app in (0, by))]
            if not states or any(state != "passed" for state in states):
                return False
        return True

    def in_the_way(self) -> bool:
        """Does anything hold it that has nothing to do with who said what?"""
        story = self.story
        edited = "changed" in (story.text, story.pull_text)
        return edited or story.alarm == "holding" or bool(story.held) or story.conflict or not self.all_green()

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
        if story.state != "open" or not story.head or story.into != "main":
            return "deny"
        if merger_is_agent and self.has_part(story.merger):
            return "deny"
        words = list(self.last_words().values())
        good = [
            (number, who)
            for number, who, approves in words
            if approves and not self.has_part(who) and self.saw(number)[0] != "other"
        ]
        touchy = any(path in ("CLAUDE.md", ".github/ci.yml") for path in story.paths)
        by_people = [who for number, who in good if isinstance(who, str) and self.saw(number)[1] != "other"]
        if not good or any(not approves for _, _, approves in words) or self.silent() or self.in_the_way():
            return "hold"
        if touchy and not by_people and not self.granted():
            return "hold"
        return "hold" if merger_is_agent and not story.flag and not self.granted() else "allow"
