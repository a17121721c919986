"""The support bundle: what helps to find a fault, as files in memory, with everything private taken out.

What the fleet records of people's work (titles, texts, payloads, summaries, output) is not put in at all; what is
put in goes through the redactor. Nothing is sent: a person looks into the file and decides.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import socket
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fleet
from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.paths import CONFIG_RELATIVE, FleetPaths
from fleet.core.clock import SECOND
from fleet.core.errors import ConfigError, FleetError
from fleet.core.redact import Redactor
from fleet.health import disks
from fleet.health.doctor import Report
from fleet.health.gather import Ask

LOG_BYTES = 256 * 1024
ENTRIES = 500
_ENV_FILES = 20
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH|CAPABILITY|COOKIE|DSN|URL", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9_.*/:#-]{0,64}")
_FRAME = re.compile(r'\s*File "([^"]*)", line (\d+), in (\S+)')
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning))\b")

Files = dict[str, bytes]

README = """\
A support bundle of Fleet, made on request and not sent anywhere.

In it: what fleet doctor found, versions, the configuration with free text left out, the newest journal entries
without payload and summary, states of the services, the end of the daemon's log, schema and sizes.
Not in it: titles, texts, payloads, output of agents, prompts, the repository, the database, capabilities.
Secrets, home folder, user and host name were taken out by their form. Please look through it before you pass it on.
"""


def collect(
    env: Mapping[str, str], paths: FleetPaths | None, report: Report, ask: Ask, *, entries: int = ENTRIES
) -> Files:
    """Every file of the bundle by name, redacted."""
    redactor = Redactor(known_secrets(env, paths), home=env.get("HOME", ""), names=[*_people(env), *_hosts()])
    files: dict[str, object] = {"README.txt": README, "doctor.json": _without_identity(report.as_dict())}
    if paths is not None:
        files |= {
            "config.json": config_outline(paths),
            "journal.jsonl": _journal(paths, entries),
            "services.json": _services(ask),
            "sizes.json": {"used": disks.used(paths), "files": list(_listing(paths))},
            "daemon.log": _log(paths, redactor),
        }
    return {name: _bytes(name, content, redactor) for name, content in files.items()}


def pack(files: Files, folder: str, at: int) -> bytes:
    """The files as a tar.gz below one folder; owner and times say nothing about who made it. ``at``: microseconds."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mtime, info.mode = len(data), at // SECOND, 0o600
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _bytes(name: str, content: object, redactor: Redactor) -> bytes:
    """A file's content: JSON through the redactor, lines through it one by one, text that is ours as it is."""
    if name == "README.txt":
        text = str(content)
    elif name.endswith(".json"):
        text = json.dumps(redactor.value(content), indent=1, sort_keys=True) + "\n"
    elif name.endswith(".jsonl"):
        assert isinstance(content, list)
        text = "".join(json.dumps(redactor.value(line)) + "\n" for line in content)
    else:
        text = str(content)
    return text.encode("ascii", "backslashreplace")


# -- what is known to be secret --------------------------------------------------------------------


def known_secrets(env: Mapping[str, str], paths: FleetPaths | None) -> set[str]:
    """Values that must not be in the bundle: secrets of this environment, of .env files and of the runs."""
    found = {value for name, value in env.items() if _SECRET_NAME.search(name) and not value.startswith("/")}
    if paths is not None:
        for file in sorted(paths.checkout.glob(".env*"))[:_ENV_FILES]:
            found |= set(_values_of(_read(file)))
        for capability in paths.runs.glob("*/capability"):
            found.add(_read(capability).strip())
    return {value.strip() for value in found if len(value.strip()) >= 6}


def _values_of(text: str) -> Iterator[str]:
    """Right-hand sides of an env file."""
    for line in text.splitlines():
        _, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not line.lstrip().startswith("#"):
            yield value.strip().strip("\"'")


