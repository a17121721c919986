"""First teams for kinds of repositories: who develops, who reviews, who merges. ``fleet init`` picks one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT = "default"
DEVELOPER = "developer"
READER = "tech-lead"
TESTER = "qa-engineer"
MERGER = "release-manager"

_EVENTS = {
    DEVELOPER: ("ticket_ready", "pr_changes_requested", "pr_conflict"),
    READER: ("pr_needs_review",),
    TESTER: ("pr_needs_review",),
    MERGER: ("pr_approved",),
}


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in a team: the name of the agent is that of its role. ``plays`` is the playbook it rehearses with."""

    role: str
    plays: str
    reports_to: str = ""

    @property
    def subscribes_to(self) -> tuple[str, ...]:
        """What starts it."""
        return _EVENTS[self.plays]

    def timeout_seconds(self, vendor: str) -> int:
        """The limit of one run; a model takes longer than a playbook."""
        return (600 if self.plays == MERGER else 900) * (4 if vendor == "claude-code" else 1)


@dataclass(frozen=True, slots=True)
class Preset:
    """A team. ``signs`` are kinds of repositories, of which all must be there; ``without`` those that must not."""

    name: str
    says: str
    seats: tuple[Seat, ...]
    signs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def _team(developer: str, lead: str, *second: Seat) -> tuple[Seat, ...]:
    reviewers = second or (Seat(TESTER, TESTER, lead),)
    return (Seat(developer, DEVELOPER, lead), Seat(lead, READER), *reviewers, Seat(MERGER, MERGER, lead))


_PROGRAMS = ("go", "python", "node", "web", "rust", "jvm", "dotnet", "ruby", "php", "native", "apple")

# In the order in which they are tried; the last fits everything.
PRESETS = (
    Preset(
        "data-pipeline",
        "pipelines and models of data",
        _team("data-engineer", "data-lead", Seat("data-reviewer", TESTER, "data-lead")),
        ("data",),
    ),
    Preset(
        "fullstack",
        "a web application, server and interface together",
        _team(
            "fullstack-developer",
            "frontend-lead",
            Seat("qa-engineer", TESTER, "frontend-lead"),
            Seat("accessibility-reviewer", READER, "frontend-lead"),
        ),
        ("web",),
    ),
    Preset("go-service", "a service or tool in Go", _team("go-developer", "backend-lead"), ("go",)),
    Preset("fullstack", "", (), ("node",)),
    Preset(
        "python-service", "a service, tool or library in Python", _team("python-developer", "backend-lead"), ("python",)
    ),
    Preset(
        "devops",
        "infrastructure as code and nothing else",
        _team("infra-engineer", "platform-lead", Seat("infrastructure-reviewer", TESTER, "platform-lead")),
        ("infrastructure",),
        _PROGRAMS,
    ),
    Preset(DEFAULT, "any repository", _team("developer", "tech-lead")),
)
TEAMS = {preset.name: preset for preset in PRESETS if preset.seats}


def preset_for(kinds: Mapping[str, str]) -> tuple[Preset, str]:
    """The team for a repository of these kinds, and the name of a file that spoke for it; "" for the last one."""
    for preset in PRESETS:
        fits = all(sign in kinds for sign in preset.signs) and not any(kind in kinds for kind in preset.without)
        if fits:
            return TEAMS[preset.name], kinds[preset.signs[0]] if preset.signs else ""
    raise AssertionError("the last preset fits everything")


def members_text(preset: Preset, vendor: str = "scripted") -> str:
    """The agents of a team as they stand in a configuration."""
    played = "" if vendor == "scripted" else f"    vendor: {vendor}\n"
    blocks = []
    for number, seat in enumerate(preset.seats):
        boss = f"    reports_to: {seat.reports_to}\n" if seat.reports_to else ""
        remark = "" if number else " # run time in all; an agent that used it up is stopped"
        blocks.append(
            f"  - name: {seat.role}\n    role: {seat.role}\n{played}{boss}"
            f"    subscribes_to: [{', '.join(seat.subscribes_to)}]\n"
            f"    timeout_seconds: {seat.timeout_seconds(vendor)}\n    budget_seconds: 36000{remark}\n"
        )
    return "\n".join(blocks)
