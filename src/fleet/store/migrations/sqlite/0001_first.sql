-- The journal: append-only, hash-chained; payloads lie apart so that one can be erased.
CREATE TABLE journal (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    writer       TEXT NOT NULL,
    stream       TEXT NOT NULL CHECK (stream IN ('event', 'decision', 'activity')),
    type         TEXT NOT NULL,
    kind         TEXT NOT NULL DEFAULT '',
    actor        TEXT NOT NULL,
    subject      TEXT NOT NULL DEFAULT '',
    generation   TEXT NOT NULL DEFAULT '',
    work_item    TEXT NOT NULL DEFAULT '',
    agent        TEXT NOT NULL DEFAULT '',
    run_id       TEXT NOT NULL DEFAULT '',
    cause_id     TEXT NOT NULL DEFAULT '',
    dedup_key    TEXT,
    summary      TEXT NOT NULL DEFAULT '',
    at           INTEGER NOT NULL,
    payload_hash TEXT NOT NULL,
    prev_hash    TEXT NOT NULL,
    hash         TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX journal_dedup ON journal (dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX journal_events ON journal (seq) WHERE stream = 'event';
CREATE INDEX journal_subject ON journal (subject, seq) WHERE subject <> '';
CREATE INDEX journal_work_item ON journal (work_item, seq) WHERE work_item <> '';
CREATE INDEX journal_agent ON journal (agent, seq) WHERE agent <> '';
CREATE INDEX journal_run ON journal (run_id, seq) WHERE run_id <> '';

CREATE TABLE journal_payloads (
    seq  INTEGER PRIMARY KEY REFERENCES journal (seq),
    salt BLOB,
    body BLOB,
    CHECK ((salt IS NULL) = (body IS NULL))
) STRICT;

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_payloads_erase_only BEFORE UPDATE ON journal_payloads
WHEN NEW.body IS NOT NULL OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a payload can only be erased'); END;
CREATE TRIGGER journal_payloads_no_delete BEFORE DELETE ON journal_payloads
BEGIN SELECT RAISE(ABORT, 'a payload can only be erased'); END;

-- One event for one agent.
CREATE TABLE deliveries (
    id          TEXT PRIMARY KEY,
    event_seq   INTEGER NOT NULL,
    event_id    TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    agent       TEXT NOT NULL,
    subject     TEXT NOT NULL,
    generation  TEXT NOT NULL,
    work_item   TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    state       TEXT NOT NULL
                CHECK (state IN ('pending', 'claimed', 'dispatched', 'held', 'denied', 'dead')),
    not_before  INTEGER NOT NULL,
    lease_token TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    run_id      TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (event_id, agent)
) STRICT;
CREATE INDEX deliveries_open ON deliveries (event_seq) WHERE state IN ('pending', 'claimed', 'held');
CREATE INDEX deliveries_subject ON deliveries (subject, generation);
CREATE INDEX deliveries_work_item ON deliveries (work_item);

-- One execution of one agent for one delivery. At most one is live per agent and work item.
CREATE TABLE runs (
    id                TEXT PRIMARY KEY,
    delivery_id       TEXT NOT NULL UNIQUE REFERENCES deliveries (id),
    event_id          TEXT NOT NULL,
    event_type        TEXT NOT NULL,
    agent             TEXT NOT NULL,
    role              TEXT NOT NULL,
    subject           TEXT NOT NULL,
    generation        TEXT NOT NULL,
    work_item         TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    parent_run        TEXT NOT NULL DEFAULT '',
    state             TEXT NOT NULL CHECK (state IN ('queued', 'starting', 'running', 'succeeded', 'failed',
                                                     'timed_out', 'over_budget', 'cancelled', 'lost')),
    epoch             INTEGER NOT NULL DEFAULT 0,
    host              TEXT NOT NULL DEFAULT '',
    allowance_seconds REAL NOT NULL,
    allowance_kind    TEXT NOT NULL CHECK (allowance_kind IN ('timeout', 'budget')),
    used_seconds      REAL NOT NULL DEFAULT 0,
    cancel_reason     TEXT NOT NULL DEFAULT '',
    exit_code         INTEGER,
    outcome           TEXT NOT NULL DEFAULT '',
    escrow_ref        TEXT NOT NULL DEFAULT '',
    escrow_sha        TEXT NOT NULL DEFAULT '',
    config_hash       TEXT NOT NULL,
    queued_at         INTEGER NOT NULL,
    started_at        INTEGER,
    finished_at       INTEGER,
    CHECK ((finished_at IS NULL) = (state IN ('queued', 'starting', 'running')))
) STRICT;
CREATE UNIQUE INDEX runs_one_live ON runs (agent, work_item) WHERE state IN ('queued', 'starting', 'running');
CREATE INDEX runs_live ON runs (queued_at) WHERE state IN ('queued', 'starting', 'running');
CREATE INDEX runs_agent ON runs (agent);
CREATE INDEX runs_work_item ON runs (work_item);

CREATE TABLE agents (
    name       TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('active', 'paused', 'quarantined', 'retired')),
    reason     TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL
) STRICT;

-- What a run may do. Only the hash of the secret is here; one row per run and epoch.
CREATE TABLE capabilities (
    token_hash TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL REFERENCES runs (id),
    epoch      INTEGER NOT NULL,
    agent      TEXT NOT NULL,
    role       TEXT NOT NULL,
    verbs      TEXT NOT NULL,
    emits      TEXT NOT NULL,
    subjects   TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX capabilities_run ON capabilities (run_id);

CREATE TABLE cursors (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- What the watcher saw last, one row a ticket or pull request.
CREATE TABLE forge_seen (
    subject TEXT PRIMARY KEY,
    facts   TEXT NOT NULL
) STRICT;

-- The local forge. Tickets and pull requests share one series of numbers.
CREATE TABLE forge_tickets (
    number     INTEGER PRIMARY KEY,
    title      TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'closed')),
    author     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE forge_pulls (
    number       INTEGER PRIMARY KEY,
    title        TEXT NOT NULL,
    body         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'closed', 'merged')),
    author       TEXT NOT NULL,
    ticket       INTEGER NOT NULL DEFAULT 0,
    head_ref     TEXT NOT NULL,
    base_ref     TEXT NOT NULL,
    merged_head  TEXT NOT NULL DEFAULT '',
    merge_commit TEXT NOT NULL DEFAULT '',
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX forge_pulls_one_open ON forge_pulls (head_ref) WHERE state = 'open';
CREATE TABLE forge_labels (
    number  INTEGER NOT NULL,
    label   TEXT NOT NULL,
    actor   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    mark_id TEXT NOT NULL,
    PRIMARY KEY (number, label)
) STRICT;
CREATE TABLE forge_comments (
    id     TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    author TEXT NOT NULL,
    body   TEXT NOT NULL,
    marker TEXT UNIQUE,
    at     INTEGER NOT NULL
) STRICT;
CREATE INDEX forge_comments_number ON forge_comments (number, at);