def _read(path: Path, limit: int = 65536) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""


def _people(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in {env.get(key, "") for key in ("USER", "LOGNAME", "SUDO_USER")} | {Path(env.get("HOME", "")).name}:
        if name:
            yield name, "<user>"


def _hosts() -> Iterator[tuple[str, str]]:
    name = socket.gethostname()
    for one in {name, name.split(".")[0]}:
        yield one, "<host>"


# -- the files -------------------------------------------------------------------------------------


def _without_identity(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report; who commits here is nobody's business."""
    checks = [
        {**check, "found": "set" if check["state"] == "ok" else "not set"} if check["id"] == "git.identity" else check
        for check in report["checks"]
    ]
    return {**report, "checks": checks, "version": fleet.__version__}


def config_outline(paths: FleetPaths) -> dict[str, object]:
    """The configuration in its structure: plain words and numbers stay, free text becomes its length."""
    try:
        loaded = load_config(paths.config, roles=load_roles(), name=str(CONFIG_RELATIVE))
    except ConfigError as error:
        return {"valid": False, "faults": [_place(problem) for problem in error.problems] or error.code}
    except FleetError as error:
        return {"valid": False, "faults": error.code}
    outline = _outline(loaded.config.model_dump(mode="json"))
    return {"valid": True, "hash": loaded.digest[:12], "warnings": len(loaded.warnings), "config": outline}


def _place(problem: str) -> str:
    """Where a fault is; what it says may quote the file."""
    return ":".join(problem.split(":")[:3])


def _outline(value: object) -> object:
    if isinstance(value, dict):
        return {key: _outline(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_outline(inner) for inner in value]
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return f"[text of {len(value)} characters]"
    return value


def _journal(paths: FleetPaths, entries: int) -> list[dict[str, object]]:
    """The newest entries: what kind, about what, when; never what was said."""
    if not paths.database.exists():
        return []
    try:
        reading = importlib.import_module("fleet.health.reading")  # as in gather: apsw may be broken
        found: list[dict[str, object]] = reading.tail(paths.database, entries)
    except ImportError as error:
        return [{"error": type(error).__name__}]
    except FleetError as error:
        return [{"error": error.code}]
    return found


def _services(ask: Ask) -> dict[str, object]:
    try:
        answer = ask("watcher.status")
    except FleetError as error:
        return {"answers": False, "code": error.code}
    kept = ("running", "pid", "supervised", "paused", "started_at", "version", "services")
    return {"answers": True, **{key: answer[key] for key in kept if key in answer}}


def _listing(paths: FleetPaths) -> Iterator[dict[str, object]]:
    """The state folder's first level: names, sizes, rights."""
    for path in sorted(paths.state.iterdir()) if paths.state.is_dir() else ():
        facts = path.lstat()
        yield {"name": path.name, "bytes": facts.st_size, "mode": f"{facts.st_mode & 0o777:04o}"}


def _log(paths: FleetPaths, redactor: Redactor) -> str:
    """The end of the daemon's log: our own lines redacted, of anything else only where it happened."""
    try:
        with open(paths.log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "".join(f"{line}\n" for line in _log_lines(lines, redactor))


def _log_lines(lines: Iterable[str], redactor: Redactor) -> Iterator[str]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and "action" in record:
            if isinstance(record.get("traceback"), str):
                record["traceback"] = list(_frames(record["traceback"].splitlines(), redactor))
            yield json.dumps(redactor.value(record))
        else:
            yield from _frames([line], redactor)


def _frames(lines: Iterable[str], redactor: Redactor) -> Iterator[str]:
    """Of a traceback: places and the kinds of errors. Source lines and messages may hold anything."""
    for line in lines:
        frame, kind = _FRAME.match(line), _EXCEPTION.match(line)
        if frame:
            yield f"{redactor.text(frame[1])}:{frame[2]} {frame[3]}"
        elif kind:
            yield kind[1]
