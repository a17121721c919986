"""Twelve ways to run on after the seconds are used up, each tried for real under the real shim. None succeeds.

An attempt has succeeded when any of its processes lives once the session is over, or got more than the promised two
seconds after the budget's end. Each process makes steps of two milliseconds and writes down the monotonic time of each,
which is one clock for all of them. What a process gained is counted in its own steps: a test's machine may be busy, and
a process that waits for its turn gains nothing. How soon a tree stood still by the wall clock the shim itself puts on
record, and ./dev bench prints it. Quick: each of the twelve five times; the long ring makes it two hundred attempts.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.runtime import proctree, records
from fleet.runtime.port import Observation
from fleet.testing.rings import examples
from fleet.testing.runtime_contract import TmuxRig
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

SECONDS = 0.5  # the budget of each attempt
PROMISED = 2.0  # seconds of its own that a process may get after the end
STEP = 0.002  # seconds: the least time between two notes of a process
ROUNDS = examples(5, 17)  # of all twelve: 60 attempts, and 204 in CI

PRELUDE = """
import os, signal, sys, time
folder, token = sys.argv[1], sys.argv[2]
def note(name):
    with open(os.path.join(folder, name), "a") as file:
        file.write(f"{time.monotonic()}\\n")
def move():
    while True:
        note(str(os.getpid()))
        time.sleep(0.002)
def child():
    return os.fork() == 0
def shim():
    pid = os.getpid()
    while True:
        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0")
        if b"fleet.runtime.shim" in words:
            return pid
        pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
