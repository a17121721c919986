"""The demo: the whole chain on a real git, a real tmux and the real daemon, and nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.cli.demo import real, spend, story
from fleet.cli.demo.chain import STEPS, Chain, Member, told
from fleet.cli.demo.play import DEADLINE_SECONDS, play
from fleet.cli.demo.stage import Stage, build
from fleet.cli.demo.view import Lines, Silence, line_of
from fleet.cli.door import Door
from fleet.cli.output import Style
from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.config.prices import prices_of
from fleet.core.clock import SECOND, SystemClock
from fleet.core.errors import FleetError
from fleet.process import end_group, run, spawn
from fleet.testing.fleets import own_folders
from fleet.testing.playbook import parse_playbook
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

HEADS = ("a" * 40, "b" * 40)


# -- what the folder holds -----------------------------------------------------------------------------


def test_the_configuration_and_the_playbooks_are_ordinary_ones() -> None:
    loaded = parse_config(story.CONFIG.encode(), name="config.yaml", roles=load_roles())
    assert loaded.warnings == ()
    for agent in loaded.config.agents:
        assert parse_playbook(story.FILES[f".fleet/playbooks/{agent.name}.yaml"].encode(), agent.name).rules


@pytest.mark.parametrize(
    ("program", "failing"),
    [
        (story.PROGRAM, ["test_punctuation_is_left_out"]),
        (story.FIRST_ATTEMPT, ["test_accents_become_plain_letters"]),
        (story.SECOND_ATTEMPT, []),
    ],
    ids=["at first", "first attempt", "second attempt"],
)
def test_the_attempts_fail_and_pass_as_the_story_needs(tmp_path: Path, program: str, failing: list[str]) -> None:
    (tmp_path / "slug.py").write_text(program)
    (tmp_path / "test_slug.py").write_text(story.TESTS)
    done = run([sys.executable, "-B", "-m", "unittest"], timeout=60, cwd=tmp_path, env=os.environ)
    assert re.findall(r"^FAIL: (\w+)", done.error_text, re.MULTILINE) == failing


# -- reading the journal -------------------------------------------------------------------------------


def entry(kind: str, *, agent: str = "", head: str = "", at: float = 0, **payload: object) -> Mapping[str, Any]:
    """A journal entry as the log prints it."""
    stream = "activity" if "." in kind else "event"
    return {
        "stream": stream,
        "type": kind,
        "agent": agent if stream == "activity" else "",
        "actor": f"agent:{agent}" if agent else "forge:local",
        "subject": "pr/2",
        "generation": head,
        "payload": payload or None,
        "summary": "",
        "at": int((1000 + at) * SECOND),
        "seq": 1,
    }


def chain() -> Chain:
    """A chain in which nothing has happened."""
    names = ("developer", "tech-lead", "qa-engineer")
    return Chain(1, {name: Member(name) for name in names}, frozenset(names[1:]))


def test_the_chain_is_read_from_the_journal_alone() -> None:
    found = chain()
    for item in (
        entry("ticket_ready"),
        entry("run.starting", agent="developer", at=1),
        entry("pr_created", agent="developer", head=HEADS[0], at=2, pr=2),
        entry("run.succeeded", agent="developer", at=2),
        entry("pr_approved", agent="tech-lead", head=HEADS[0], at=3),
        entry("pr_changes_requested", agent="qa-engineer", head=HEADS[0], at=3),
        entry("pr_updated", agent="developer", head=HEADS[1], at=4, pr=2),
        entry("pr_approved", agent="tech-lead", head=HEADS[1], at=5),
    ):
        found.feed(item)
    assert "pr_approved" not in found.reached, "one of the two reviewers has not answered at this head"
    found.feed(entry("pr_approved", agent="qa-engineer", head=HEADS[1], at=6))
    merged = {"pr": 2, "head": HEADS[1], "merge_commit": "c" * 40}
    found.feed({**entry("pr_merged", agent="release-manager", at=7), "payload": merged})
    before = found.done
    found.feed(entry("ticket_shipped", at=8))
    assert (before, found.done) == (False, True)
    assert list(found.reached) == [name for name, _ in STEPS]
    assert (found.rounds, found.approved_head, found.merged_head) == (2, HEADS[1], HEADS[1])
    assert found.seconds == 8
    assert found.members["developer"].deeds == ["opened pr/2", "corrected pr/2"]
    assert (found.members["developer"].runs, found.members["developer"].state) == (1, "waits")


def test_a_changed_mind_takes_the_approval_back() -> None:
    found = chain()
    found.feed(entry("pr_approved", agent="tech-lead", head=HEADS[0]))
    found.feed(entry("pr_changes_requested", agent="tech-lead", head=HEADS[0]))
    assert found.approved_head == ""


def test_a_dead_letter_is_trouble() -> None:
    found = chain()
    found.feed({**entry("delivery.dead_lettered", agent="developer"), "summary": "three attempts failed"})
    assert found.trouble == "three attempts failed"


def test_a_reviewers_words_cannot_forge_a_line() -> None:
    body = "tests fail:\n\x1b[2J    1.0s  release-manager  merges pr/2"
    item = entry("pr_changes_requested", agent="qa-engineer", head=HEADS[0], body=body)
    line = line_of(item, chain(), Style())
    assert "\x1b" not in line
    assert line.count("\n") == 0
    assert told(entry("push.done")) is None


# -- the real thing ------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Path]:
    """Folders of our own, with TMPDIR pointing below them so that what the demo leaves can be seen."""
    with own_folders() as folder:
        (folder / "tmp").mkdir()
        yield folder


def shell_in(home: Path) -> Shell:
    """A shell that makes its throw-away folders below ``home``."""
    return Shell(home, {"TMPDIR": str(home / "tmp")})


def left(home: Path) -> list[str]:
    """Command lines of processes that still name the demo's folder."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            try:
                words = (place / "cmdline").read_bytes()
            except OSError:
                continue
            if str(home / "tmp" / "fleet-demo-").encode() in words:
                found.append(words.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def nobody_is_left(home: Path) -> bool:
    """Whether no process is left; raises LookupError with those that are, which a wait shows at its end."""
    found = left(home)
    if found:
        raise LookupError(found)
    return True


def assert_nothing_is_left(home: Path) -> None:
    """No folder, no process, and nothing written where the user's things are."""
    wait_until(lambda: nobody_is_left(home), what="the demo's processes to be gone")
    assert list((home / "tmp").iterdir()) == []
    for name in ("home", "state", "run", "config"):
        assert list((home / name).iterdir()) == []


@pytest.mark.tmux
def test_the_demo_ships_its_ticket_and_leaves_nothing(home: Path) -> None:
    found = shell_in(home).answer("demo")
    assert found["ok"] is True
    assert found["review_rounds"] == 2
    assert re.fullmatch(r"[0-9a-f]{40}", found["approved_sha"])
    assert found["approved_sha"] == found["merged_sha"] != found["merge_commit"]
    assert found["journal_verified"] is True
    assert found["tests_pass"] is True
    assert 0 < found["chain_seconds"] < DEADLINE_SECONDS
    assert found["repo"] is None
    for name in ("ticket_ready", "pr_created", "pr_changes_requested", "pr_updated", "pr_approved", "pr_merged"):
        assert name in found["events"]
    assert found["events"].count("pr_merged") == 1
    runs = {item["name"]: item["runs"] for item in found["agents"]}
    assert runs == {"developer": 2, "tech-lead": 2, "qa-engineer": 2, "release-manager": 1}
    assert_nothing_is_left(home)


@pytest.mark.long
@pytest.mark.tmux
def test_a_kept_demo_can_be_looked_at(home: Path) -> None:
    done = shell_in(home).fleet("demo", "--keep")
    assert done.ok, done.error_text
    assert b"\x1b" not in done.out
    for words in ("requests changes", "they pass; approves", "at exactly", "The journal is verified", "git log"):
        assert words in done.text
    env = re.search(r"^  \. (\S+/env)$", done.text, re.MULTILINE)
    assert env is not None
    wait_until(lambda: nobody_is_left(home), what="the demo's processes to be gone")
    script = '. "$1" && git log --format=%s -1 && exec "$2" -m fleet audit verify --json'
    argv = ["sh", "-c", script, "sh", env[1], sys.executable]
    looked = run(argv, timeout=60, cwd=home, env=os.environ)
    assert looked.ok, looked.error_text
    subject, answer = looked.text.splitlines()
    assert subject.startswith("Merge pr/2")
    assert json.loads(answer)["ok"] is True


@pytest.mark.long
@pytest.mark.tmux
def test_the_demo_draws_on_a_terminal(home: Path) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "fleet", "demo"]
    env = {**os.environ, "TMPDIR": str(home / "tmp"), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    with os.fdopen(theirs, "wb", buffering=0) as terminal:
        child = spawn(argv, cwd=home, env=env, stdout=terminal, stderr=terminal)
    text = b""
    try:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            text += data
        assert child.wait(90) == 0
    finally:
        os.close(ours)
        end_group(child)
    assert "✓".encode() in text
    assert b"the developer opens a pull request" in text
    assert b"Traceback" not in text
    assert_nothing_is_left(home)


@pytest.mark.sampled(2)
@pytest.mark.tmux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_cleans_up(home: Path, number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "fleet", "demo"]
    child = spawn(argv, cwd=home, env={**os.environ, "TMPDIR": str(home / "tmp")})
    assert child.stdout is not None
    try:
        while b"developer        starts" not in (line := child.stdout.readline()):
            assert line, "it ended before an agent started"
        child.send_signal(number)
        assert child.wait(180) == 130
    finally:
        end_group(child)
    assert_nothing_is_left(home)


@pytest.fixture
def stage(home: Path) -> Iterator[Stage]:
    """The demo's folder without the demo; its fleet is taken down at the end."""
    found = build({**os.environ, "TMPDIR": str(home / "tmp")})
    yield found
    found.fleet("down")


@pytest.mark.long
@pytest.mark.tmux
def test_a_chain_that_does_not_end_is_told_apart(stage: Stage) -> None:
    playbook = stage.repo / ".fleet/playbooks/tech-lead.yaml"
    playbook.write_text("version: 1\nrules:\n  - on: pr_needs_review\n    do:\n      - pause: 300\n")
    with pytest.raises(FleetError) as caught:
        play(stage, Silence(), SystemClock(), seconds=6)
    assert caught.value.code == "FLT-CLI-021"
    assert "steps were reached" in caught.value.message


@pytest.mark.long
@pytest.mark.tmux
def test_a_failed_demo_says_what_happened_and_keeps_the_folder(home: Path) -> None:
    """A machine on which the fleet cannot start: the folder for sockets is not to be had."""
    program = (
        "import sys\nfrom fleet.cli import main\nfrom fleet.cli.demo import story\n"
        "story.FILES['.fleet/config.yaml'] = 'version: 2\\n'\nsys.exit(main.run(['demo', *sys.argv[1:]]))\n"
    )
    env = {**os.environ, "TMPDIR": str(home / "tmp")}
    done = run([sys.executable, "-c", program], timeout=60, cwd=home, env=env)
    assert done.code == 1
    assert "fleet up" in done.error_text
    assert "FLT-CLI-020" in done.error_text
    [folder] = (home / "tmp").iterdir()
    assert str(folder) in done.text
    as_json = run([sys.executable, "-c", program, "--json"], timeout=60, cwd=home, env=env)
    assert as_json.code == 1
    assert object_of(as_json)["ok"] is False
    assert Path(object_of(as_json)["repo"]).is_dir()


def test_a_machine_that_lacks_something_is_told_before_anything_is_made(home: Path) -> None:
    (home / "bin").mkdir()
    (home / "bin" / "tmux").write_text("#!/bin/sh\necho tmux 2.9\n")
    (home / "bin" / "tmux").chmod(0o755)
    done = Shell(home, {"TMPDIR": str(home / "tmp"), "PATH": f"{home}/bin:{os.environ['PATH']}"}).fleet("demo")
    assert done.code == 1
    assert "FLT-CLI-019" in done.error_text
    assert "Install tmux 3.2a or newer" in done.error_text
    assert list((home / "tmp").iterdir()) == []


def test_plain_lines_need_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Style())
    lines.say("hello \x1b[0m")
    lines.show(entry("run.started", agent="developer"), chain())
    assert capsys.readouterr().out == "  hello \\x1b[0m\n    0.0s  developer        starts\n"


