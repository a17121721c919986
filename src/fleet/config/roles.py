"""The role catalogue: what a kind of agent is for and what it may do. Data in catalog/, one file a role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet.config.kinds import EventName, Name
from fleet.config.validate import check
from fleet.config.yamlfile import Document, Problem, invalid, read_yaml
from fleet.core.event import BUILTIN

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
INCOMPATIBLE = (frozenset({"pr.push", "pr.review"}), frozenset({"pr.review", "pr.merge"}))

Line = Annotated[str, Field(min_length=1, max_length=300)]


@dataclass(frozen=True, slots=True)
class Role:
    """A template for agents.

    ``verbs`` are the calls its runs may make beside reading, those of every role included; ``emits`` the event
    types its runs may cause, by those calls or by publishing. ``expects`` maps the event that started a run (``*`` =
    any other) to the events of which one must be on record, emitted by that run, for the run to count as succeeded.
    """

    name: str
    department: str
    mission: str
    duties: tuple[str, ...]
    must_never: tuple[str, ...]
    verbs: frozenset[str]
    emits: frozenset[str]
    expects: Mapping[str, tuple[str, ...]]
    is_reviewer: bool
    default_tier: str
    tier_reason: str

    def expected_after(self, event_type: str) -> tuple[str, ...]:
        """Any one of these proves that a run started by ``event_type`` did its work."""
        return self.expects.get(event_type) or self.expects.get("*", ())


class _RoleFile(BaseModel):
    """The form of one catalogue file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    department: Name
    mission: Line
    duties: Annotated[tuple[Line, ...], Field(min_length=1)]
    must_never: Annotated[tuple[Line, ...], Field(min_length=1)]
    verbs: Annotated[tuple[Literal["pr.push", "pr.review", "pr.merge", "fabric.publish"], ...], Field(min_length=1)]
    emits: Annotated[tuple[EventName, ...], Field(min_length=1)]
    expects: dict[str, Annotated[tuple[EventName, ...], Field(min_length=1)]]
    reviewer: bool
    default_tier: Literal["opus", "sonnet", "haiku"]
    tier_reason: Line


def load_roles() -> dict[str, Role]:
    """Every role of the catalogue by name. Raises ConfigError FLT-CFG-010 when a file of it is faulty."""
    folder = resources.files("fleet.config.catalog")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name)
    roles = (parse_role(item.read_bytes(), f"catalog/{item.name}") for item in files)
    return {role.name: role for role in roles}


def parse_role(data: bytes, name: str) -> Role:
    """One catalogue file, strictly checked. Raises ConfigError FLT-CFG-010 with every fault."""
    document = read_yaml(data, name)
    found = check(document, _RoleFile)
    if found is not None:
        _cross_check(document, found)
    if found is None or document.problems:
        invalid(name, document.problems)
    return Role(
        name=found.name,
        department=found.department,
        mission=found.mission,
        duties=found.duties,
        must_never=found.must_never,
        verbs=frozenset(found.verbs) | EVERYBODYS,
        emits=frozenset(found.emits),
        expects=MappingProxyType(dict(found.expects)),
        is_reviewer=found.reviewer,
        default_tier=found.default_tier,
        tier_reason=found.tier_reason,
    )


def _cross_check(document: Document, role: _RoleFile) -> None:
    """What no single key can tell: separated duties, known events, a reviewer that may review."""

    def fault(key: str, what: str, expected: str) -> None:
        document.problems.append(Problem(document.value_spot((key,)), what, expected))

    if document.name.rpartition("/")[2] != f"{role.name}.yaml":
        fault("name", f"name is {role.name!r}", "the name of the file without .yaml")
    verbs = frozenset(role.verbs)
    for pair in INCOMPATIBLE:
        if pair <= verbs:
            fault("verbs", f"verbs hold {' and '.join(sorted(pair))}", "at most one of the two in a role")
    if role.reviewer is not ("pr.review" in verbs):
        fault("reviewer", f"reviewer is {str(role.reviewer).lower()}", "true exactly where verbs hold pr.review")
    for event in role.emits:
        if event not in BUILTIN or "agent" not in BUILTIN[event].producers:
            fault("emits", f"emits holds {event!r}", "events that an agent may produce")
    known = set(role.emits) | {"pr_conflict"}  # a merge that conflicts is told by the system, in the run's name
    for events in role.expects.values():
        for event in sorted(set(events) - known):
            fault("expects", f"expects {event!r}", "events that the role emits")
