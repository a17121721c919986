-- Work offered on the Fabric. A claim is exclusive; the hash of its token fences out whoever lost it.
CREATE TABLE tasks (
    number      INTEGER PRIMARY KEY,
    entry_id    TEXT NOT NULL,
    title       TEXT NOT NULL,
    body        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    work_item   TEXT NOT NULL,
    offered_by  TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'done', 'withdrawn')),
    holder      TEXT NOT NULL DEFAULT '',
    holder_run  TEXT NOT NULL DEFAULT '',
    claims      INTEGER NOT NULL DEFAULT 0,
    token_hash  TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    outcome     TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    CHECK ((state = 'claimed') = (token_hash <> '')),
    CHECK ((state = 'claimed') = (lease_until > 0)),
    CHECK (state <> 'claimed' OR holder <> '')
) STRICT;
CREATE INDEX tasks_live ON tasks (number) WHERE state IN ('open', 'claimed');

-- Messages to one reader: people, or one agent.
CREATE TABLE inbox (
    number        INTEGER PRIMARY KEY,
    entry_id      TEXT NOT NULL,
    recipient     TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('message', 'handoff', 'blocker', 'resolution', 'question', 'answer')),
    sender        TEXT NOT NULL,
    sender_run    TEXT NOT NULL,
    subject       TEXT NOT NULL,
    work_item     TEXT NOT NULL,
    about         INTEGER NOT NULL DEFAULT 0,
    body          TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'consumed')),
    returned_from TEXT NOT NULL DEFAULT '',
    shown_to      TEXT NOT NULL DEFAULT '',
    queued_at     INTEGER NOT NULL,
    delivered_at  INTEGER,
    consumed_at   INTEGER,
    CHECK ((state = 'queued') = (delivered_at IS NULL)),
    CHECK ((state = 'consumed') = (consumed_at IS NOT NULL))
) STRICT;
CREATE INDEX inbox_unread ON inbox (recipient, number) WHERE state <> 'consumed';
CREATE INDEX inbox_recipient ON inbox (recipient, number);

-- What agents asked people.
CREATE TABLE questions (
    number      INTEGER PRIMARY KEY,
    entry_id    TEXT NOT NULL,
    asker       TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    work_item   TEXT NOT NULL,
    body        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'answered')),
    answered_by TEXT NOT NULL DEFAULT '',
    answer      TEXT NOT NULL DEFAULT '',
    asked_at    INTEGER NOT NULL,
    answered_at INTEGER,
    CHECK ((state = 'answered') = (answered_at IS NOT NULL))
) STRICT;
CREATE INDEX questions_open ON questions (number) WHERE state = 'open';

-- What stands in the way.
CREATE TABLE blockers (
    number      INTEGER PRIMARY KEY,
    entry_id    TEXT NOT NULL,
    opened_by   TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    work_item   TEXT NOT NULL,
    body        TEXT NOT NULL,
    told        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    resolved_by TEXT NOT NULL DEFAULT '',
    resolution  TEXT NOT NULL DEFAULT '',
    opened_at   INTEGER NOT NULL,
    resolved_at INTEGER,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
) STRICT;
CREATE INDEX blockers_open ON blockers (number) WHERE state = 'open';

-- Kept results. The content lies in a file that is named by its hash; several rows may share one.
CREATE TABLE artifacts (
    number    INTEGER PRIMARY KEY,
    entry_id  TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    size      INTEGER NOT NULL,
    name      TEXT NOT NULL,
    subject   TEXT NOT NULL,
    work_item TEXT NOT NULL,
    put_by    TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    at        INTEGER NOT NULL
) STRICT;
CREATE INDEX artifacts_content ON artifacts (sha256);
CREATE INDEX artifacts_work_item ON artifacts (work_item) WHERE work_item <> '';
