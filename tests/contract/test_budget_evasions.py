"""Twelve ways to run on after the seconds are used up, each tried for real under the real shim. None succeeds.

An attempt has succeeded when any of its processes lives once the session is over, or moved long after the budget's
end. Each process writes down the monotonic time as often as it can, which is one clock for all of them. How soon a
tree stood still (promised: two seconds) the shim itself puts on record, and ./dev bench prints it: a test's machine
may be busy. Quick: each of the twelve once; the long ring makes it two hundred attempts.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.runtime import proctree
from fleet.testing.rings import examples
from fleet.testing.runtime_contract import TmuxRig
from fleet.testing.waiting import wait_until

pytestmark = pytest.mark.tmux

SECONDS = 0.5  # the budget of each attempt
GRACE = 20.0  # one that gets away moves on until somebody ends it by hand
ROUNDS = examples(5, 17)  # of all twelve: 60 attempts, and 204 in CI

PRELUDE = """
import os, signal, sys, time
folder, token = sys.argv[1], sys.argv[2]
def note(name):
    place = os.path.join(folder, name)
    with open(place + ".new", "w") as file:
        file.write(str(time.monotonic()))
    os.replace(place + ".new", place)
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
    "while True:\n open(place,'w').write(str(time.monotonic())); time.sleep(0.002)\n"
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
    """Try it once; what it gained, in words, or "" for nothing."""
    clocks = rig.world.root / f"clocks-{name}"
    clocks.mkdir()
    token = f"evasion-{uuid.uuid4()}"
    argv = (*rig.python(f"{PRELUDE}\n{evasion.program}"), str(clocks), token)
    rig.runtime.launch(rig.world.prepare(argv, name, allowance=SECONDS, kind="budget"))
    ref = rig.world.ref(name)
    began = wait_until(lambda: _first(clocks), timeout=120, what=f"{name} to move")
    # as the daemon does, which looks at every session twice a second
    seen = wait_until(
        lambda: found if (found := rig.runtime.observe(ref)).state in ("exited", "vanished") else None,
        timeout=120,
        what=f"the end of {name}",
    )
    assert seen is not None
    assert seen.exit is None or seen.exit.freeze_seconds is not None, "a shim that lives says when its tree stood still"
    survivors = rig.runtime.sweep(ref) if seen.state == "vanished" else seen.exit.survivors if seen.exit else ()
    alive = _alive(token)
    last = max((float(text) for path in clocks.iterdir() if (text := path.read_text())), default=0.0)
    if _moves_on(clocks):
        return "something of it still moves"
    if survivors or alive:
        return f"{len({*survivors, *alive})} processes outlived it"
    shutil.rmtree(ref.folder)  # it is over, and needs no sweep at the end
    over = last - began - SECONDS
    return f"it moved {over:.2f} s after its end" if over > GRACE else ""


def _moves_on(clocks: Path) -> bool:
    """Whether anything still writes: no look at the process table shows one that forks and ends all the time."""
    before = _newest(clocks)
    for _ in range(5):
        proctree.table()
    return _newest(clocks) > before


def _newest(clocks: Path) -> float:
    return max((float(text) for path in list(clocks.iterdir()) if (text := _text(path))), default=0.0)


def _first(clocks: Path) -> float:
    times = [float(text) for path in list(clocks.iterdir()) if path.suffix != ".new" and (text := _text(path))]
    return min(times, default=0.0)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


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
    monkeypatch.setitem(globals(), "GRACE", -100.0)
    assert "after its end" in attempt(rig, EVASIONS["a double fork"], "evadem")
