"""Whether and when an agent that died is resumed: the decision alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.config.claude import RestartConfig
from fleet.core.agent import AgentState
from fleet.core.work import Run, RunState
from fleet.runtime.port import Death
from fleet.runtime.restarts import MOST_RESTARTS, Again, Circumstances, NoMore, decide

POLICY = RestartConfig(attempts=3, backoff_seconds=10, longest_seconds=60, healthy_seconds=600)
KILLED = Death(1, 137, 0)
RUN = Run(
    id="r1",
    delivery_id="d1",
    event_id="e1",
    event_type="ticket_ready",
    agent="developer",
    role="developer",
    subject="ticket/7",
    generation="",
    work_item="ticket/7",
    attempt=1,
    parent_run="",
    state=RunState.RUNNING,
    epoch=1,
    host="here",
    allowance_seconds=60,
    allowance_kind="timeout",
    used_seconds=0,
    cancel_reason="",
    exit_code=None,
    outcome="",
    escrow_ref="",
    escrow_sha="",
    config_hash="",
    queued_at=0,
    started_at=0,
    finished_at=None,
)


def test_a_killed_agent_is_resumed_after_the_pause_and_the_reason_is_in_words() -> None:
    said = decide(POLICY, RUN, KILLED, Circumstances())
    assert isinstance(said, Again)
    assert (said.streak, said.why) == (1, "ended by signal 9")
    assert 10 <= said.delay <= 12.5
    assert decide(POLICY, RUN, KILLED, Circumstances()) == said, "the spread is drawn from the run, not from chance"


def test_the_pause_doubles_up_to_its_cap() -> None:
    policy = RestartConfig(attempts=10, backoff_seconds=10, longest_seconds=60)
    delays = []
    for streak in range(6):
        said = decide(policy, replace(RUN, restarts=streak, restart_streak=streak), KILLED, Circumstances())
        assert isinstance(said, Again)
        delays.append(said.delay)
    assert delays[:3] == sorted(delays[:3])
    assert 40 <= delays[2] <= 50
    assert delays[3:] == [60.0] * 3


def test_the_last_restart_in_a_row_is_followed_by_none() -> None:
    said = decide(POLICY, replace(RUN, restarts=3, restart_streak=3), KILLED, Circumstances(alive_seconds=599))
    assert said == NoMore("not restarted again: 3 restarts in a row did not keep it alive for 600 s")


def test_an_agent_that_stayed_healthy_begins_to_count_anew() -> None:
    said = decide(POLICY, replace(RUN, restarts=3, restart_streak=3), KILLED, Circumstances(alive_seconds=600))
    assert isinstance(said, Again)
    assert said.streak == 1


def test_no_setting_lifts_the_ceiling_of_a_run() -> None:
    worn = replace(RUN, restarts=MOST_RESTARTS, restart_streak=0)
    said = decide(POLICY, worn, KILLED, Circumstances(alive_seconds=10_000))
    assert isinstance(said, NoMore)
    assert "are the most" in said.why


@pytest.mark.parametrize("fault", ["limit", "overload", "outage"])
def test_a_refusal_that_passes_is_waited_for(fault: str) -> None:
    around = Circumstances(ending="failed", failure="its model could not be asked (rate_limit): slow", fault=fault)
    said = decide(POLICY, RUN, Death(1, 143, 0), around)
    assert isinstance(said, Again)
    assert said.why == "its model could not be asked (rate_limit): slow"


@pytest.mark.parametrize(
    ("run", "around"),
    [
        (RUN, Circumstances(found=("pr_created",))),
        (RUN, Circumstances(ending="done")),
        (RUN, Circumstances(ending="failed", failure="stopped without pr_created")),
        (RUN, Circumstances(ending="failed", failure="credit", fault="account")),
        (RUN, Circumstances(setup="command 1 of 1 (make): it ended with exit code 2")),
        (replace(RUN, cancel_reason="a person said so"), Circumstances()),
    ],
    ids=["work is on record", "done", "told once", "account", "setup", "asked to end"],
)
def test_what_another_try_cannot_mend_ends_as_it_would_without_restarts(run: Run, around: Circumstances) -> None:
    assert decide(POLICY, run, KILLED, around) == NoMore()


def test_nothing_of_a_quarantined_agent_is_resumed() -> None:
    said = decide(POLICY, RUN, KILLED, Circumstances(agent_state=AgentState.QUARANTINED))
    assert said == NoMore("not restarted: its agent is quarantined")


def test_without_the_key_there_is_no_restart() -> None:
    assert decide(RestartConfig(attempts=0), RUN, KILLED, Circumstances()) == NoMore()
