"""Programs that know nothing of Fleet but its command line, as agents: real tmux, real budget, real identity."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.config.paths import FleetPaths
from fleet.testing.fleets import fleet_in
from fleet.testing.repos import git
from fleet.testing.shell import Shell
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

# Reads the brief, edits, commits, opens a pull request, and ends with a code that means nothing.
AUTHOR = """\
import json, os, pathlib, subprocess, sys
brief = json.loads(pathlib.Path(sys.argv[1]).read_bytes())
print("working on", brief["ticket"]["title"], "with", len(sys.argv), "words")
pathlib.Path("answer.txt").write_text(brief["ticket"]["body"])
subprocess.run(["git", "add", "answer.txt"], check=True)
subprocess.run(["git", "commit", "--quiet", "-m", "Answer"], check=True)
subprocess.run(["fleet", "pr", "create", "--title", "Answer"], check=True)
pathlib.Path(sys.argv[2]).write_text(json.dumps({"env": sorted(os.environ), "argv": sys.argv, "cwd": os.getcwd()}))
sys.exit(7)
"""
# Reads the brief from its standard input and approves what it is about.
REVIEWER = """\
#!/bin/sh
number=$(sed -n 's/.*"number": \\([0-9]*\\),.*/\\1/p' | sort -n | tail -1)
echo "reviewing $FLEET_PR, found $number"
test "$number" = "$FLEET_PR" && fleet pr review "$FLEET_PR" --approve --body "Looks right."
"""
# Answers nothing, obeys nothing, leaves a file behind and a child that left its session.
STUBBORN = """\
trap '' TERM HUP INT QUIT
echo mine > unsaved.txt
setsid sh -c "trap '' TERM HUP; while :; do sleep 1; done" &
while :; do sleep 1; done
"""
CONFIG = """\
version: 1
agents:
  - name: author
    role: developer
    vendor: command
    command: [{python}, "{{fleet}}/author.py", "{{brief}}", {seen}]
    subscribes_to: [ticket_ready]
  - name: reviewer
    role: tech-lead
    vendor: command
    command: ["{{fleet}}/review.sh"]
    stdin: brief
    subscribes_to: [pr_needs_review]
  - name: stubborn
    role: developer
    vendor: command
    command: [sh, -c, {script}]
    budget_seconds: 4
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[tuple[Shell, FleetPaths]]:
    """A fleet of programs."""
    with fleet_in() as paths:
        folder = paths.config.parent
        (folder / "author.py").write_text(AUTHOR)
        (folder / "review.sh").write_text(REVIEWER)
        (folder / "review.sh").chmod(0o755)
        words = {"python": sys.executable, "seen": str(seen_file(paths)), "script": STUBBORN}
        paths.config.write_text(CONFIG.format(**{name: json.dumps(word) for name, word in words.items()}))
        found = Shell(paths.checkout, {})
        found.answer("up")
        try:
            yield found, paths
        finally:
            found.fleet("down")


def seen_file(paths: FleetPaths) -> Path:
    """Where the author tells what it was given."""
    return paths.checkout.parent / "seen.json"


def ended_run(shell: Shell, agent: str) -> dict[str, Any]:
    """Wait for the only run of an agent to end."""

    def look() -> dict[str, Any]:
        found = [run for run in shell.answer("ps", "--all")["runs"] if run["agent"] == agent and run["finished_at"]]
        return dict(found[0]) if found else {}

    return wait_until(look, what=f"the run of {agent} to end")


HOSTILE = "x'; touch /tmp/owned; $(id) {brief} \x1b[31m"


def test_programs_take_a_ticket_to_an_approved_pull_request(fleet: tuple[Shell, FleetPaths]) -> None:
    shell, paths = fleet
    title = "$(touch owned) {brief} `id`"
    number = shell.answer("ticket", "create", title, "--body", HOSTILE, "--label", "ready")["ticket"]["number"]
    run = ended_run(shell, "author")
    assert (run["state"], run["exit_code"]) == ("succeeded", 7)
    assert "pr_created is on record (its program ended with exit code 7)" in run["outcome"]
    (pull,) = shell.answer("ticket", "show", str(number))["pulls"]
    assert pull["author"] == "agent:author"
    assert git(paths.bare, "show", f"{pull['head']}:answer.txt") == HOSTILE
    assert git(paths.bare, "log", "-1", "--format=%an <%ae>", pull["head"]) == "author <author@agents.fleet.invalid>"
    review = ended_run(shell, "reviewer")
    assert review["state"] == "succeeded", shell.fleet("agent", "output", "reviewer").text
    (said,) = shell.answer("pr", "show", str(pull["number"]))["reviews"]
    assert (said["by"], said["verdict"], said["current"]) == ("agent:reviewer", "approve", True)
    assert f"reviewing {pull['number']}" in shell.fleet("agent", "logs", "reviewer").text
    given_only_what_every_agent_is_given(paths)


def given_only_what_every_agent_is_given(paths: FleetPaths) -> None:
    """The author saw its clean environment, its clone, and nothing in its arguments that somebody else wrote."""
    seen = json.loads(seen_file(paths).read_text())
    own = {"HOME", "LANG", "PATH", "TERM", "TMPDIR", "PWD", "SHLVL", "_", "LC_CTYPE", "COLUMNS", "LINES"}
    others = [name for name in seen["env"] if not name.startswith(("FLEET_", "GIT_"))]
    assert set(others) <= own, "the environment is the clean one"
    assert seen["cwd"].startswith(str(paths.clones))
    assert not any("touch" in word for word in seen["argv"])
    assert not (paths.checkout / "owned").exists()


def test_a_program_that_ignores_everything_ends_at_its_budget_with_its_work_saved(
    fleet: tuple[Shell, FleetPaths],
) -> None:
    shell, paths = fleet
    number = shell.answer("ticket", "create", "Never mind")["ticket"]["number"]
    shell.answer("agent", "start", "stubborn", "--ticket", str(number))
    run = ended_run(shell, "stubborn")
    assert run["state"] == "over_budget"
    assert git(paths.bare, "show", f"{run['escrow_sha']}:unsaved.txt") == "mine"
    assert not list(marked(run["session"])), "nothing of it lives"
    wait_until(lambda: shell.answer("log", "--type", "budget.exhausted")["entries"], what="that on record")
    (found,) = shell.answer("agent", "budget", "stubborn")["agents"]
    assert found["used_percent"] >= 100
    assert shell.answer("agent", "show", "stubborn")["idle"][0] == (
        "its budget is exhausted (fleet budget grant stubborn SECONDS --reason TEXT)"
    )


def marked(session: str) -> Iterator[int]:
    """Processes that carry the session's name in their environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"FLEET_RUN={session}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue  # it ended, or belongs to somebody else
