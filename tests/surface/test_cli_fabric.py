"""The Fabric on a real fleet: agents in tmux ask, read, claim and hand over; a person answers on the command line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.timeout(180)]

ASKS = """\
version: 1
rules:
  - on: ticket_ready
    do:
      - ask: "May I greet by name?"
      - inbox: {wait_for: answer, wait_seconds: 60, path: answer.txt}
      - artifact: {path: answer.txt}
      - blocker: {summary: No translator}
      - handoff: {to: tech-lead, summary: Mind the greeting}
      - commit: {message: What the person said}
      - push: {title: Greet}
"""

CLAIMS = """\
version: 1
rules:
  - on: ticket_ready
    do:
      - task: {title: A small one}
      - claim: {title: A small one}
      - release: {reason: once more}
      - claim: {title: A small one}
      - complete: {summary: it was small}
      - claim: {title: Held by a person, expect: lost}
      - task: {title: Write the guide}
      - claim: {title: Write the guide, lease_seconds: 1}
      - inbox: {wait_for: message, wait_seconds: 60}
      - exit: {code: 0}
"""


def playbook(paths: FleetPaths, agent: str, text: str) -> None:
    """What an agent of this fleet plays."""
    (paths.checkout / ".fleet" / "playbooks" / f"{agent}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def stage() -> Iterator[tuple[Shell, FleetPaths]]:
    """A fleet with the starter configuration that is not up yet; what runs at the end is stopped."""
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        try:
            yield shell, paths
        finally:
            shell.fleet("down")


@pytest.mark.long
def test_an_agent_asks_a_person_reads_the_answer_in_its_inbox_and_goes_on(stage: tuple[Shell, FleetPaths]) -> None:
    shell, paths = stage
    playbook(paths, "developer", ASKS)
    playbook(paths, "tech-lead", "version: 1\nrules:\n  - {on: pr_needs_review, do: [{inbox: {}}]}\n")
    shell.answer("up")
    early = shell.answer("agent", "send", "developer", "Be kind.")["message"]
    assert early["state"] == "queued"
    shell.answer("ticket", "create", "Greet the user", "--label", "ready")

    (asked,) = wait_until(lambda: shell.answer("questions")["questions"], what="a question")
    assert (asked["asker"], asked["subject"], asked["state"]) == ("agent:developer", "ticket/1", "open")
    text = shell.fleet("status").text
    assert "question: ticket/1 developer: May I greet by name?" in text
    assert "fleet answer 1 TEXT" in text
    (seen,) = shell.answer("agent", "messages", "developer")["items"]
    assert (seen["state"], seen["shown_to"]) == ("delivered", asked["run"]), "it was in the brief"

    assert shell.answer("answer", "1", "Yes, by the {ticket} name.")["delivered_to"] == "agent:developer"
    wait_until(lambda: shell.answer("pr", "list")["pulls"], what="the pull request")
    diff = shell.fleet("pr", "diff", "2").text
    assert "+human:" in diff
    assert "Yes, by the {ticket} name." in diff, "the agent went on with the answer, word for word"

    told = {item["kind"]: item for item in shell.answer("agent", "messages", "developer")["items"]}
    answer = told["answer"]
    assert answer["state"] == "consumed"
    assert answer["queued_at"] < answer["delivered_at"] < answer["consumed_at"]

    (blocker,) = shell.answer("status")["blockers"]
    assert (blocker["text"], blocker["told"]) == ("No translator", "agent:tech-lead"), "as reports_to says"

    (kept,) = shell.answer("fabric", "artifact", "list", "--subject", "ticket/1")["artifacts"]
    target = paths.checkout.parent / "got.txt"
    shell.answer("fabric", "artifact", "get", str(kept["number"]), "--output", str(target))
    assert hashlib.sha256(target.read_bytes()).hexdigest() == kept["sha256"]
    assert target.read_text().endswith("Yes, by the {ticket} name.\n")

    def handed() -> bool:
        items = shell.answer("agent", "messages", "tech-lead")["items"]
        assert [(item["kind"], item["trusted"]) for item in items] == [("blocker", False), ("handoff", False)]
        return all(item["state"] == "consumed" for item in items)

    wait_until(handed, what="the reviewer to acknowledge the blocker and the handoff")
    assert shell.answer("audit", "verify")["ok"]


@pytest.mark.long
def test_a_claim_expires_under_a_living_run_and_is_taken_by_another(stage: tuple[Shell, FleetPaths]) -> None:
    shell, paths = stage
    playbook(paths, "developer", CLAIMS)
    shell.answer("up")
    shell.answer("fabric", "task", "Held by a person")
    shell.answer("fabric", "claim", "1")
    shell.answer("ticket", "create", "Write", "--label", "ready")

    def given_back() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = shell.answer("fabric", "history", "--event", "task_returned")["entries"]
        return [entry for entry in found if entry["actor"] == "system:janitor"]

    (entry,) = wait_until(given_back, what="the claim to be given back")
    assert entry["payload"]["reason"] == "its lease ran out"
    assert [run["state"] for run in shell.answer("ps")["runs"]] == ["running"]
    (small,) = shell.answer("fabric", "tasks", "--state", "done")["tasks"]
    assert (small["holder"], small["claim"], small["outcome"]) == ("agent:developer", 2, "it was small")
    number = str(entry["payload"]["task"])
    won = shell.answer("fabric", "claim", number, "--lease", "600")
    assert won["task"]["claim"] == 2
    token = str(won["token"])
    shell.answer("agent", "send", "developer", "Thank you, that is all.")
    shell.answer("fabric", "renew", number, "--token", token)
    shell.answer("fabric", "release", number, "--token", token, "--reason", "lunch")
    stale = shell.fleet("fabric", "complete", number, "--token", token)
    assert (stale.code, "this claim is lost: it is open" in stale.error_text) == (8, True)
    again = str(shell.answer("fabric", "claim", number)["token"])
    assert shell.answer("fabric", "complete", number, "--token", again, "--summary", "done")["task"]["state"] == "done"


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A fleet that is up and has nothing to do."""
    with fleet_in() as paths, Shell(paths.checkout, {}).up() as found:
        yield found


