"""Numbered schema changes, one folder an engine, forward only. Data, read by ``store.migrate``."""
