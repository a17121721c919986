-- The repository's own roles that a configuration was checked with: a mapping of names to the files' texts, as JSON.
ALTER TABLE config_revisions ADD COLUMN roles TEXT NOT NULL DEFAULT '{}';
