"""Setting a fleet up, starting and stopping it, and what is left without a daemon."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths
from fleet.process import end_group, spawn
from fleet.testing.fleets import fleet_in, own_folders
from fleet.testing.repos import git, make_checkout
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

SLOW = "version: 1\nrules:\n  - on: ticket_ready\n    do:\n      - pause: 300\n"


@pytest.fixture
def home() -> Iterator[Path]:
    """A short folder with HOME and the XDG folders of its own."""
    with own_folders() as folder:
        yield folder


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A repository with the starter configuration; whatever runs at the end is stopped."""
    with fleet_in() as found:
        yield found
        Shell(found.checkout, {}).fleet("down")


# -- init ----------------------------------------------------------------------------------------------


def test_init_writes_a_valid_configuration_and_overwrites_nothing(home: Path) -> None:
    shell = Shell(make_checkout(home / "repo"), {})
    made = shell.answer("init")
    assert made["agents_may_merge"] is False
    assert ".fleet/config.yaml" in made["written"]
    assert shell.answer("config", "validate")["agents"] == 4
    again = shell.fleet("init")
    assert again.code == 8
    assert "--force" in again.error_text
    forced = shell.answer("init", "--force", "--allow-shared-uid-merge", "--reason", "a test")
    assert forced["agents_may_merge"] is True
    assert (shell.folder / forced["backup"] / "config.yaml").is_file()


def test_init_without_a_terminal_does_not_allow_merging_and_says_so(home: Path) -> None:
    shell = Shell(make_checkout(home / "repo"), {})
    done = shell.fleet("init")
    assert done.ok
    assert "agents may not merge" in done.text
    assert "allow_shared_uid_merge: false" in (shell.folder / ".fleet/config.yaml").read_text()


def test_init_needs_a_reason_to_allow_merging(home: Path) -> None:
    shell = Shell(make_checkout(home / "repo"), {})
    assert shell.fleet("init", "--allow-shared-uid-merge").code == 2
    assert not (shell.folder / ".fleet").exists()


def test_init_outside_a_repository_is_not_found(home: Path) -> None:
    assert Shell(home, {}).fleet("init").code == 4


# -- a configuration that is not valid -----------------------------------------------------------------


@pytest.mark.long
def test_an_invalid_configuration_starts_nothing_and_names_every_fault(paths: FleetPaths) -> None:
    paths.config.write_text("version: 1\nagents:\n  - name: a/b\n    role: developer\n    colour: red\n")
    shell = Shell(paths.checkout, {})
    for words in (("up",), ("config", "validate"), ("watcher", "start")):
        done = shell.fleet(*words)
        assert done.code == 3
        assert ".fleet/config.yaml:3:" in done.error_text
        assert ".fleet/config.yaml:5:" in done.error_text
        assert len(object_of(shell.fleet(*words, "--json"))["error"]["problems"]) >= 2
    assert not paths.database.exists()
    assert shell.answer("watcher", "status")["running"] is False


# -- without a daemon ----------------------------------------------------------------------------------

READS = ["status", "ps --all", "agent list", "ticket list", "pr list", "log", "fabric history", "why 1", "audit verify"]
WRITES = [
    "ticket create x",
    "ticket label 1 --add ready",
    "pr create",
    "pr merge 2",
    "pr review 2 --approve",
    "pr waive 2 qa-engineer --reason x",
    "agent stop developer",
    "agent start developer --subject ticket/1",
    "fabric publish --kind note --summary x",
    "audit erase e1 --reason x",
    "agent output developer",
]


