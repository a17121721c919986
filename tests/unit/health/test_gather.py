"""What the doctor sees: mount tables, sockets, run folders, folders as they lie."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fleet.config.paths import FleetPaths, fleet_paths
from fleet.config.sections import KeepingConfig
from fleet.health import gather, leftovers
from fleet.health.disks import disk, mount_of, used
from fleet.health.mend import mend
from fleet.health.words import Check, Leftovers, Machine
from fleet.runtime import proctree, records
from fleet.runtime.tmux import Tmux

MOUNTS = r"""
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:30 / /home rw shared:2 - nfs4 box:/export/home rw,vers=4.2
31 30 0:31 / /home/ann/local\040disk rw - xfs /dev/sdb1 rw
32 22 0:32 / /tmp rw - tmpfs tmpfs rw
33 22 0:33 / /tmp rw - ext4 /dev/vda2 rw
garbage
"""


@pytest.fixture
def paths(tmp_path: Path) -> FleetPaths:
    """Places of a fleet whose folders exist."""
    checkout = tmp_path / "repo"
    (checkout / ".fleet").mkdir(parents=True)
    found = fleet_paths(checkout, {"XDG_STATE_HOME": f"{tmp_path}/s", "XDG_RUNTIME_DIR": f"{tmp_path}/r"}, os.getuid())
    for folder in (found.state, found.runtime, found.runs, found.clones):
        folder.mkdir(parents=True, mode=0o700)
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ann/x", "nfs4"),
        ("/home/ann/local disk/state", "xfs"),
        ("/homely", "ext4"),
        ("/", "ext4"),
        ("/tmp/x", "ext4"),
    ],
)
def test_the_mount_table_names_the_nearest_mount_and_the_latest_at_one_point(path: str, kind: str) -> None:
    assert mount_of(path, MOUNTS)[0] == kind


def test_an_unreadable_mount_table_is_no_answer() -> None:
    assert mount_of("/x", "") == ("unknown", "")


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = fleet_paths(tmp_path, {"XDG_STATE_HOME": f"{tmp_path}/a/b", "XDG_RUNTIME_DIR": f"{tmp_path}/r"}, 0)
    seen = disk(found, KeepingConfig(low_disk_mb=7, low_disk_percent=0))
    assert seen.floor == 7_000_000
    assert seen.path == str(tmp_path)
    assert seen.free > 0
    assert seen.used == {}
    assert not found.state.exists()


def test_what_is_used_is_told_by_part(paths: FleetPaths) -> None:
    (paths.runs / "r1").mkdir()
    (paths.runs / "r1" / "big").write_bytes(b"x" * 100_000)
    found = used(paths)
    assert found["runs"] >= 100_000
    assert "repository" not in found


def test_a_folder_is_seen_as_it_lies(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "open")
    assert gather.folder(tmp_path / "open").mode == 0o755
    assert gather.folder(tmp_path / "file").is_folder is False
    assert gather.folder(tmp_path / "link").is_folder is False
    assert gather.folder(tmp_path / "none" / "deep").exists is False


def listen(path: Path) -> socket.socket:
    """A socket that somebody listens to."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.bind(str(path))
    found.listen()
    return found


def test_a_socket_is_dead_when_nobody_listens(paths: FleetPaths) -> None:
    listening = listen(paths.socket)
    assert not leftovers.is_dead_socket(paths.socket)
    listening.close()
    assert leftovers.is_dead_socket(paths.socket)
    paths.socket.unlink()
    paths.socket.write_text("a file")
    assert not leftovers.is_dead_socket(paths.socket)
    assert not leftovers.is_dead_socket(paths.runtime / "none")


def test_leftovers_of_runs_are_found_by_their_records(paths: FleetPaths) -> None:
    for name in ("r1-e1", "r2-e1", "r3-e1"):
        (paths.runs / name).mkdir()
    (paths.clones / "r2-e1").mkdir()
    (paths.clones / "r3-e1").mkdir()
    me = {"pid": os.getpid(), "start": proctree.start_time(os.getpid()), "boot": proctree.boot_id()}
    records.write(str(paths.runs / "r1-e1"), records.STARTED, me)
    records.write(str(paths.runs / "r3-e1"), records.STARTED, {**me, "start": 1})
    records.write(str(paths.runs / "r2-e1"), records.EXIT, {"escrow_error": "disk full"})
    seen = leftovers.look(paths, os.environ, frozenset({"r3-e1"}), daemon_runs=True, recorded=True)
    assert seen.orphan_shims == (os.getpid(),)
    assert seen.kept_clones == ("r2-e1",)
    assert seen.unsaved == ("r2-e1",)
    live = leftovers.look(paths, os.environ, frozenset({"r1-e1", "r2-e1", "r3-e1"}), daemon_runs=True, recorded=True)
    assert live == type(live)()
    unknown = leftovers.look(paths, os.environ, frozenset(), daemon_runs=True, recorded=False)
    assert unknown == type(unknown)(), "without a record nothing is called an orphan"


