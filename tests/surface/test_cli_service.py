"""The systemd service: the unit means what it should, whatever the paths are called, and agents outlive it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.surface import unitfile

from fleet.config.paths import FleetPaths, fleet_paths
from fleet.config.scaffold import scaffold
from fleet.core.clock import SystemClock
from fleet.core.errors import PermanentError
from fleet.daemon.lease import holder
from fleet.daemon.terminals import end_terminals
from fleet.daemon.unit import MARK, unit_name, unit_text
from fleet.process import run
from fleet.testing.fleets import ask, fleet_in, own_folders
from fleet.testing.repos import make_checkout
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
NASTY = 'a "b" 50% $HOME \\ it\'s ; é'
SLOW = "version: 1\nrules:\n  - on: [ticket_ready]\n    do:\n      - pause: 300\n"


class Manager:
    """A user manager: stand-ins for systemctl and loginctl in front of PATH, and the socket that services report to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        for name in ("systemctl", "loginctl"):
            script = f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/surface/minisystemd.py "$@"\n'
            if name == "loginctl":
                script = "#!/bin/sh\necho Linger=no\n"
            (folder / "bin" / name).write_text(script)
            (folder / "bin" / name).chmod(0o755)
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while lines := self._socket.recv(4096).decode().splitlines():
            self.heard += lines
            if "READY=1" in lines:
                (self.folder / "ready").touch()

    @property
    def env(self) -> dict[str, str]:
        path = f"{self.folder}/bin:/usr/bin:/bin"
        return {"PATH": path, "MINI_SYSTEMD": str(self.folder), "MINI_SYSTEMD_CODE": str(ROOT)}

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return [line for line in path.read_text().splitlines() if " show" not in line] if path.exists() else []

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", str(self.folder / "notify"))
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def home() -> Iterator[Path]:
    with own_folders() as folder:
        yield folder


@pytest.fixture
def manager(home: Path) -> Iterator[Manager]:
    made = Manager(home / "m")
    yield made
    made.close()


@pytest.fixture
def paths(home: Path) -> Iterator[FleetPaths]:
    """A fleet in a folder whose name means something to every layer it passes."""
    checkout = make_checkout(home / NASTY)
    scaffold(checkout, now=SystemClock().now(), allow_shared_uid_merge=True, reason="a test")
    found = fleet_paths(checkout, os.environ, os.getuid())
    yield found
    Shell(checkout, {}).fleet("down")
    end_terminals(found)


# -- the text ------------------------------------------------------------------------------------------


def test_every_word_of_the_unit_comes_out_as_it_went_in(paths: FleetPaths) -> None:
    program = ["/opt/my $python %h/bin/python", "-m", "x", "--checkout", str(paths.checkout), "100%", "$$", "a\\n"]
    unit = unitfile.parse(unit_text(paths, program, "/usr/bin:/odd %n place"))
    (line,) = unit["Service.ExecStart"]
    assert unitfile.command(line, {}) == program
    assert unitfile.environment(unit) == {
        "PATH": "/usr/bin:/odd %n place",
        "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"],
        "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"],
    }


def test_the_unit_keeps_agents_alive_and_lets_only_the_supervisor_speak(paths: FleetPaths) -> None:
    unit = unitfile.parse(Shell(paths.checkout, {}).answer("service", "print")["text"])
    wanted = {
        "Service.Type": "notify",
        "Service.NotifyAccess": "main",
        "Service.KillMode": "process",
        "Service.OOMPolicy": "continue",
        "Service.Restart": "on-failure",
        "Service.RestartPreventExitStatus": "2 3 4",
        "Service.WatchdogSec": "180",
        "Install.WantedBy": "default.target",
    }
    assert {key: unit[key] for key in wanted} == {key: [value] for key, value in wanted.items()}


@pytest.mark.parametrize("name", ["two\nlines", "bell\x07", os.fsdecode(b"latin-\xe9")])
def test_a_path_that_no_unit_can_hold_is_refused(home: Path, name: str) -> None:
    paths = fleet_paths(home / name, os.environ, os.getuid())
    with pytest.raises(PermanentError) as caught:
        unit_text(paths, ["/bin/python", "--checkout", str(paths.checkout)], "/bin")
    assert caught.value.code == "FLT-SVC-008"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_itself_has_nothing_to_say_against_it(paths: FleetPaths, home: Path) -> None:
    found = Shell(paths.checkout, {}).answer("service", "print")
    file = home / found["name"]
    file.write_text(found["text"])
    done = run(["systemd-analyze", "--user", "verify", file], timeout=60, env=dict(os.environ))
    assert done.code == 0, done.error_text
    assert found["name"] not in done.error_text


# -- refusals ------------------------------------------------------------------------------------------


def test_without_systemctl_it_is_refused_in_words(paths: FleetPaths) -> None:
    done = Shell(paths.checkout, {}).fleet("service", "install", env={"PATH": "/nonexistent"})
    assert done.code == 1
    assert "FLT-SVC-002" in done.error_text
    assert "fleet up" in done.error_text


def test_without_a_user_manager_it_is_refused_and_nothing_is_written(paths: FleetPaths, manager: Manager) -> None:
    (manager.folder / "broken").touch()
    shell = Shell(paths.checkout, manager.env)
    error = object_of(shell.fleet("service", "install", "--json"))["error"]
    assert error["code"] == "FLT-SVC-003"
    assert "Failed to connect to bus" in error["message"]
    assert list(Path(os.environ["XDG_CONFIG_HOME"]).rglob("*.service")) == []
    assert shell.answer("service", "status")["manager"] is False
    assert "no service is installed" in shell.fleet("service", "status").text


