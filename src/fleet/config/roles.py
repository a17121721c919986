"""A role: what a kind of agent is for, what it may do and touch, and what it has to deliver. Its file, strictly read.

``docs/howto/roles.md`` explains the keys. A role that ``extends`` another takes over what it does
not say itself, keeps every ban of it, and may do no more than it, unless ``widens`` says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet.config.commandsets import commands_of
from fleet.config.kinds import EventName, Name, Pattern
from fleet.config.model import EventNames
from fleet.config.scope import Scope, path_covered, path_fault
from fleet.config.scope import command_covered as covered
from fleet.config.validate import check
from fleet.config.yamlfile import Document, Problem, invalid, read_yaml
from fleet.core.event import BUILTIN
from fleet.core.journal import Stream

VERBS = ("pr.push", "pr.review", "pr.merge", "fabric.publish")

# What the runs of every role may call; which entries they may cause that way is said by what the role emits.
EVERYBODYS = frozenset(
    {
        "artifact.put",
        "artifact.send",
        "ask",
        "fabric.claim",
        "fabric.complete",
        "fabric.handoff",
        "fabric.release",
        "fabric.renew",
        "fabric.resolve",
        "fabric.withdraw",
        "inbox.ack",
    }
)

# Two of these in one role would let an agent pass its own work on.
INCOMPATIBLE = (
    frozenset({"pr.push", "pr.review"}),
    frozenset({"pr.review", "pr.merge"}),
    frozenset({"pr.merge", "pr.push"}),
)
_DELIVERIES = (frozenset({"pr_created", "pr_updated"}), frozenset({"pr_approved"}), frozenset({"pr_merged"}))
_CALL_OF = {"pr.push": "pr_created", "pr.review": "pr_approved", "pr.merge": "pr_merged"}
_SKILL_OF = {"pr.push": "develop", "pr.review": "review", "pr.merge": "ship"}

DEEPEST = 4  # roles that extend one another in a row

SKILLS = ("develop", "review", "ship", "ticket", "report")

Line = Annotated[str, Field(min_length=1, max_length=300)]
Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=20)]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=100)]


@dataclass(frozen=True, slots=True)
class Role:
    """A template for agents.

    ``verbs`` are the calls its runs may make beside reading, those of every role included; ``emits`` the event
    types its runs may cause, by those calls or by publishing; ``hears`` the events that usually start it. ``expects``
    maps the event that started a run (``*`` = any other) to the events of which one must be on record, emitted by
    that run, for the run to count as succeeded. ``scope`` is what its runs may start and change. ``budget_seconds`` is
    the ceiling that a new agent gets from the template. ``file`` is how messages call the file, ``digest``
    the SHA-256 of its bytes and its base's.
    """

    name: str
    extends: str
    department: str
    mission: str
    owns: tuple[str, ...]
    duties: tuple[str, ...]
    must_never: tuple[str, ...]
    verbs: frozenset[str]
    hears: tuple[str, ...]
    emits: frozenset[str]
    expects: Mapping[str, tuple[str, ...]]
    scope: Scope
    skill: str
    default_tier: str
    tier_reason: str
    budget_seconds: int
    examples: tuple[str, ...]
    widens: str
    file: str
    digest: str

    @property
    def is_reviewer(self) -> bool:
        """Whether its verdicts count at the merge gate."""
        return "pr.review" in self.verbs

    def expected_after(self, event_type: str) -> tuple[str, ...]:
        """Any one of these proves that a run started by ``event_type`` did its work."""
        return self.expects.get(event_type) or self.expects.get("*", ())


class _PathsFile(BaseModel):
    """Which paths of the repository runs of the role may change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    write: Patterns = Field(default=(), description="What it may change; nothing else.")
    never: Patterns = Field(default=(), description="What it may not change although `write` means it.")


