"""Ways to get away from a session, tried for real: nothing of a session outlives it."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from fleet.runtime import proctree
from fleet.runtime.escrow import verified
from fleet.runtime.port import Observation
from fleet.testing.runtime_contract import TmuxRig, git
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

# Each piece of Python has `mark`, a file to note its pids in, and ends in a process that never ends by itself.
PRELUDE = """
import os, signal, subprocess, sys, time
def note():
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
def stay():
    note()
    while True:
        time.sleep(600)
def child():
    return os.fork() == 0
"""
ESCAPES = {
    "a child": "child() and stay()",
    "a new session": "child() and (os.setsid(), stay())",
    "a double fork": "child() and (os.setsid(), child() and stay(), os._exit(0))",
    "nohup": "child() and (signal.signal(signal.SIGHUP, signal.SIG_IGN), stay())",
    "deaf to signals": "child() and ([signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)], stay())",
    "a new group": "child() and (os.setpgid(0, 0), stay())",
    "without the environment": (
        "child() and (os.setsid(), os.execve(sys.executable, [sys.executable, '-I', '-c',"
        " 'import os,sys,time; open(sys.argv[1],chr(97)).write(str(os.getpid())+chr(10)); time.sleep(600)',"
        " *sys.argv[1:]], {}))"
    ),
    "many children": "[child() and (os.setsid(), stay()) for _ in range(30)]",
}
# a process that is never the same for long: every generation forks the next and ends
ROLLING = """
if child():
    os.setsid()
    for generation in range(3000):
        if generation % 50 == 0:
            note()
        if os.fork():
            os._exit(0)
        time.sleep(0.001)
    stay()
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[TmuxRig]:
    made = TmuxRig(tmp_path / "world")
    yield made
    made.end()


class Fugitives:
    """Processes that carry a token of this test among their arguments."""

    def __init__(self, folder: Path) -> None:
        self.token = f"fugitive-{uuid.uuid4()}"
        self.notes = folder / "noted-pids"

    def arguments(self) -> tuple[str, str]:
        return (str(self.notes), self.token)

    def noted(self) -> int:
        return len(self.notes.read_text().splitlines()) if self.notes.exists() else 0

    def alive(self) -> list[int]:
        found = []
        for pid, process in proctree.table().items():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            # the shim's own arguments do not hold the token; a zombie has none
            if self.token.encode() in words and process.state not in "ZX":
                found.append(pid)
        return found


@pytest.fixture
def fugitives(tmp_path: Path) -> Fugitives:
    return Fugitives(tmp_path)


def until_its_time_is_up(
    rig: TmuxRig,
    argv: Callable[[float], tuple[str, ...]],
    began: Callable[[], object],
    *,
    kind: Literal["timeout", "budget"] = "timeout",
    allowance: float = 1.0,
) -> Observation:
    """The end of a run that had enough time to begin: a machine under load may need more of it.

    ``argv`` is the program for so many seconds, ``began`` whether the last one did what it is there for.
    """
    while True:
        name = f"r{allowance:.0f}"
        rig.runtime.launch(rig.world.prepare(argv(allowance), name, allowance=allowance, kind=kind))
        seen = rig.reach(rig.world.ref(name), "exited")
        if began() or allowance >= 16.0:
            return seen
        allowance *= 4


@pytest.mark.parametrize("how", ESCAPES)
@pytest.mark.parametrize("end", ["its main process exits", "it is stopped", "its time is up"])
def test_nothing_survives_a_session(rig: TmuxRig, fugitives: Fugitives, how: str, end: str) -> None:
    wanted = 30 if how == "many children" else 1
    last = f"while sum(1 for _ in open(sys.argv[1])) < {wanted}: time.sleep(0.005)\n"
    program = f"{PRELUDE}\nopen(sys.argv[1], 'a').close()\n{ESCAPES[how]}\n{last}"
    if end != "its main process exits":
        program += "time.sleep(600)"
    argv = (*rig.python(program), *fugitives.arguments())
    if end == "its time is up":
        seen = until_its_time_is_up(rig, lambda _: argv, fugitives.noted)
    else:
        rig.runtime.launch(rig.world.prepare(argv))
        if end == "it is stopped":
            wait_until(fugitives.noted, what="the escape")
            rig.runtime.stop(rig.world.ref("r1"), "enough")
        seen = rig.reach(rig.world.ref("r1"), "exited")
    assert seen.exit is not None
    assert seen.exit.reason == {"it is stopped": "stopped", "its time is up": "timeout"}.get(end, "exited")
    assert fugitives.noted()
    assert seen.exit.survivors == ()
    assert fugitives.alive() == []


