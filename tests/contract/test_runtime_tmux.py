"""What only the tmux runtime has to get right: terminals, environments, locks, and a server that can die."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fleet.core.errors import PermanentError, TemporaryError
from fleet.process import run, spawn
from fleet.runtime import proctree, records
from fleet.runtime.port import SessionRef
from fleet.runtime.tmux import Tmux
from fleet.testing.runtime_contract import TmuxRig
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

# every kind of byte that some parser on the way could take for its own
ODD = (
    "",
    "plain",
    "two words",
    " leading",
    "trailing ",
    "semicolon;",
    ";",
    "\\;",
    ";;",
    "'single'",
    '"double"',
    "$HOME",
    "${HOME}",
    "`id`",
    "$(id)",
    "#{pid}",
    "#(id)",
    "#[fg=red]",
    "# comment",
    "{brace}",
    "{",
    "}",
    "~",
    "~root",
    "%if 1",
    "%begin 1 1 1",
    "%%",
    "back\\slash",
    "\\n",
    "\n",
    "two\nlines",
    "tab\t",
    "\r",
    "\x01\x1b[2J\x7f",
    "é ü 漢字 🚀",
    "\udcff\udcfe",
    "-t",
    "--",
    "=x:",
    "*?[a-z]",
    "a&b|c<d>e",
    "x" * 5000,
)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[TmuxRig]:
    made = TmuxRig(tmp_path / "world")
    yield made
    made.end()


def report(rig: TmuxRig, expression: str, *arguments: str) -> object:
    """Let an agent evaluate an expression and hand back its value."""
    out = rig.world.root / "report.json"
    program = f"import json,os,signal,sys\nvalue = {expression}\nopen({str(out)!r}, 'w').write(json.dumps(value))"
    rig.runtime.launch(rig.world.prepare((*rig.python(program), *arguments)))
    seen = rig.reach(rig.world.ref("r1"), "exited")
    assert seen.exit is not None
    assert seen.exit.code == 0, rig.runtime.output(rig.world.ref("r1"))
    return json.loads(out.read_text())


def test_an_agent_gets_its_arguments_byte_for_byte(rig: TmuxRig) -> None:
    assert report(rig, "sys.argv[1:]", *ODD) == list(ODD)


def test_a_pane_gets_its_arguments_byte_for_byte(rig: TmuxRig) -> None:
    out = rig.world.root / "argv.json"
    program = (
        f"import json,os,sys; open({str(out)!r} + '.new', 'w').write(json.dumps(sys.argv[1:]))\n"
        f"os.replace({str(out)!r} + '.new', {str(out)!r})"
    )
    rig.tmux.start_server()
    rig.tmux.new_session("odd", [sys.executable, "-I", "-c", program, *ODD])
    wait_until(out.exists, what="the arguments")
    assert json.loads(out.read_text()) == list(ODD)


def test_an_agent_has_exactly_the_given_environment(rig: TmuxRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "leak")
    seen = report(rig, "dict(os.environ)")
    wanted = dict(rig.world.prepare(("x", "y")).env)
    # LC_CTYPE: Python adds it to its own environment
    assert isinstance(seen, dict)
    assert {name: value for name, value in seen.items() if name != "LC_CTYPE"} == wanted


def test_neither_server_nor_shim_inherits_the_daemons_environment(
    rig: TmuxRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "leak")
    rig.runtime.launch(rig.world.prepare(rig.argv("hang")))
    shim = rig.reach(rig.world.ref("r1"), "running").shim_pid
    for pid in (shim, rig.tmux.server_pid()):
        assert not proctree.environ_has(pid, "SECRET_OF_THE_DAEMON", "leak")
        assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_an_agent_owns_its_terminal_and_finds_its_signals_as_usual(rig: TmuxRig) -> None:
    facts = report(
        rig,
        "{'tty': os.isatty(0) and os.isatty(1), 'front': os.tcgetpgrp(0) == os.getpgrp() == os.getpid(),"
        " 'size': list(os.get_terminal_size()), 'cwd': os.path.basename(os.getcwd()),"
        " 'blocked': len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),"
        " 'files': sorted(int(n) for n in os.listdir('/proc/self/fd'))[:4],"
        " 'ignored': [l for l in open('/proc/self/status') if l.startswith('SigIgn')][0].split()[1]}",
    )
    # 3 is the listing itself; Python ignores SIGPIPE (bit 12) and SIGXFSZ (bit 24) in itself
    assert facts == {
        "tty": True,
        "front": True,
        "size": [200, 50],
        "cwd": rig.world.ref("r1").session,
        "blocked": 0,
        "files": [0, 1, 2, 3],
        "ignored": "0000000001001000",
    }


def test_an_agent_that_cannot_be_started_exits_127_and_says_why(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(("no-such-program", "argument")))
    ref = rig.world.ref("r1")
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert (seen.exit.code, seen.exit.reason) == (127, "exited")
    assert "cannot start the agent" in rig.runtime.output(ref)


def test_an_agent_that_suspends_itself_goes_on(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(("sh", "-c", "kill -STOP $$; exit 5")))
    seen = rig.reach(rig.world.ref("r1"), "exited")
    assert seen.exit is not None
    assert seen.exit.code == 5


def test_an_agent_killed_by_a_signal_is_recorded_as_128_and_the_signal(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(("sh", "-c", "kill -SEGV $$")))
    seen = rig.reach(rig.world.ref("r1"), "exited")
    assert seen.exit is not None
    assert seen.exit.code == 128 + signal.SIGSEGV


def test_a_suspended_shim_is_made_to_go_on_when_it_is_looked_at(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), allowance=3.0))
    ref = rig.world.ref("r1")
    os.kill(rig.reach(ref, "running").shim_pid, signal.SIGSTOP)
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert seen.exit.reason == "timeout"


def test_a_stop_that_comes_before_the_shim_keeps_the_agent_from_starting(rig: TmuxRig) -> None:
    launch = rig.world.prepare(rig.argv("count"))
    ref = rig.world.ref("r1")
    # what the runtime leaves behind when it is killed between writing the record and starting the session
    launch.folder.mkdir()
    records.write(str(launch.folder), records.LAUNCH, {"session": launch.session})
    rig.runtime.stop(ref, "changed our mind")
    assert rig.runtime.observe(ref).state == "absent"
    rig.runtime.launch(launch)
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert (seen.exit.reason, seen.exit.used_seconds) == ("stopped", 0.0)
    assert rig.world.starts() == 0


def shim_argv(ref: SessionRef) -> list[str]:
    return [sys.executable, "-I", "-m", "fleet.runtime.shim", str(ref.folder)]


def test_a_second_shim_for_the_same_session_changes_nothing(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("count")))
    ref = rig.world.ref("r1")
    first = rig.reach(ref, "running")
    wait_until(rig.world.starts, what="the agent")
    second = run(shim_argv(ref), timeout=60)
    assert second.code == 3
    assert "another shim of this run is alive" in second.error_text
    assert rig.runtime.observe(ref) == first
    assert rig.world.starts() == 1


def test_a_shim_that_comes_after_the_end_does_not_start_the_agent_again(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("exit")))
    ref = rig.world.ref("r1")
    before = rig.reach(ref, "exited")
    late = run(shim_argv(ref), timeout=60)
    assert (late.code, late.error_text) == (3, "fleet: this session was started before")
    assert rig.runtime.observe(ref) == before


def test_a_late_shim_of_an_older_epoch_sees_the_fence_and_does_not_start(rig: TmuxRig) -> None:
    launch = rig.world.prepare(rig.argv("count"), epoch=1)
    ref = rig.world.ref("r1", 1)
    rig.tmux.start_server()
    launch.folder.mkdir()
    record = {"session": launch.session, "run_id": ref.run_id, "epoch": 1, "argv": list(launch.argv), "clone": "/"}
    records.write(str(launch.folder), records.LAUNCH, record)
    while (said := _said_by_a_late_shim(rig, ref)).find("another shim of this run is alive") >= 0:
        continue  # it waits a second for the lock, in which a machine under load may not come back to us
    assert "epoch 1 of the run and 2 is the one to start" in said
    assert rig.world.starts() == 0
    assert rig.runtime.observe(ref).state == "absent"


def _said_by_a_late_shim(rig: TmuxRig, ref: SessionRef) -> str:
    """What the shim of epoch 1 says when epoch 2 is fenced in while it waits for the lock."""
    records.raise_fence(str(rig.world.runs), ref.run_id, 1)
    lock = records.lock_run(str(rig.world.runs), ref.run_id)
    assert lock is not None
    late = spawn(shim_argv(ref))
    try:
        wait_until(lambda: _sleeps_in_loop(late.pid), what="the late shim to wait")
        records.raise_fence(str(rig.world.runs), ref.run_id, 2)
    finally:
        os.close(lock)
    out, err = late.communicate(timeout=60)
    assert (late.returncode, out) == (3, b"")
    return err.decode()


def _sleeps_in_loop(pid: int) -> bool:
    """True once a shim has blocked its signals, which is the first thing it does."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(line.startswith("SigBlk:") and int(line.split()[1], 16) for line in status.splitlines())


