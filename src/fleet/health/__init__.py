"""Is this machine, this installation and this fleet well? For the doors, also where no daemon runs.

Takes an environment and the places of a fleet; gives checks, mends what is safe, packs a bundle for support.
``gather`` and ``leftovers`` look, the check files judge what they saw (pure), ``mend`` changes things. It stands
above the daemon because it looks at all of it from outside, most of all when the daemon is dead. Owns no table.
Weakness: it sees what this user may see, and a moment only.
"""
