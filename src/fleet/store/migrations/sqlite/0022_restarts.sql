-- Restarts of a run's agent in its own session (opt-in). ``restarts`` counts them all, ``restart_streak`` those since the
-- agent last stayed healthy; ``restart_at`` is when a decided restart is due, NULL when none is on its way;
-- ``restart_why`` is what the agent died of last; ``resumed_at`` is when it was last seen alive after a restart.
ALTER TABLE runs ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN restart_streak INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN restart_at INTEGER;
ALTER TABLE runs ADD COLUMN restart_why TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN resumed_at INTEGER;

-- What kind of refusal by its model's provider ended the last turn of a session; empty for none.
ALTER TABLE sessions ADD COLUMN fault TEXT NOT NULL DEFAULT '';