def test_a_tree_that_forks_all_the_time_is_frozen_and_ended(rig: TmuxRig, fugitives: Fugitives) -> None:
    argv = (*rig.python(f"{PRELUDE}\n{ROLLING}\ntime.sleep(600)"), *fugitives.arguments())
    rig.runtime.launch(rig.world.prepare(argv))
    ref = rig.world.ref("r1")
    wait_until(fugitives.noted, what="the first generation")
    rig.runtime.stop(ref, "enough")
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert seen.exit.survivors == ()
    assert fugitives.alive() == []


def test_all_of_a_tree_is_frozen_soon_after_its_budget_is_used_up(rig: TmuxRig, fugitives: Fugitives) -> None:
    # Each process writes down how much time it got after the budget's end; waiting for its turn is none. It is one
    # clock for all processes. The same in the shim's own time: tests/unit/runtime/test_shim_clock.py
    clocks = rig.world.root / "clocks"

    def argv(allowance: float) -> tuple[str, ...]:
        for path in rig.world.root.glob("clocks*"):
            path.unlink()
        program = f"""{PRELUDE}
begun = time.monotonic()
for _ in range(3):
    if child():
        os.setsid()
        break
had = None
while True:
    if had is None and time.monotonic() - begun >= {allowance}:
        had = time.process_time()
    with open({str(clocks)!r} + str(os.getpid()), "w") as file:
        file.write(str(0.0 if had is None else time.process_time() - had))
"""
        return (*rig.python(program), *fugitives.arguments())

    def times() -> list[float]:
        return [float(path.read_text() or 0) for path in rig.world.root.glob("clocks*")]

    seen = until_its_time_is_up(rig, argv, lambda: len(times()) >= 4, kind="budget", allowance=2.0)
    assert seen.exit is not None
    assert seen.exit.reason == "budget"
    assert len(times()) >= 4
    assert max(times()) < 2.0, "the tree must stand still within 2 s"
    assert seen.exit.freeze_seconds is not None, "the shim says itself how soon"
    assert fugitives.alive() == []


@pytest.mark.parametrize("how", ["a new session", "a double fork", "nohup", "many children"])
def test_what_a_killed_shim_leaves_behind_is_swept(rig: TmuxRig, fugitives: Fugitives, how: str) -> None:
    program = f"{PRELUDE}\n{ESCAPES[how]}\nchild() and stay()\ntime.sleep(600)"
    rig.runtime.launch(rig.world.prepare((*rig.python(program), *fugitives.arguments())))
    ref = rig.world.ref("r1")
    wait_until(lambda: fugitives.noted() >= 2, what="the escapes")
    rig.kill_shim(ref)
    rig.reach(ref, "vanished")
    assert fugitives.alive()
    assert rig.runtime.sweep(ref) == ()
    assert fugitives.alive() == []


def test_a_new_epoch_starts_only_after_the_leftovers_of_a_killed_one_are_gone(
    rig: TmuxRig, fugitives: Fugitives
) -> None:
    program = f"{PRELUDE}\n{ESCAPES['a double fork']}\ntime.sleep(600)"
    rig.runtime.launch(rig.world.prepare((*rig.python(program), *fugitives.arguments())))
    wait_until(fugitives.noted, what="the escape")
    rig.kill_shim(rig.world.ref("r1"))
    rig.reach(rig.world.ref("r1"), "vanished")
    rig.runtime.launch(rig.world.prepare(rig.argv("hang"), epoch=2))
    assert fugitives.alive() == []
    rig.reach(rig.world.ref("r1", 2), "running")


@pytest.mark.parametrize("how", ["kill-server", "SIGKILL to the server", "kill-session"])
def test_a_lost_terminal_ends_the_session_with_its_work_saved(rig: TmuxRig, fugitives: Fugitives, how: str) -> None:
    program = f"{PRELUDE}\n{ESCAPES['nohup']}\nopen('work.txt', 'w').write('half done')\nstay()"
    rig.runtime.launch(rig.world.prepare((*rig.python(program), *fugitives.arguments())))
    ref = rig.world.ref("r1")
    wait_until(lambda: fugitives.noted() >= 2, what="the work")
    rig.reach(ref, "running")
    server = rig.tmux.server_pid()
    if how == "kill-session":
        assert rig.tmux.kill_session(ref.session)
    elif how == "kill-server":
        rig.tmux.kill_server()
    else:
        os.kill(server, signal.SIGKILL)
    seen = rig.reach(ref, "exited")
    assert seen.exit is not None
    assert seen.exit.reason == "hangup"
    assert seen.exit.escrow_error == ""
    assert verified(rig.world.bare, seen.exit.escrow_ref, seen.exit.escrow_sha)
    assert git(rig.world.bare, "show", f"{seen.exit.escrow_ref}:work.txt") == "half done"
    assert fugitives.alive() == []
