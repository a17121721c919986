"""The demo played by the real client, its model a script on this machine; and what it says before anything is spent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fleet.cli.demo import spend, story
from fleet.process import run
from fleet.testing.model.scenario import Call, Conversation, Step, Turn, bash, read_brief, write
from fleet.testing.model.server import scripted_model
from fleet.testing.shell import Shell, object_of

pytestmark = [pytest.mark.tmux, pytest.mark.long, pytest.mark.timeout(900)]

OPEN = (
    read_brief(),
    Turn("", (Call("Read", {"file_path": "{cwd}/slug.py"}),)),
    write("slug.py", story.SECOND_ATTEMPT),
    bash("python3 -m unittest"),
    bash("git add -A && git commit --quiet -m 'Leave punctuation out of slugs'"),
    bash("fleet pr create --title 'Leave punctuation out of slugs'"),
    Turn("The pull request is open."),
)
REVIEW = (
    read_brief(),
    bash("python3 -m unittest"),
    bash("fleet pr review {pr} --approve --body 'All tests pass.'"),
    Turn("Approved."),
)
SHIP = (read_brief(), bash("fleet pr merge {pr}"), Turn("Merged."))
PLAYS = {"developer": OPEN, "tech-lead": REVIEW, "qa-engineer": REVIEW, "release-manager": SHIP}


def by_role(asked: Conversation) -> Step:
    """What the model of a session says next; its handbook tells whose it is."""
    found = re.search(r"# Handbook of ([a-z-]+)", asked.system)
    steps = PLAYS[found.group(1)] if found is not None else ()
    return steps[asked.answers] if asked.answers < len(steps) else Turn("There is nothing left to do.")


@pytest.fixture
def home() -> Iterator[Path]:
    """A short folder that is HOME and takes everything temporary."""
    with TemporaryDirectory(prefix="flt-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_real_sessions_ship_the_ticket_of_the_demo_and_the_estimate_fits_what_they_send(
    client: Path, home: Path
) -> None:
    with scripted_model({"": by_role}) as model:
        shell = Shell(home, {"HOME": str(home), "TMPDIR": str(home), "ANTHROPIC_BASE_URL": "http://203.0.113.1:9"})
        words = ["demo", "--vendor", "claude-code", "--yes", "--client", str(client), "--base-url", model.address]
        argv = ["--key-command", "echo a-key-of-the-test", "--json"]
        done = shell.fleet(*words, *argv)
        assert done.ok, done.text + done.error_text
        found = json.loads(done.text)
        assert found["ok"]
        assert (found["review_rounds"], found["tests_pass"], found["repo"]) == (1, True, None)
        assert {agent["name"]: agent["runs"] for agent in found["agents"]} == dict.fromkeys(PLAYS, 1)
        assert "Expected spend: about $" in done.error_text
        assert f"at {model.address}, with auth key_helper" in done.error_text
        assert "a-key-of-the-test" not in done.error_text + done.text
        assert {one.conversation.model for one in model.asked} == set(spend.TAKEN.values())
        assert "(budgets.fleet_usd)" in done.error_text
        assert len(model.asked) == sum(map(len, PLAYS.values())), "nothing was asked anywhere else"
        sizes = [int(one.headers["content-length"]) for one in model.asked if one.conversation.answers == 0]
        assert spend.FIRST / 2 < min(sizes) / 4 < max(sizes) / 3 < spend.FIRST * 2, sizes  # bytes; 3 to 4 a token
    assert list(home.glob("fleet-demo-*")) == []


def test_without_a_word_of_a_person_nothing_starts(client: Path, home: Path) -> None:
    shell = Shell(home, {"HOME": str(home), "TMPDIR": str(home)})
    words = ["demo", "--vendor", "claude-code", "--client", str(client), "--key-command", "echo key"]
    refused = shell.fleet(*words)
    assert (refused.code, "FLT-CLI-023" in refused.error_text) == (6, True)
    assert "Expected spend: about $" in refused.error_text
    assert "prices of the table" in refused.error_text
    assert "in a script: --yes" in refused.error_text
    assert list(home.glob("fleet-demo-*")) == []


def test_init_writes_a_team_of_real_sessions_and_doctor_says_what_they_lack(client: Path, home: Path) -> None:
    repo = home / "shop"
    repo.mkdir()
    for words in (["init", "--quiet", "--initial-branch=main"], ["commit", "--quiet", "--allow-empty", "-m", "x"]):
        run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], timeout=60, cwd=repo)
    (home / "bin").mkdir()
    (home / "bin" / "claude").symlink_to(client)
    path = f"{home}/bin:/usr/local/bin:/usr/bin:/bin"
    shell = Shell(
        repo, {"HOME": str(home), "PATH": path, "XDG_STATE_HOME": f"{home}/s", "XDG_RUNTIME_DIR": f"{home}/r"}
    )
    offered = shell.fleet("init").text
    assert "Claude Code 2.1." in offered
    assert "fleet init --force --vendor claude-code --key-command" in offered
    assert "FLT-CFG-014" in shell.fleet("init", "--force", "--vendor", "claude-code").error_text
    made = shell.answer("init", "--force", "--key-command", "cat /nonexistent/key")
    assert made["vendor"] == "claude-code"
    assert "the key helper cat ends with exit code 1" in made["needs"][0]
    assert not any("playbooks/" in name for name in made["written"])
    assert shell.fleet("config", "validate").ok
    checks = {one["id"]: one for one in object_of(shell.fleet("doctor", "--json"))["checks"]}
    assert checks["claude.client"]["state"] == "ok"
    assert "Agents have a HOME of their own" in checks["claude.auth"]["fix"]
    assert "still needed: " in shell.fleet("init", "--force", "--key-command", "cat /nonexistent/key").text
    assert shell.answer("init", "--force", "--key-command", "echo key")["needs"] == []
    checks = {one["id"]: one for one in object_of(shell.fleet("doctor", "--json"))["checks"]}
    assert checks["claude.auth"]["state"] == "ok"
