"""May an agent that died be resumed in its own session, and when? Pure: data in, an answer out.

Only where the configuration says so (`restart:`), only for deaths that another try can mend, a bounded number of
times with growing pauses. The shim holds the session meanwhile, the runner acts on the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.config.claude import RestartConfig
from fleet.core.agent import AgentState
from fleet.core.work import Run
from fleet.runtime.port import Death

MOST_RESTARTS = 20  # of one run, whatever its configuration says
PASSING_FAULTS = frozenset({"limit", "overload", "outage"})  # refusals of a provider that time can mend


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about a death beside the death itself.

    ``found`` are events that prove the work; ``ending`` and ``failure`` what the session had settled, ``fault`` the
    provider's refusal that did it; ``setup`` says why a setup did not end; ``alive_seconds`` how long the agent lived.
    """

    found: Sequence[str] = ()
    ending: str = ""
    failure: str = ""
    fault: str = ""
    setup: str = ""
    agent_state: AgentState = AgentState.ACTIVE
    alive_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Again:
    """Resume it ``delay`` seconds from now, as the ``streak``-th time in a row; ``why`` it died."""

    streak: int
    delay: float
    why: str


@dataclass(frozen=True, slots=True)
class NoMore:
    """Let the session end. ``why`` is for the run's outcome; empty where nobody would expect a restart."""

    why: str = ""


def decide(policy: RestartConfig, run: Run, death: Death, around: Circumstances) -> Again | NoMore:
    """The answer to a death that was not answered yet."""
    if around.found or around.ending == "done" or run.cancel_reason or around.setup or policy.attempts == 0:
        return NoMore()
    if around.agent_state is AgentState.QUARANTINED:
        return NoMore("not restarted: its agent is quarantined")
    if around.ending == "failed" and around.fault not in PASSING_FAULTS:
        return NoMore()
    why = around.failure if around.ending == "failed" else died_of(death)
    streak = 1 if around.alive_seconds >= policy.healthy_seconds else run.restart_streak + 1
    if streak > policy.attempts:
        used = f"{policy.attempts} restart{'s' if policy.attempts > 1 else ''} in a row"
        return NoMore(f"not restarted again: {used} did not keep it alive for {policy.healthy_seconds} s")
    if run.restarts >= MOST_RESTARTS:
        return NoMore(f"not restarted again: {MOST_RESTARTS} restarts are the most that any run gets")
    return Again(streak, _delay(policy, streak, f"{run.id}:{death.count}"), why)


def died_of(death: Death) -> str:
    """How an agent ended, in words."""
    if death.code > 128:
        return f"ended by signal {death.code - 128}"
    return f"ended with exit code {death.code}"


def _delay(policy: RestartConfig, streak: int, seed: str) -> float:
    """Doubles each time up to the cap; up to a quarter more, drawn from the seed, so that a herd does not stay one."""
    pause = min(float(policy.longest_seconds), policy.backoff_seconds * 2.0 ** min(streak - 1, 20))
    spread = hashlib.sha256(seed.encode()).digest()[0] / 255
    return min(float(policy.longest_seconds), pause * (1 + spread / 4))
