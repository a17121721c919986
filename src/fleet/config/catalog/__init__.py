"""The role catalogue: one YAML file a role, read by fleet.config.roles. Data only."""
