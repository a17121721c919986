-- Indexes that the readers of a long history really use; tests/unit/store/test_growth.py holds them to it.
CREATE INDEX journal_type ON journal (type, seq);
CREATE INDEX journal_actor ON journal (actor, seq);
CREATE INDEX journal_at ON journal (at);
DROP INDEX deliveries_open;
CREATE INDEX deliveries_state ON deliveries (state, event_seq);
CREATE INDEX deliveries_agent ON deliveries (agent, event_seq);
DROP INDEX runs_agent;
CREATE INDEX runs_agent ON runs (agent, queued_at, used_seconds);
CREATE INDEX runs_queued ON runs (queued_at);
CREATE INDEX forge_tickets_state ON forge_tickets (state, updated_at);
CREATE INDEX forge_pulls_state ON forge_pulls (state, updated_at);