def test_what_was_asked_is_waited_for_and_a_late_answer_is_exit_6(shell: Shell) -> None:
    late = shell.fleet("ask", "Anybody?", "--wait", "0.1", "--json")
    assert late.code == 6
    error = object_of(late)["error"]
    assert (error["code"], error["where"].partition("/")[0]) == ("FLT-FAB-116", "question")
    shell.answer("answer", error["where"], "Yes.")
    done = shell.fleet("answer", error["where"], "No.")
    assert (done.code, "answered already by human:" in done.error_text) == (8, True)
    text = shell.fleet("questions", "--all").text
    assert f"{error['where']} answered" in text
    assert "  | Yes.\n" in text


def test_a_waiting_asker_gets_the_answer_as_it_comes_also_across_a_killed_daemon(shell: Shell) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: shell.fleet("ask", "Still there?", "--wait", "60", "--json"))
        wait_until(lambda: shell.answer("questions")["questions"], what="the question")
        number = str(shell.answer("questions")["questions"][0]["number"])
        os.kill(int(shell.answer("status")["daemon"]["pid"]), signal.SIGKILL)
        shell.answer("answer", number, "Yes.")
        done = waiting.result(60)
    assert (done.code, object_of(done)["question"]["answer"]) == (0, "Yes.")
    unread = [item for item in shell.answer("inbox")["items"] if item["kind"] == "answer"]
    assert number not in {str(item["about"]) for item in unread}, "what was printed is acknowledged"


