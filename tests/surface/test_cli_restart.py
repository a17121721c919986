"""Another daemon in the place of the one that runs: agents and their calls wait, and nothing is stopped in vain."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import apsw
import pytest

from fleet.config.paths import FleetPaths
from fleet.core.errors import FleetError, Unreachable
from fleet.daemon.door import bind_socket, make_folders
from fleet.daemon.lease import holder
from fleet.daemon.replacing import replace
from fleet.daemon.rpc import Rpc
from fleet.daemon.supervisor import running, start_detached, stop
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

SLOW = "version: 1\nrules:\n  - on: [ticket_ready]\n    do:\n      - pause: 300\n"


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A repository with the starter configuration; whatever runs at the end is stopped."""
    with fleet_in() as found:
        yield found
        Shell(found.checkout, {}).fleet("down")


@contextmanager
def callers(paths: FleetPaths, count: int = 6) -> Iterator[list[str]]:
    """People and agents who call all the time, a connection each time; the failures they met."""
    over = threading.Event()
    failures: list[str] = []
    answers = [0]

    def call() -> None:
        while not over.is_set():
            try:
                with Rpc(paths.socket, timeout=60) as rpc:
                    rpc.call("ping")
                answers[0] += 1
            except Unreachable as error:
                failures.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: answers[0] > 50, what="some answers")
        yield failures
        begin = answers[0]
        wait_until(lambda: answers[0] > begin + 50, what="more answers")
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_restart_keeps_the_agents_and_fails_no_call(paths: FleetPaths) -> None:
    (paths.checkout / ".fleet/playbooks/developer.yaml").write_text(SLOW)
    shell = Shell(paths.checkout, {})
    first = shell.answer("up")
    shell.fleet("ticket", "create", "Slow work", "--label", "ready")
    (run,) = wait_until(
        lambda: [one for one in ask(paths, "ps")["runs"] if one["state"] == "running"], what="a running run"
    )
    daemon = holder(paths.daemon_lock)
    with callers(paths) as failures:
        found = shell.answer("restart")
    assert failures == []
    assert (found["pid"], found["supervised"], found["calls_waited"]) == (first["pid"], True, True)
    assert found["live_runs"] == [run["id"]]
    assert holder(paths.supervisor_lock) == first["pid"]
    assert holder(paths.daemon_lock) != daemon
    (after,) = ask(paths, "ps")["runs"]
    assert (after["id"], after["epoch"], after["state"]) == (run["id"], run["epoch"], "running")
    starts = [entry for entry in ask(paths, "log", {"limit": 1000})["entries"] if entry["type"] == "run.starting"]
    assert len(starts) == 1


@pytest.mark.long
def test_a_restart_says_what_it_did(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.fleet("up")
    text = shell.fleet("restart").text
    assert "calls waited meanwhile" in text
    assert "0 live runs go on" in text


@pytest.mark.long
def test_without_a_supervisor_the_calls_in_between_fail_and_that_is_said(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    first = shell.answer("watcher", "start")
    found = shell.answer("restart")
    assert (found["supervised"], found["calls_waited"]) == (False, False)
    assert found["pid"] != first["pid"]


@pytest.mark.long
def test_a_supervisor_of_an_older_program_is_replaced_by_stopping_it(paths: FleetPaths) -> None:
    pid = start_detached(paths)
    (paths.state / "supervisor.json").unlink()
    found = Shell(paths.checkout, {}).answer("restart")
    assert (found["supervised"], found["calls_waited"]) == (True, False)
    assert found["pid"] != pid


@pytest.mark.long
def test_a_restart_of_nothing_is_a_start(paths: FleetPaths) -> None:
    found = Shell(paths.checkout, {}).answer("restart")
    assert (found["supervised"], found["replaced_version"]) == (True, None)


def test_replacing_nothing_is_an_error_of_its_own(paths: FleetPaths) -> None:
    with pytest.raises(Unreachable) as caught:
        replace(paths, ["/bin/true"])
    assert caught.value.code == "FLT-DMN-102"


@pytest.mark.long
def test_a_program_that_is_not_there_changes_nothing(paths: FleetPaths) -> None:
    pid = start_detached(paths)
    with pytest.raises(FleetError) as caught:
        replace(paths, [str(paths.state / "gone")])
    assert caught.value.code == "FLT-DMN-103"
    assert running(paths) is not None
    assert holder(paths.supervisor_lock) == pid
    assert ask(paths, "ping")["pid"] == holder(paths.daemon_lock)


def test_an_invalid_configuration_stops_nothing(paths: FleetPaths) -> None:
    start_detached(paths)
    daemon = holder(paths.daemon_lock)
    paths.config.write_text("version: 1\nagents: 7\n")
    assert Shell(paths.checkout, {}).fleet("restart").code == 3
    assert holder(paths.daemon_lock) == daemon


def test_a_store_of_a_newer_program_is_refused_in_words_before_anything_is_stopped(paths: FleetPaths) -> None:
    start_detached(paths)
    daemon = holder(paths.daemon_lock)
    connection = apsw.Connection(str(paths.database))
    connection.set_busy_timeout(10_000)  # the daemon writes meanwhile
    connection.execute("INSERT INTO schema_version VALUES (9999, 'of_the_future', 'x', 0)")
    connection.close()
    for words in (("restart",), ("restart", "--json")):
        done = Shell(paths.checkout, {}).fleet(*words)
        assert done.code == 1
        said = object_of(done)["error"]["message"] if "--json" in words else done.error_text
        assert "the store has schema 9999" in said
        assert "newer" in (done.error_text or object_of(done)["error"]["hint"])
    assert holder(paths.daemon_lock) == daemon
    stop(paths)
    again = Shell(paths.checkout, {}).fleet("up")
    assert again.code == 1
    assert "FLT-STO-012" in again.error_text
    assert "restore a backup made before the upgrade" in again.error_text


def test_an_agent_may_not_restart_the_fleet(paths: FleetPaths) -> None:
    done = Shell(paths.checkout, {"FLEET_RUN": "nobody-of-this-test-e1"}).fleet(
        "restart", env={"FLEET_RUN": "nobody-of-this-test-e1"}
    )
    assert done.code == 6


def test_a_daemon_of_another_protocol_is_named_and_can_be_replaced(paths: FleetPaths) -> None:
    """A peer that answers as a daemon of the future would: it is told apart from one that is broken."""
    make_folders(paths)
    ear = bind_socket(paths)

    def answer() -> None:
        for _ in range(2):
            line, _ = ear.accept()
            line.recv(1000)
            line.sendall(b"FLEET/2 json 3\n{}\n")
            line.close()

    thread = threading.Thread(target=answer)
    thread.start()
    shell = Shell(paths.checkout, {})
    done = shell.fleet("ps")
    assert done.code == 5
    assert "FLEET/2" in done.error_text
    assert "FLEET/1" in done.error_text
    assert "fleet restart" in done.error_text
    assert object_of(shell.fleet("ps", "--json"))["error"]["code"] == "FLT-DMN-101"
    thread.join()
    ear.close()
