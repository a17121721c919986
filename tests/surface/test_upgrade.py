"""An upgrade while an agent works: two releases side by side; a run begins under one and ends under the other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import fleet
from fleet.config.paths import FleetPaths
from fleet.daemon.lease import holder
from fleet.testing.fleets import ask, fleet_in
from fleet.testing.installs import Install, bare_install, copy_of_this
from fleet.testing.shell import Shell, object_of
from fleet.testing.waiting import wait_until

pytestmark = [pytest.mark.tmux, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(fleet.__file__).parent
MIGRATION = "CREATE TABLE upgraded (id INTEGER PRIMARY KEY) STRICT;\n"
SLOW = """version: 1
rules:
  - on: [ticket_ready]
    do:
      - run: { argv: [sh, -c, "until [ -e GO ]; do sleep 0.1; done"], timeout_seconds: 600 }
      - append: { path: "fleet-rehearsal/ticket-{ticket}.md", text: "Rehearsed for ticket {ticket}.\\n" }
      - commit: { message: "Rehearse ticket {ticket}" }
      - push: { title: "Rehearsal for ticket {ticket}", body: "One line." }
"""


@pytest.fixture
def paths() -> Iterator[FleetPaths]:
    """A repository with the starter configuration; whatever runs at the end is stopped."""
    with fleet_in() as found:
        yield found


@pytest.fixture
def releases(paths: FleetPaths) -> Iterator[tuple[Install, Install]]:
    """The release before, whose shims write the records of then, and the one after, with another schema."""
    folder = paths.checkout.parent
    env = {
        "PATH": "/usr/bin:/bin",
        **{name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")},
    }
    lock = ROOT / "requirements" / "runtime.txt"
    old, new = bare_install(folder / "old", lock, env), bare_install(folder / "new", lock, env)
    silent = {
        name: (PACKAGE / name).read_text("utf-8").replace('"protocol": records.PROTOCOL,', "")
        for name in ("runtime/shim.py", "runtime/sessions.py")
    }
    copy_of_this(old, PACKAGE, "0.0.9", silent)
    copy_of_this(new, PACKAGE, "9.9.9", {"store/migrations/sqlite/9000_upgraded.sql": MIGRATION})
    yield old, new
    new.fleet(paths.checkout, "down")


@pytest.mark.long
def test_a_run_that_began_under_the_old_release_ends_under_the_new_one(
    paths: FleetPaths, releases: tuple[Install, Install]
) -> None:
    old, new = releases
    here = paths.checkout
    go = here.parent / "go"
    (here / ".fleet/playbooks/developer.yaml").write_text(SLOW.replace("GO", str(go)))
    first = old.answer(here, "up")
    old.fleet(here, "ticket", "create", "Slow work", "--label", "ready")
    (run,) = wait_until(
        lambda: [one for one in ask(paths, "ps")["runs"] if one["state"] == "running"], what="a running run"
    )
    assert '"protocol"' not in (paths.runs / f"{run['id']}-e1" / "started.json").read_text()

    seen = new.answer(here, "version")
    assert (seen["version"], seen["daemon"]["version"], seen["same"]) == ("9.9.9", "0.0.9", False)
    assert "fleet restart" in new.fleet(here, "version").text
    assert "the daemon is version 0.0.9, this command 9.9.9" in new.fleet(here, "status").text

    found = new.answer(here, "up")
    assert (found["replaced_version"], found["version"], found["calls_waited"]) == ("0.0.9", "9.9.9", True)
    assert found["pid"] == first["pid"]
    assert found["live_runs"] == [run["id"]]
    assert found["schema_changes"] == ["9000_upgraded"]
    assert [file.name.split("-")[1] for file in (paths.state / "backups").glob("before-*.db")] == ["9000"]

    go.touch()
    wait_until(lambda: _shipped(paths), what="a shipped ticket")
    entries = ask(paths, "log", {"limit": 2000})["entries"]
    starts = [entry["run_id"] for entry in entries if entry["type"] == "run.starting" and entry["agent"] == "developer"]
    assert starts == [run["id"]]
    assert [entry["summary"] for entry in entries if entry["type"] == "daemon.started"] == [
        "version 0.0.9 is up",
        "version 9.9.9 is up",
    ]
    assert ask(paths, "audit.verify")["ok"] is True
    assert new.answer(here, "version")["same"] is True

    daemon = holder(paths.daemon_lock)
    for words in (("restart",), ("up",)):
        refused = old.fleet(here, *words)
        assert refused.code == 1
        assert "the store has schema 9000" in refused.error_text
        assert "FLT-STO-012" in refused.error_text
    assert object_of(old.fleet(here, "restart", "--json"))["error"]["code"] == "FLT-STO-012"
    assert holder(paths.daemon_lock) == daemon
    assert "the daemon is version 9.9.9, this command 0.0.9" in old.fleet(here, "status").text


def _shipped(paths: FleetPaths) -> bool:
    return bool(ask(paths, "fabric.history", {"event": "ticket_shipped"})["entries"])


@pytest.mark.long
def test_a_run_of_a_newer_release_is_left_alone_and_named(paths: FleetPaths) -> None:
    """What is left after a downgrade: the daemon neither stops nor judges it."""
    (paths.checkout / ".fleet/playbooks/developer.yaml").write_text(SLOW.replace("GO", "/nowhere"))
    shell = Shell(paths.checkout, {})
    shell.fleet("up")
    shell.fleet("ticket", "create", "Slow work", "--label", "ready")
    (run,) = wait_until(
        lambda: [one for one in ask(paths, "ps")["runs"] if one["state"] == "running"], what="a running run"
    )
    started = paths.runs / f"{run['id']}-e1" / "started.json"
    wait_until(lambda: object_in(started)["agent"], what="the agent's pid")
    before = started.read_text()
    started.write_text(before.replace('"protocol": 2', '"protocol": 3'))
    shell.fleet("restart")
    wait_until(lambda: "left alone" in shell.fleet("why", run["id"]).text, what="a word about it")
    shell.fleet("agent", "stop", "developer")
    entries = ask(paths, "log", {"limit": 2000, "type": "run.left_alone"})["entries"]
    assert len(entries) == 1
    assert [one["state"] for one in ask(paths, "ps")["runs"]] == ["running"]
    assert Path(f"/proc/{object_in(started)['pid']}").exists()
    started.write_text(before)  # the newer program is back: what was asked for happens
    wait_until(lambda: not ask(paths, "ps")["runs"], what="the end of the run")
    shell.fleet("down")


def object_in(path: Path) -> dict[str, int]:
    """A record of a run folder."""
    found: dict[str, int] = json.loads(path.read_text())
    return found
