-- Whose budget an agent uses: its own name, or the one of the agent of its role whose place it took.
ALTER TABLE agents ADD COLUMN account TEXT NOT NULL DEFAULT '';
UPDATE agents SET account = name;

-- Which budget bounds a run ("" when its time limit is nearer), and how far from a first cause it was started.
ALTER TABLE runs ADD COLUMN limit_of TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;
DROP INDEX runs_queued;
CREATE INDEX runs_queued ON runs (queued_at, used_seconds);
DROP INDEX runs_work_item;
CREATE INDEX runs_work_item ON runs (work_item, queued_at, used_seconds);

-- Seconds that a person gave on top of a budget; they count in the window in which they were given.
CREATE TABLE budget_grants (
    id      TEXT PRIMARY KEY,
    scope   TEXT NOT NULL CHECK (scope IN ('agent', 'ticket', 'fleet')),
    name    TEXT NOT NULL,
    seconds INTEGER NOT NULL CHECK (seconds > 0),
    actor   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX budget_grants_of ON budget_grants (scope, name, at);
