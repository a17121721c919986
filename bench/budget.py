"""How far a budget is overshot: from the end of the seconds until no process of the tree moves any more."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

from bench.measure import Result, table
from fleet.runtime import records
from fleet.testing.runtime_contract import TmuxRig
from fleet.testing.waiting import wait_until

_SECONDS = 0.5
_TREES = {"one process": 0, "10 processes": 9, "100 processes": 99}
PROGRAM = """
import os, sys, time
for _ in range({children}):
    if os.fork() == 0:
        os.setsid()
        break
place = os.path.join(sys.argv[1], str(os.getpid()))
while True:
    with open(place + ".new", "w") as file:
        file.write(str(time.monotonic()))
    os.replace(place + ".new", place)
    time.sleep(0.001)
"""


def report(*, rounds: int) -> str:
    """Milliseconds between the end of a budget and the last sign of life of its tree, as a table."""
    rows, recorded = [], []
    with tempfile.TemporaryDirectory(prefix="flb-", dir="/tmp") as folder:
        for what, children in _TREES.items():
            rig = TmuxRig(Path(folder) / f"w{children}")
            try:
                seen = [_overshoot(rig, children, number) for number in range(rounds)]
            finally:
                rig.end()
            rows.append(_result(what, [moved for moved, _ in seen]))
            recorded.append(_result(what, [stood for _, stood in seen]))
    note = f"From the end of the seconds to the last sign of life of the tree, {rounds} rounds. Promised: 2000 ms."
    own = "The same as the shim puts it on record (`freeze_seconds`): until a look found nothing that moves."
    text = table("A budget's overshoot", note, rows, by="p50")
    return f"{text}\n\n{table('A budget as its record has it', own, recorded, by='p50')}"


def _result(what: str, seconds: list[float]) -> Result:
    over = sorted(seconds)
    return Result(what, 0.0, *(1000 * _at(over, part) for part in (0.5, 0.99, 1.0)))


def _overshoot(rig: TmuxRig, children: int, number: int) -> tuple[float, float]:
    """Seconds that one tree moved too long, from the record that its shim writes at the start; and the shim's own."""
    name = f"bench{children}x{number}"
    clocks = rig.world.root / name
    clocks.mkdir()
    argv = (*rig.python(PROGRAM.format(children=children)), str(clocks))
    rig.runtime.launch(rig.world.prepare(argv, name, allowance=_SECONDS, kind="budget"))
    ref = rig.world.ref(name)
    wait_until(lambda: rig.runtime.observe(ref).state == "exited", timeout=60, what=f"the end of {name}")
    said = [line for path in clocks.iterdir() if path.suffix != ".new" and (line := path.read_text())]
    began = (ref.folder / records.STARTED).stat().st_mtime - (time.time() - time.monotonic())
    ended = rig.runtime.observe(ref).exit
    assert ended is not None
    assert ended.freeze_seconds is not None
    return max(0.0, max(map(float, said)) - began - _SECONDS), ended.freeze_seconds


def _at(values: list[float], part: float) -> float:
    return values[max(0, math.ceil(part * len(values)) - 1)]
