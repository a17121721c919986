"""What `fleet down` waits for before it ends the terminals."""

from __future__ import annotations

from fleet.cli.starting import outlasting


def test_a_run_that_nobody_told_to_end_and_that_has_no_process_keeps_no_fleet_up() -> None:
    rows = [
        {"id": "r1", "state": "running"},
        {"id": "r2", "state": "starting"},
        {"id": "r3", "state": "queued"},  # told to end: its end is a moment away
        {"id": "r4", "state": "queued"},  # queued by a tick that was under way when starts were switched off
        {"id": "r5", "state": "cancelled"},
    ]
    assert outlasting(rows, ["r1", "r3"]) == ("r1", "r2", "r3")
    assert outlasting(rows[3:], ["r1", "r3"]) == ()