def test_the_fields_of_every_answer_are_as_agreed(shell: Shell, tmp_path: Path) -> None:
    task = {
        "number", "title", "body", "state", "subject", "work_item", "offered_by", "holder", "holder_run", "claim",
        "lease_until", "lease_left", "outcome", "created_at", "updated_at",
    }  # fmt: skip
    message = {
        "number", "kind", "to", "from", "trusted", "subject", "work_item", "about", "text", "state", "returned_from",
        "shown_to", "queued_at", "delivered_at", "consumed_at",
    }  # fmt: skip
    question = {
        "number", "text", "state", "asker", "run", "subject", "work_item", "answer", "answered_by", "asked_at",
        "answered_at",
    }  # fmt: skip
    blocker = {
        "number", "text", "state", "opened_by", "run", "subject", "work_item", "told", "resolution", "resolved_by",
        "opened_at", "resolved_at",
    }  # fmt: skip
    artifact = {"number", "name", "size", "sha256", "subject", "work_item", "put_by", "run", "entry", "at"}

    def fields(*words: str) -> dict[str, Any]:
        answer = shell.answer(*words)
        assert answer.pop("ok") is True
        answer.pop("schema_version")
        return {key: set(value) if isinstance(value, dict) else value for key, value in answer.items()}

    published = fields("fabric", "task", "Fields")
    assert set(published) == {"id", "seq", "repeated", "object"}
    number = str(published["object"]).removeprefix("task/")
    won = fields("fabric", "claim", number)
    assert (set(won), won["task"]) == ({"task", "token"}, task)
    for words in (("renew",), ("release",)):
        assert fields("fabric", *words, number, "--token", won["token"]) == {"task": task}
    won = fields("fabric", "claim", number)
    assert fields("fabric", "complete", number, "--token", won["token"]) == {"task": task}
    assert set(shell.answer("fabric", "tasks", "--state", "done")["tasks"][-1]) == task
    handed = fields("fabric", "handoff", "fields", "--to", "developer")
    assert (set(handed), handed["message"]) == ({"id", "seq", "repeated", "message", "wakes"}, message)
    assert fields("agent", "send", "developer", "fields") == {"message": message}
    asked = fields("ask", "Fields?")
    assert asked == {"question": question, "repeated": False}
    about = str(shell.answer("questions")["questions"][-1]["number"])
    answered = fields("answer", about, "These.")
    assert (set(answered), answered["question"]) == ({"question", "delivered_to"}, question)
    (item, *_) = shell.answer("inbox")["items"]
    assert set(item) == message
    assert set(shell.answer("fabric", "ack", str(item["number"]))["items"][0]) == message
    fields("fabric", "blocker", "fields")
    (stuck,) = shell.answer("fabric", "blockers")["blockers"]
    assert set(stuck) == blocker
    assert fields("fabric", "resolve", str(stuck["number"]), "fields") == {"blocker": blocker}
    source = tmp_path / "fields.txt"
    source.write_text("fields")
    assert fields("fabric", "artifact", "put", str(source)) == {"artifact": artifact, "repeated": False}
    kept = str(shell.answer("fabric", "artifact", "list")["artifacts"][-1]["number"])
    target = str(tmp_path / "out.txt")
    assert fields("fabric", "artifact", "get", kept, "-o", target) == {"artifact": artifact, "output": target}
    removed = fields("fabric", "artifact", "remove", kept, "--reason", "fields")
    assert removed == {"artifact": artifact, "content_removed": True}


def test_what_somebody_wrote_does_not_steer_the_terminal(shell: Shell) -> None:
    nasty = "look:\x1b[2J\r\u202egnp"
    number = str(shell.answer("ask", nasty)["question"]["number"])
    shell.answer("fabric", "task", "a task\u202e")
    for words in (("status",), ("questions",), ("inbox",), ("fabric", "tasks"), ("log",)):
        text = shell.fleet(*words).text
        assert not {"\x1b", "\r", "\u202e"} & set(text), words
    assert r"look:\x1b[2J\x0d\u202egnp" in shell.fleet("questions").text
    shell.answer("answer", number, nasty)
    assert shell.answer("questions", "--all")["questions"][-1]["answer"] == nasty, "programs get it as it was"
    shell.answer("fabric", "withdraw", str(shell.answer("fabric", "tasks")["tasks"][0]["number"]), "--reason", "nasty")


