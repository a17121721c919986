"""The command line on a real fleet: what it prints, what it refuses, with which exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.core.journal import PAYLOAD_LIMIT
from fleet.process import end_group, run, spawn
from fleet.testing.fleets import fleet_in
from fleet.testing.repos import commit, git
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A fleet that has taken ticket/1 through the whole chain (pr/2), and has an open pr/3 of a person."""
    with fleet_in() as paths, Shell(paths.checkout, {}).up() as found:
        found.answer("ticket", "create", "Greet the user", "--body", "Kindly.", "--label", "ready")
        wait_until(lambda: shipped(found), what="the ticket to be shipped")
        git(paths.checkout, "switch", "--quiet", "--create", "topic")
        commit(paths.checkout, {"topic.txt": "by hand\n"})
        found.answer("pr", "create", "--title", "By hand", "--ref", "topic")
        wait_until(lambda: len(reviews(found)) >= 2, what="both reviews of pr/3")
        wait_until(lambda: not found.answer("ps")["runs"], what="everybody to be done")
        yield found


def shipped(shell: Shell) -> bool:
    """Whether ticket/1 is done and nobody works any more."""
    ticket = shell.answer("ticket", "show", "1")["ticket"]
    return ticket["labels"] == ["shipped"] and not shell.answer("ps")["runs"]


def reviews(shell: Shell) -> list[dict[str, Any]]:
    """The verdicts on pr/3."""
    found: list[dict[str, Any]] = shell.answer("pr", "show", "3")["reviews"]
    return found


def head_of(shell: Shell) -> int:
    """The number of the journal's last entry."""
    return int(shell.answer("log", "--limit", "1")["head"])


# -- what is printed (every field and text: test_cli_goldens.py) ---------------------------------------

QUESTIONS = [
    "status",
    "ps --all",
    "agent list",
    "agent output developer",
    "ticket list",
    "ticket show 1",
    "pr list",
    "pr show 2",
    "pr diff 2",
    "log --limit 3",
    "fabric history --limit 3",
    "why pr/2",
    "audit verify",
    "watcher status",
    "approvals",
    "schedules",
    "deadletters list",
    "config validate",
    "doctor",
    "version",
    "help exit-codes",
    "help ps",
]


@pytest.mark.parametrize(
    "words",
    ["ps --json", "ps --all --json", "agent list --json", "ticket show 1 --json", "pr list --json", "why pr/2 --json",
     "fabric history --json", "fabric publish --json", "fabric publish --event", "ticket show 99 --json"],
)  # fmt: skip
def test_the_quick_way_prints_what_the_full_way_prints(shell: Shell, words: str) -> None:
    program = "import sys; from fleet.cli import main; sys.exit(main.run(sys.argv[1:]))"
    tries, before = 0, None
    while True:
        full = run([sys.executable, "-c", program, *words.split()], timeout=60, cwd=shell.folder, env=os.environ)
        quick = shell.fleet(*words.split())
        tries += 1
        if quick.text == before or tries == 10:  # the fleet stood still between two quick ones: all saw the same
            break
        before = quick.text
    assert (quick.code, quick.text, quick.error_text) == (full.code, full.text, full.error_text)


@pytest.mark.parametrize("words", [q for q in QUESTIONS if not q.startswith(("help", "doctor", "version"))])
def test_words_for_people_hold_no_escape_sequence_in_a_pipe(shell: Shell, words: str) -> None:
    done = shell.fleet(*words.split())
    assert done.ok, done.error_text
    assert b"\x1b" not in done.out
    assert done.text.strip()


def test_colour_can_be_asked_for(shell: Shell) -> None:
    assert b"\x1b[" in shell.fleet("ps", "--all", "--color", "always").out
    assert b"\x1b[" in shell.fleet("ps", "--all", env={"FORCE_COLOR": "1"}).out
    assert b"\x1b[" not in shell.fleet("ps", "--all", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).out
    assert b"\x1b[" not in shell.fleet("ps", "--all", "--json", "--color", "always").out


# -- other people's text -------------------------------------------------------------------------------

HOSTILE = "before \x1b]52;c;eA==\x07\x1b[2J \u202etxt.exe\u2069 \x9b31m\r after"


