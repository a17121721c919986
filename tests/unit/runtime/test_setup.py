"""A run's setup: its commands before the agent, its variables for them alone, its ports for nobody else."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import parse_config
from fleet.config.model import SetupConfig
from fleet.core.errors import ConfigError, PermanentError, TemporaryError
from fleet.process import Completed, run
from fleet.runtime.envfiles import read_env_file
from fleet.runtime.ports import FIRST, LAST, choose_ports, variables
from fleet.runtime.setup import LOG, PLAN, failure_of
from fleet.runtime.setups import Setups
from fleet.runtime.vendors.port import VendorLaunch

AGENT = VendorLaunch(("agent",))
SECRET = "s3cret-value"
PRINT_ALL = "import os; print('\\n'.join(f'{k}={v}' for k, v in os.environ.items()))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder."""
    made = tmp_path / "run"
    made.mkdir(mode=0o700)
    return made


Play = Callable[..., Completed]


@pytest.fixture
def play(folder: Path, tmp_path: Path) -> Play:
    """Plays a session: its setup, then an agent that prints what it finds in its environment."""

    def session(*commands: list[str], env_files: tuple[str, ...] = (), seconds: float = 20) -> Completed:
        plan = {"commands": commands, "env_files": env_files, "timeout_seconds": seconds}
        (folder / PLAN).write_text(json.dumps(plan))
        words = [sys.executable, "-I", "-m", "fleet.runtime.setup", str(folder), sys.executable, "-c", PRINT_ALL]
        return run(words, timeout=60, cwd=tmp_path, env={"PATH": os.environ["PATH"], "FLEET_AGENT": "developer"})

    return session


def python(code: str) -> list[str]:
    """A command of a setup."""
    return [sys.executable, "-c", code]


def env_file(tmp_path: Path, text: str = f"TOKEN={SECRET}\n", mode: int = 0o600) -> str:
    """A file of variables."""
    path = tmp_path / "db.env"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_the_commands_run_in_order_and_then_the_agent(play: Play, tmp_path: Path, folder: Path) -> None:
    done = play(python("open('one', 'w')"), python("import os; print(os.listdir())"))
    assert done.ok
    assert "'one'" in done.text
    assert "FLEET_AGENT=developer" in done.text.splitlines()
    assert (tmp_path / "one").exists()
    assert failure_of(str(folder)) == ""
    assert "'one'" in (folder / LOG).read_text()
    assert (folder / LOG).stat().st_mode & 0o777 == 0o600


def test_the_first_command_that_fails_ends_the_setup_and_no_agent_begins(
    play: Play, tmp_path: Path, folder: Path
) -> None:
    done = play(python("import sys; print('no such package'); sys.exit(4)"), python("open('two', 'w')"))
    assert done.code == 78
    assert "FLEET_AGENT" not in done.text
    assert not (tmp_path / "two").exists()
    told = failure_of(str(folder))
    assert told.startswith("command 1 of 2 (")
    assert "it ended with exit code 4" in told
    assert told.endswith("its last words: no such package")


def test_a_program_that_does_not_exist_is_named(play: Play, folder: Path) -> None:
    assert play(["no-such-program"]).code == 78
    assert "command 1 of 1 (no-such-program): cannot start" in failure_of(str(folder))


def test_the_limit_counts_for_all_commands_together(play: Play, folder: Path) -> None:
    done = play(python("print('begun', flush=True); import time; time.sleep(60)"), seconds=1)
    assert done.code == 78
    assert "it did not end within 1 s; its last words: begun" in failure_of(str(folder))


def test_a_server_that_a_command_leaves_behind_does_not_hold_it_up(play: Play) -> None:
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])"
    assert play(python(child), seconds=15).ok


def test_no_shell_reads_a_command(play: Play, tmp_path: Path) -> None:
    assert play(["echo", "$HOME", ";", "touch", "made"]).text.splitlines()[1] == "$HOME ; touch made"
    assert not (tmp_path / "made").exists()


def test_variables_reach_the_commands_and_neither_the_agent_nor_any_output(
    play: Play, tmp_path: Path, folder: Path
) -> None:
    check = python("import os; print(len(os.environ['TOKEN'])); print('it is', os.environ['TOKEN'])")
    done = play(check, env_files=(env_file(tmp_path),))
    assert done.ok
    assert str(len(SECRET)) in done.text.splitlines()
    assert "it is [TOKEN]" in done.text
    assert "TOKEN=" not in done.text.replace("[TOKEN]", "")
    for path in folder.iterdir():
        assert SECRET not in path.read_text(), path


def test_a_failing_command_does_not_tell_a_variable_either(play: Play, tmp_path: Path, folder: Path) -> None:
    cry = python("import os, sys; sys.exit('bad password ' + os.environ['TOKEN'])")
    assert play(cry, env_files=(env_file(tmp_path),)).code == 78
    assert failure_of(str(folder)).endswith("bad password [TOKEN]")


def test_variables_that_cannot_be_read_fail_the_setup(play: Play, tmp_path: Path, folder: Path) -> None:
    assert play(python("pass"), env_files=(str(tmp_path / "nowhere.env"),)).code == 78
    assert failure_of(str(folder)).startswith("its variables: the variables for the setup cannot be read")


