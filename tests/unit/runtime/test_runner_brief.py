"""What an agent is told: rounds counted by head, untrusted text in the brief only, files replaced as a whole."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.config.model import AgentConfig
from fleet.core.errors import PermanentError, TemporaryError
from fleet.core.journal import Entry
from fleet.core.work import Run, RunState
from fleet.runtime.brief import (
    Places,
    WorkFacts,
    agent_env,
    build_brief,
    git_config,
    messages_in,
    review_round,
    subjects_of,
)
from fleet.runtime.launchfiles import write_launch_files
from fleet.runtime.vendors import VENDORS
from fleet.runtime.vendors.port import VendorLaunch
from fleet.testing.starts import a_start

HEAD = "a" * 40


def a_run(subject: str = "ticket/7", work_item: str = "ticket/7", generation: str = "") -> Run:
    """A taken run."""
    return Run(
        id="r1", delivery_id="d1", event_id="e1", event_type="ticket_ready", agent="developer", role="developer",
        subject=subject, generation=generation, work_item=work_item, attempt=2, parent_run="", state=RunState.STARTING,
        epoch=3, host="here", allowance_seconds=60, allowance_kind="timeout", used_seconds=0, cancel_reason="",
        exit_code=None, outcome="", escrow_ref="", escrow_sha="", config_hash="c", queued_at=1, started_at=None,
        finished_at=None,
    )  # fmt: skip


def an_event(text: str) -> Entry:
    """A journal entry with somebody's text in it."""
    return Entry(
        seq=1, id="e1", writer="local", stream="event", type="ticket_ready", kind="task", actor="forge:local",
        subject="ticket/7", generation="", work_item="ticket/7", agent="", run_id="", cause_id="", dedup_key=None,
        summary=text, at=5, payload_hash="", prev_hash="", hash="", payload={"title": text},
    )  # fmt: skip


def places(folder: Path) -> Places:
    """A session's places below a folder."""
    return Places(
        folder / "r1-e3", folder / "clone", folder / "sock", Path("/opt/bin"), {"VENDOR": "1", "HOME": "/evil"}
    )


def test_a_round_is_a_head_at_which_changes_were_requested() -> None:
    ask = {"verdict": "request_changes", "head": "1"}
    assert review_round([]) == 1
    assert review_round([{"verdict": "approve", "head": "1"}]) == 1
    assert review_round([ask, {**ask, "agent": "another"}]) == 2
    assert review_round([ask, {"verdict": "pr_changes_requested", "head": "2"}]) == 3


@given(st.text(min_size=3))
def test_text_of_others_is_in_the_brief_and_nowhere_else(text: str) -> None:
    marked = f"<untrusted {text} end>"
    facts = WorkFacts("fleet/7", "main", ticket={"title": marked}, pull={"number": 8, "head": HEAD, "body": marked})
    run = a_run()
    assert not any(marked in value for value in agent_env(run, facts, places(Path("/s"))).values())
    assert marked not in git_config(run)
    brief = json.loads(json.dumps(build_brief(run, an_event(marked), facts)))
    assert brief["ticket"]["title"] == brief["pr"]["body"] == brief["event"]["summary"] == marked
    assert (brief["run"], brief["attempt"], brief["round"], brief["base"]) == ("r1-e3", 2, 1, "main")


def test_a_vendor_cannot_replace_what_every_agent_gets() -> None:
    env = agent_env(a_run(), WorkFacts("fleet/7", "main"), places(Path("/s")))
    assert env["VENDOR"] == "1"
    assert env["HOME"] == "/s/r1-e3/home"
    assert (env["FLEET_TICKET"], env["FLEET_PR"], env["FLEET_HEAD"]) == ("7", "", "")


def test_the_objects_of_a_run_are_its_subject_its_ticket_and_its_pull_request() -> None:
    facts = WorkFacts("fleet/7", "main", pull={"number": 8, "head": HEAD})
    assert subjects_of(a_run()) == {"ticket/7"}
    assert subjects_of(a_run(), facts) == {"ticket/7", "pr/8"}
    assert subjects_of(a_run("pr/8", "ticket/7", HEAD)) == {"ticket/7", "pr/8"}
    assert subjects_of(a_run("pr/9", "pr/9")) == {"pr/9"}


def test_launch_files_may_be_written_again_for_the_same_session(tmp_path: Path) -> None:
    place = places(tmp_path)
    for secret in ("first", "second"):
        write_launch_files(
            place,
            brief={"n": secret},
            handbook="# H\n",
            gitconfig="",
            secret=secret,
            vendor=VendorLaunch((), files={"p.yaml": b"x"}),
        )
    assert place.capability.read_text() == "second"
    assert json.loads(place.brief.read_text()) == {"n": "second"}
    assert stat.S_IMODE(place.capability.stat().st_mode) == stat.S_IMODE(place.handbook.stat().st_mode) == 0o400
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    names = sorted(path.name for path in place.folder.iterdir())
    assert names == ["brief.json", "capability", "gitconfig", "handbook.md", "home", "p.yaml", "tmp"]


def test_a_link_in_place_of_a_launch_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    place = places(tmp_path)
    place.folder.mkdir()
    (tmp_path / "target").write_text("untouched")
    place.capability.symlink_to(tmp_path / "target")
    write_launch_files(place, brief={}, handbook="", gitconfig="", secret="s", vendor=VendorLaunch(()))
    assert (tmp_path / "target").read_text() == "untouched"
    assert not place.capability.is_symlink()


def test_a_disk_that_refuses_is_a_temporary_error(tmp_path: Path) -> None:
    place = places(tmp_path)
    place.folder.write_text("a file where the folder should be")
    with pytest.raises(TemporaryError) as caught:
        write_launch_files(place, brief={}, handbook="", gitconfig="", secret="s", vendor=VendorLaunch(()))
    assert caught.value.code == "FLT-RUN-010"


def test_the_scripted_vendor_plays_a_copy_outside_the_clone(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "book.yaml").write_bytes(b"rules")
    agent = AgentConfig(name="dev", role="developer", playbook="own/book.yaml")
    launch = VENDORS["scripted"].launch(a_start(agent, tmp_path, tmp_path / "run"))
    assert launch.files == {"playbook.yaml": b"rules"}
    assert launch.argv[1:] == ("-P", "-m", "fleet.testing.agent", str(tmp_path / "run" / "playbook.yaml"))
    with pytest.raises(PermanentError) as caught:
        VENDORS["scripted"].launch(a_start(AgentConfig(name="other", role="developer"), tmp_path, tmp_path / "run"))
    assert caught.value.code == "FLT-RUN-011"


def a_message(number: int, work_item: str = "", sender: str = "human:ann") -> dict[str, object]:
    """A message as the gatherer gives it."""
    trusted = sender.startswith("human:")
    return {"number": number, "from": sender, "trusted": trusted, "work_item": work_item, "text": "hello"}


def test_the_brief_holds_unread_messages_marked_with_who_wrote_them_and_what_they_concern() -> None:
    messages = (a_message(1), a_message(2, "ticket/7", "agent:tech-lead"), a_message(3, "ticket/9"))
    facts = WorkFacts("fleet/7", "main", inbox=messages)
    found = build_brief(a_run(), an_event(""), facts)["inbox"]
    assert isinstance(found, list)
    assert [(one["from"], one["trusted"], one["about_this_work"]) for one in found] == [
        ("human:ann", True, True),
        ("agent:tech-lead", False, True),
        ("human:ann", True, False),
    ]
    assert messages_in(facts) == [1, 2, 3]