def test_another_system_is_refused(paths: FleetPaths, home: Path) -> None:
    program = (
        "import os, sys\nfrom types import SimpleNamespace\nfrom fleet.cli import main\n"
        "os.uname = lambda: SimpleNamespace(sysname='Darwin', release='1')\n"
        "sys.exit(main.run(['service', 'install', '--json']))\n"
    )
    done = run([sys.executable, "-c", program], timeout=60, cwd=paths.checkout, env=dict(os.environ))
    error = object_of(done)["error"]
    assert error["code"] == "FLT-SVC-001"
    assert "Darwin" in error["message"]
    assert "--foreground" in error["hint"]


def test_an_invalid_configuration_installs_nothing(paths: FleetPaths, manager: Manager) -> None:
    paths.config.write_text("version: 1\nagents: 7\n")
    assert Shell(paths.checkout, manager.env).fleet("service", "install").code == 3
    assert manager.calls() == []


def test_a_unit_of_somebody_else_is_not_overwritten(paths: FleetPaths, manager: Manager) -> None:
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user" / unit_name(paths)
    file.parent.mkdir(parents=True)
    file.write_text("[Service]\nExecStart=/bin/true\n")
    shell = Shell(paths.checkout, manager.env)
    done = shell.fleet("service", "install", "--no-start")
    assert done.code == 8
    assert "FLT-SVC-006" in done.error_text
    assert shell.fleet("service", "install", "--no-start", "--force").ok
    assert file.read_text().startswith(MARK)


def test_there_is_nothing_to_uninstall(paths: FleetPaths, manager: Manager) -> None:
    done = Shell(paths.checkout, manager.env).fleet("service", "uninstall")
    assert done.code == 4
    assert "FLT-SVC-007" in done.error_text


def test_a_daemon_outside_the_service_is_in_the_way(paths: FleetPaths, manager: Manager) -> None:
    shell = Shell(paths.checkout, manager.env)
    assert shell.fleet("up").ok
    done = shell.fleet("service", "install")
    assert done.code == 8
    assert "FLT-SVC-004" in done.error_text
    assert "fleet down --keep-runs" in done.error_text


def test_a_start_that_fails_is_told_with_where_to_look(paths: FleetPaths, manager: Manager) -> None:
    shell = Shell(paths.checkout, manager.env)
    assert shell.fleet("service", "install", "--no-start").ok
    paths.state.mkdir(parents=True, mode=0o755)  # open to others: the daemon does not use it
    done = shell.fleet("service", "install")
    assert done.code == 1
    assert "FLT-SVC-005" in done.error_text
    assert f"systemctl --user status {unit_name(paths)}" in done.error_text


def test_an_agent_may_not_install_a_service(paths: FleetPaths, manager: Manager) -> None:
    for verb in ("install", "uninstall"):
        assert (
            Shell(paths.checkout, {**manager.env, "FLEET_RUN": "nobody-of-this-test-e1"}).fleet("service", verb).code
            == 6
        )


# -- its life ------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.tmux
def test_agents_outlive_the_service_and_its_successor_takes_them_over(paths: FleetPaths, manager: Manager) -> None:
    (paths.checkout / ".fleet/playbooks/developer.yaml").write_text(SLOW)
    shell = Shell(paths.checkout, manager.env)
    made = shell.answer("service", "install")
    assert (made["enabled"], made["state"], made["under_service"], made["lingers"]) == (True, "active", True, False)
    assert stat.S_IMODE(Path(made["unit"]).stat().st_mode) & 0o022 == 0
    assert made["pid"] == holder(paths.supervisor_lock)
    wait_until(lambda: "READY=1" in manager.heard, what="the word that it is ready")
    assert any(line.startswith("STATUS=version ") for line in manager.heard)
    wait_until(lambda: "WATCHDOG=1" in manager.heard, what="a sign of life")

    shell.fleet("ticket", "create", "Slow work", "--label", "ready")
    (live,) = wait_until(
        lambda: [one for one in ask(paths, "ps")["runs"] if one["state"] == "running"], what="a running run"
    )
    restarted = shell.answer("restart")
    assert (restarted["pid"], restarted["calls_waited"]) == (made["pid"], True)
    wait_until(lambda: "RELOADING=1" in manager.heard, what="the word that it reloads")
    assert shell.answer("service", "status")["under_service"] is True

    assert shell.fleet("service", "uninstall").ok
    wait_until(lambda: manager.heard[-1] == "STOPPING=1", what="the word that it stops")
    wait_until(lambda: holder(paths.supervisor_lock) is None, what="the end of the supervisor")
    again = shell.answer("service", "install")
    assert again["pid"] != made["pid"]
    (after,) = ask(paths, "ps")["runs"]
    assert (after["id"], after["epoch"], after["state"]) == (live["id"], live["epoch"], "running")
    text = shell.fleet("service", "status").text
    assert "enabled, active" in text
    assert "loginctl enable-linger" in text


@pytest.mark.long
def test_a_unit_that_is_no_longer_what_would_be_written_is_named(manager: Manager) -> None:
    with fleet_in() as paths:
        shell = Shell(paths.checkout, {**manager.env, "XDG_CONFIG_HOME": os.environ["XDG_CONFIG_HOME"]})
        file = Path(shell.answer("service", "install", "--no-start")["unit"])
        assert shell.answer("service", "status")["current"] is True
        file.write_text(file.read_text().replace("RestartSec=5", "RestartSec=1"))
        assert "fleet service install" in shell.fleet("service", "status").text
        assert shell.answer("service", "install", "--no-start")["changed"] is True
        assert shell.answer("service", "status")["current"] is True
