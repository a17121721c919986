"""The worlds in which the runtime's contract is tested: the same few behaviours of an agent on any runtime.

Takes a folder, gives a ``Rig``: a runtime, a real repository, and ways to make an agent do one thing. Another
implementation of the port is tested by writing one more rig.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from functools import partial
from itertools import count
from pathlib import Path
from typing import Literal, Protocol

from fleet.process import run
from fleet.runtime import proctree
from fleet.runtime.clone import make_clone
from fleet.runtime.escrow import GIT_ENV
from fleet.runtime.port import Launch, Observation, Runtime, SessionRef
from fleet.runtime.records import SYSTEM_PATH
from fleet.runtime.sessions import TmuxRuntime
from fleet.runtime.tmux import Tmux
from fleet.testing.clock import ManualClock
from fleet.testing.fake_runtime import FakeRuntime, FakeSession
from fleet.testing.waiting import PATIENCE, wait_until

IDENTITY = ("developer", "developer@agents.fleet.invalid")
FROZEN = "frozen"  # beside the states of an observation: it runs, and stands still
DIED = "died"  # and this: its shim lives, its agent does not
_WORLDS = count(1)

# What an agent can be asked to do. ``count`` leaves a line per start, so that a second start shows.
BEHAVIOURS = ("exit", "fail", "hang", "print", "write", "count")


def _states(seen: Observation) -> tuple[str, ...]:
    """Every word that fits an observation."""
    return (seen.state, FROZEN if seen.frozen else "", DIED if seen.died is not None else "")


def git(folder: Path, *words: str) -> str:
    """Run git in a test's repository and return what it says. Raises AssertionError when it fails."""
    done = run(["git", "-C", folder, *words], timeout=PATIENCE, env=GIT_ENV)
    assert done.ok, done.error_text
    return done.text.strip()


class World:
    """A folder with a bare repository that holds one commit on ``main``."""

    def __init__(self, root: Path) -> None:
        """``root`` is an empty folder of the test's own."""
        self.root = root
        self.bare = root / "repo.git"
        self.runs = root / "runs"
        self.clones = root / "clones"
        self.counts = root / "counts"
        # Processes are found by their session's name on the whole machine: no other world may have the same one.
        self.mark = f"w{os.getpid()}x{next(_WORLDS)}x"
        seed = root / "seed"
        seed.mkdir(parents=True)
        for folder in (self.runs, self.clones):
            folder.mkdir(mode=0o700)
        git(seed, "init", "--quiet", "-b", "main")
        (seed / "README").write_text("a program\n")
        git(seed, "add", "README")
        git(seed, "commit", "--quiet", "-m", "first")
        git(root, "clone", "--quiet", "--bare", str(seed), str(self.bare))

    def ref(self, run_id: str, epoch: int = 1) -> SessionRef:
        """How a session of this world is found; ``run_id`` is a run's name among those of this world."""
        run_id = self.mark + run_id
        session = f"{run_id}-e{epoch}"
        return SessionRef(session, run_id, epoch, self.runs / session)

    def prepare(
        self,
        argv: tuple[str, ...],
        run_id: str = "r1",
        epoch: int = 1,
        *,
        allowance: float = 60.0,
        kind: Literal["timeout", "budget"] = "timeout",
        again: tuple[str, ...] = (),
    ) -> Launch:
        """Make the clone and the launch of a session."""
        ref = self.ref(run_id, epoch)
        clone = self.clones / ref.session
        make_clone(self.bare, clone, "fleet/1", "main", IDENTITY)
        env = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "COUNTS": str(self.counts), "FLEET_RUN": ref.session}
        return Launch(
            ref.session, ref.run_id, epoch, ref.folder, clone, self.bare, argv, env, allowance, kind, again=again
        )

    def starts(self) -> int:
        """How often an agent with the behaviour ``count`` was started."""
        return len(self.counts.read_text().splitlines()) if self.counts.exists() else 0


class Rig(Protocol):
    """A runtime in a world, and what a test may do to it from outside."""

    world: World
    woken: threading.Event

    @property
    def runtime(self) -> Runtime:
        """The runtime under test."""

    def argv(self, behaviour: str) -> tuple[str, ...]:
        """The agent that behaves so."""

    def reach(self, ref: SessionRef, *states: str) -> Observation:
        """Let things happen until the session is in one of these states; AssertionError when it never is."""

    def pass_time(self, seconds: float) -> None:
        """Let an allowance of that length run out."""

    def kill_shim(self, ref: SessionRef) -> None:
        """Take the session's supervisor away without a chance to leave a record."""

    def restart(self) -> None:
        """Forget everything in memory, as a new daemon would."""

    def end(self) -> None:
        """End all that was started."""


