"""Tickets, labels and pull requests in and out. Takes live state and wishes, gives snapshots and effects.

Owns the forge_seen table and the local forge's tables. Pure: diff. Service: watcher (publishes the
forge's events). Weakness: the local forge trusts the file rights of its bare repository.
"""
