"""The real daemon, killed with signal 9 around the restart of an agent: it is resumed once, in its one session.

The agent is a stand-in for the client: it dies at its first start, and does its work when it is resumed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.daemon.supervisor import start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.waiting import PATIENCE, wait_until

PLACES = ["restart.decided@1", "restart.answered@1"]

CLIENT = """\
#!/bin/sh
case " $* " in
*" --version "*) echo '2.1.330 (a stand-in)'; exit 0 ;;
*" --resume "*)
  echo resumed >> {starts}
  fleet pr create --title 'Say hello'
  exit $? ;;
*)
  echo begun >> {starts}
  conversation=$(echo " $* " | sed 's/.* --session-id \\([^ ]*\\) .*/\\1/')
  mkdir -p "$HOME/.claude/projects/clone" && : > "$HOME/.claude/projects/clone/$conversation.jsonl"
  echo hello > hello.txt && git add -A && git commit --quiet -m 'Say hello'
  sleep 600 &
  kill -9 $$ ;;
esac
"""


@contextmanager
def dying_fleet(place: str) -> Iterator[tuple[FleetPaths, Path, Path]]:
    """A supervised fleet whose first daemon dies at ``place``; the agent's starts, and the daemon's note."""
    with fleet_in() as paths:
        folder = paths.checkout.parent
        starts, note, client = folder / "starts", folder / "died", folder / "claude"
        client.write_text(CLIENT.replace("{starts}", str(starts)))
        client.chmod(0o755)
        paths.config.write_text(
            "version: 1\nauth: {kind: key_helper, command: [echo, key]}\nretry: {attempts: 1}\n"
            f"claude: {{program: {json.dumps(str(client))}}}\nrestart: {{attempts: 2, backoff_seconds: 1}}\n"
            "agents:\n  - {name: developer, role: developer, vendor: claude-code, subscribes_to: [ticket_ready]}\n"
        )
        program = (sys.executable, "-m", "fleet.testing.crash", place, str(note))
        start_detached(paths, supervised=True, program=program)
        try:
            yield paths, starts, note
        finally:
            stop(paths)


@pytest.mark.crash
@pytest.mark.tmux
@pytest.mark.long  # the quick ring has the same on a fake runtime: tests/unit/runtime/test_runner_restarts.py
@pytest.mark.timeout(240)
@pytest.mark.parametrize("place", PLACES)
def test_an_agent_is_resumed_once_although_the_daemon_dies_at(place: str) -> None:
    with dying_fleet(place) as (paths, starts, note):
        ask(paths, "ticket.create", {"title": "Say hello", "labels": ["ready"]})

        def ended() -> bool:
            runs = ask(paths, "ps", {"all": True}, patience=PATIENCE)["runs"]
            return bool(runs) and all(run["finished_at"] for run in runs)

        wait_until(ended, timeout=120, what=f"the run to end after a kill at {place}")
        assert note.exists(), "the daemon never came to this point"
        (run,) = ask(paths, "ps", {"all": True})["runs"]
        assert (run["state"], run["restarts"], run["epoch"]) == ("succeeded", 1, 1), run
        assert starts.read_text().split() == ["begun", "resumed"]
        kinds = [entry["type"] for entry in ask(paths, "log", {"limit": 1000})["entries"]]
        assert (kinds.count("run.restarting"), kinds.count("run.restarted")) == (1, 1)
        assert ask(paths, "audit.verify")["ok"]
