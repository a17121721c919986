"""The real daemon as a process: it starts once, serves, survives, says why it cannot start, and ends in order."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import ConfigError, Conflict, FleetError, PermanentError, TimedOut, Unreachable
from fleet.daemon.door import bind_socket
from fleet.daemon.lease import holder
from fleet.daemon.offline import open_offline
from fleet.daemon.rpc import CallFailed, Rpc
from fleet.daemon.supervisor import Running, running, start_detached, stop
from fleet.process import run
from fleet.testing.fleets import fleet_in
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A repository with the starter configuration; whatever runs for it at the end is stopped."""
    with fleet_in() as found:
        try:
            yield found
        finally:
            stop(found)


def call(paths: FleetPaths, verb: str, **args: object) -> dict[str, Any]:
    """One call as the owner."""
    with Rpc(paths.socket, timeout=60) as rpc:
        return rpc.call(verb, args)


def types(paths: FleetPaths) -> list[str]:
    """What is on record, read without a daemon if there is none."""
    if running(paths) is not None:
        entries = call(paths, "log", limit=1000)["entries"]
    else:
        offline = open_offline(paths)
        entries = offline.handle("log", {"limit": 1000})["entries"]
        offline.close()
    return [entry["type"] for entry in entries]


def daemon_by_hand(paths: FleetPaths, *more: str) -> tuple[int, str]:
    """Start the daemon's program in the foreground; its exit code and what it said on standard output."""
    argv = [sys.executable, "-m", "fleet.daemon.main", "--checkout", str(paths.checkout), *more]
    done = run(argv, timeout=60, env=dict(os.environ))
    return done.code, done.text


@pytest.mark.parametrize("supervised", [True, False])
def test_it_serves_when_the_start_returns_and_leaves_nothing_when_the_stop_returns(
    paths: FleetPaths, supervised: bool
) -> None:
    pid = start_detached(paths, supervised=supervised)
    assert running(paths) == Running(pid, supervised)
    assert call(paths, "ping")["pid"] == holder(paths.daemon_lock)
    found = call(paths, "watcher.status")
    assert (found["running"], found["supervised"]) == (True, supervised)
    assert {service["name"] for service in found["services"]} == {
        "watcher", "router", "dispatcher", "reconciler", "runner", "janitor", "checkpointer", "refguard", "scheduler",
        "lookout", "budgetwatch", "keeper", "sessions", "assessor", "metering",
    }  # fmt: skip
    assert all(service["alive"] for service in found["services"])
    assert stop(paths) is True
    assert running(paths) is None
    assert not paths.socket.exists()
    assert types(paths)[-1] == "daemon.stopped"
    assert stop(paths) is False


def test_socket_and_folders_are_the_owners_alone(paths: FleetPaths) -> None:
    start_detached(paths)
    assert stat.S_IMODE(paths.socket.stat().st_mode) == 0o600
    for folder in (paths.state, paths.runtime):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (paths.database, paths.log, paths.daemon_lock, paths.supervisor_lock):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


@pytest.mark.sampled(4)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_a_second_one_refuses_with_the_pid_of_the_first(paths: FleetPaths, first: bool, second: bool) -> None:
    pid = start_detached(paths, supervised=first)
    with pytest.raises(Conflict) as caught:
        start_detached(paths, supervised=second)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-DMN-011" if first else "FLT-DMN-010", 8)
    assert f"pid {pid}" in caught.value.message
    code, said = daemon_by_hand(paths, *(["--supervised"] if second else []))
    assert code == 8
    assert f"pid {pid}" in said or f"pid {holder(paths.daemon_lock)}" in said
    assert call(paths, "ping")["fleet"] == paths.fleet_id
    assert types(paths).count("daemon.started") == 1


def test_a_killed_daemon_comes_back_and_callers_wait_instead_of_failing(paths: FleetPaths) -> None:
    start_detached(paths)
    for expected in (2, 3):
        old = holder(paths.daemon_lock)
        assert old
        os.kill(old, signal.SIGKILL)
        assert call(paths, "ping")["pid"] != old
        assert types(paths).count("daemon.started") == expected
    assert "daemon.stopped" not in types(paths)


def test_a_killed_supervisor_takes_its_daemon_along_in_order(paths: FleetPaths) -> None:
    pid = start_detached(paths)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running(paths) is None)
    assert types(paths)[-1] == "daemon.stopped"
    start_detached(paths)
    assert call(paths, "ping")


def test_after_kill_9_the_next_start_replaces_the_stale_socket(paths: FleetPaths) -> None:
    pid = start_detached(paths, supervised=False)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running(paths) is None)
    assert paths.socket.exists()
    start_detached(paths, supervised=False)
    assert call(paths, "ping")


