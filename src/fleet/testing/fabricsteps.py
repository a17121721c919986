"""The steps of a playbook that use the Fabric: asking, reading the inbox, handing over, claiming, keeping results.

What others wrote is read as data: it can be put into a file of the clone, and never into a command.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fleet.process import Completed
from fleet.testing.playbook import StepFailed

_PAUSE_SECONDS = 0.2
_NO_ANSWER = 6  # exit code of `fleet ask --wait` when the time is up
_LOST = 8  # exit code of a claim that somebody else holds

Args = Mapping[str, Any]


class Fleet(Protocol):
    """Runs the fleet command as the agent; raises StepFailed for an exit code that is not ``fine``."""

    def __call__(self, *words: str, fine: frozenset[int] = ...) -> Completed:
        """The command's end."""


class FabricSteps:
    """The steps, and the one thing they remember: the claim that the run holds."""

    def __init__(
        self, fleet: Fleet, fill: Callable[[str], str], write: Callable[[str, str], None], say: Callable[[str], None]
    ) -> None:
        """``fill`` replaces placeholders, ``write`` puts text into a file of the clone, ``say`` prints a line."""
        self._fleet = fleet
        self._fill = fill
        self._write = write
        self._say = say
        self._claim = ("", "")  # number and token

    def table(self) -> dict[str, Callable[[Args], None]]:
        """Every step by its verb."""
        return {
            "ask": self._ask,
            "inbox": self._inbox,
            "handoff": self._handoff,
            "blocker": self._blocker,
            "task": self._task,
            "claim": self._claim_one,
            "complete": lambda args: self._end("complete", f"--summary={self._fill(args['summary'])}"),
            "release": lambda args: self._end("release", f"--reason={self._fill(args['reason'])}"),
            "artifact": self._artifact,
        }

    def _ask(self, args: Args) -> None:
        """Ask a person; with ``wait_seconds`` an answer that does not come in time is a failed step."""
        waiting = (f"--wait={args['wait_seconds']:g}",) if args["wait_seconds"] else ()
        done = self._fleet("ask", *waiting, "--", self._fill(args["question"]), fine=frozenset({0, _NO_ANSWER}))
        if done.code == _NO_ANSWER:
            raise StepFailed(f"no answer within {args['wait_seconds']:g} s")

    def _inbox(self, args: Args) -> None:
        """Read what is unread, perhaps wait for a kind of message, keep the words in a file, acknowledge."""
        deadline = time.monotonic() + args["wait_seconds"]
        while True:
            left = max(0.0, deadline - time.monotonic())
            items = json.loads(self._fleet("inbox", "--json", f"--wait={left:.1f}").text)["items"]
            wanted = [item for item in items if args["wait_for"] in ("", item["kind"])]
            if wanted or left <= 0:
                break
            time.sleep(_PAUSE_SECONDS)  # something else is unread; look again
        if args["wait_for"] and not wanted:
            raise StepFailed(f"no {args['wait_for']} came within {args['wait_seconds']:g} s")
        if args["path"]:
            self._write(args["path"], "".join(f"{item['from']}: {item['text']}\n" for item in wanted))
        if args["ack"] and wanted:
            self._fleet("fabric", "ack", *(str(item["number"]) for item in wanted))

    def _handoff(self, args: Args) -> None:
        self._fleet("fabric", "handoff", f"--to={self._fill(args['to'])}", "--", self._fill(args["summary"]))

    def _blocker(self, args: Args) -> None:
        self._fleet("fabric", "blocker", "--", self._fill(args["summary"]))

    def _task(self, args: Args) -> None:
        title = self._fill(args["title"])
        self._fleet("fabric", "task", f"--key=task {title}", "--", title)

    def _claim_one(self, args: Args) -> None:
        """Claim the newest task of this title; ``expect: lost`` is for one that somebody else has to hold."""
        title = self._fill(args["title"])
        tasks = json.loads(self._fleet("fabric", "tasks", "--json").text)["tasks"]
        numbers = [str(task["number"]) for task in tasks if task["title"] == title]
        if not numbers:
            raise StepFailed(f"no task is called {title}")
        lease = f"--lease={args['lease_seconds']}"
        done = self._fleet("fabric", "claim", numbers[-1], lease, "--json", fine=frozenset({0, _LOST}))
        if (done.code == _LOST) is not (args["expect"] == "lost"):
            raise StepFailed(f"the claim was {'lost' if done.code else 'won'}")
        if done.ok:
            self._claim = (numbers[-1], json.loads(done.text)["token"])

    def _end(self, verb: str, option: str) -> None:
        number, token = self._claim
        if not number:
            raise StepFailed(f"nothing is claimed that could be {verb}d")
        self._fleet("fabric", verb, number, f"--token={token}", option)

    def _artifact(self, args: Args) -> None:
        name = (f"--name={self._fill(args['name'])}",) if args["name"] else ()
        self._fleet("fabric", "artifact", "put", *name, "--", self._fill(args["path"]))