@pytest.mark.long
def test_every_command_says_in_words_what_it_did(shell: Shell) -> None:
    def said(*words: str) -> str:
        done = shell.fleet(*words)
        assert done.ok, done.error_text
        return done.text

    assert said("fabric", "task", "Sort the shelf", "--body", "all of it").startswith("published as task/")
    assert "Sort the shelf" in said("fabric", "tasks")
    task = f"task/{shell.answer('fabric', 'tasks')['tasks'][0]['number']}"
    assert f"{task} is yours until" in said("fabric", "claim", task)
    assert said("fabric", "withdraw", task, "--reason", "no shelf") == f"{task} is withdrawn\n"
    assert said("fabric", "tasks") == "no tasks\n"
    assert "is in the inbox of developer, which reads it" in said("fabric", "handoff", "yours", "--to", "developer")
    assert said("fabric", "blocker", "no light").startswith("published as blocker/")
    blocker = f"blocker/{shell.answer('fabric', 'blockers')['blockers'][0]['number']}"
    assert said("fabric", "blocker", "no light").startswith(f"published before as {blocker}, entry ")
    assert f"{blocker} open from human:" in said("fabric", "blockers")
    assert said("fabric", "resolve", blocker, "a lamp") == f"{blocker} is resolved\n"
    assert said("fabric", "blockers") == "no open blockers\n"
    for kind in ("note", "decision", "status"):
        assert said("fabric", kind, f"a {kind}").startswith("published as entry ")
        assert [entry["summary"] for entry in shell.answer("fabric", "history", "--event", kind)["entries"]] == [
            f"a {kind}"
        ]
    assert "is queued for developer" in said("agent", "send", "developer", "hello")
    assert "message from human:" in said("agent", "messages", "developer")
    assert "nothing unread for agent:qa-engineer" in said("inbox", "--agent", "qa-engineer")
    number = str(shell.answer("inbox", "--all")["items"][-1]["number"])
    assert said("fabric", "ack", number) == f"message/{number} is consumed\n"
    assert said("fabric", "inbox") == said("inbox")


def test_artifacts_come_from_files_and_pipes_and_go_to_files_and_pipes(shell: Shell) -> None:
    data = bytes(range(256)) * 5000
    source = shell.folder.parent / "data.bin"
    source.write_bytes(data)
    made = shell.answer("fabric", "artifact", "put", str(source), "--subject", "ticket/1")
    assert made["artifact"]["size"] == len(data)
    number = str(made["artifact"]["number"])
    assert shell.fleet("fabric", "artifact", "get", number, "--output", "-").out == data
    piped = shell.fleet("fabric", "artifact", "put", "-", "--name", "piped.txt", stdin=b"from a pipe\n")
    assert piped.ok, piped.error_text
    assert "piped.txt" in shell.fleet("fabric", "artifact", "list").text

    target = shell.folder.parent / "out.bin"
    target.write_text("mine")
    refused = shell.fleet("fabric", "artifact", "get", number, "-o", str(target))
    assert (refused.code, "FLT-FAB-138" in refused.error_text, target.read_text()) == (2, True, "mine")
    assert shell.fleet("fabric", "artifact", "get", number, "-o", str(target), "--force").ok
    assert target.read_bytes() == data
    nowhere = shell.fleet("fabric", "artifact", "get", number, "-o", str(shell.folder / "no" / "folder"))
    assert (nowhere.code, "FLT-CLI-011" in nowhere.error_text) == (1, True)
    assert [path.name for path in source.parent.iterdir() if path.name.endswith(".part")] == []

    removed = shell.fleet("fabric", "artifact", "remove", number, "--reason", "superseded")
    assert removed.text == f"artifact/{number} is removed, and its content\n"
    gone = shell.fleet("fabric", "artifact", "get", number, "-o", str(target), "--force")
    assert (gone.code, target.read_bytes() == data) == (4, True)


