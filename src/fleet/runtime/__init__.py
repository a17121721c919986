"""Runs become sessions. Takes queued runs, gives started sessions, exit records, saved work.

Owns the moves of the runs table. Port: tmux (real) and the fake of fleet.testing. Service: runner.
Weakness: in shared-uid mode a hostile process of the same user can reach into a session.
"""
