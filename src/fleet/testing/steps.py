"""The steps of a playbook, done for real: files in the clone, git, tests, and the fleet command.

Programs are started with argument lists through fleet.process, with the agent's own environment; what the
fleet command refuses is a failed step, as it would be for any agent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fleet.core.errors import TimedOut
from fleet.process import Completed, run
from fleet.testing.fabricsteps import FabricSteps
from fleet.testing.playbook import Step, StepFailed, fill

_GIT_SECONDS = 60.0
_FLEET_SECONDS = 120.0
_TAIL_LINES = 40
_TAIL_CHARACTERS = 4000
_UNREACHABLE = 5  # exit code of the fleet command when no daemon answers
_CONFLICT = 8  # exit code of the fleet command when somebody else was first
_PATIENCE_SECONDS = 120.0  # how long a daemon may be away before the agent gives up


class Leave(Exception):
    """The playbook asks to end now, with this exit code."""

    def __init__(self, code: int) -> None:
        """``code`` is from 0 to 255."""
        super().__init__(f"exit {code}")
        self.code = code


class Stage:
    """Where a playbook is played: a clone, an environment, the values of the placeholders, and a voice."""

    def __init__(
        self,
        clone: Path,
        env: Mapping[str, str],
        values: Mapping[str, str],
        *,
        base: str,
        say: Callable[[str], None],
    ) -> None:
        """``values`` has one entry for each placeholder; ``base`` is the base branch; ``say`` prints a line."""
        self._clone = clone.resolve()
        self._env = dict(env)
        self._values = values
        self._base = base
        self._say = say
        self._touched: set[str] = set()
        self._steps: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "say": lambda args: self._say(self._fill(args["text"])),
            "write": self._write,
            "append": self._append,
            "replace": self._replace,
            "run": self._run,
            "commit": self._commit,
            "push": self._push,
            "review_by_tests": self._review_by_tests,
            "review": lambda args: self._review(args["verdict"], self._fill(args["body"])),
            "merge": self._merge,
            "publish": self._publish,
            "merge_base": self._merge_base,
            **FabricSteps(self._fleet, self._fill, self._keep, self._say).table(),
            "pause": lambda args: time.sleep(args["seconds"]),
            "exit": self._exit,
        }

    def play(self, step: Step) -> None:
        """Do one step. Raises StepFailed or Leave, and FleetError from starting programs."""
        self._steps[step.verb](step.args)

    # -- files ---------------------------------------------------------------------------------

    def _file(self, relative: str) -> Path:
        """The path of a file in the clone; a symbolic link may not lead out of it."""
        path = (self._clone / self._fill(relative)).resolve()
        if not path.is_relative_to(self._clone) or path.is_relative_to(self._clone / ".git"):
            raise StepFailed(f"{relative} lies outside the clone")
        return path

    def _put(self, path: Path, text: str, verb: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        relative = str(path.relative_to(self._clone))
        self._touched.add(relative)
        self._say(f"{verb} {relative}")

    def _keep(self, relative: str, text: str) -> None:
        """Put what others wrote into a file as it is: no placeholder in it is filled."""
        self._put(self._file(relative), text, "wrote")

    def _write(self, args: Mapping[str, Any]) -> None:
        self._put(self._file(args["path"]), self._fill(args["text"]), "wrote")

    def _append(self, args: Mapping[str, Any]) -> None:
        path = self._file(args["path"])
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        self._put(path, before + self._fill(args["text"]), "appended to")

    def _replace(self, args: Mapping[str, Any]) -> None:
        path = self._file(args["path"])
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        old = self._fill(args["old"])
        if before.count(old) != 1:
            raise StepFailed(f"{args['path']} holds the text to replace {before.count(old)} times, not once")
        self._put(path, before.replace(old, self._fill(args["new"])), "changed")

    # -- programs ------------------------------------------------------------------------------

    def _fill(self, text: str) -> str:
        return fill(text, self._values)

    def _start(self, argv: tuple[str, ...], timeout: float) -> Completed:
        return run([self._fill(word) for word in argv], timeout=timeout, cwd=self._clone, env=self._env)

    def _git(self, *words: str) -> Completed:
        """A git command that has to succeed."""
        done = run(["git", *words], timeout=_GIT_SECONDS, cwd=self._clone, env=self._env)
        if not done.ok:
            raise StepFailed(f"git {words[0]}: {done.error_text or tail(done)}")
        return done

    def _fleet(self, *words: str, fine: frozenset[int] = frozenset({0})) -> Completed:
        """A fleet command; asked again while the daemon is away, because every one of them is repeatable."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = 0.2
        while True:
            done = run(["fleet", *words], timeout=_FLEET_SECONDS, cwd=self._clone, env=self._env)
            if done.code != _UNREACHABLE or time.monotonic() > deadline:
                break
            self._say("the daemon does not answer; asking again")
            time.sleep(pause)
            pause = min(pause * 2, 2.0)
        for line in (done.text + done.error_text).splitlines():
            self._say(f"  {line}")
        if done.code not in fine:
            raise StepFailed(f"fleet {' '.join(words[:2])} ended with exit code {done.code}")
        return done

    def _run(self, args: Mapping[str, Any]) -> None:
        self._say(f"$ {' '.join(args['argv'])}")
        done = self._start(args["argv"], args["timeout_seconds"])
        for line in tail(done).splitlines():
            self._say(f"  {line}")
        if args["expect"] == "ok" and not done.ok:
            raise StepFailed(f"{args['argv'][0]} ended with exit code {done.code}")

    # -- git and the chain ---------------------------------------------------------------------

    def _commit(self, args: Mapping[str, Any]) -> None:
        """Commit what is tracked and what the playbook wrote; by-products of test runs stay out."""
        self._git("add", "--update")
        if self._touched:
            self._git("add", "--", *sorted(self._touched))
        if not self._git("status", "--porcelain", "--untracked-files=no").out:
            self._say("nothing to commit")
            return
        self._git("commit", "--quiet", "-m", self._fill(args["message"]))
        self._say(f"committed {self._head()[:12]}")

    def _head(self) -> str:
        return self._git("rev-parse", "HEAD").text.strip()

    def _number(self) -> str:
        if not self._values["pr"]:
            raise StepFailed("this run was not started for a pull request")
        return self._values["pr"]

    def _push(self, args: Mapping[str, Any]) -> None:
        self._fleet("pr", "create", f"--title={self._fill(args['title'])}", f"--body={self._fill(args['body'])}")

    def _review_by_tests(self, args: Mapping[str, Any]) -> None:
        """Run the tests at exactly the head under review and let their exit code decide."""
        if self._head() != self._values["head"]:
            raise StepFailed(f"the clone is at {self._head()}, the review is asked for {self._values['head']}")
        command = " ".join(self._fill(word) for word in args["argv"])
        self._say(f"$ {command}")
        try:
            done = self._start(args["argv"], args["timeout_seconds"])
        except TimedOut:
            self._review("request_changes", f"`{command}` did not end within {args['timeout_seconds']} s.")
            return
        self._say(f"  exit code {done.code}")
        if done.ok:
            self._review("approve", f"`{command}` passes at {self._values['head'][:12]}.")
        else:
            self._review("request_changes", f"`{command}` fails with exit code {done.code}:\n\n{tail(done)}")

    def _review(self, verdict: str, body: str) -> None:
        option = "--approve" if verdict == "approve" else "--request-changes"
        head = (f"--head={self._values['head']}",) if self._values["head"] else ()
        self._fleet("pr", "review", self._number(), option, *head, f"--body={body}")

    def _merge(self, args: Mapping[str, Any]) -> None:
        """Merge; a conflict is an answer too, and goes back to the author as an event."""
        self._fleet("pr", "merge", self._number(), fine=frozenset({0, _CONFLICT}))

    def _publish(self, args: Mapping[str, Any]) -> None:
        payload = json.dumps(self._filled(args["payload"]))
        summary = self._fill(args["summary"])
        self._fleet("fabric", "publish", f"--event={args['event']}", f"--summary={summary}", f"--payload={payload}")

    def _filled(self, value: Any) -> Any:
        """A payload with the placeholders of its texts filled in."""
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return [self._filled(item) for item in value]
        return self._fill(value) if isinstance(value, str) else value

    def _merge_base(self, args: Mapping[str, Any]) -> None:
        """Bring the base branch in; ``take`` says what the files that conflict should hold."""
        self._git("fetch", "--quiet", "origin", f"+refs/heads/{self._base}:refs/remotes/origin/{self._base}")
        merging = ("git", "merge", "--no-edit", f"origin/{self._base}")
        done = self._start(merging, _GIT_SECONDS)
        if done.ok:
            self._say(f"merged {self._base}")
            return
        for relative, text in args["take"].items():
            self._put(self._file(relative), self._fill(text), "resolved")
            self._git("add", "--", self._fill(relative))
        left = self._git("diff", "--name-only", "--diff-filter=U").text.split()
        if left:
            raise StepFailed(f"merging {self._base} conflicts in {', '.join(left)}")
        self._git("commit", "--quiet", "--no-edit")
        self._say(f"merged {self._base} with conflicts resolved")

    def _exit(self, args: Mapping[str, Any]) -> None:
        raise Leave(args["code"])


def tail(done: Completed) -> str:
    """The end of what a program said: both outputs, the last 40 lines, at most 4000 characters, printable."""
    text = done.text + ("\n" if done.text and done.err else "") + done.err.decode("utf-8", "replace")
    lines = text.rstrip().splitlines()[-_TAIL_LINES:]
    clean = ("".join(char if char.isprintable() or char == "\t" else "?" for char in line) for line in lines)
    return "\n".join(clean)[-_TAIL_CHARACTERS:]


def explain(error: Exception) -> str:
    """A failure in one line."""
    return " ".join(str(error).split()) or type(error).__name__