class FakeRig:
    """The fake runtime on a hand-turned clock."""

    def __init__(self, root: Path) -> None:
        """``root`` is an empty folder."""
        self.world = World(root)
        self.woken = threading.Event()
        self.clock = ManualClock()
        self.runtime = FakeRuntime(self.clock, agent=self._act, wake=self.woken.set)

    def argv(self, behaviour: str) -> tuple[str, ...]:
        """The behaviour itself is the argv: the agent is a Python function here."""
        return ("fake", behaviour)

    def reach(self, ref: SessionRef, *states: str) -> Observation:
        """Step until a state is reached."""
        for _ in range(10):
            seen = self.runtime.observe(ref)
            if set(states) & set(_states(seen)):
                return seen
            self.runtime.step()
        raise AssertionError(f"{ref.session} is {self.runtime.observe(ref)}, not {' or '.join(states)}")

    def pass_time(self, seconds: float) -> None:
        """Turn the clock."""
        self.clock.advance(seconds)

    def kill_shim(self, ref: SessionRef) -> None:
        """Vanish."""
        self.runtime.vanish(ref.session, left_over=(4711,))

    def restart(self) -> None:
        """The fake is its own outside world and stays."""

    def end(self) -> None:
        """Nothing was started."""

    def _act(self, session: FakeSession) -> int | None:
        behaviour = session.argv[1]
        if behaviour == "print":
            session.print("hello from the agent")
        elif behaviour == "write":
            (session.launch.clone / "work.txt").write_text("work\n")
        elif behaviour == "count":
            with self.world.counts.open("a") as file:
                file.write("started\n")
        return {"hang": None, "count": None, "fail": 7}.get(behaviour, 0)


class TmuxRig:
    """The real runtime on a tmux server of its own."""

    def __init__(self, root: Path) -> None:
        """``root`` is an empty folder; the socket lies in a short one of its own."""
        self.world = World(root)
        self.woken = threading.Event()
        self._place = tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True)
        self.socket = Path(self._place.name) / "tmux.sock"
        self._make()

    def _make(self) -> None:
        self.tmux = Tmux(self.socket)
        self.runtime = TmuxRuntime(self.tmux, wake=self.woken.set)

    def argv(self, behaviour: str) -> tuple[str, ...]:
        """A shell script that behaves so."""
        script = {
            "exit": "exit 0",
            "fail": "exit 7",
            "hang": "exec sleep 600",
            "print": "echo hello from the agent",
            "write": "echo work > work.txt",
            "count": 'echo started >> "$COUNTS"; exec sleep 600',
        }[behaviour]
        return ("sh", "-c", script)

    def python(self, program: str) -> tuple[str, ...]:
        """An agent that runs a piece of Python."""
        return (sys.executable, "-I", "-c", program)

    def reach(self, ref: SessionRef, *states: str) -> Observation:
        """Wait until a state is reached."""

        def reached() -> Observation | None:
            seen = self.runtime.observe(ref)
            return seen if set(states) & set(_states(seen)) else None

        seen = wait_until(reached, what=f"{ref.session} to be {' or '.join(states)}")
        assert seen is not None
        return seen

    def pass_time(self, seconds: float) -> None:
        """Real time passes by itself while the test waits."""

    def kill_shim(self, ref: SessionRef) -> None:
        """SIGKILL."""
        pid = self.reach(ref, "running").shim_pid
        os.kill(pid, signal.SIGKILL)

    def restart(self) -> None:
        """A second runtime on the same socket."""
        self.runtime.shutdown()
        self._make()

    def end(self) -> None:
        """End the server, wait for the shims to finish, and end whatever they could not."""
        for ref in self._refs():
            self.runtime.stop(ref, "the test is over")
        self.runtime.shutdown()
        self.tmux.kill_server()
        wait_until(lambda: not self._shims(), what="the shims to end")
        for ref in self._refs():
            wait_until(partial(self._swept, ref), what=f"what is left of {ref.session} to die")
        self._place.cleanup()

    def _refs(self) -> list[SessionRef]:
        """Every session of this world."""
        found = [folder.name.rpartition("-e") for folder in self.world.runs.glob("*-e*")]
        return [self.world.ref(run_id.removeprefix(self.world.mark), int(epoch)) for run_id, _, epoch in found]

    def _swept(self, ref: SessionRef) -> bool:
        return not self.runtime.sweep(ref)

    def _shims(self) -> list[int]:
        """The shims of this world that still live, found by their argument."""
        return [pid for pid in proctree.table() if _runs_shim(pid, self.world.runs)]


def _runs_shim(pid: int, runs: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"fleet.runtime.shim" in words and any(word.startswith(os.fsencode(runs) + b"/") for word in words)