def test_a_dead_server_is_an_error_and_not_an_empty_list(rig: TmuxRig) -> None:
    rig.tmux.start_server()
    assert rig.tmux.survey() == {}
    os.kill(rig.tmux.server_pid(), signal.SIGKILL)
    with pytest.raises(TemporaryError, match="FLT-RTM-001"):
        rig.tmux.survey()
    with pytest.raises(TemporaryError, match="FLT-RTM-001"):
        Tmux(rig.socket).has("anything")
    wait_until(rig.tmux.server_gone, what="the server to be gone for certain")
    assert rig.runtime.server_pids() == frozenset()


@pytest.mark.long
def test_a_server_that_does_not_answer_is_an_error_after_a_while(rig: TmuxRig) -> None:
    rig.tmux.start_server()
    server = rig.tmux.server_pid()
    impatient = Tmux(rig.socket, answer_seconds=2.0)
    assert wait_until(partial(_answers, impatient), what="an answer in time")
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(TemporaryError, match="did not answer"):
            impatient.survey()
        assert not impatient.server_gone()
    finally:
        os.kill(server, signal.SIGCONT)
        impatient.close()
    assert rig.tmux.survey() == {}


def _answers(tmux: Tmux) -> bool:
    """Whether it answers in time; on a machine under load it may not."""
    try:
        return tmux.survey() == {}
    except TemporaryError:
        return False