"""
CLEAN = (
    "import os,sys,time\n"
    "place=os.path.join(sys.argv[1],str(os.getpid()))\n"
    "while True:\n open(place,'a').write(f'{time.monotonic()}\\n'); time.sleep(0.002)\n"
)


@dataclass(frozen=True)
class Evasion:
    """What a program does to run on."""

    program: str


EVASIONS = {
    "a new session": Evasion("if child():\n    os.setsid()\n    move()\nmove()"),
    "a double fork": Evasion("if child():\n    os.setsid()\n    if child():\n        move()\n    os._exit(0)\nmove()"),
    "nohup": Evasion("if child():\n    signal.signal(signal.SIGHUP, signal.SIG_IGN)\n    move()\nmove()"),
    "deaf to every signal that can be ignored": Evasion(
        "for n in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:\n"
        "    try:\n        signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass\n"
        "child()\nmove()"
    ),
    "another name and an empty environment": Evasion(
        "if child():\n    os.setsid()\n"
        f"    os.execve(sys.executable, ['kworker', '-I', '-c', {CLEAN!r}, folder, token], {{}})\nmove()"
    ),
    "thirty children at once": Evasion(
        "for _ in range(30):\n    if child():\n        os.setsid()\n        move()\nmove()"
    ),
    "a process that is never the same for long": Evasion(
        "if child():\n    os.setsid()\n    while True:\n        if os.fork():\n            os._exit(0)\n"
        "        note('rolling')\nmove()"
    ),
    "two that wake each other when they are stopped": Evasion(
        "me = os.getpid()\nother = os.fork()\nif other == 0:\n    other = me\n"
        "if child():\n    while True:\n        for pid in (me, other):\n            try:\n"
        "                os.kill(pid, signal.SIGCONT)\n            except OSError:\n                pass\nmove()",
    ),
    "a subreaper of its own": Evasion(
        "import ctypes\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
        "if child():\n    os.setsid()\n    if child():\n        move()\n    os._exit(0)\nmove()"
    ),
    "its own clock stands still": Evasion(
        "if child():\n    os.kill(os.getpid(), signal.SIGSTOP)\n    move()\nchild()\nmove()"
    ),
    "it stops its shim": Evasion(
        "if child():\n    os.setsid()\n    guard = shim()\n    while True:\n        os.kill(guard, signal.SIGSTOP)\n"
        "        note(str(os.getpid()))\n"
        "        time.sleep(0.7)\nmove()",
    ),
    "it kills its shim": Evasion(
        "if child():\n    os.setsid()\n    if child():\n        move()\n    time.sleep(0.3)\n"
        "    os.kill(shim(), signal.SIGKILL)\n    move()\nmove()",
    ),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[TmuxRig]:
    made = TmuxRig(tmp_path / "world")
    yield made
    made.end()


def attempt(rig: TmuxRig, evasion: Evasion, name: str) -> str:
    """Try it once; what it gained, in words, or "" for nothing. One that had no time to begin gets more of it."""
    for seconds in (SECONDS, 8 * SECONDS, 40 * SECONDS):
        gained = attempt_for(seconds, rig, evasion, f"{name}s{seconds:.0f}")
        if gained is not None:
            return gained
    raise AssertionError(f"{name} did not move within {seconds:g} s")


def attempt_for(seconds: float, rig: TmuxRig, evasion: Evasion, name: str) -> str | None:
    """The same with so much time; None when it was over before it began."""
    clocks = rig.world.root / f"clocks-{name}"
    clocks.mkdir()
    token = f"evasion-{uuid.uuid4()}"
    argv = (*rig.python(f"{PRELUDE}\n{evasion.program}"), str(clocks), token)
    rig.runtime.launch(rig.world.prepare(argv, name, allowance=seconds, kind="budget"))
    ref = rig.world.ref(name)

    def over() -> Observation | None:
        return found if (found := rig.runtime.observe(ref)).state in ("exited", "vanished") else None

    def moved() -> bool:
        return any(_times(path) for path in clocks.iterdir())

    wait_until(lambda: moved() or over(), timeout=120, what=f"{name} to move")
    # as the daemon does, which looks at every session twice a second
    seen = wait_until(over, timeout=120, what=f"the end of {name}")
    assert seen is not None
    assert seen.exit is None or seen.exit.freeze_seconds is not None, "a shim that lives says when its tree stood still"
    survivors = rig.runtime.sweep(ref) if seen.state == "vanished" else seen.exit.survivors if seen.exit else ()
    alive = _alive(token)
    if _moves_on(clocks):
        return "something of it still moves"
    if survivors or alive:
        return f"{len({*survivors, *alive})} processes outlived it"
    # the shim says that its agent began, a moment after it did
    due = (ref.folder / records.STARTED).stat().st_mtime - (time.time() - time.monotonic()) + seconds
    shutil.rmtree(ref.folder)  # it is over, and needs no sweep at the end
    if not moved():
        return None
    own = max(sum(at > due for at in _times(path)) * STEP for path in clocks.iterdir())
    return f"a process of it got {own:.2f} s after its end" if own > PROMISED else ""


def _moves_on(clocks: Path) -> bool:
    """Whether anything still writes: no look at the process table shows one that forks and ends all the time."""
    before = _written(clocks)
    for _ in range(5):
        proctree.table()
    return _written(clocks) > before


def _written(clocks: Path) -> int:
    return sum(path.stat().st_size for path in clocks.iterdir())


def _times(path: Path) -> list[float]:
    """The steps that were noted in a file."""
    return [float(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _alive(token: str) -> list[int]:
    """Processes that carry the attempt's token among their arguments."""
    found = []
    for pid, process in proctree.table().items():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if token.encode() in words and process.state not in "ZX":
            found.append(pid)
    return found


def test_there_are_twelve() -> None:
    assert len(EVASIONS) == 12


def tried(rig: TmuxRig, how: list[str], name: str) -> list[str]:
    """Try these, one after the other: each is alone with its shim. What they gained, each in words."""
    gained = [(one, attempt(rig, EVASIONS[one], f"{name}{number}")) for number, one in enumerate(how)]
    return [f"{one}: {text}" for one, text in gained if text]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", EVASIONS)
def test_no_evasion_gains_anything_however_often_it_is_tried(rig: TmuxRig, how: str) -> None:
    assert tried(rig, [how] * ROUNDS, "evade") == []


def test_the_measure_sees_what_runs_on(rig: TmuxRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held against a promise of no time at all, the same attempt is found out."""
    monkeypatch.setitem(globals(), "PROMISED", -1.0)
    assert "after its end" in attempt(rig, EVASIONS["a double fork"], "evadem")