class _RoleFile(BaseModel):
    """The form of one role file. What a base has to say, and what not, is checked apart."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name = Field(description="Its name, that of the file.")
    extends: Name = Field(default="", description="The role whose rules it takes over.")
    widens: Line | None = Field(default=None, description="Why it may do more than the role it extends.")
    department: Name | None = Field(default=None, description="Where its agents stand.")
    mission: Line = Field(description="What it is for, in one sentence.")
    owns: Lines = Field(description="What is its job and nobody else's.")
    duties: Lines = Field(description="How it does that job.")
    must_never: Lines | None = Field(default=None, description="What it does under no circumstances.")
    verbs: Annotated[tuple[Literal["pr.push", "pr.review", "pr.merge", "fabric.publish"], ...], Field(min_length=1)] | (
        None
    ) = Field(default=None, description="The calls it may make beside reading.")
    hears: EventNames | None = Field(default=None, description="Events that usually start it.")
    emits: Annotated[tuple[EventName, ...], Field(min_length=1)] | None = Field(
        default=None, description="Events its runs may cause."
    )
    expects: dict[str, Annotated[tuple[EventName, ...], Field(min_length=1)]] | None = Field(
        default=None, description="The event that started a run, and those that prove that its work is done."
    )
    commands: Patterns | None = Field(default=None, description="Patterns of commands, or @set.")
    paths: _PathsFile | None = Field(default=None, description="Patterns of paths.")
    skill: Literal["develop", "review", "ship", "ticket", "report"] | None = Field(
        default=None, description="How it works, step by step."
    )
    default_tier: Literal["opus", "sonnet", "haiku"] | None = Field(default=None, description="Which size of model.")
    tier_reason: Line | None = Field(default=None, description="Why that size.")
    budget_seconds: Annotated[int, Field(gt=0, le=1_000_000_000)] | None = Field(
        default=None, description="Run time in all that a new agent gets, in seconds."
    )
    examples: Lines = Field(description="Tasks as it might be given them; at least two.")


_INHERITED = (
    "department", "must_never", "verbs", "hears", "emits", "expects", "commands", "paths", "skill", "default_tier",
    "tier_reason", "budget_seconds",
)  # fmt: skip


def parse_role(data: bytes, name: str, base_of: Callable[[str], Role] | None = None) -> Role:
    """One role file, strictly checked; ``base_of`` finds the role that it extends, and may raise ConfigError.

    ``name`` is how faults call the file. Raises ConfigError FLT-CFG-010 with every fault.
    """
    document = read_yaml(data, name)
    found = check(document, _RoleFile)
    if found is None:
        invalid(name, document.problems)
    if found.extends and base_of is None:
        document.problems.append(
            Problem(document.key_spot(("extends",)), "extends is not possible here", "no such key")
        )
    if document.problems:
        invalid(name, document.problems)
    base = base_of(found.extends) if found.extends and base_of is not None else None
    _complete(document, found, base)
    if document.problems:
        invalid(name, document.problems)
    own = hashlib.sha256(data + (base.digest if base is not None else "").encode("ascii")).hexdigest()
    role = _role(document, found, base, own)
    _cross_check(document, role)
    if base is not None:
        _narrower(document, role, base)
    if document.problems:
        invalid(name, document.problems)
    return role


def _complete(document: Document, found: _RoleFile, base: Role | None) -> None:
    """Whoever extends nothing says everything; ``widens`` needs something to widen."""
    if base is None:
        for key in _INHERITED:
            if getattr(found, key) is None:
                expected = "a value for it, or a role to take it from with extends"
                document.problems.append(Problem(document.value_spot(()), f"{key} is missing", expected))
        if found.widens:
            document.problems.append(Problem(document.key_spot(("widens",)), "widens without extends", "no such key"))
    if len(found.examples) < 2:
        document.problems.append(Problem(document.value_spot(("examples",)), "there is one example", "at least two"))
    if (found.default_tier is None) is not (found.tier_reason is None):
        key = "default_tier" if found.default_tier is not None else "tier_reason"
        what = f"{key} stands alone"
        document.problems.append(Problem(document.key_spot((key,)), what, "default_tier and tier_reason together"))


def _role(document: Document, found: _RoleFile, base: Role | None, digest: str) -> Role:
    """The role with what it takes over from its base."""

    def pick(key: str, inherited: Any) -> Any:
        own = getattr(found, key)
        return own if own is not None else inherited

    old = base.must_never if base is not None else ()
    bans = (*(found.must_never or ()), *(line for line in old if line not in (found.must_never or ())))
    return Role(
        name=found.name,
        extends=found.extends,
        department=pick("department", base and base.department),
        mission=found.mission,
        owns=found.owns,
        duties=found.duties,
        must_never=bans,
        verbs=frozenset(found.verbs) | EVERYBODYS if found.verbs is not None else base.verbs,  # type: ignore[union-attr]
        hears=pick("hears", base and base.hears),
        emits=frozenset(pick("emits", base and base.emits)),
        expects=MappingProxyType(dict(pick("expects", base and base.expects))),
        scope=_scope(document, found, base),
        skill=pick("skill", base and base.skill),
        default_tier=pick("default_tier", base and base.default_tier),
        tier_reason=pick("tier_reason", base and base.tier_reason),
        budget_seconds=pick("budget_seconds", base and base.budget_seconds),
        examples=found.examples,
        widens=found.widens or "",
        file=document.name,
        digest=digest,
    )


def _scope(document: Document, found: _RoleFile, base: Role | None) -> Scope:
    """What it may run and change: its own patterns or its base's; what its base must not change stays so."""
    old = base.scope if base is not None else Scope((), (), ())
    commands = old.commands
    if found.commands is not None:
        commands, faults = commands_of(found.commands)
        for place, expected in faults:
            spot = document.value_spot(("commands", place))
            document.problems.append(Problem(spot, f"command {found.commands[place]!r}", expected))
    if found.paths is None:
        return Scope(commands, old.write, old.never)
    for key in ("write", "never"):
        for place, pattern in enumerate(getattr(found.paths, key)):
            fault = path_fault(pattern)
            if fault:
                spot = document.value_spot(("paths", key, place))
                document.problems.append(Problem(spot, f"path {pattern!r}", fault))
    write = found.paths.write if "write" in found.paths.model_fields_set else old.write
    never = (*found.paths.never, *(item for item in old.never if item not in found.paths.never))
    return Scope(commands, write, never)