def test_hostile_bodies_are_shown_and_not_obeyed(shell: Shell) -> None:
    made = shell.answer("ticket", "create", "An ordinary title", "--body", HOSTILE)["ticket"]["number"]
    shown = shell.fleet("ticket", "show", str(made))
    assert shown.ok
    assert "before \\x1b]52;c;eA==\\x07\\x1b[2J \\u202etxt.exe\\u2069 \\x9b31m\\x0d after" in shown.text
    assert shell.answer("ticket", "show", str(made))["ticket"]["body"] == HOSTILE
    assert shell.fleet("ticket", "show", str(made), "--json").out.isascii()


def test_hostile_summaries_stay_on_their_line(shell: Shell) -> None:
    done = shell.fleet("fabric", "publish", "--kind", "note", "--summary", "note \u202e and \u2066 \u200b end")
    assert done.ok, done.error_text
    for words in ("log", "fabric history", "status", "why ticket/1"):
        text = shell.fleet(*words.split()).text
        assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char != "\n"]


@pytest.mark.parametrize("title", ["two\nlines", "an \x1b[31m escape", "x" * 301, " ", ""])
def test_titles_that_are_not_one_line_are_wrong_usage(shell: Shell, title: str) -> None:
    before = len(shell.answer("ticket", "list")["tickets"])
    assert shell.fleet("ticket", "create", title).code == 2
    assert len(shell.answer("ticket", "list")["tickets"]) == before


# -- publishing ----------------------------------------------------------------------------------------


def test_payloads_come_from_the_command_line_a_file_or_standard_input(shell: Shell) -> None:
    (shell.folder.parent / "payload.json").write_text('{"from": "file ü"}', encoding="utf-8")
    common = ("fabric", "publish", "--kind", "note", "--summary", "payloads", "--subject", "ticket/1", "--payload")
    for word, stdin in (('{"from": "words ü"}', b""), ("@../payload.json", b""), ("-", b'{"from": "stdin"}')):
        done = shell.fleet(*common, word, stdin=stdin)
        assert done.ok, done.error_text
    entries = shell.answer("fabric", "history", "--event", "note", "--limit", "3")["entries"]
    assert [entry["payload"]["from"] for entry in entries] == ["words ü", "file ü", "stdin"]
    assert {entry["subject"] for entry in entries} == {"ticket/1"}
    assert {entry["actor"].partition(":")[0] for entry in entries} == {"human"}


@pytest.mark.parametrize(
    "payload",
    [b"not json", b"[1]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"{", b'"text"', b'{"a": "\\u0000"}', b"\xff{}"],
)
def test_a_bad_payload_is_wrong_usage_and_leaves_no_trace(shell: Shell, payload: bytes) -> None:
    before = head_of(shell)
    for words, stdin in (((payload,), b""), ((b"-",), payload)):
        done = shell.fleet("fabric", "publish", "--kind", "note", "--summary", "bad", "--payload", *words, stdin=stdin)
        assert done.code == 2, done.error_text
        assert "Traceback" not in done.error_text
        assert len(done.error_text.splitlines()) <= 2
    assert head_of(shell) == before


@pytest.mark.parametrize("size", [PAYLOAD_LIMIT + 1, 10 * 1024 * 1024])
def test_a_payload_above_the_limit_is_wrong_usage(shell: Shell, size: int) -> None:
    before = head_of(shell)
    text = b'{"a": "' + b"x" * (size - 9) + b'"}'
    assert len(text) == size
    (shell.folder.parent / "large.json").write_bytes(text)
    for word, stdin in (("@../large.json", b""), ("-", text)):
        words = ("fabric", "publish", "--kind", "note", "--summary", "large", "--payload", word)
        done = shell.fleet(*words, stdin=stdin)
        assert done.code == 2, done.error_text
    assert head_of(shell) == before


def test_the_largest_payload_is_taken(shell: Shell) -> None:
    text = b'{"a":"' + b"x" * (PAYLOAD_LIMIT - 8) + b'"}'
    assert len(text) == PAYLOAD_LIMIT
    assert shell.fleet("fabric", "publish", "--kind", "note", "--summary", "full", "--payload", "-", stdin=text).ok


def test_there_is_no_sender(shell: Shell) -> None:
    done = shell.fleet("fabric", "publish", "--sender", "human:owner", "--event", "note", "--json")
    assert done.code == 2
    assert object_of(done)["error"]["code"] == "FLT-CLI-014"


def test_an_event_nobody_may_publish_is_refused(shell: Shell) -> None:
    done = shell.fleet("fabric", "publish", "--event", "pr_approved", "--subject", "pr/3", "--json")
    assert done.code in (2, 6)
    assert object_of(done)["ok"] is False


# -- refusals and their exit codes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("up", 8),
        ("ticket show 99", 4),
        ("pr show 99", 4),
        ("why nobody", 4),
        ("agent stop nobody", 4),
        ("agent attach developer --json", 4),
        ("help no-such-topic", 4),
        ("config validate nowhere.yaml", 4),
        ("pr merge 3", 6),
        ("pr review 3 --approve", 6),
        ("release check 3", 1),
        ("pr review 3", 2),
        ("pr review 3 --approve --request-changes", 2),
        ("ticket label 1", 2),
        ("ticket label 1 --add x --remove x", 2),
        ("log --since tomorrow", 2),
        ("log --ticket 1 --pr 2", 2),
        ("log --limit 0", 2),
        ("ticket", 2),
        ("no-such-command", 2),
        ("ps --no-such-option", 2),
        ("agent attach developer", 4),
        ("init", 8),
    ],
)
def test_exit_codes(shell: Shell, words: str, code: int) -> None:
    done = shell.fleet(*words.split())
    assert done.code == code, done.text + done.error_text
    assert "Traceback" not in done.error_text
    as_json = shell.fleet(*words.split(), *(["--json"] if "--json" not in words else []))
    found = object_of(as_json)
    assert as_json.code == code
    assert not as_json.err or words == "init"
    if not words.startswith("release"):
        assert found["ok"] is False
        assert found["error"]["exit_code"] == code


