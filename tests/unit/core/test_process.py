"""Programs end: in time, with their children, without flooding us, and never through a shell."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from fleet.core.errors import PermanentError, TimedOut
from fleet.process import end_group, run, spawn
from fleet.testing.waiting import wait_until

PYTHON = sys.executable


def test_output_exit_code_and_input_come_back() -> None:
    program = (
        "import sys; d=sys.stdin.buffer.read(); sys.stdout.buffer.write(d[::-1]); sys.stderr.write('e'); sys.exit(3)"
    )
    done = run([PYTHON, "-c", program], timeout=60, stdin=b"abc" * 100_000)
    assert (done.code, done.out, done.error_text) == (3, b"cba" * 100_000, "e")


def test_arguments_are_not_seen_by_a_shell(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    text = f"$(touch {canary}); `touch {canary}` | touch {canary}"
    assert run([PYTHON, "-c", "import sys; print(sys.argv[1])", text], timeout=60).text.strip() == text
    assert not canary.exists()


def test_a_program_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        f"open({str(note)!r}, 'w').write(str(c.pid)); time.sleep(600)"
    )
    for seconds in (1.5, 6.0, 24.0):  # a machine under load may need more of them before there is a child
        started = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            run([PYTHON, "-c", program], timeout=seconds)
        assert caught.value.code == "FLT-PROC-001"
        assert time.monotonic() - started < seconds + 60
        if note.exists() and note.read_text():
            break
    stat = Path(f"/proc/{int(note.read_text())}/stat")

    def ended() -> bool:
        try:
            return stat.read_text().rsplit(")", 1)[1].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_until(ended)


def test_a_flood_is_cut_at_the_cap() -> None:
    program = "import os\nwhile True: os.write(1, b'x' * 65536)"
    with pytest.raises(PermanentError, match="wrote more than") as caught:
        run([PYTHON, "-c", program], timeout=60, output_cap=1_000_000)
    assert caught.value.code == "FLT-PROC-003"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(PermanentError, match="cannot start") as caught:
        run(["/nonexistent/program"], timeout=5)
    assert (caught.value.code, caught.value.where) == ("FLT-PROC-002", "/nonexistent/program")


def test_a_reader_that_closes_its_input_early_is_no_error() -> None:
    done = run([PYTHON, "-c", "import os; os.close(0)"], timeout=60, stdin=b"x" * 5_000_000)
    assert done.ok


def test_no_descriptor_of_ours_is_inherited(tmp_path: Path) -> None:
    secret = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)
    try:
        done = run([PYTHON, "-c", f"import os; os.fstat({secret})"], timeout=60)
    finally:
        os.close(secret)
    assert not done.ok


def test_ending_a_child_that_never_read_its_input_leaves_nothing_open_and_nothing_to_complain_about() -> None:
    child = spawn([PYTHON, "-c", "import time; time.sleep(600)"])
    assert child.stdin is not None
    child.stdin.write(b"half a sentence")  # stays in our buffer: nobody flushed it
    end_group(child)
    assert child.stdin.closed
    assert all(stream is not None and stream.closed for stream in (child.stdout, child.stderr))


def test_closing_a_broken_pipe_gives_its_descriptor_back() -> None:
    def open_ones() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_ones()
    for _ in range(5):
        child = spawn([PYTHON, "-c", "import time; time.sleep(600)"])
        assert child.stdin is not None
        child.stdin.write(b"x")
        end_group(child)
    assert open_ones() == before