def test_a_faulty_configuration_is_refused_with_every_fault_and_nothing_is_made(paths: FleetPaths) -> None:
    paths.config.write_text("version: 1\nagents:\n  - name: a/b\n    role: nobody\n")
    for supervised in (True, False):
        with pytest.raises(ConfigError) as caught:
            start_detached(paths, supervised=supervised)
        assert caught.value.exit_code == 3
        assert len(caught.value.problems) >= 2
        assert running(paths) is None
        assert not paths.database.exists()
        assert not paths.socket.exists()


@pytest.mark.long
def test_a_damaged_journal_is_not_written_to(paths: FleetPaths) -> None:
    start_detached(paths)
    stop(paths)
    raw = apsw.Connection(str(paths.database))
    raw.execute("DROP TRIGGER journal_no_update; UPDATE journal SET actor = 'human:eve' WHERE seq = 2")
    (count,) = next(raw.execute("SELECT count(*) FROM journal"))
    with pytest.raises(FleetError) as caught:
        start_detached(paths)
    assert caught.value.code == "FLT-DMN-014"
    assert running(paths) is None
    assert next(raw.execute("SELECT count(*) FROM journal")) == (count,)
    raw.close()
    offline = open_offline(paths)
    found = offline.handle("audit.verify", {})
    offline.close()
    assert (found["ok"], found["first_bad"]["seq"]) == (False, 2)