def test_a_server_that_was_never_started_is_not_gone_but_unknown(rig: TmuxRig) -> None:
    with pytest.raises(TemporaryError, match="FLT-RTM-001"):
        rig.tmux.survey()
    assert not rig.tmux.server_gone()


def test_after_the_death_of_the_server_the_next_launch_has_a_new_one(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), "r1"))
    rig.reach(rig.world.ref("r1"), "running")
    first = rig.tmux.server_pid()
    os.kill(first, signal.SIGKILL)
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), "r2"))
    rig.reach(rig.world.ref("r2"), "running")
    assert rig.runtime.server_pids() == frozenset({rig.tmux.server_pid()})
    assert rig.tmux.server_pid() != first
    assert rig.reach(rig.world.ref("r1"), "exited").exit is not None


def test_a_removed_socket_is_made_again_by_the_same_server(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), "r1"))
    before = rig.tmux.server_pid()
    rig.tmux.close()
    rig.socket.unlink()
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), "r2"))
    assert rig.tmux.server_pid() == before
    assert set(rig.tmux.survey()) == {rig.world.ref(name).session for name in ("r1", "r2")}


def test_a_broken_connection_is_made_again(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("hang")))
    rig.reach(rig.world.ref("r1"), "running")
    clients = [pid for pid, _ in _children_of(os.getpid(), b"-C")]
    assert clients
    for pid in clients:
        os.kill(pid, signal.SIGKILL)
    assert rig.tmux.has(rig.world.ref("r1").session)


def _children_of(parent: int, word: bytes) -> list[tuple[int, bytes]]:
    found = []
    for process in proctree.descendants(parent):
        try:
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if word in line.split(b"\0"):
            found.append((process.pid, line))
    return found


def test_targets_are_exact(rig: TmuxRig) -> None:
    rig.tmux.start_server()
    rig.tmux.new_session("abc", ["sleep", "600"])
    assert not rig.tmux.kill_session("ab")
    assert not rig.tmux.kill_session("agent")  # the name of every window
    assert rig.tmux.has("abc")
    assert rig.tmux.kill_session("abc")
    assert not rig.tmux.has("abc")


def test_a_session_that_exists_is_found_and_not_doubled(rig: TmuxRig) -> None:
    rig.tmux.start_server()
    first = rig.tmux.new_session("one", ["sleep", "600"])
    assert rig.tmux.new_session("one", ["sleep", "600"]) == first


