"""The demo's course: start the fleet, write the ticket, watch the journal until the ticket is shipped, look back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from fleet.cli.client import Client
from fleet.cli.demo import story
from fleet.cli.demo.chain import STEPS, Chain, Entry, Member
from fleet.cli.demo.stage import Stage
from fleet.core.clock import Clock
from fleet.core.errors import FleetError

DEADLINE_SECONDS = 180.0
_AGENTS = ("developer", "tech-lead", "qa-engineer", "release-manager")
_REVIEWERS = frozenset({"tech-lead", "qa-engineer"})


class Teller(Protocol):
    """Shows the demo as it goes."""

    def say(self, text: str) -> None:
        """One line of the frame story."""

    def show(self, entry: Entry, chain: Chain) -> None:
        """A new journal entry, already fed to the chain."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, for the summary. ``agents`` as ``fleet agent list`` gives them; ``log`` is git's of the base.

    ``scores`` is the scorecard of the whole fleet, by dimension; None is insufficient data.
    """

    chain: Chain
    verified: dict[str, Any]
    agents: list[dict[str, Any]]
    scores: dict[str, float | None]
    log: str
    merged: bool
    tests_pass: bool
    tests_said: str

    @property
    def ok(self) -> bool:
        """Whether everything that the demo promises has happened."""
        exact = bool(self.chain.merged_head) and self.chain.merged_head == self.chain.approved_head
        rounds = 2 if self.chain.written else 1
        return exact and self.merged and self.tests_pass and bool(self.verified["ok"]) and self.chain.rounds >= rounds


def play(
    stage: Stage, teller: Teller, clock: Clock, *, seconds: float = DEADLINE_SECONDS, written: bool = True
) -> Outcome:
    """Run the whole chain; ``written`` says that playbooks play it.

    Raises FleetError FLT-CLI-020 for a command that failed, FLT-CLI-021 for the chain.
    """
    deadline = clock.monotonic() + seconds
    _, said = stage.tests()
    teller.say(f"a git repository with a small program; its tests: {said}")
    up = stage.fleet("up")
    teller.say(f"fleet up: {up['fleet']}, pid {up['pid']}, supervised; agents: {', '.join(up['agents'])}")
    made = stage.fleet("ticket", "create", story.TICKET_TITLE, "--body", story.TICKET_BODY, "--label", "ready")
    number = int(made["ticket"]["number"])
    teller.say(f'fleet ticket create "{story.TICKET_TITLE}" --label ready: ticket/{number}')
    chain = Chain(number, {name: Member(name) for name in _AGENTS}, _REVIEWERS, written)
    _watch(Client(str(up["socket"])), chain, teller, clock, deadline)
    return _look_back(stage, chain)


def _watch(client: Client, chain: Chain, teller: Teller, clock: Clock, deadline: float) -> None:
    """Follow the journal until the ticket is shipped. Raises FleetError FLT-CLI-021 when it is not."""
    head = 0
    try:
        while not chain.done:
            left = deadline - clock.monotonic()
            if chain.trouble or left <= 0:
                steps = f"{len(chain.reached)} of its {len(STEPS)} steps were reached in time"
                raise FleetError("FLT-CLI-021", f"the chain did not come to its end: {chain.trouble or steps}")
            found = client.call("log", {"after": head, "limit": 1000, "wait_seconds": min(left, 2.0)})
            for entry in found["entries"]:
                chain.feed(entry)
                teller.show(entry, chain)
            head = max([head, int(found["head"]), *(int(entry["seq"]) for entry in found["entries"])])
    finally:
        client.close()


def _look_back(stage: Stage, chain: Chain) -> Outcome:
    """Verify the journal and look at what is there now: the base branch, its tests, what each agent used."""
    passes, said = stage.tests()
    merged = False
    with suppress(FleetError):
        stage.git("merge-base", "--is-ancestor", chain.merged_head, "HEAD")
        merged = bool(chain.merged_head)
    cards = stage.fleet("eval", "compare", "--by", "fleet")["cards"]
    return Outcome(
        chain=chain,
        verified=stage.fleet("audit", "verify"),
        scores={row["dimension"]: row["score"] for row in cards[0]["scores"]} if cards else {},
        agents=list(stage.fleet("agent", "list")["agents"]),
        log=stage.git("log", "--graph", "--format=%h %s (%an)", "-8"),
        merged=merged,
        tests_pass=passes,
        tests_said=said,
    )