PROGRAMS: dict[str, Sequence[str]] = {
    "dies at once": (sys.executable, "-c", "raise SystemExit(1)"),
    "dies of a bug": (sys.executable, "-c", "import no_such_module"),
    "is killed": (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_daemon_that_dies_before_it_is_ready_is_told_at_once(paths: FleetPaths, program: str) -> None:
    with pytest.raises(FleetError) as caught:
        start_detached(paths, program=PROGRAMS[program])
    assert caught.value.code == "FLT-DMN-012"
    assert running(paths) is None
    assert "no_such_module" in caught.value.message or program != "dies of a bug"


def test_a_daemon_that_never_gets_ready_is_ended(paths: FleetPaths) -> None:
    with pytest.raises(TimedOut) as caught:
        start_detached(paths, program=(sys.executable, "-c", "import sys; sys.stdin.read()"), seconds=1.0)
    assert caught.value.code == "FLT-DMN-013"
    assert running(paths) is None


def test_a_supervisor_gives_up_on_a_daemon_that_keeps_dying(paths: FleetPaths) -> None:
    note = paths.checkout.parent / "starts"
    # it reports itself ready, as the real one does, and dies
    code = f"import os; open({str(note)!r}, 'a').write('x'); os.write(1, b'{{\"ready\": 1}}\\n'); os._exit(7)"
    argv = [sys.executable, "-m", "fleet.daemon.supervisor", "--checkout", str(paths.checkout), "--"]
    done = run([*argv, sys.executable, "-c", code], timeout=60, env=dict(os.environ))
    assert done.code == 7
    assert note.read_text() == "x" * 5
    assert running(paths) is None


def test_who_holds_the_lock_may_bind_and_a_strange_file_is_not_removed(paths: FleetPaths) -> None:
    start_detached(paths)
    stop(paths)
    paths.socket.write_text("precious")
    with pytest.raises(PermanentError) as caught:
        bind_socket(paths)
    assert caught.value.code == "FLT-DMN-017"
    assert paths.socket.read_text() == "precious"
    paths.socket.unlink()


def test_without_a_daemon_a_person_still_reads_and_every_write_ends_with_5(paths: FleetPaths) -> None:
    start_detached(paths)
    number = call(paths, "ticket.create", title="Greet")["ticket"]["number"]
    stop(paths)
    offline = open_offline(paths)
    try:
        assert offline.handle("ticket.show", {"number": number})["ticket"]["title"] == "Greet"
        assert offline.handle("status", {})["daemon"]["pid"] is None
        assert "it lacks ready" in "\n".join(offline.handle("why", {"ref": f"ticket/{number}"})["lines"])
        assert offline.handle("audit.verify", {})["ok"]
        for verb, args in (("ticket.create", {"title": "x"}), ("fabric.publish", {"event": "note"})):
            with pytest.raises(Unreachable) as caught:
                offline.handle(verb, args)
            assert (caught.value.code, caught.value.exit_code) == ("FLT-DMN-015", 5)
            assert "fleet up" in caught.value.hint
    finally:
        offline.close()
    with pytest.raises(Unreachable):
        call(paths, "ping")


def test_eight_publishers_and_a_kill_lose_nothing_that_was_acknowledged(paths: FleetPaths) -> None:
    start_detached(paths)
    said: list[str] = []
    enough = threading.Event()

    def publish(name: int) -> None:
        number = 0
        try:
            with Rpc(paths.socket, timeout=60) as rpc:
                while True:
                    number += 1
                    made = rpc.call("fabric.publish", {"event": "note", "summary": f"{name}.{number}"})
                    said.append(made["id"])
                    if len(said) > 200:
                        enough.set()
        except (Unreachable, CallFailed):
            return

    threads = [threading.Thread(target=publish, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    victim = holder(paths.daemon_lock)
    assert victim
    os.kill(victim, signal.SIGKILL)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    stored: set[str] = set()
    after = 0
    while page := call(paths, "log", type="note", after=after or 1, limit=1000)["entries"]:
        stored |= {entry["id"] for entry in page}
        after = page[-1]["seq"]
    assert set(said) <= stored
    assert call(paths, "audit.verify")["ok"]


AGENT_TRIES = """
import json, os, subprocess, sys
fleet = [sys.executable, "-m", "fleet"]
bare = {name: value for name, value in os.environ.items() if name != "FLEET_CAPABILITY_FILE"}
wiped = {"PATH": os.environ["PATH"], "FLEET_SOCKET": os.environ["FLEET_SOCKET"]}
answers = {}
def attempt(name, env, *words):
    done = subprocess.run([*fleet, *words, "--json"], env=env, capture_output=True, text=True)
    answers[name] = [done.returncode, done.stdout[-300:] + done.stderr[-300:]]
attempt("own verb", os.environ, "fabric", "publish", "--event=note", "--summary=mine")
attempt("without capability", bare, "ticket", "create", "hacked")
attempt("wiped environment", wiped, "ticket", "create", "hacked")
attempt("setsid", bare, "pr", "merge", "1")
attempt("verb of people", os.environ, "agent", "stop", "developer")
attempt("reserved event", os.environ, "fabric", "publish", "--event=pr_approved", "--summary=x")
open(sys.argv[1], "w").write(json.dumps(answers))
"""


@pytest.mark.tmux
def test_an_agents_process_that_drops_its_capability_is_refused_by_the_real_daemon(paths: FleetPaths) -> None:
    report = paths.checkout.parent / "report.json"
    script = paths.checkout.parent / "tries.py"
    script.write_text(AGENT_TRIES)
    playbook = paths.checkout / ".fleet" / "playbooks" / "developer.yaml"
    playbook.write_text(_playbook(script, report))
    start_detached(paths, program=(sys.executable, "-m", "fleet.cli.daemon"))
    call(paths, "ticket.create", title="Try it", labels=["ready"])
    wait_until(report.exists, timeout=180)
    answers = wait_until(lambda: _json(report))
    codes = {name: code for name, (code, _) in answers.items()}
    assert codes == {
        "own verb": 0,
        "without capability": 6,
        "wiped environment": 6,
        "setsid": 6,
        "verb of people": 6,
        "reserved event": 6,
    }, answers
    assert [ticket["title"] for ticket in call(paths, "tickets")["tickets"]] == ["Try it"]
    entries = call(paths, "log", limit=1000)["entries"]
    refused = {entry["payload"]["code"] for entry in entries if entry["type"] == "request.refused"}
    assert {"FLT-AUT-003", "FLT-AUT-011", "FLT-CTL-005"} <= refused
    call(paths, "fleet.drain")
    wait_until(lambda: not call(paths, "ps")["runs"])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def _playbook(script: Path, report: Path) -> str:
    """A developer that does nothing but run a script."""
    argv = json.dumps([sys.executable, str(script), str(report)])
    return f"version: 1\nrules:\n  - on: [ticket_ready]\n    do:\n      - run: {{argv: {argv}}}\n"


STUCK = """
import sys, time
from fleet.daemon.janitor import Janitor
from fleet.daemon.main import main
Janitor.tick = lambda self, now: time.sleep(3600)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
@pytest.mark.parametrize("supervised", [True, False])
def test_a_service_that_hangs_does_not_hold_up_the_end(paths: FleetPaths, supervised: bool) -> None:
    start_detached(paths, supervised=supervised, program=(sys.executable, "-c", STUCK))
    began = time.monotonic()
    stop(paths)
    assert time.monotonic() - began < 60, "the service hangs for an hour"
    assert running(paths) is None
    assert not paths.socket.exists()
    assert types(paths)[-1] == "daemon.stopped"


BROKEN = """
import sys
from fleet.daemon.janitor import Janitor
from fleet.daemon.main import main
def tick(self, now):
    raise ZeroDivisionError("a bug")
Janitor.tick = tick
sys.exit(main(sys.argv[1:]))
"""


def test_a_service_with_a_bug_stops_the_daemon_with_its_traceback_in_the_log(paths: FleetPaths) -> None:
    argv = [sys.executable, "-c", BROKEN, "--checkout", str(paths.checkout)]
    done = run(argv, timeout=60, env=dict(os.environ))
    assert done.code == 1
    assert running(paths) is None
    assert "ZeroDivisionError: a bug" in paths.log.read_text()
    assert "daemon.started" in types(paths)
    assert types(paths)[-1] == "daemon.stopped"
