"""What the journal has told so far: which step of the chain is reached, and what each agent did. Pure.

Reads nothing but journal entries as ``fleet log --json`` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.core.clock import SECOND

Entry = Mapping[str, Any]

# The steps in order; each is reached by the first entry that `_step_of` files under it.
STEPS: tuple[tuple[str, str], ...] = (
    ("ticket_ready", "the ticket is ready"),
    ("pr_created", "the developer opens a pull request"),
    ("pr_changes_requested", "a reviewer's own test run fails: changes requested"),
    ("pr_updated", "the developer corrects the same pull request"),
    ("pr_approved", "every reviewer approves that commit"),
    ("pr_merged", "the merge gate passes: exactly that commit is merged"),
    ("ticket_shipped", "the ticket is shipped"),
)

# Steps that only a story that was written beforehand is sure to take.
_WRITTEN = frozenset({"pr_changes_requested", "pr_updated"})

_RUN_ENDS = {
    "run.succeeded": "succeeded",
    "run.failed": "failed",
    "run.timed_out": "timed out",
    "run.over_budget": "used up its budget",
    "run.cancelled": "was stopped",
    "run.lost": "was lost",
}

# What an agent did, in the past tense of the summary; "{pr}" is the pull request.
_DEEDS = {
    "pr_created": "opened pr/{pr}",
    "pr_updated": "corrected pr/{pr}",
    "pr_changes_requested": "requested changes",
    "pr_approved": "approved",
    "pr_merged": "merged pr/{pr}",
}

# Entries that a watcher wants to see as they happen.
_TOLD = frozenset({*_DEEDS, "ticket_ready", "ticket_shipped", "pr_needs_review", "pr_conflict", "work_returned"})
_TROUBLE = frozenset(
    {"delivery.dead_lettered", "delivery.denied", "merge.refused", "review.refused", "budget.exhausted"}
)


@dataclass(slots=True)
class Member:
    """One agent as the demo shows it."""

    name: str
    state: str = "waits"
    runs: int = 0
    deeds: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Chain:
    """The state of the chain; ``feed`` it every entry in order. ``reviewers`` are the members that review.

    ``written`` says that playbooks play it, so that every step is sure to come.
    """

    ticket: int
    members: dict[str, Member]
    reviewers: frozenset[str]
    written: bool = True
    reached: dict[str, int] = field(default_factory=dict)  # step -> instant
    events: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)  # reviewed heads, in order
    approvals: dict[str, set[str]] = field(default_factory=dict)  # head -> reviewers
    pr: int = 0
    merged_head: str = ""
    merge_commit: str = ""
    began_at: int = 0
    last_at: int = 0
    trouble: str = ""

    def feed(self, entry: Entry) -> None:
        """Take the next entry."""
        kind, agent = str(entry["type"]), str(entry["agent"]) or _agent_of(entry)
        self.last_at = int(entry["at"])
        if entry["stream"] == "event":
            self.events.append(kind)
            self._event(kind, agent, entry)
        elif kind.startswith("run.") and agent in self.members:
            self._run(kind, self.members[agent])
        if kind == "delivery.dead_lettered":
            self.trouble = str(entry["summary"]) or "work used up its attempts"

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """The steps to show: those that are sure to come, and those that have come."""
        return tuple(step for step in STEPS if self.written or step[0] not in _WRITTEN or step[0] in self.reached)

    @property
    def done(self) -> bool:
        """Whether the ticket is shipped and nobody works any more."""
        return "ticket_shipped" in self.reached and all(member.state != "works" for member in self.members.values())

    @property
    def rounds(self) -> int:
        """How many heads were reviewed."""
        return len(self.heads)

    @property
    def approved_head(self) -> str:
        """The newest head that somebody approved; "" when there is none."""
        return next((head for head in reversed(self.heads) if self.approvals.get(head)), "")

    @property
    def seconds(self) -> float:
        """From the ticket being ready to the ticket being shipped, or to now."""
        return (self.reached.get("ticket_shipped", self.last_at) - self.began_at) / SECOND if self.began_at else 0.0

    def offset(self, at: int) -> float:
        """Seconds since the ticket was ready."""
        return max(0.0, (at - self.began_at) / SECOND) if self.began_at else 0.0

    def _event(self, kind: str, agent: str, entry: Entry) -> None:
        payload = entry["payload"] or {}
        self.pr = int(payload.get("pr") or 0) or self.pr
        if kind == "ticket_ready":
            self.began_at = self.began_at or int(entry["at"])
        if kind in ("pr_approved", "pr_changes_requested"):
            self._verdict(kind, agent, str(entry["generation"]))
        if kind == "pr_merged":
            self.merged_head = str(payload.get("head", ""))
            self.merge_commit = str(payload.get("merge_commit", ""))
        if agent in self.members and kind in _DEEDS:
            self.members[agent].deeds.append(_DEEDS[kind].format(pr=self.pr))
        if kind in dict(STEPS) and (kind != "pr_approved" or self._all_approve(str(entry["generation"]))):
            self.reached.setdefault(kind, int(entry["at"]))

    def _verdict(self, kind: str, agent: str, head: str) -> None:
        if head not in self.heads:
            self.heads.append(head)
        if kind == "pr_approved":
            self.approvals.setdefault(head, set()).add(agent)
        else:
            self.approvals.get(head, set()).discard(agent)

    def _all_approve(self, head: str) -> bool:
        return self.approvals.get(head, set()) >= self.reviewers

    def _run(self, kind: str, member: Member) -> None:
        if kind == "run.starting":
            member.runs += 1
            member.state = "works"
        elif kind in _RUN_ENDS:
            member.state = "waits" if kind == "run.succeeded" else _RUN_ENDS[kind]


def _agent_of(entry: Entry) -> str:
    """The agent that acted, from the entry's actor; "" for others."""
    family, _, name = str(entry["actor"]).partition(":")
    return name if family == "agent" else ""