def test_a_second_fleet_up_names_the_pid_of_the_first(shell: Shell) -> None:
    pid = shell.answer("watcher", "status")["supervisor_pid"]
    assert f"pid {pid}" in shell.fleet("up").error_text


def test_a_secret_of_no_run_is_refused_and_never_reads_the_store(shell: Shell) -> None:
    secret = shell.folder.parent / "capability"
    secret.write_text("00" * 32)
    for words in ("ps", "ps --json", "log", "fabric publish --kind note --summary x"):
        assert shell.fleet(*words.split(), env={"FLEET_CAPABILITY_FILE": str(secret)}).code == 6
    missing = {"FLEET_CAPABILITY_FILE": "/nonexistent"}
    assert shell.fleet("ps", env=missing).code == 6
    for words in ("up", "down", "init", "watcher stop", "demo"):
        assert shell.fleet(*words.split(), env=missing).code == 6


def test_the_secret_is_neither_in_argv_nor_in_the_environment(shell: Shell) -> None:
    """An agent's process has the path of the secret; only the frame on the socket carries the secret itself."""
    for words in (["--capability", "x", "ps"], ["ps", "--cap", "x"], ["ps", "--token=x"]):
        assert shell.fleet(*words).code == 2


# -- following the log ---------------------------------------------------------------------------------


def test_the_log_is_followed_line_by_line_until_interrupted(shell: Shell) -> None:
    argv = [sys.executable, "-m", "fleet", "log", "--follow", "--json", "--type", "note", "--limit", "1"]
    child = spawn(argv, cwd=shell.folder, env=os.environ)
    assert child.stdout is not None
    shell.answer("fabric", "publish", "--kind", "note", "--summary", "first after the start")
    try:
        while True:
            entry = json.loads(child.stdout.readline())
            assert entry["schema_version"] == 1
            assert entry["type"] == "note"
            if entry["summary"] == "first after the start":
                break
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
        assert b"Traceback" not in (child.stderr.read() if child.stderr else b"")
    finally:
        end_group(child)


def test_filters_narrow_the_log(shell: Shell) -> None:
    by_type = shell.answer("log", "--type", "pr_merged")["entries"]
    assert {entry["type"] for entry in by_type} == {"pr_merged"}
    by_agent = shell.answer("log", "--agent", "tech-lead")["entries"]
    assert by_agent
    assert all("tech-lead" in (entry["agent"], entry["actor"].partition(":")[2]) for entry in by_agent)
    assert shell.answer("log", "--ticket", "1", "--since", "1h")["entries"]
    assert shell.answer("log", "--since", "2099-01-01")["entries"] == []