@pytest.mark.tmux
def test_a_terminal_server_that_nobody_uses_or_that_lost_its_socket_is_seen(paths: FleetPaths) -> None:
    tmux = Tmux(paths.tmux_socket)
    tmux.start_server()
    try:

        def look(daemon_runs: bool) -> Leftovers:
            return leftovers.look(paths, os.environ, frozenset(), daemon_runs=daemon_runs, recorded=True)

        pid = tmux.known_server_pid()
        assert look(daemon_runs=False).idle_server == pid
        assert look(daemon_runs=True) == Leftovers()
        tmux.new_session("r1-e1", ["sleep", "300"])
        assert look(daemon_runs=False) == Leftovers(orphan_sessions=("r1-e1",))
        hidden = paths.tmux_socket.with_name("hidden")
        paths.tmux_socket.rename(hidden)
        assert look(daemon_runs=True) == Leftovers(lost_server=pid)
        hidden.rename(paths.tmux_socket)
    finally:
        tmux.kill_server()
    assert look(daemon_runs=False).idle_server == 0


def test_a_dead_socket_counts_only_while_no_daemon_runs(paths: FleetPaths) -> None:
    listen(paths.socket).close()
    assert leftovers.look(paths, os.environ, frozenset(), daemon_runs=True, recorded=True).stale_socket == ""
    assert leftovers.look(paths, os.environ, frozenset(), daemon_runs=False, recorded=True).stale_socket


def one(mend_name: str) -> list[Check]:
    """A check that proposes one thing."""
    return [Check("x", "warn", "found", "why", "fix", mend_name)]


def test_mending_closes_folders_and_removes_dead_sockets_only(paths: FleetPaths) -> None:
    paths.state.chmod(0o755)
    (line,) = mend(one("rights:state"), paths, Machine(), os.environ)
    assert "0755" in line
    assert paths.state.stat().st_mode & 0o777 == 0o700
    listening = listen(paths.socket)
    assert "left" in mend(one("socket"), paths, Machine(), os.environ)[0]
    assert paths.socket.exists()
    listening.close()
    assert "removed" in mend(one("socket"), paths, Machine(), os.environ)[0]
    assert not paths.socket.exists()


def test_mending_follows_no_link_and_says_what_it_could_not_do(paths: FleetPaths, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    target.chmod(0o755)
    paths.runtime.rmdir()
    paths.runtime.symlink_to(target)
    (line,) = mend(one("rights:sockets"), paths, Machine(), os.environ)
    assert line.startswith("not done")
    assert target.stat().st_mode & 0o777 == 0o755


def test_mending_makes_missing_folders_and_compiles(paths: FleetPaths, tmp_path: Path) -> None:
    paths.runs.rmdir()
    paths.runtime.parent.chmod(0o755)
    assert "not done" in mend(one("folders"), paths, Machine(), os.environ)[0]
    assert "0755" in mend(one("rights:sockets.above"), paths, Machine(), os.environ)[0]
    assert "made" in mend(one("folders"), paths, Machine(), os.environ)[0]
    assert paths.runs.is_dir()
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("x = 1\n")
    machine = gather.machine(os.environ)
    changed = Machine(interpreter=machine.interpreter, package=str(package))
    assert "compiled" in mend(one("bytecode"), None, changed, os.environ)[0]
    assert list(package.rglob("*.pyc"))
    (package / "b.py").write_text("x =\n")
    assert "not done" in mend(one("bytecode"), None, changed, os.environ)[0]


def test_an_account_of_gh_is_seen_without_asking_gh(tmp_path: Path) -> None:
    assert gather.machine({"HOME": str(tmp_path), "PATH": "/nonexistent"}).gh_login is False
    (tmp_path / ".config" / "gh").mkdir(parents=True)
    (tmp_path / ".config" / "gh" / "hosts.yml").write_text("github.com:\n")
    assert gather.machine({"HOME": str(tmp_path), "PATH": "/nonexistent"}).gh_login is True
    assert gather.machine({"HOME": "/nonexistent", "GH_TOKEN": "x", "PATH": "/nonexistent"}).gh_login is True


def test_the_ways_are_looked_for_on_this_machine() -> None:
    found = leftovers.ways(os.environ, None, "shared-uid")
    assert found.running, "our own process at least"
    assert leftovers.ways({"PATH": "/nonexistent"}, None, "shared-uid").programs == frozenset()
