-- What a person asked that takes several steps at the forge. Whoever finds an open row after a crash goes on.
CREATE TABLE operations (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL DEFAULT '',
    actor      TEXT NOT NULL,
    reason     TEXT NOT NULL DEFAULT '',
    entry_id   TEXT NOT NULL,
    plan       TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    done_at    INTEGER
) STRICT;
CREATE INDEX operations_open ON operations (started_at) WHERE done_at IS NULL;
-- One at a time for a ticket or pull request; remarks do not disturb each other.
CREATE UNIQUE INDEX operations_one_open ON operations (subject)
    WHERE done_at IS NULL AND subject <> '' AND kind <> 'ticket.comment';

-- A ticket that a program opens carries a word of its own, so that a repetition finds it.
ALTER TABLE forge_tickets ADD COLUMN marker TEXT;
CREATE UNIQUE INDEX forge_tickets_marker ON forge_tickets (marker) WHERE marker IS NOT NULL;
