-- Every configuration that was in force or was about to be, with its text: the newest ones are kept.
CREATE TABLE config_revisions (
    number      INTEGER PRIMARY KEY,
    digest      TEXT NOT NULL,
    before      TEXT NOT NULL,
    actor       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    changes     TEXT NOT NULL,
    phase       TEXT NOT NULL CHECK (phase IN ('intended', 'accepted', 'abandoned')),
    body        BLOB NOT NULL,
    at          INTEGER NOT NULL,
    accepted_at INTEGER
) STRICT;
