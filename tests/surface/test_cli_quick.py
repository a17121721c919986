"""The quick way: what goes it, that it means the same as the full one, and that it loads next to nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.cli import hot, hotparse, main
from fleet.cli.door import Door
from fleet.cli.remote import Remote
from fleet.core import wire
from fleet.core.errors import NotFound, UsageError
from fleet.daemon.argv import explain_plainly

LINES = [
    ["fabric", "publish", "--event", "qa_passed", "--summary", "all pass", "--subject", "pr/8"],
    ["fabric", "publish", "--event=qa_passed", '--payload={"a": [1, "ü"]}', "--json"],
    ["fabric", "publish", "--kind", "note", "--summary", "--json", "--subject", "ticket/7"],
    ["fabric", "publish", "--kind", "note", "--summary", "", "--color", "never"],
    ["fabric", "history", "--json"],
    ["fabric", "tasks", "--json"],
    ["fabric", "blockers", "--all", "--json"],
    ["questions", "--json"],
    ["questions", "--all", "--json"],
    ["fabric", "history", "--json", "--event", "pr_created", "--limit", "3", "--after", "7", "--subject", "pr/1"],
    ["ps", "--json"],
    ["ps", "--all", "--json", "--color=always"],
    ["status", "--json"],
    ["why", "pr/8", "--json"],
    ["why", "--json", "--", "-x"],
    ["agent", "list", "--json"],
    ["ticket", "list", "--json"],
    ["ticket", "show", "ticket/7", "--json"],
    ["pr", "list", "--json"],
    ["pr", "show", "#8", "--json"],
]

WRONG = [
    ["fabric", "publish"],
    ["fabric", "publish", "--event", "a", "--kind", "note"],
    ["fabric", "publish", "--event"],
    ["fabric", "publish", "--kind", "gossip"],
    ["fabric", "publish", "qa_passed"],
    ["fabric", "publish", "--sender", "human:owner", "--event", "a"],
    ["fabric", "publish", "--event", "a", "--sender="],
    ["ps", "--json", "now"],
    ["pr", "show", "--json", "eight"],
    ["fabric", "history", "--json", "--since", "soon"],
]


class Recorder:
    """A daemon's end of a socket that notes one call and answers it with an error."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self.calls: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            buffer = b""
            while (message := wire.cut(buffer, wire.REQUEST_KINDS, wire.REQUEST_LIMIT)) is None:
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
            self.calls.append(json.loads(message[1]))
            error = NotFound("FLT-TST-001", "noted").as_dict()
            connection.sendall(wire.frame("json", json.dumps({"ok": False, "error": error}).encode()))

    def close(self) -> None:
        """End the thread, whether it was called or not."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as bell:
            bell.connect(self._listening.getsockname())
        self._thread.join(10)
        self._listening.close()


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """A daemon that the full way finds through FLEET_SOCKET."""
    found = Recorder(tmp_path / "s")
    monkeypatch.setenv("FLEET_SOCKET", str(tmp_path / "s"))
    for name in ("FLEET_CAPABILITY_FILE", "FLEET_RUN"):
        monkeypatch.delenv(name, raising=False)
    yield found
    found.close()


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_both_ways_ask_for_the_same(words: list[str], recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert hot.goes_quickly(words)
    quick = hotparse.parse(words, "/")
    assert main.run(words) == 4
    [full] = recorder.calls
    assert (quick.verb, json.loads(json.dumps(dict(quick.args)))) == (full["verb"], full["args"])
    shown = capsys.readouterr()
    assert quick.explain(NotFound("FLT-TST-001", "noted")) == (shown.out, shown.err)


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_both_ways_refuse_the_same(words: list[str], recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert hot.goes_quickly(words)
    with pytest.raises(UsageError) as quick:
        hotparse.parse(words, "/")
    assert main.run(words) == 2
    shown = capsys.readouterr()
    assert explain_plainly(words)(quick.value) == (shown.out, shown.err)
    assert recorder.calls == []


def test_a_quick_command_ends_with_0_whenever_it_is_answered() -> None:
    for words in LINES:
        ctx = hotparse.context_of(words, Door({}, "/"))
        assert isinstance(ctx.command, Remote)
        assert ctx.command.code is None


@pytest.mark.parametrize(
    "words",
    [
        ["fabric", "publish", "--help"],
        ["fabric", "publish", "--event", "a", "--payload", "-"],
        ["fabric", "publish", "--event", "a", "--payload", "@file"],
        ["fabric", "publish", "--event", "a", "--payload=@file"],
        ["fabric", "publish", "--event", "a", "--payload=-"],
        ["ps"],
        ["log", "--json"],
        ["release", "check", "8", "--json"],
        ["pr", "merge", "8", "--json"],
        ["--color", "never", "ps", "--json"],
        [],
    ],
    ids=" ".join,
)
def test_what_needs_files_or_a_terminal_or_changes_things_goes_the_full_way(words: list[str]) -> None:
    assert not hot.goes_quickly(words)
    with pytest.raises(UsageError):
        hotparse.parse(words, "/")


def test_the_daemon_itself_refuses_what_does_not_go_the_quick_way() -> None:
    with pytest.raises(UsageError) as caught:
        hotparse.parse(["config", "validate"], "/")
    assert (caught.value.code, caught.value.exit_code) == ("FLT-CLI-013", 2)


def test_every_quick_command_is_tried_here() -> None:
    tried = {tuple(words[:2]) for words in LINES} | {tuple(words[:1]) for words in LINES}
    assert set(hot.READS) <= tried


HEAVY = {
    "click",
    "rich",
    "json",
    "re",
    "typing",
    "collections",
    "contextlib",
    "pathlib",
    "hashlib",
    "socket",
    "asyncio",
}


@pytest.mark.parametrize("words", ["--version", "fabric publish --event a", "ps --json"])
def test_a_quick_start_loads_next_to_nothing(words: str, tmp_path: object) -> None:
    """Ratios of times are benched; which modules are loaded can be tested."""
    program = (
        "import os, sys\n"
        f"sys.argv = ['fleet', *{words.split()!r}]\n"
        "from fleet.cli import entry, hot, place, pipe\n"
        "def answer(self, kind, body, timeout): return 'text', b'0\\0said\\0'\n"
        "pipe.Pipe.__init__ = lambda self, path, timeout: None\n"
        "pipe.Pipe.exchange = answer\n"
        "def leave(code):\n"
        "    sys.stderr.write(' '.join(sys.modules))\n"
        "    sys.exit(code)\n"
        "os._exit = leave\n"
        "leave(entry.main(sys.argv))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(("said", "fleet "))
    loaded = set(done.stderr.split())
    at_start = set(
        subprocess.run(
            [sys.executable, "-c", "import sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.split()
    )
    assert loaded & (HEAVY - at_start) == set()


def test_a_daemon_has_loaded_every_quick_command_before_the_first_call() -> None:
    """After an upgrade in place, what is loaded later is the new version's: half of each is neither."""
    script = (
        "import sys; from fleet.cli import hotparse, hot, main; "
        "print([words for words in (*hot.READS, ('fabric', 'publish'))"
        " if 'fleet.cli.commands.' + main.COMMANDS[words[0]][1] not in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