# -- with real sessions: all that comes before the first; the rest is in tests/claude/test_claude_demo.py -----------


def a_client(folder: Path, says: str = "2.1.330 (Claude Code)") -> str:
    """A program that only knows its version."""
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--key-command", "echo key"], 6, "FLT-CLI-023"),
        ([], 2, "FLT-CLI-022"),
        pytest.param(["--key-command", "'"], 2, "cannot be split into words", marks=pytest.mark.long),
        pytest.param(["--login", "x", "--key-command", "y"], 2, "exclude each other", marks=pytest.mark.long),
    ],
)
def test_real_sessions_are_refused_before_anything_is_made(home: Path, words: list[str], code: int, said: str) -> None:
    shell = Shell(home, {"HOME": str(home), "TMPDIR": str(home)})
    done = shell.fleet("demo", "--vendor", "claude-code", "--client", a_client(home), *words)
    assert (done.code, said in done.error_text) == (code, True), done.error_text
    assert not list(home.glob("fleet-demo-*"))


@pytest.mark.parametrize(
    ("auth", "more", "code", "said"),
    [
        ({"kind": "key_helper", "command": ["false"]}, {}, "FLT-CLI-022", "ends with exit code 1 where agents run it"),
        ({"kind": "key_helper", "command": ["true"]}, {}, "FLT-CLI-022", "the key helper true prints nothing"),
        ({"kind": "key_helper", "command": ["/nonexistent/x"]}, {}, "FLT-CLI-022", "/nonexistent/x cannot be run"),
        (
            {"kind": "login", "folder": "/nonexistent/login"},
            {},
            "FLT-CLI-022",
            "there is no login in /nonexistent/login",
        ),
        ({"kind": "none"}, {"base_url": "http://example.com/v1"}, "FLT-CLI-024", "readable by all"),
        ({"kind": "none"}, {"base_url": "http://127.0.0.1.example.com"}, "FLT-CLI-024", "readable by all"),
        ({"kind": "none"}, {"program": "/nonexistent/claude"}, "FLT-CLI-019", "there is no Claude Code here"),
    ],
)
def test_an_account_that_cannot_be_used_is_refused_with_the_reason(
    home: Path, auth: dict[str, Any], more: dict[str, str], code: str, said: str
) -> None:
    given = {"base_url": "", "program": a_client(home), **more}
    with pytest.raises(FleetError) as caught:
        real.account(Door({}, str(home)), auth, **given)
    assert (caught.value.code, said in str(caught.value)) == (code, True), str(caught.value)


