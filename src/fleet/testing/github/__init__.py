"""A GitHub on this machine, for tests: real bare repositories, real merges, and the REST answers that matter.

Takes requests on a unix socket, as an unmodified ``gh`` sends them; gives statuses, headers and bodies like
GitHub's. Weakness: its limits, delays and validators are a model of GitHub's, not GitHub's own.
"""
