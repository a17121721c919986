-- What a session says about itself (vendors that report), each fact with its time. ``ending`` is what became of it:
-- done (its event is out and its turn has stopped) or failed, with ``failure``; the runner then ends the session.
CREATE TABLE sessions (
    session      TEXT PRIMARY KEY,
    run_id       TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    agent        TEXT NOT NULL,
    provider     TEXT NOT NULL,
    conversation TEXT NOT NULL,
    meter_hash   TEXT NOT NULL UNIQUE,
    read_to      INTEGER NOT NULL DEFAULT 0,
    state        TEXT NOT NULL CHECK (state IN ('starting', 'working', 'permission', 'stopped', 'ended')),
    since        INTEGER NOT NULL,
    heard_at     INTEGER NOT NULL,
    tool         TEXT NOT NULL DEFAULT '',
    turns        INTEGER NOT NULL DEFAULT 0,
    tools        INTEGER NOT NULL DEFAULT 0,
    told_at      INTEGER,
    ending       TEXT NOT NULL DEFAULT '' CHECK (ending IN ('', 'done', 'failed')),
    failure      TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_run ON sessions (run_id, epoch);
CREATE INDEX sessions_open ON sessions (session) WHERE state <> 'ended';

-- Tokens and list price of each answer of a model, counted once however often and by whom it is reported.
CREATE TABLE usage (
    run_id       TEXT NOT NULL,
    answer       TEXT NOT NULL,
    session      TEXT NOT NULL,
    agent        TEXT NOT NULL,
    model        TEXT NOT NULL,
    input        INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    cache_read   INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    cost_micros  INTEGER,
    source       TEXT NOT NULL CHECK (source IN ('transcript', 'telemetry')),
    at           INTEGER NOT NULL,
    PRIMARY KEY (run_id, answer)
) STRICT;
CREATE INDEX usage_agent ON usage (agent, at);

-- What a session may not do without a person's word. Nobody answers until the deadline: no.
CREATE TABLE permissions (
    id          TEXT PRIMARY KEY,
    session     TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    agent       TEXT NOT NULL,
    tool        TEXT NOT NULL,
    input       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('asked', 'allowed', 'denied', 'expired', 'gone')),
    asked_at    INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    CHECK ((answered_at IS NULL) = (state = 'asked'))
) STRICT;
CREATE INDEX permissions_asked ON permissions (deadline) WHERE state = 'asked';
CREATE INDEX permissions_session ON permissions (session);

-- Providers that answered with a limit or an outage: no session of theirs is started before ``until``.
CREATE TABLE parks (
    provider  TEXT PRIMARY KEY,
    kind      TEXT NOT NULL,
    reason    TEXT NOT NULL,
    strikes   INTEGER NOT NULL,
    parked_at INTEGER NOT NULL,
    until     INTEGER NOT NULL
) STRICT;