@pytest.mark.long
def test_what_is_for_real_sessions_is_not_for_playbooks(home: Path) -> None:
    done = Shell(home, {"HOME": str(home), "TMPDIR": str(home)}).fleet("demo", "--yes")
    assert (done.code, "go with --vendor claude-code" in done.error_text) == (2, True)


def test_the_account_may_be_that_of_the_repository_and_the_question_names_everything(
    home: Path, tmp_path: Path
) -> None:
    door = Door({"PATH": os.environ["PATH"]}, str(tmp_path))
    (tmp_path / ".fleet").mkdir()
    (tmp_path / ".fleet" / "config.yaml").write_text(
        "version: 1\nauth: {kind: none}\nbackend: {kind: vertex, region: r, project: p, base_url: 'http://127.0.0.1:9/v1'}\n"
        f"claude: {{program: {a_client(home)}}}\nagents: [{{name: a, role: developer, subscribes_to: ticket_ready}}]\n"
    )
    found = real.account(door, None, "", "")
    assert found.loaded.warnings == ()
    assert (found.auth.kind, found.loaded.config.backend.region) == ("none", "r")
    asked = real.question(found)
    for words in (
        f"Claude Code 2.1.330 ({home}/claude)", "at http://127.0.0.1:9/v1, with auth none", "Expected spend: about $",
        "4 to 7 sessions", "prices of the table 20", "Nothing caps the money: no price is known for sonnet at vertex",
    ):  # fmt: skip
        assert words in asked
    assert real.account(door, {"kind": "key_helper", "command": ["echo", "k"]}, "", found.client.path).address == ""


