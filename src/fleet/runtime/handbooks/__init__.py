"""Texts of which a handbook is made, as templates: one file a part or skill. Data only."""
