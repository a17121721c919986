"""The runner: queued runs become sessions, ended sessions become outcomes, each exactly once and on record."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.roles import EVERYBODYS
from fleet.core.clock import SECOND
from fleet.core.errors import TemporaryError
from fleet.core.principal import Principal
from fleet.core.work import Run, RunState
from fleet.runtime.brief import WorkFacts
from fleet.runtime.runner import MARGIN_SECONDS, MAX_EPOCH, STARTS_AT_ONCE
from fleet.store import capabilities
from fleet.testing.fake_runtime import FakeSession
from fleet.testing.repos import commit, git, make_clone
from fleet.testing.scene import load, usual_members
from fleet.testing.workshop import HandExecutor, Workshop

SUCCESS = ["run.starting", "handbook.compiled", "run.started", "pr_created", "run.succeeded"]


def secret_of(shop: Workshop, session: FakeSession) -> str:
    """What the agent finds in its capability file."""
    return Path(session.launch.env["FLEET_CAPABILITY_FILE"]).read_text()


def holder(shop: Workshop, secret: str) -> Principal | None:
    """Who that secret is, to the daemon."""
    return shop.db.read(lambda tx: capabilities.holder_of(tx, capabilities.digest(secret)))


# -- start ------------------------------------------------------------------------------------------------


def test_a_queued_run_becomes_a_session_and_a_success(shop: Workshop) -> None:
    run_id = shop.running()
    assert shop.run(run_id).epoch == 1
    assert shop.run(run_id).host == "here"
    shop.emit(run_id, "pr_created")
    shop.clock.advance(12)
    shop.runtime.exit(f"{run_id}-e1", 0)
    shop.rest()
    run = shop.run(run_id)
    assert run.state is RunState.SUCCEEDED
    assert run.exit_code == 0
    assert run.used_seconds == pytest.approx(12)
    assert run.outcome == "pr_created is on record"
    assert shop.story(run_id) == SUCCESS
    payload = shop.entries(run_id)[-1].payload
    assert payload is not None
    assert payload["used_seconds"] == pytest.approx(12)
    assert payload["exit_code"] == 0
    assert payload["reason"] == "exited"
    assert payload["escrow_ref"] == f"refs/fleet/escrow/{run_id}-e1"


def test_a_runner_with_nothing_to_do_writes_nothing_and_waits_for_news(shop: Workshop) -> None:
    before = shop.db.read(lambda tx: tx.one("SELECT count(*) FROM journal"))
    tick = shop.tick()
    assert (tick.did, tick.next_at) == (0, None)
    assert shop.db.read(lambda tx: tx.one("SELECT count(*) FROM journal")) == before


def test_a_live_session_is_looked_at_again_within_a_second(shop: Workshop) -> None:
    shop.running()
    tick = shop.tick()
    assert tick.did == 0
    assert tick.next_at is not None
    assert tick.next_at - shop.clock.now() < SECOND


def test_the_agent_gets_its_whole_environment_and_nothing_else(shop: Workshop) -> None:
    pull = {"number": 8, "head": "f" * 40, "title": "$(touch /tmp/x) `id`"}
    shop.facts = lambda run: WorkFacts("fleet/7", "main", ticket={"number": 7, "title": "do; it"}, pull=pull)
    run_id = shop.running()
    session = shop.session(run_id)
    env = dict(session.launch.env)
    folder = shop.paths.runs / f"{run_id}-e1"
    assert env["PATH"] == "/opt/fleet/bin:/usr/local/bin:/usr/bin:/bin"
    assert env["FLEET_AGENT"] == env["GIT_AUTHOR_NAME"] == "developer"
    assert env["GIT_COMMITTER_EMAIL"] == "developer@agents.fleet.invalid"
    assert (env["FLEET_RUN"], env["FLEET_TICKET"], env["FLEET_PR"]) == (f"{run_id}-e1", "7", "8")
    assert env["FLEET_HEAD"] == "f" * 40
    assert env["FLEET_SOCKET"] == str(shop.paths.socket)
    assert env["HOME"] == str(folder / "home")
    words = " ".join([*session.launch.argv, *env.values()])
    assert "touch" not in words
    assert "do; it" not in words
    assert secret_of(shop, session) not in words
    brief = json.loads(Path(env["FLEET_BRIEF"]).read_text())
    assert brief["pr"]["title"] == pull["title"]
    assert brief["ticket"]["title"] == "do; it"
    assert brief["event"]["type"] == "ticket_ready"
    assert brief["trusted"] is False


def test_the_run_folder_is_private_and_the_secret_is_read_only(shop: Workshop) -> None:
    run_id = shop.running()
    folder = shop.paths.runs / f"{run_id}-e1"
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in (".", "capability", "brief.json", "home")}
    assert modes == {".": 0o700, "capability": 0o400, "brief.json": 0o600, "home": 0o700}
    assert len(secret_of(shop, shop.session(run_id))) == 64


def test_the_playbook_is_copied_so_that_a_later_edit_changes_nothing(shop: Workshop) -> None:
    run_id = shop.running()
    copy = Path(shop.session(run_id).launch.argv[-1])
    assert copy.parent == shop.paths.runs / f"{run_id}-e1"
    assert "say: developer" in copy.read_text()


def test_a_capability_covers_the_role_the_declared_events_and_the_objects_of_the_run(shop: Workshop) -> None:
    shop.facts = lambda run: WorkFacts("fleet/7", "main", pull={"number": 8, "head": shop.base})
    run_id = shop.running(agent="starter")
    secret = secret_of(shop, shop.session(run_id))
    who = holder(shop, secret)
    assert who is not None
    assert (who.name, who.run_id, who.epoch, who.role) == ("starter", run_id, 1, "developer")
    assert who.verbs == {"pr.push", "fabric.publish", "agent.start"} | EVERYBODYS
    assert {"pr_created", "note"} <= who.emits
    assert who.subjects == {"ticket/7", "pr/8"}
    shop.clock.advance(shop.run(run_id).allowance_seconds + MARGIN_SECONDS + 1)
    assert holder(shop, secret) is None


def test_a_capability_ends_with_its_run(shop: Workshop) -> None:
    run_id = shop.running()
    secret = secret_of(shop, shop.session(run_id))
    assert holder(shop, secret) is not None
    shop.runtime.exit(f"{run_id}-e1", 1)
    shop.rest()
    assert holder(shop, secret) is None
    assert shop.db.write(lambda tx: capabilities.revoke_run(tx, run_id)) == 0  # nothing was left to revoke


def test_a_developer_continues_the_branch_and_a_reviewer_sees_exactly_the_commit(
    shop: Workshop, tmp_path: Path
) -> None:
    person = make_clone(shop.paths.bare, tmp_path / "person")
    git(person, "checkout", "--quiet", "-b", "fleet/7")
    reviewed = commit(person, {"a.txt": "first\n"})
    latest = commit(person, {"a.txt": "second\n"})
    git(person, "push", "--quiet", "origin", "fleet/7")
    pull = {"number": 8, "head": latest}
    shop.facts = lambda run: WorkFacts("fleet/7", "main", pull=pull)
    reviewer = shop.running(agent="tech-lead", event="pr_needs_review", subject="pr/8", generation=reviewed)
    developer = shop.running()
    clone = shop.paths.clones / f"{reviewer}-e1"
    assert git(clone, "rev-parse", "HEAD") == reviewed
    assert shop.session(reviewer).launch.env["FLEET_HEAD"] == reviewed
    clone = shop.paths.clones / f"{developer}-e1"
    assert git(clone, "rev-parse", "HEAD") == latest
    assert git(clone, "symbolic-ref", "--short", "HEAD") == "fleet/7"


def test_queued_runs_wait_while_starts_are_switched_off(shop: Workshop) -> None:
    shop.open_for_starts = False
    run_id = shop.queue()
    assert shop.rest() == 0
    assert shop.state(run_id) is RunState.QUEUED
    shop.open_for_starts = True
    shop.rest()
    assert shop.state(run_id) is RunState.RUNNING


def test_only_so_many_starts_are_made_at_once_and_one_effect_for_a_run(tmp_path: Path) -> None:
    hand = HandExecutor()
    shop = Workshop(tmp_path, executor=hand)
    ids = [shop.queue(work_item=f"ticket/{number}") for number in range(STARTS_AT_ONCE + 2)]
    shop.settle()
    assert len(hand.waiting) == STARTS_AT_ONCE
    assert [shop.state(run_id) for run_id in ids].count(RunState.QUEUED) == 2
    woken = shop.wakes
    hand.work()
    assert shop.wakes == woken + STARTS_AT_ONCE
    shop.settle()
    hand.work()
    shop.rest()
    assert {shop.state(run_id) for run_id in ids} == {RunState.RUNNING}
    assert all(shop.run(run_id).epoch == 1 for run_id in ids)
    shop.close()


def test_runs_of_another_host_are_left_alone(shop: Workshop) -> None:
    run_id = shop.running()
    shop.restart(host="elsewhere")
    shop.runtime.exit(f"{run_id}-e1", 0)
    shop.rest()
    assert shop.state(run_id) is RunState.RUNNING


# -- a start that does not work ------------------------------------------------------------------------------


def test_a_temporary_error_repeats_the_start_of_the_same_epoch(shop: Workshop) -> None:
    failures = 2

    def facts(run: Run) -> WorkFacts:
        nonlocal failures
        if failures:
            failures -= 1
            raise TemporaryError("FLT-FRG-001", "not now", retry_after=3)
        return WorkFacts("fleet/7", "main")

    shop.facts = facts
    run_id = shop.queue()
    shop.rest()
    assert shop.state(run_id) is RunState.STARTING
    assert shop.troubles == ["not now"]
    tick = shop.tick()
    assert tick.next_at == shop.clock.now() + 3 * SECOND
    for _ in range(2):
        shop.clock.advance(3)
        shop.rest()
    assert shop.state(run_id) is RunState.RUNNING
    assert shop.run(run_id).epoch == 1


def test_a_start_that_stays_impossible_is_given_up_in_words(shop: Workshop) -> None:
    def facts(run: Run) -> WorkFacts:
        raise TemporaryError("FLT-FRG-001", "the forge is away", retry_after=50)

    shop.facts = facts
    run_id = shop.queue()
    for _ in range(4):
        shop.rest()
        shop.clock.advance(50)
    assert shop.state(run_id) is RunState.FAILED
    assert "could not be started: the forge is away" in shop.run(run_id).outcome
    assert shop.clones() == []


@pytest.mark.parametrize(
    ("taken", "words"), [(False, "its agent or role is no longer in the configuration"), (True, "FLT-RUN-012")]
)
def test_a_run_whose_agent_left_the_configuration_before_its_start_fails(
    tmp_path: Path, taken: bool, words: str
) -> None:
    """Before the runner takes it, or after that and before a worker comes to it."""
    hand = HandExecutor()
    shop = Workshop(tmp_path, executor=hand)
    run_id = shop.queue()
    if taken:
        shop.settle()
    shop.loaded = load(tuple(one for one in usual_members() if one.name != "developer"), load_roles())
    shop.settle()
    hand.work()
    shop.rest()
    assert shop.state(run_id) is RunState.FAILED
    assert words in shop.run(run_id).outcome
    assert shop.clones() == []
    shop.close()


def test_a_permanent_error_fails_the_run_at_once(shop: Workshop) -> None:
    (shop.paths.config.parent / "playbooks" / "developer.yaml").unlink()
    run_id = shop.queue()
    shop.rest()
    assert shop.state(run_id) is RunState.FAILED
    assert "the playbook of developer cannot be read" in shop.run(run_id).outcome
    assert "FLT-RUN-011" in shop.run(run_id).outcome
    assert shop.story(run_id) == ["run.starting", "handbook.compiled", "run.failed"]
    assert shop.clones() == []


def test_an_agent_that_left_the_configuration_is_not_started(shop: Workshop) -> None:
    run_id = shop.queue(agent="stranger")
    shop.rest()
    assert shop.state(run_id) is RunState.FAILED
    assert "no longer in the configuration" in shop.run(run_id).outcome
    assert shop.run(run_id).epoch == 0


def test_a_shim_that_never_answers_is_replaced_a_bounded_number_of_times(shop: Workshop) -> None:
    run_id = shop.queue()
    for _ in range(MAX_EPOCH + 1):
        shop.settle()
        shop.clock.advance(31)
    shop.settle()
    run = shop.run(run_id)
    assert run.state is RunState.FAILED
    assert run.epoch == MAX_EPOCH
    assert "4 times its session did not come up" in run.outcome
    assert shop.story(run_id) == ["run.starting", "handbook.compiled"] * MAX_EPOCH + ["run.failed"]
    shop.rest()
    assert not any(session.live for session in shop.runtime.sessions.values())


def test_an_error_that_is_none_of_ours_stops_the_service(shop: Workshop) -> None:
    def facts(run: Run) -> WorkFacts:
        raise ZeroDivisionError

    shop.facts = facts
    shop.queue()
    with pytest.raises(ZeroDivisionError):
        shop.rest()


def test_a_tmux_that_cannot_be_asked_is_no_end_of_anything(shop: Workshop) -> None:
    run_id = shop.running()
    shop.runtime.unreachable = True
    with pytest.raises(TemporaryError):
        shop.tick()
    assert shop.state(run_id) is RunState.RUNNING
    shop.runtime.unreachable = False
    shop.rest()
    assert shop.state(run_id) is RunState.RUNNING