def told(entry: Entry, *, written: bool = True) -> tuple[str, str] | None:
    """Who did what, for entries that a watcher wants to see; None for the rest. ``written``: playbooks play it."""
    kind, agent = str(entry["type"]), str(entry["agent"]) or _agent_of(entry)
    subject = str(entry["subject"])
    if kind == "run.started":
        return agent, "starts"
    if kind in _RUN_ENDS and kind != "run.succeeded":
        return agent, f"{_RUN_ENDS[kind]}: {entry['summary']}"
    if kind in _TROUBLE:
        return agent or "policy", str(entry["summary"]).removeprefix(f"{agent} ")
    if kind not in _TOLD:
        return None
    head = str(entry["generation"])[:10]
    payload = entry["payload"] or {}
    texts = {
        "ticket_ready": f"{subject} is ready",
        "ticket_shipped": f"{subject} is shipped",
        "pr_needs_review": f"{subject} needs review at {head}",
        "pr_created": f"opens {subject} at {head}",
        "pr_updated": f"corrects {subject}: now at {head}",
        "pr_changes_requested": f"ran the tests of {head}: {_last_line(payload)}; requests changes"
        if written
        else f"requests changes of {head}: {_first_line(payload)}",
        "pr_approved": f"ran the tests of {head}: they pass; approves" if written else f"approves {head}",
        "pr_merged": f"merges {subject} at exactly {str(payload.get('head', ''))[:10]}",
    }
    who = agent or ("watcher" if str(entry["actor"]).startswith("forge:") else str(entry["actor"]).partition(":")[0])
    return who, texts.get(kind, str(entry["summary"]))


def _first_line(payload: Mapping[str, Any]) -> str:
    """How a reviewer's words begin."""
    lines = [line.strip() for line in str(payload.get("body", "")).splitlines() if line.strip()]
    return lines[0][:100] if lines else "without a word"


def _last_line(payload: Mapping[str, Any]) -> str:
    """The end of a reviewer's report, which is the verdict of the test run itself."""
    lines = [line.strip() for line in str(payload.get("body", "")).splitlines() if line.strip()]
    return lines[-1] if lines else "they fail"
