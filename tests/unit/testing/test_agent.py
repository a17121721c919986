"""The scripted agent does what its playbook says, for real, in its clone, through the fleet command."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from fleet.process import Completed, run
from fleet.testing.repos import commit, git, make_checkout, make_clone

# Stands in for the fleet command: notes its arguments, then ends as the test says. The real one is in the chain ring.
RECORDER = """\
#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
codes = folder / "codes"
left = codes.read_text().split() if codes.exists() else []
codes.write_text(" ".join(left[1:]))
print("fleet says something")
sys.exit(int(left[0]) if left else 0)
"""


class Stage:
    """A bare repository, a clone of it, and an agent that is played in the clone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        person = make_checkout(folder / "person", {"README.md": "hello\n", "fact.py": "ANSWER = 41\n"})
        self.bare = folder / "repo.git"
        git(folder, "clone", "--quiet", "--bare", str(person), str(self.bare))
        self.clone = make_clone(self.bare, folder / "clone")
        programs = folder / "bin"
        programs.mkdir()
        fleet = programs / "fleet"
        fleet.write_text(RECORDER.format(python=sys.executable, folder=str(folder)))
        fleet.chmod(fleet.stat().st_mode | stat.S_IXUSR)
        self.env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "FLEET_AGENT": "developer",
            "FLEET_EVENT": "ticket_ready",
            "FLEET_TICKET": "7",
            "FLEET_PR": "8",
            "FLEET_HEAD": git(self.clone, "rev-parse", "HEAD"),
            "FLEET_ATTEMPT": "1",
            "FLEET_BRIEF": str(folder / "brief.json"),
            "GIT_AUTHOR_NAME": "developer",
            "GIT_AUTHOR_EMAIL": "developer@agents.fleet.invalid",
            "GIT_COMMITTER_NAME": "developer",
            "GIT_COMMITTER_EMAIL": "developer@agents.fleet.invalid",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.brief: dict[str, object] = {"round": 1, "base": "main"}

    def play(self, *steps: object, on: str = "ticket_ready") -> Completed:
        """Play these steps; JSON is YAML."""
        playbook = self.folder / "playbook.yaml"
        playbook.write_text(json.dumps({"version": 1, "rules": [{"on": on, "do": steps}]}))
        (self.folder / "brief.json").write_text(json.dumps(self.brief))
        argv = (sys.executable, "-P", "-m", "fleet.testing.agent", str(playbook))
        return run(argv, timeout=60, cwd=self.clone, env=self.env)

    def calls(self) -> list[list[str]]:
        """What the fleet command was called with."""
        notes = self.folder / "calls"
        return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    def will_answer(self, *codes: int) -> None:
        """Exit codes of the next fleet commands; 0 afterwards."""
        (self.folder / "codes").write_text(" ".join(map(str, codes)))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A fresh stage."""
    return Stage(tmp_path)


def last(done: Completed) -> str:
    """The last line on the terminal."""
    return done.text.splitlines()[-1]


def test_a_developer_edits_commits_and_pushes(stage: Stage) -> None:
    done = stage.play(
        {"say": "{agent} works on ticket {ticket}"},
        {"write": {"path": "docs/new.md", "text": "for ticket {ticket}\n"}},
        {"append": {"path": "README.md", "text": "more\n"}},
        {"replace": {"path": "fact.py", "old": "41", "new": "42"}},
        {"run": {"argv": [sys.executable, "-c", "import fact; assert fact.ANSWER == 42; print('checked')"]}},
        {"commit": {"message": "Work on ticket {ticket}"}},
        {"push": {"title": "Ticket {ticket}", "body": "--approve $(id) round {round}"}},
    )
    assert done.code == 0, done.text
    assert "developer works on ticket 7" in done.text
    assert "checked" in done.text
    assert git(stage.clone, "log", "-1", "--format=%s %ae") == "Work on ticket 7 developer@agents.fleet.invalid"
    assert git(stage.clone, "show", "--name-only", "--format=").split() == ["README.md", "docs/new.md", "fact.py"]
    assert stage.calls() == [["pr", "create", "--title=Ticket 7", "--body=--approve $(id) round 1"]]


def test_what_tests_leave_behind_is_not_committed(stage: Stage) -> None:
    done = stage.play(
        {"write": {"path": "a.txt", "text": "a"}},
        {"run": {"argv": [sys.executable, "-c", "open('by-product', 'w')"]}},
        {"commit": {"message": "A change"}},
        {"commit": {"message": "Nothing more"}},
    )
    assert done.code == 0, done.text
    assert "nothing to commit" in done.text
    assert git(stage.clone, "show", "--name-only", "--format=").split() == ["a.txt"]


def test_passing_tests_approve_exactly_the_head_under_review(stage: Stage) -> None:
    head = stage.env["FLEET_HEAD"]
    done = stage.play({"review_by_tests": {"argv": [sys.executable, "-c", "import fact"]}})
    assert done.code == 0, done.text
    (call,) = stage.calls()
    assert call[:5] == ["pr", "review", "8", "--approve", f"--head={head}"]


def test_failing_tests_request_changes_and_say_why(stage: Stage) -> None:
    code = "import fact, sys; print('x' * 9000); sys.exit(f'ANSWER is {fact.ANSWER}')"
    done = stage.play({"review_by_tests": {"argv": [sys.executable, "-c", code]}})
    assert done.code == 0, done.text
    (call,) = stage.calls()
    assert call[3] == "--request-changes"
    assert call[5].endswith("ANSWER is 41")
    assert len(call[5]) < 5000


def test_tests_that_do_not_end_request_changes(stage: Stage) -> None:
    argv = [sys.executable, "-c", "import signal; signal.pause()"]
    done = stage.play({"review_by_tests": {"argv": argv, "timeout_seconds": 0.5}})
    assert done.code == 0, done.text
    assert stage.calls()[0][3] == "--request-changes"
    assert "did not end within 0.5 s" in stage.calls()[0][5]


def test_another_head_than_the_one_under_review_is_not_judged(stage: Stage) -> None:
    commit(stage.clone, {"README.md": "moved on\n"})
    done = stage.play({"review_by_tests": {"argv": ["true"]}})
    assert done.code == 1
    assert "the review is asked for" in last(done)
    assert stage.calls() == []


def test_review_merge_and_publish_call_the_fleet_command(stage: Stage) -> None:
    done = stage.play(
        {"review": {"verdict": "request_changes", "body": "no"}},
        "merge",
        {
            "publish": {
                "event": "qa_passed",
                "summary": "ticket {ticket}",
                "payload": {"pr": "{pr}", "list": ["{head}"]},
            }
        },
    )
    assert done.code == 0, done.text
    head = stage.env["FLEET_HEAD"]
    review, merge, publish = stage.calls()
    assert review == ["pr", "review", "8", "--request-changes", f"--head={head}", "--body=no"]
    assert merge == ["pr", "merge", "8"]
    assert publish[:4] == ["fabric", "publish", "--event=qa_passed", "--summary=ticket 7"]
    assert json.loads(publish[4].removeprefix("--payload=")) == {"pr": "8", "list": [head]}


def test_a_refusal_fails_the_step_with_a_clear_last_line(stage: Stage) -> None:
    stage.will_answer(6)
    done = stage.play("merge")
    assert done.code == 1
    assert "fleet says something" in done.text
    assert last(done) == "step 1 (merge) failed: fleet pr merge ended with exit code 6"


def test_a_conflict_is_an_answer_to_a_merge(stage: Stage) -> None:
    stage.will_answer(8)
    assert stage.play("merge").code == 0


def test_a_daemon_that_is_away_is_asked_again(stage: Stage) -> None:
    stage.will_answer(5, 5, 0)
    done = stage.play("merge")
    assert done.code == 0, done.text
    assert stage.calls() == [["pr", "merge", "8"]] * 3


def test_the_base_is_merged_and_its_conflicts_are_resolved_as_told(stage: Stage) -> None:
    other = make_clone(stage.bare, stage.folder / "other")
    commit(other, {"fact.py": "ANSWER = 43\n"})
    git(other, "push", "--quiet", "origin", "main")
    commit(stage.clone, {"fact.py": "ANSWER = 42\n"})
    done = stage.play({"merge_base": {"take": {}}})
    assert done.code == 1
    assert "conflicts in fact.py" in last(done)
    git(stage.clone, "merge", "--abort")
    done = stage.play({"merge_base": {"take": {"fact.py": "ANSWER = 44\n"}}})
    assert done.code == 0, done.text
    assert (stage.clone / "fact.py").read_text() == "ANSWER = 44\n"
    assert len(git(stage.clone, "log", "-1", "--format=%P").split()) == 2
    assert "merged main" in stage.play("merge_base").text


def test_an_exit_step_ends_with_its_code(stage: Stage) -> None:
    done = stage.play({"exit": 5}, {"say": "never"})
    assert done.code == 5
    assert "never" not in done.text


def test_a_link_in_the_clone_does_not_lead_the_agent_out_of_it(stage: Stage) -> None:
    (stage.clone / "out").symlink_to(stage.folder)
    done = stage.play({"write": {"path": "out/escaped", "text": "x"}})
    assert done.code == 1
    assert "lies outside the clone" in last(done)
    assert not (stage.folder / "escaped").exists()


def test_a_module_in_the_clone_does_not_become_the_agents_own(stage: Stage) -> None:
    (stage.clone / "json.py").write_text("raise SystemExit('hijacked')")
    assert stage.play({"say": "still myself"}).code == 0


def test_an_event_without_a_rule_fails_in_words(stage: Stage) -> None:
    done = stage.play({"say": "x"}, on="pr_approved")
    assert done.code == 1
    assert last(done) == "developer: ticket_ready, attempt 1, round 1: the playbook has no rule for this"


def test_a_faulty_playbook_and_a_missing_brief_are_told_apart(stage: Stage) -> None:
    faulty = stage.play({"explode": 1})
    assert faulty.code == 3
    assert "unknown step 'explode'" in faulty.text
    stage.env["FLEET_BRIEF"] = "/nonexistent"
    missing = stage.play({"say": "x"})
    assert missing.code == 2
    assert last(missing).startswith("cannot begin: FileNotFoundError")


def test_nothing_that_steers_a_terminal_gets_through(stage: Stage) -> None:
    done = stage.play({"run": {"argv": [sys.executable, "-c", "print('\\x1b]0;owned\\x07')"]}})
    assert done.code == 0
    assert b"\x1b" not in done.out