def test_the_estimate_follows_from_roles_and_prices() -> None:
    table = prices_of(())
    seats = (spend.Seat("develop", "sonnet"), spend.Seat("review", "opus"), spend.Seat("ship", "haiku"))
    found = spend.expected(seats, table)
    assert (found.sessions, found.unpriced) == ((3, 5), ())
    assert 0 < found.dollars[0] < found.dollars[1]
    cheap = spend.expected(tuple(spend.Seat(seat.skill, "haiku") for seat in seats), table)
    assert cheap.dollars[1] < found.dollars[1]
    cloud = spend.expected((spend.Seat("develop", "sonnet", "bedrock"), spend.Seat("ship", "mine")), table)
    assert cloud.unpriced == ("sonnet at bedrock", "mine at anthropic")
    assert all(table.find("anthropic", model) for model in spend.TAKEN.values())


def test_money_is_capped_where_prices_are_known(home: Path, tmp_path: Path) -> None:
    door = Door({"PATH": os.environ["PATH"]}, str(tmp_path))
    found = real.account(door, {"kind": "key_helper", "command": ["echo", "k"]}, "", a_client(home))
    assert found.ceiling >= found.cost.dollars[1]
    assert found.loaded.config.budgets.fleet_usd is not None
    assert f"At ${found.ceiling} nothing more starts (budgets.fleet_usd)" in real.question(found)


def test_a_story_that_nobody_wrote_shows_steps_as_they_come() -> None:
    found = Chain(1, {"developer": Member("developer")}, frozenset(), written=False)
    assert "pr_changes_requested" not in dict(found.steps)
    found.feed(entry("pr_changes_requested", agent="qa-engineer", head=HEADS[0], pr=2))
    assert "pr_changes_requested" in dict(found.steps)
    words = entry("pr_changes_requested", agent="qa-engineer", head=HEADS[0], body="Accents are lost.\nSee line 3.")
    assert told(words, written=False) == ("qa-engineer", f"requests changes of {HEADS[0][:10]}: Accents are lost.")
    assert told(entry("pr_approved", agent="qa-engineer", head=HEADS[0]), written=False) == (
        "qa-engineer",
        f"approves {HEADS[0][:10]}",
    )
