-- When each schedule is due next. ``spec`` is what the due time was computed from; another spec computes it anew.
CREATE TABLE schedules (
    agent      TEXT PRIMARY KEY,
    spec       TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    fired_at   INTEGER,
    event_id   TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL
) STRICT;

-- What a person is asked, once for each content. Whether an answer still holds is derived from ``content``: the
-- seal over everything in ``bound`` (head, text, diff, configuration). ``base`` is the base's commit at that time.
CREATE TABLE approvals (
    id           TEXT PRIMARY KEY,
    asked        TEXT NOT NULL,
    subject      TEXT NOT NULL,
    generation   TEXT NOT NULL,
    work_item    TEXT NOT NULL,
    agent        TEXT NOT NULL,
    cause_id     TEXT NOT NULL,
    base         TEXT NOT NULL,
    content      TEXT NOT NULL,
    bound        TEXT NOT NULL,
    reasons      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('requested', 'granted', 'refused', 'expired')),
    requested_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    decided_at   INTEGER,
    decided_by   TEXT NOT NULL DEFAULT '',
    reason       TEXT NOT NULL DEFAULT '',
    CHECK ((decided_at IS NULL) = (state = 'requested'))
) STRICT;
CREATE UNIQUE INDEX approvals_asked_once ON approvals (subject, generation, asked, content) WHERE state <> 'expired';
CREATE INDEX approvals_open ON approvals (expires_at) WHERE state IN ('requested', 'granted');
CREATE INDEX approvals_subject ON approvals (subject, generation);

-- Dead letters are entries of the journal; the rest of it is not searched for them.
CREATE INDEX journal_dead_letters ON journal (seq) WHERE type = 'delivery.dead_lettered';
