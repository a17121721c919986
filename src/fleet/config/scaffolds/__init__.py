"""Templates of what ``fleet init`` writes. Data only; $words are filled in by fleet.config.scaffold."""