def _cross_check(document: Document, role: Role) -> None:
    """What no single key can tell: separated duties, known events, deliveries that fit the calls."""
    if document.name.rpartition("/")[2] != f"{role.name}.yaml":
        _fault(document, "name", f"name is {role.name!r}", "the name of the file without .yaml")
    for pair in INCOMPATIBLE:
        if pair <= role.verbs:
            what = f"verbs hold {' and '.join(sorted(pair))}"
            _fault(document, "verbs", what, "at most one of the two in a role")
    if sum(bool(group & role.emits) for group in _DELIVERIES) > 1:
        what = "emits holds events of author, reviewer or merger together"
        _fault(document, "emits", what, "those of one of them")
    for key, what, expected in _odd_calls(role) if not document.problems else ():
        _fault(document, key, what, expected)
    for key, what, expected in _unknown_events(role):
        _fault(document, key, what, expected)


def _odd_calls(role: Role) -> Iterator[tuple[str, str, str]]:
    """Calls, the events they end in, and the steps that are told for them belong together."""
    for verb, event in _CALL_OF.items():
        if (verb in role.verbs) is not (event in role.emits):
            have, lack = (f"verbs hold {verb}", event) if verb in role.verbs else (f"emits holds {event}", verb)
            yield "verbs" if verb in role.verbs else "emits", f"{have} and {lack} is not there", "both, or neither"
    fits = [skill for verb, skill in _SKILL_OF.items() if verb in role.verbs] or ["ticket", "report"]
    if role.skill not in fits:
        yield "skill", f"skill is {role.skill!r} for verbs {sorted(role.verbs & set(VERBS))}", " or ".join(fits)


def _unknown_events(role: Role) -> Iterator[tuple[str, str, str]]:
    """Events that are not there, or not the role's: key, what, what was expected."""
    for event in sorted(role.emits):
        if event not in BUILTIN or "agent" not in BUILTIN[event].producers:
            yield "emits", f"emits holds {event!r}", "events that an agent may produce"
    for event in role.hears:
        if event not in BUILTIN or BUILTIN[event].stream is not Stream.EVENT:
            yield "hears", f"hears holds {event!r}", "events of the Fabric"
    known = role.emits | {"pr_conflict"}  # a merge that conflicts is told by the system, in the run's name
    for start, events in role.expects.items():
        for event in sorted(set(events) - known):
            yield "expects", f"expects {event!r}", "events that the role emits"
        if start != "*" and start not in BUILTIN:
            yield "expects", f"expects something after {start!r}", "an event, or *"


def _fault(document: Document, key: str, what: str, expected: str, hint: str = "") -> None:
    document.problems.append(Problem(document.value_spot((key,)), what, expected, hint))


def _narrower(document: Document, role: Role, base: Role) -> None:
    """A role may do no more than the one it extends, unless it says why."""
    hint = f"Or say with widens why a {role.name} may do more than a {base.name}."
    faults = [("verbs", f"verbs hold {verb}") for verb in sorted(role.verbs - base.verbs)]
    faults += [("emits", f"emits holds {event}") for event in sorted(role.emits - base.emits)]
    faults += [
        ("commands", f"commands allow {pattern!r}")
        for pattern in role.scope.commands
        if not covered(pattern, base.scope.commands)
    ]
    faults += [
        ("paths", f"paths.write holds {pattern!r}")
        for pattern in role.scope.write
        if not path_covered(pattern, base.scope.write)
    ]
    if role.widens and not faults:
        _fault(document, "widens", f"widens stands there, and it does no more than {base.name}", "no such key")
    for key, what in faults if not role.widens else ():
        _fault(document, key, what, f"no more than {base.name} may", hint)
