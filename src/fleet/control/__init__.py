"""Everything that a door may do. Takes a principal, a verb and its arguments; gives a plain dict or an error.

Owns the moves a person makes: agents' states, cancel requests, held work. Authorisation happens once,
in ``authority.allow``. Weakness: a push, review or merge spans several transactions; each step is
recorded before it is taken, and repeating the verb completes what a crash cut short.
"""
