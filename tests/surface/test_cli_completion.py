"""Shell completion, tried in the shells themselves: commands, options, and names from the store without a daemon."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from fleet.config.paths import FleetPaths
from fleet.process import run
from fleet.testing.fleets import fleet_in
from fleet.testing.shell import Shell

pytestmark = [pytest.mark.tmux, pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")]

BIN = Path(sys.executable).parent
EVIL = "Ring\x1b]0;owned\x07 the bell\u202e, twice"


@pytest.fixture(scope="module")
def paths() -> Iterator[FleetPaths]:
    """A fleet that has been up once and has two tickets; nothing runs any more."""
    with fleet_in() as found:
        shell = Shell(found.checkout, {})
        assert shell.fleet("up").ok
        assert shell.fleet("ticket", "create", "Greet the user").ok
        assert shell.fleet("ticket", "create", "Ring the bell").ok
        assert shell.fleet("down").ok
        store = apsw.Connection(str(found.database))  # as another forge could have brought it in
        store.execute("UPDATE forge_tickets SET title = ? WHERE number = 2", (EVIL,))
        store.close()
        yield found


def offered(folder: Path, line: str, **more: str) -> list[str]:
    """What a bash offers behind Tab at the end of a line; a space at its end begins a new word."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = (
        "set -eu; source <(fleet completion bash); "
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=(); "
        '_fleet_completion fleet; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = {**os.environ, "PATH": f"{BIN}:/usr/bin:/bin", **more}
    done = run(["bash", "--norc", "--noprofile", "-c", script], timeout=60, cwd=folder, env=env)
    assert done.ok, done.error_text
    assert done.error_text == ""
    return [line for line in done.text.splitlines() if line]


def test_commands_and_their_parts(paths: FleetPaths, tmp_path: Path) -> None:
    assert offered(tmp_path, "fleet sta") == ["status"]
    assert {"up", "down", "ticket", "version"} <= set(offered(tmp_path, "fleet "))
    assert {"list", "stop"} <= set(offered(tmp_path, "fleet agent "))
    assert offered(tmp_path, "fleet ticket create --lab") == ["--label"]
    assert offered(tmp_path, "fleet ps --color a") == ["auto", "always"]
    assert offered(tmp_path, "fleet completion ") == ["bash", "zsh", "fish"]


def test_names_come_from_the_store_without_a_daemon(paths: FleetPaths) -> None:
    here = paths.checkout
    agents = ["developer", "qa-engineer", "release-manager", "tech-lead"]
    assert offered(here, "fleet agent stop ") == agents
    assert offered(here, "fleet agent stop q") == ["qa-engineer"]
    assert offered(here, "fleet log --agent de") == ["developer"]
    assert offered(here, "fleet pr waive 8 tech") == ["tech-lead"]
    assert sorted(offered(here, "fleet ticket show ")) == ["1", "2"]
    assert offered(here, "fleet ticket show ticket/1") == ["ticket/1"]
    assert sorted(offered(here, "fleet agent start developer --subject t")) == ["ticket/1", "ticket/2"]
    assert {"ticket/1", "developer"} <= set(offered(here, "fleet why "))
    assert not list(paths.runtime.glob("*.sock"))


def test_events_codes_and_commands_need_no_fleet(paths: FleetPaths, tmp_path: Path) -> None:
    assert "pr_approved" in offered(tmp_path, "fleet fabric history --event pr_a")
    assert offered(tmp_path, "fleet explain FLT-SVC-00")[0] == "FLT-SVC-001"
    assert offered(tmp_path, "fleet help wat") == ["watcher"]


def test_where_nothing_can_be_known_nothing_is_offered_and_nothing_said(paths: FleetPaths, tmp_path: Path) -> None:
    assert offered(tmp_path, "fleet agent stop ") == []
    assert offered(tmp_path, "fleet ticket create ") == []
    assert "init" in offered(tmp_path, "fleet nonsense ")  # as if the word were not there yet
    (tmp_path / ".fleet").mkdir()
    (tmp_path / ".fleet" / "config.yaml").write_text("version: 1\n")
    assert offered(tmp_path, "fleet agent stop ") == []


def test_an_agents_session_gets_no_names_because_agents_do_not_open_the_store(paths: FleetPaths) -> None:
    assert offered(paths.checkout, "fleet agent stop ", FLEET_RUN="nobody-of-this-test-e1") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_titles_of_others_reach_no_terminal_as_they_are(paths: FleetPaths, shell: str) -> None:
    words = {"COMP_WORDS": "fleet ticket show ", "COMP_CWORD": "3" if shell == "zsh" else ""}
    env = {**os.environ, **words, "_FLEET_COMPLETE": f"{shell}_complete"}
    said = run([BIN / "fleet"], timeout=60, cwd=paths.checkout, env=env).text
    assert "Greet the user" in said
    assert "\\x1b]0;owned\\x07 the bell\\u202e" in said
    assert not set(said) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_can_parse_their_script(paths: FleetPaths, tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    script = Shell(paths.checkout, {}).answer("completion", shell)["script"]
    (tmp_path / "script").write_text(script)
    done = run([shell, "-n", tmp_path / "script"], timeout=60)
    assert done.ok, done.error_text


def test_the_script_is_the_same_as_json_and_a_shell_nobody_knows_is_refused(paths: FleetPaths) -> None:
    shell = Shell(paths.checkout, {})
    assert shell.answer("completion", "bash")["script"] == shell.fleet("completion", "bash").text
    done = shell.fleet("completion", "tcsh")
    assert done.code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.error_text


def test_completing_a_command_loads_none_of_them(paths: FleetPaths, tmp_path: Path) -> None:
    env = {**os.environ, "COMP_WORDS": "fleet st", "COMP_CWORD": "1", "_FLEET_COMPLETE": "bash_complete"}
    done = run([sys.executable, "-X", "importtime", BIN / "fleet"], timeout=60, cwd=tmp_path, env=env)
    assert done.text == "plain,status\n"
    assert "fleet.cli.commands." not in done.error_text
    assert "fleet.store" not in done.error_text