# -- files of variables ------------------------------------------------------------------------------


def test_a_file_of_variables_is_read_as_it_stands(tmp_path: Path) -> None:
    text = "# the database\n\nURL=postgres://x?a=b#c\nQUOTED='kept'\nEMPTY=\n"
    assert read_env_file(env_file(tmp_path, text)) == {"URL": "postgres://x?a=b#c", "QUOTED": "'kept'", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("A=b\n", 0o644),
        ("A=b\n", 0o640),
        ("export A=b\n", 0o600),
        ("FLEET_SOCKET=/x\n", 0o600),
        (f"{SECRET}\n", 0o600),
        ("A=b\0\n", 0o600),
        ("A=" + "b" * 70_000, 0o600),
    ],
)
def test_a_file_that_is_not_private_or_not_plain_is_refused_without_telling_it(
    tmp_path: Path, text: str, mode: int
) -> None:
    with pytest.raises(PermanentError) as caught:
        read_env_file(env_file(tmp_path, text, mode))
    assert caught.value.code == "FLT-CFG-120"
    assert SECRET not in str(caught.value)


def test_a_link_is_no_file_of_variables(tmp_path: Path) -> None:
    env_file(tmp_path)
    (tmp_path / "link.env").symlink_to(tmp_path / "db.env")
    with pytest.raises(PermanentError):
        read_env_file(str(tmp_path / "link.env"))


# -- ports -------------------------------------------------------------------------------------------


def test_ports_are_free_different_and_belong_to_no_other_run() -> None:
    first = choose_ports(["web", "db"], frozenset(), "run_a-e1")
    assert len(set(first.values())) == 2
    again = choose_ports(["web", "db"], frozenset(first.values()), "run_a-e1")
    assert not set(again.values()) & set(first.values())
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", again["web"]))
        busy.listen()
        assert again["web"] not in choose_ports(["web", "db"], frozenset(first.values()), "run_a-e1").values()
    assert variables({"web": 20001}) == {"FLEET_PORT_WEB": "20001"}


def test_no_port_left_is_told_and_tried_again() -> None:
    with pytest.raises(TemporaryError) as caught:
        choose_ports(["web"], range(FIRST, LAST + 1), "run_a-e1")
    assert caught.value.code == "FLT-CFG-121"


def test_a_session_keeps_its_ports_and_others_get_different_ones(tmp_path: Path) -> None:
    setups, setup = Setups(tmp_path / "env"), SetupConfig(ports=("web",))
    folders: list[Path] = [tmp_path / f"run{number}-e1" for number in range(5)]
    made = [setups.prepare(one, setup, AGENT, lambda: folders) for one in folders]
    assert len({prepared.env["FLEET_PORT_WEB"] for prepared in made}) == 5
    assert setups.prepare(folders[0], setup, AGENT, list).env == made[0].env
    assert made[0].argv == ("agent",)


def test_a_start_with_unfit_variables_is_refused_before_anything_runs(tmp_path: Path) -> None:
    setup = SetupConfig(commands=(("true",),), env_files=("db",))
    with pytest.raises(PermanentError, match="cannot be read"):
        Setups(tmp_path / "env").prepare(tmp_path / "run", setup, AGENT, list)


# -- the configuration -------------------------------------------------------------------------------


def parsed(setup: str, agent: str = ""):  # type: ignore[no-untyped-def]
    """A configuration with this setup."""
    text = f"version: 1\nsetup: {setup}\nagents:\n  - name: a\n    role: developer\n{agent}"
    return parse_config(text.encode(), name="config.yaml", roles=load_roles())


def test_a_command_is_a_list_of_words_or_a_text_that_is_split() -> None:
    setup = parsed("""{commands: ["pip install -e '.[dev]'", [bash, -c, "a && b"]]}""").config.setup
    assert setup.commands == (("pip", "install", "-e", ".[dev]"), ("bash", "-c", "a && b"))


@pytest.mark.parametrize("command", ["a && b", "a | b", "a; b", "a > b", "a 'b", ""])
def test_what_only_a_shell_knows_is_a_fault(command: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(json.dumps({"commands": [command]}))
    assert "setup.commands[0]" in caught.value.message


@pytest.mark.parametrize(
    "setup", ['{ports: ["a-b"]}', "{ports: [A]}", "{env_files: [../x]}", "{timeout_seconds: 0}", "{scripts: []}", "[]"]
)
def test_a_faulty_setup_is_refused(setup: str) -> None:
    with pytest.raises(ConfigError):
        parsed(setup)


def test_an_agents_own_setup_stands_in_place_of_the_fleets() -> None:
    config = parsed("{commands: [make]}").config
    assert config.setup_of(config.agents[0]).commands == (("make",),)
    config = parsed("{commands: [make]}", "    setup: {}\n").config
    assert config.setup_of(config.agents[0]).commands == ()


def test_variables_without_commands_are_warned_of() -> None:
    assert any("env_files without commands" in line for line in parsed("{env_files: [db]}").warnings)
