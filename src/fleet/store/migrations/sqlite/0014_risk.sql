-- Every assessment of an agent's risk that differed from the one before; the newest row is how it stands.
CREATE TABLE risk_scores (
    number      INTEGER PRIMARY KEY,
    agent       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    model       TEXT NOT NULL,
    probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
    level       TEXT NOT NULL CHECK (level IN ('low', 'elevated', 'high', 'critical')),
    since       INTEGER NOT NULL,
    readings    TEXT NOT NULL
) STRICT;
CREATE INDEX risk_scores_agent ON risk_scores (agent, number);

-- Agents that are kept out of service, and those that came back and are watched. Survives a removal from the
-- configuration: who comes back under the same name is what it was.
CREATE TABLE quarantines (
    agent    TEXT PRIMARY KEY,
    entry_id TEXT NOT NULL,
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    before   TEXT NOT NULL CHECK (before IN ('active', 'paused')),
    score    INTEGER NOT NULL DEFAULT 0,
    at       INTEGER NOT NULL
) STRICT;
CREATE TABLE probations (
    agent  TEXT PRIMARY KEY,
    since  INTEGER NOT NULL,
    needed INTEGER NOT NULL,
    ended  INTEGER,
    actor  TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- Sessions whose processes stand still because their work could not be saved.
CREATE TABLE frozen_runs (
    run_id TEXT PRIMARY KEY,
    epoch  INTEGER NOT NULL,
    error  TEXT NOT NULL,
    since  INTEGER NOT NULL,
    let_go TEXT NOT NULL DEFAULT ''
) STRICT;

-- What people said about the past, with the signals as they were then: what the model is fitted on.
CREATE TABLE risk_labels (
    number   INTEGER PRIMARY KEY,
    about    TEXT NOT NULL UNIQUE,
    agent    TEXT NOT NULL,
    bad      INTEGER NOT NULL CHECK (bad IN (0, 1)),
    readings TEXT NOT NULL,
    actor    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    as_of    INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE TABLE risk_models (
    version  INTEGER PRIMARY KEY,
    weights  TEXT NOT NULL,
    report   TEXT NOT NULL,
    actor    TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE INDEX runs_agent_finished ON runs (agent, finished_at);
