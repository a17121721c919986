-- Which keys signed for this fleet. A statement holds the public key; its signatures vouch for it.
CREATE TABLE audit_keys (
    key_id        TEXT PRIMARY KEY,
    public        TEXT NOT NULL,
    statement     TEXT NOT NULL,
    signed_by_new TEXT NOT NULL,
    signed_by_old TEXT NOT NULL,
    entry_seq     INTEGER NOT NULL,
    introduced_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER audit_keys_no_update BEFORE UPDATE ON audit_keys
BEGIN SELECT RAISE(ABORT, 'a key statement is final'); END;
CREATE TRIGGER audit_keys_no_delete BEFORE DELETE ON audit_keys
BEGIN SELECT RAISE(ABORT, 'a key statement is final'); END;

-- Signed heads of the journal. Derived from it, so they are no entries of it.
CREATE TABLE checkpoints (
    number    INTEGER PRIMARY KEY,
    seq       INTEGER NOT NULL,
    hash      TEXT NOT NULL,
    key_id    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    statement TEXT NOT NULL,
    signature TEXT NOT NULL
) STRICT;
CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint is final'); END;
CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint is final'); END;

-- Sealed prefixes of the journal that lie in files. Only rows that such a seal covers may be removed.
CREATE TABLE archives (
    number      INTEGER PRIMARY KEY,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL UNIQUE,
    head_hash   TEXT NOT NULL,
    kept_digest TEXT NOT NULL,
    file        TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    statement   TEXT NOT NULL,
    signature   TEXT NOT NULL,
    at          INTEGER NOT NULL,
    CHECK (first_seq <= last_seq)
) STRICT;
CREATE TRIGGER archives_no_update BEFORE UPDATE ON archives
BEGIN SELECT RAISE(ABORT, 'a seal is final'); END;
CREATE TRIGGER archives_no_delete BEFORE DELETE ON archives
BEGIN SELECT RAISE(ABORT, 'a seal is final'); END;

-- What was done once stays done once, also when its entry is in an archive.
CREATE TABLE archived_keys (
    dedup_key TEXT PRIMARY KEY,
    seq       INTEGER NOT NULL,
    id        TEXT NOT NULL
) STRICT;
CREATE TRIGGER archived_keys_no_update BEFORE UPDATE ON archived_keys
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER archived_keys_no_delete BEFORE DELETE ON archived_keys
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

DROP TRIGGER journal_no_delete;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
WHEN NOT EXISTS (SELECT 1 FROM archives WHERE OLD.seq BETWEEN first_seq AND last_seq)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
DROP TRIGGER journal_payloads_no_delete;
CREATE TRIGGER journal_payloads_no_delete BEFORE DELETE ON journal_payloads
WHEN NOT EXISTS (SELECT 1 FROM archives WHERE OLD.seq BETWEEN first_seq AND last_seq)
BEGIN SELECT RAISE(ABORT, 'a payload can only be erased'); END;

-- Where the branches of the fleet's repository were when they were last explained.
CREATE TABLE ref_heads (
    ref       TEXT PRIMARY KEY,
    sha       TEXT NOT NULL,
    entry_seq INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL
) STRICT;
-- Movements that no entry explains. An open one of the base branch holds every merge.
CREATE TABLE ref_alarms (
    entry_id TEXT PRIMARY KEY,
    ref      TEXT NOT NULL,
    old_sha  TEXT NOT NULL,
    new_sha  TEXT NOT NULL,
    holds    INTEGER NOT NULL CHECK (holds IN (0, 1)),
    text     TEXT NOT NULL,
    found_at INTEGER NOT NULL,
    answer   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX ref_alarms_open ON ref_alarms (ref) WHERE answer = '';