def test_a_file_above_the_limit_is_refused_before_it_is_read(shell: Shell) -> None:
    large = shell.folder.parent / "large.bin"
    with large.open("wb") as file:
        file.truncate(1 << 34)  # a hole of 16 GiB: reading it would take long
    done = shell.fleet("fabric", "artifact", "put", str(large), "--json")
    assert done.code == 2
    assert object_of(done)["error"]["code"] == "FLT-FAB-131"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ("fabric claim x", 2, "FLT-CLI-010"),
        ("fabric claim 99", 4, "FLT-FAB-100"),
        ("fabric renew 1", 2, "FLT-CLI-010"),
        ("fabric renew 1 --token secret", 2, "FLT-CTL-003"),
        ("fabric claim 1 --lease 0", 2, "FLT-CLI-010"),
        ("fabric withdraw 99 --reason no", 4, "FLT-FAB-100"),
        ("fabric handoff yours --to nobody", 4, "FLT-AGT-001"),
        ("fabric resolve 99 done", 4, "FLT-FAB-120"),
        ("fabric ack", 2, "FLT-CLI-010"),
        ("fabric ack 99", 4, "FLT-FAB-110"),
        ("inbox --agent nobody", 4, "FLT-AGT-001"),
        ("ask --wait -1 why", 2, "FLT-CLI-010"),
        ("answer 99 yes", 4, "FLT-FAB-111"),
        ("agent send nobody hello", 4, "FLT-AGT-001"),
        ("fabric artifact put no-such-file", 2, "FLT-CLI-008"),
        ("fabric artifact put .", 2, "FLT-CLI-008"),
        ("fabric artifact put -", 2, "FLT-CLI-016"),
        ("fabric artifact get 99 -o x", 4, "FLT-FAB-130"),
        ("fabric artifact get 1 -o -", 2, "FLT-CLI-016"),
        ("fabric artifact remove 99 --reason no", 4, "FLT-FAB-130"),
    ],
)
def test_bad_input_is_one_error_with_its_code(shell: Shell, words: str, code: int, error: str) -> None:
    done = shell.fleet(*words.split(), "--json")
    assert (done.code, object_of(done)["error"]["code"]) == (code, error), done.text


@pytest.mark.long
def test_what_needs_no_daemon_is_read_without_one() -> None:
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {})
        shell.answer("up")
        shell.answer("ask", "Which?")
        shell.answer("fabric", "task", "Sort the shelf")
        shell.answer("down")
        assert [item["text"] for item in shell.answer("inbox")["items"]] == ["Which?"]
        assert shell.answer("inbox")["items"][0]["state"] == "queued", "nothing is delivered by reading the record"
        assert shell.answer("questions")["questions"][0]["state"] == "open"
        assert len(shell.answer("fabric", "tasks")["tasks"]) == 1
        assert shell.answer("fabric", "artifact", "list")["artifacts"] == []
        for words in (("answer", "1", "yes"), ("fabric", "claim", "1"), ("inbox", "--wait", "1")):
            done = shell.fleet(*words, "--json")
            assert (done.code, json.loads(done.text)["error"]["code"]) == (5, "FLT-CLI-001")


@pytest.mark.long
def test_an_agent_that_is_taken_out_leaves_its_messages_to_people(stage: tuple[Shell, FleetPaths]) -> None:
    shell, paths = stage
    shell.answer("up")
    shell.answer("agent", "send", "qa-engineer", "Test on Windows too.")
    shell.answer("down")
    drop_agent(paths.config, "qa-engineer")
    shell.answer("up")
    (item,) = shell.answer("inbox")["items"]
    assert (item["text"], item["returned_from"]) == ("Test on Windows too.", "qa-engineer")
    assert "(was for qa-engineer, which left the fleet)" in shell.fleet("inbox").text


def drop_agent(config: Path, name: str) -> None:
    """Take an agent out of a configuration."""
    yaml = YAML()
    data = yaml.load(config)
    data["agents"] = [agent for agent in data["agents"] if agent["name"] != name]
    yaml.dump(data, config)
