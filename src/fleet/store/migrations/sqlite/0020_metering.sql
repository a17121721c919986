-- Tokens and money. Which prices hold for a session, and how far each of its transcripts was taken in.
ALTER TABLE sessions ADD COLUMN backend TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN blind INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET backend = substr(provider, 1, instr(provider || ' ', ' ') - 1);

CREATE TABLE transcripts (
    session TEXT NOT NULL,
    file    TEXT NOT NULL,
    read_to INTEGER NOT NULL,
    PRIMARY KEY (session, file)
) STRICT;
INSERT INTO transcripts (session, file, read_to)
SELECT session, conversation || '.jsonl', read_to FROM sessions WHERE read_to > 0;
ALTER TABLE sessions DROP COLUMN read_to;

-- What the client claims is kept apart from what our own table says; NULL is "nobody knows", never nothing.
ALTER TABLE usage ADD COLUMN backend TEXT NOT NULL DEFAULT '';
ALTER TABLE usage ADD COLUMN cache_write_1h INTEGER;
ALTER TABLE usage ADD COLUMN said_micros INTEGER;
ALTER TABLE usage ADD COLUMN priced_by TEXT NOT NULL DEFAULT '';
UPDATE usage SET said_micros = cost_micros, cost_micros = NULL,
    backend = coalesce((SELECT backend FROM sessions s WHERE s.session = usage.session), '');
CREATE INDEX usage_unpriced ON usage (backend, model) WHERE cost_micros IS NULL;

-- The runs are the ledger of tokens and money too: the sum of a run's answers, and how many of them have no price.
ALTER TABLE runs ADD COLUMN used_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN used_micros INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET
    used_tokens = (SELECT coalesce(sum(input + output + cache_read + cache_write), 0) FROM usage u
                   WHERE u.run_id = runs.id),
    unpriced = (SELECT count(*) FROM usage u WHERE u.run_id = runs.id);
DROP INDEX runs_agent;
CREATE INDEX runs_agent ON runs (agent, queued_at, used_seconds, used_tokens, used_micros, unpriced);
DROP INDEX runs_queued;
CREATE INDEX runs_queued ON runs (queued_at, used_seconds, used_tokens, used_micros, unpriced);
DROP INDEX runs_work_item;
CREATE INDEX runs_work_item ON runs (work_item, queued_at, used_seconds, used_tokens, used_micros, unpriced);

-- A grant of seconds, tokens or money: the amount in its unit (money in millionths of a dollar).
CREATE TABLE budget_grants_of_units (
    id      TEXT PRIMARY KEY,
    scope   TEXT NOT NULL CHECK (scope IN ('agent', 'ticket', 'fleet')),
    name    TEXT NOT NULL,
    unit    TEXT NOT NULL CHECK (unit IN ('seconds', 'tokens', 'usd')),
    amount  INTEGER NOT NULL CHECK (amount > 0),
    actor   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO budget_grants_of_units (id, scope, name, unit, amount, actor, reason, at)
SELECT id, scope, name, 'seconds', seconds, actor, reason, at FROM budget_grants;
DROP TABLE budget_grants;
ALTER TABLE budget_grants_of_units RENAME TO budget_grants;
CREATE INDEX budget_grants_of ON budget_grants (scope, name, unit, at);