@pytest.mark.long
def test_nothing_answers_before_the_first_start(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    for words in (*READS, *WRITES):
        done = shell.fleet(*words.split())
        assert done.code == 5, words
        assert "fleet up" in done.error_text
    for words in ("ps", "status", "ticket create x", "fabric publish --kind note --summary x"):
        assert object_of(shell.fleet(*words.split(), "--json"))["error"]["code"] == "FLT-CLI-001"
    assert not paths.state.exists()


@pytest.mark.long
def test_people_read_without_a_daemon_and_agents_do_not(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    shell.answer("ticket", "create", "An ordinary title")
    live = {words: shell.answer(*words.split()) for words in ("ticket list", "agent list")}
    shell.answer("down")
    for words in READS:
        done = shell.fleet(*words.split())
        assert done.ok, done.error_text
        assert "no daemon answers" in done.error_text
    assert {words: shell.answer(*words.split()) for words in live} == live
    for words in WRITES[:3]:
        assert shell.fleet(*words.split()).code == 5, words
    secret = paths.state / "capability"
    secret.write_text("00" * 32)
    for words in ("ps", "log", "status --json"):
        assert shell.fleet(*words.split(), env={"FLEET_CAPABILITY_FILE": str(secret)}).code == 5, words
        assert shell.fleet(*words.split(), env={"FLEET_RUN": "rsurface-e1"}).code == 5, words


def test_outside_any_fleet_nothing_is_found(home: Path) -> None:
    for words in ("ps", "ps --json", "up", "down", "log", "fabric publish --kind note --summary x", "watcher status"):
        assert Shell(home, {}).fleet(*words.split()).code == 4


# -- up and down ---------------------------------------------------------------------------------------


def test_up_says_what_runs_where_and_what_it_protects(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    done = shell.fleet("up")
    assert done.ok, done.error_text
    for words in (paths.fleet_id, str(paths.state), "shared-uid", "developer", "a test", "fleet ticket create"):
        assert words in done.text
    assert oct(paths.socket.stat().st_mode & 0o777) == "0o600"
    down = shell.fleet("down")
    assert down.ok
    assert "the fleet is down" in down.text
    assert shell.fleet("down").text == "no daemon was running\n"


def test_down_stops_runs_and_leaves_no_process(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    (paths.checkout / ".fleet/playbooks/developer.yaml").write_text(SLOW)
    shell.answer("up")
    shell.answer("ticket", "create", "Take your time", "--label", "ready")
    run = wait_until(lambda: running(shell), what="a run")
    shims = processes(paths)
    assert shims
    down = shell.answer("down")
    assert down["stopped_runs"] == [run]
    assert down["live_runs"] == []
    wait_until(lambda: processes(paths) == [], what="every process to be gone")
    found = {item["id"]: item for item in shell.answer("ps", "--all")["runs"]}
    assert found[run]["state"] == "cancelled"


def test_kept_runs_outlive_the_daemon_and_are_taken_over(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    (paths.checkout / ".fleet/playbooks/developer.yaml").write_text(SLOW)
    shell.answer("up")
    shell.answer("ticket", "create", "Take your time", "--label", "ready")
    run = wait_until(lambda: running(shell), what="a run")
    assert shell.answer("down", "--keep-runs")["live_runs"] == [run]
    assert processes(paths)
    shell.answer("up")
    assert running(shell) == run
    assert shell.answer("agent", "attach", "developer")["argv"][0].endswith("tmux")
    stopped = shell.answer("agent", "stop", "developer", "--reason", "enough")
    assert stopped["stopping"] == [run]


def running(shell: Shell) -> str:
    """The id of the first running run; "" while there is none."""
    return next((run["id"] for run in shell.answer("ps")["runs"] if run["state"] == "running"), "")


def processes(paths: FleetPaths) -> list[int]:
    """Pids of everything whose command line names a place of this fleet."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if any(str(place).encode() in words for place in (paths.state, paths.runtime, paths.checkout)):
                found.append(int(entry.name))
    return found


@pytest.mark.sampled(2)
@pytest.mark.parametrize("supervised", [True, False])
def test_the_daemon_may_stay_in_the_foreground(paths: FleetPaths, supervised: bool) -> None:
    shell = Shell(paths.checkout, {})
    words = ["watcher", "start", "--foreground", *(["--supervised"] if supervised else [])]
    child = spawn([sys.executable, "-m", "fleet", *words], cwd=paths.checkout, env=os.environ)
    try:
        assert child.stdout is not None
        assert "ready" in json.loads(child.stdout.readline())
        status = shell.answer("watcher", "status")
        assert (status["running"], status["supervised"]) == (True, supervised)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    finally:
        end_group(child)
    assert shell.answer("watcher", "status")["running"] is False


@pytest.mark.long
def test_the_watcher_stops_and_starts_without_a_supervisor(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    assert shell.answer("watcher", "start")["supervised"] is False
    assert shell.answer("watcher", "status")["answers"] is True
    assert shell.fleet("watcher", "start").code == 8
    assert shell.answer("watcher", "stop")["ran"] is True
    assert "no daemon runs here" in shell.fleet("watcher", "status").text


@pytest.mark.long
def test_following_the_log_goes_on_when_the_supervisor_restarts_the_daemon(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    shell.answer("up")
    pid = shell.answer("watcher", "status")["pid"]
    argv = [sys.executable, "-m", "fleet", "log", "-f", "--json", "--type", "daemon.started"]
    child = spawn(argv, cwd=paths.checkout, env=os.environ)
    try:
        assert child.stdout is not None
        first = json.loads(child.stdout.readline())
        os.kill(pid, signal.SIGKILL)
        second = json.loads(child.stdout.readline())
        assert (first["type"], second["type"]) == ("daemon.started", "daemon.started")
        assert second["seq"] > first["seq"]
        assert shell.answer("watcher", "status")["pid"] != pid
    finally:
        end_group(child)


# -- the rest of the program ---------------------------------------------------------------------------


def test_a_deleted_folder_is_one_clear_line(home: Path) -> None:
    folder = home / "gone"
    folder.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    argv = ["sh", "-c", script, "sh", str(folder), sys.executable, "-P", "-m", "fleet", "ps"]
    child = spawn(argv, cwd=home, env=os.environ)
    assert child.stdin is not None
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (1, b"")
    assert err.decode().count("\n") == 1


def test_an_internal_error_is_one_line_unless_somebody_debugs(home: Path) -> None:
    program = (
        "import sys\nfrom fleet.cli import main\nfrom fleet.cli.commands import about\n"
        "about.__version__ = property()\n"
        "def broken(*a, **k): raise KeyError('a fault')\n"
        "about.json_line = broken\nsys.exit(main.run(['version', '--json']))\n"
    )
    shell = Shell(home, {})
    child = spawn([sys.executable, "-c", program], cwd=shell.folder, env=os.environ)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (1, b"")
    assert json.loads(out)["error"]["code"] == "FLT-CLI-012"
    child = spawn([sys.executable, "-c", program], cwd=shell.folder, env={**os.environ, "FLEET_DEBUG": "1"})
    out, err = child.communicate(timeout=60)
    assert b"Traceback" in err


def test_the_readers_end_is_not_an_error_worth_words(paths: FleetPaths) -> None:
    child = spawn([sys.executable, "-m", "fleet", "config", "schema"], cwd=paths.checkout, env=os.environ)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    err = child.stderr.read()
    child.wait(60)
    end_group(child)
    assert err == b""


def test_a_script_without_git_is_told_what_is_missing(home: Path) -> None:
    found = object_of(Shell(home, {}).fleet("doctor", "--json", env={"PATH": "/nonexistent"}))
    wrong = {check["id"] for check in found["checks"] if check["state"] == "fail"}
    assert {"git", "tmux"} <= wrong
    assert found["ok"] is False
    assert Shell(home, {}).fleet("demo", env={"PATH": "/nonexistent"}).code == 1


@pytest.mark.long
def test_the_checkout_is_not_touched_by_looking(paths: FleetPaths) -> None:
    before = git(paths.checkout, "status", "--porcelain")
    shell = Shell(paths.checkout, {})
    for words in ("doctor", "config validate", "config schema", "version", "help", "watcher status"):
        assert shell.fleet(*words.split()).ok, words
    assert git(paths.checkout, "status", "--porcelain") == before
    assert not paths.state.exists()
