"""The support bundle: secrets planted in every source are in none of its files, in no shape; what helps is."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.health.planted import SECRETS, shapes_of

from fleet.config.paths import FleetPaths, fleet_paths
from fleet.config.scaffold import scaffold
from fleet.core.clock import SystemClock
from fleet.core.errors import FleetError, Unreachable
from fleet.core.journal import Draft, Stream
from fleet.daemon.logfile import LogFile
from fleet.health.bundle import Files, collect, config_outline, known_secrets, pack
from fleet.health.doctor import Report
from fleet.health.words import Check
from fleet.store import journal
from fleet.store.db import Tx
from fleet.store.open import open_for_daemon
from fleet.testing.repos import make_checkout

ALL = [(name, shape) for name in SECRETS for shape in shapes_of(name)]
NOW = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of a person called annika."""
    folder = tmp_path_factory.mktemp("h") / "annika"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def env(home: Path) -> dict[str, str]:
    """An environment with one secret of no particular form."""
    return {
        "HOME": str(home), "USER": "annika", "XDG_STATE_HOME": f"{home}/state", "XDG_RUNTIME_DIR": f"{home}/run",
        "MY_SECRET": SECRETS["environment"][0], "PATH": os.environ["PATH"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def paths(home: Path, env: Mapping[str, str]) -> FleetPaths:
    """A fleet in which every secret stands in every source, in every shape."""
    checkout = make_checkout(home / "repo")
    scaffold(checkout, now=NOW, allow_shared_uid_merge=True, reason="a test")
    found = fleet_paths(checkout, env, os.getuid())
    (checkout / ".env").write_text(f"# comment\nexport APP={SECRETS['env file'][0]}\n")
    (found.runs / "r1-e1").mkdir(parents=True)
    (found.runs / "r1-e1" / "capability").write_text(SECRETS["capability"][0])
    db = open_for_daemon(found.database)
    log = LogFile(found.log, SystemClock(), "daemon")
    for name, shape in ALL:
        text, _ = shapes_of(name)[shape]
        draft = Draft(Stream.EVENT, "note", "human:annika", summary=text, payload={"body": text, text[:9]: [text]})

        def append(tx: Tx, draft: Draft = draft) -> None:
            journal.append(tx, draft)

        db.write(append)
        log.say("service.trouble", "warning", detail=f"it said {text} and ended", where=f"{home}/repo")
        log.error("daemon.failed", FleetError("FLT-FRG-015", f"git: {text}", where=text, hint=text))
        try:
            raise RuntimeError(text)
        except RuntimeError as error:
            log.error("daemon.failed", error)
        with open(found.log, "a", encoding="utf-8") as file:
            file.write(
                f'Traceback (most recent call last):\n  File "{home}/x.py", line 7, in run\n    call({text!r})\n'
            )
            file.write(f"ValueError: {text}\n")
    db.close()
    return found


def planted_report() -> Report:
    """A report whose findings quote every secret, and who commits here."""
    quoted = [Check(f"x.{n}", "warn", _text(*one), "why", _text(*one)) for n, one in enumerate(ALL)]
    identity = Check("git.identity", "ok", "Annika Example <annika@example.org>")
    return Report((*quoted, identity), "shared-uid", ())


def _text(name: str, shape: str) -> str:
    return shapes_of(name)[shape][0]


def answer(verb: str) -> Mapping[str, Any]:
    """A daemon whose services quote every secret."""
    return {
        "running": True, "pid": 7, "supervised": True, "paths": {"state": "/x"},
        "services": [{"name": "watcher", "alive": True, "failures": 1, "last_error": _text(*one)} for one in ALL],
    }  # fmt: skip


@pytest.fixture(scope="module")
def files(env: Mapping[str, str], paths: FleetPaths) -> Iterator[Files]:
    """The bundle of it all."""
    text = paths.config.read_text()
    # a configuration may quote secrets too: in comments, reasons and labels
    reason = json.dumps(" ".join(SECRETS[name][0] for name in ("github classic", "aws secret", "setting", "env file")))
    quoting = re.sub(r"shared_uid_merge_reason: .*", lambda _: f"shared_uid_merge_reason: {reason}", text)
    assert SECRETS["setting"][0] in quoting
    comments = "".join(f"# {_text(*one)!r}\n" for one in ALL)
    paths.config.write_text(quoting + comments)
    yield collect(env, paths, planted_report(), answer)
    paths.config.write_text(text)


@pytest.mark.parametrize(("name", "shape"), ALL)
def test_a_secret_is_in_no_file_in_no_shape(files: Files, name: str, shape: str) -> None:
    _, hidden = shapes_of(name)[shape]
    assert [file for file, data in files.items() if hidden.encode() in data] == []
    assert [file for file, data in files.items() if SECRETS[name][0].encode() in data] == []


def test_the_planting_works(files: Files, paths: FleetPaths) -> None:
    """What the test above does not find was there to be found."""
    log = paths.log.read_text()
    assert all(SECRETS[name][0] in log for name in SECRETS if name not in ("quoted setting",))
    raw = paths.database.read_bytes()
    wal = paths.database.with_name("fleet.db-wal")
    raw += wal.read_bytes() if wal.exists() else b""
    assert SECRETS["slack"][0].encode() in raw
    assert len(files["journal.jsonl"].splitlines()) == len(ALL)


def test_home_user_host_and_identity_are_in_no_file(files: Files, home: Path) -> None:
    for data in files.values():
        assert str(home).encode() not in data
        assert b"annika" not in data
        assert b"Annika" not in data
    assert b"<user>" in files["journal.jsonl"]
    assert b"~" in files["daemon.log"]


def test_what_helps_is_there(files: Files) -> None:
    assert set(files) == {
        "README.txt", "doctor.json", "config.json", "journal.jsonl", "services.json", "sizes.json", "daemon.log",
    }  # fmt: skip
    entry = json.loads(files["journal.jsonl"].splitlines()[-1])
    assert (entry["type"], entry["stream"]) == ("note", "event")
    assert set(entry).isdisjoint({"payload", "summary", "hash", "title", "body"})
    config = json.loads(files["config.json"])
    assert config["valid"] is True
    assert config["config"]["agents"][0]["name"] == "developer"
    assert config["config"]["retry"]["attempts"] == 3
    assert config["config"]["shared_uid_merge_reason"].startswith("[text of ")
    log = files["daemon.log"].decode()
    assert "FLT-FRG-015" in log
    assert "~/x.py:7 run" in log
    assert "ValueError\n" in log
    services = json.loads(files["services.json"])
    assert services["services"][0]["name"] == "watcher"
    assert "paths" not in services


def test_without_a_fleet_the_machine_is_told_of(env: Mapping[str, str]) -> None:
    assert set(collect(env, None, planted_report(), answer)) == {"README.txt", "doctor.json"}


def test_a_fleet_that_never_started_and_a_daemon_that_does_not_answer(env: dict[str, str], tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "repo")
    scaffold(checkout, now=NOW, allow_shared_uid_merge=False, reason="")
    never = fleet_paths(checkout, {**env, "XDG_STATE_HOME": f"{tmp_path}/state"}, os.getuid())

    def gone(verb: str) -> Mapping[str, Any]:
        raise Unreachable("FLT-CLI-001", "no daemon answers")

    found = collect(env, never, planted_report(), gone)
    assert found["journal.jsonl"] == b""
    assert found["daemon.log"] == b""
    assert json.loads(found["services.json"]) == {"answers": False, "code": "FLT-CLI-001"}
    never.database.parent.mkdir(parents=True)
    never.database.write_bytes(b"no database" * 1000)
    (line,) = collect(env, never, planted_report(), gone)["journal.jsonl"].splitlines()
    assert json.loads(line)["error"].startswith("FLT-STO-")


def test_a_faulty_configuration_shows_places_and_no_words(paths: FleetPaths) -> None:
    text = paths.config.read_text()
    paths.config.write_text("version: 1\nagents: hunter2-planted\n")
    found = json.dumps(config_outline(paths))
    paths.config.write_text(text)
    assert "hunter2" not in found
    assert ".fleet/config.yaml:2:" in found


def test_what_is_known_to_be_secret(env: Mapping[str, str], paths: FleetPaths) -> None:
    found = known_secrets({**env, "API_TOKEN": "abc", "KEY_PATH": "/etc/keys/x"}, paths)
    assert {SECRETS[name][0] for name in ("env file", "environment", "capability")} <= found
    assert "abc" not in found, "too short to be searched for"
    assert "/etc/keys/x" not in found


def test_the_archive_holds_the_files_and_nobodys_name() -> None:
    data = pack({"a.txt": b"1", "b.txt": b"22"}, "fleet-support-x", NOW)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == ["fleet-support-x/a.txt", "fleet-support-x/b.txt"]
        assert {(member.uid, member.uname, member.mode) for member in members} == {(0, "", 0o600)}
        inner = tar.extractfile(members[1])
        assert inner is not None
        assert inner.read() == b"22"
