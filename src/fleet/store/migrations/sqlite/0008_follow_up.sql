-- Whether the reconciler has dealt with a run that ended without its result: found by index, whatever the history's length.
ALTER TABLE runs ADD COLUMN followed_up INTEGER NOT NULL DEFAULT 0 CHECK (followed_up IN (0, 1));
UPDATE runs SET followed_up = 1
    WHERE EXISTS (SELECT 1 FROM journal j WHERE j.dedup_key = 'returned:' || runs.id);
CREATE INDEX runs_to_follow_up ON runs (finished_at)
    WHERE followed_up = 0 AND state IN ('failed', 'timed_out', 'over_budget', 'cancelled', 'lost');