def test_what_tmux_would_read_as_something_else_is_refused(rig: TmuxRig) -> None:
    rig.tmux.start_server()
    for name in ("", "a:b", "a.b", "=a", "a b", "$1", "-t", "a\n"):
        with pytest.raises(PermanentError, match="FLT-RTM-004"):
            rig.tmux.new_session(name, ["sleep", "600"])
    with pytest.raises(PermanentError, match="shell"):
        rig.tmux.new_session("one", ["sleep 600"])
    with pytest.raises(PermanentError, match="expand"):
        rig.tmux.new_session("one", ["sleep", "600"], cwd="/tmp/#(id)")
    with pytest.raises(PermanentError, match="NUL"):
        rig.tmux.new_session("one", ["sleep", "600\0"])
    assert rig.tmux.survey() == {}


def test_a_screen_that_imitates_tmux_cannot_confuse_the_conversation(rig: TmuxRig) -> None:
    text = "%end 1 1 1\n%begin 1 1 1\n%error 1 1 1\n%exit\n"
    rig.runtime.launch(rig.world.prepare(("printf", "%s", text)))
    ref = rig.world.ref("r1")
    rig.reach(ref, "exited")
    assert rig.runtime.output(ref) == text
    rig.runtime.close(ref)
    assert rig.tmux.survey() == {}


def test_a_person_who_attaches_can_type_and_interrupt(rig: TmuxRig) -> None:
    program = "import time\nprint('you said', input('say something: '), flush=True)\ntime.sleep(600)"
    rig.runtime.launch(rig.world.prepare(rig.python(program)))
    ref = rig.world.ref("r1")
    rig.reach(ref, "running")
    # the person's own terminal: a pane of another tmux server
    theirs = Tmux(rig.socket.with_name("theirs"))
    theirs.start_server()
    try:
        theirs.new_session("person", rig.runtime.attach_argv(ref))
        wait_until(lambda: "say something" in theirs.capture("person", 50), what="the prompt")
        _type(theirs, "hello", "Enter")
        wait_until(lambda: "you said hello" in theirs.capture("person", 50), what="the answer")
        _type(theirs, "C-c")
        seen = rig.reach(ref, "exited")
        assert seen.exit is not None
        assert seen.exit.reason == "exited"
        assert seen.exit.code in (1, 128 + signal.SIGINT)
    finally:
        theirs.kill_server()


def _type(tmux: Tmux, *keys: str) -> None:
    done = run(["tmux", "-S", tmux.socket, "send-keys", "-t", "=person:", *keys], timeout=60)
    assert done.ok, done.error_text


def test_a_missing_or_old_tmux_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="FLT-RTM-003"):
        Tmux(tmp_path / "socket", program="no-such-tmux").start_server()
    old = tmp_path / "old-tmux"
    old.write_text("#!/bin/sh\necho tmux 3.1c\n")
    old.chmod(0o755)
    with pytest.raises(PermanentError, match=r"too old: tmux 3\.1c"):
        Tmux(tmp_path / "socket", program=str(old)).start_server()


def test_looking_at_terminals_starts_no_server(rig: TmuxRig) -> None:
    ref = rig.world.ref("r1")
    for look in (rig.runtime.output, rig.runtime.attach_argv):
        with pytest.raises(TemporaryError, match="FLT-RTM-001"):
            look(ref)
    assert not rig.socket.exists()


def test_a_session_is_observed_although_every_trace_of_the_server_is_gone(rig: TmuxRig) -> None:
    # the folder of sockets was cleared while the machine ran on
    rig.runtime.launch(rig.world.prepare(rig.argv("hang")))
    ref = rig.world.ref("r1")
    rig.reach(ref, "running")
    server = rig.tmux.server_pid()
    rig.kill_shim(ref)
    rig.tmux.close()
    try:
        for path in rig.socket.parent.iterdir():
            path.unlink()
        assert rig.reach(ref, "vanished").shim_pid
    finally:
        os.kill(server, signal.SIGKILL)  # nobody else can find it any more


def test_a_reboot_is_a_witness_of_its_own(rig: TmuxRig) -> None:
    rig.runtime.launch(rig.world.prepare(rig.argv("hang")))
    ref = rig.world.ref("r1")
    shim = rig.reach(ref, "running").shim_pid
    started = records.read(str(ref.folder), records.STARTED)
    assert started is not None
    records.write(str(ref.folder), records.STARTED, {**started, "boot": "an earlier one"})
    assert rig.runtime.observe(ref).state == "vanished"
    records.write(str(ref.folder), records.STARTED, started)
    assert rig.runtime.observe(ref).shim_pid == shim
