"""The words everybody shares: frozen dataclasses, enums, errors. No I/O, no clock reading, no logging.

Takes nothing, gives vocabulary. Everything imports this room; it imports nothing of ours.
Weakness: it is tempting to put things here because everybody can see them. A word belongs here
only when two rooms must agree on it.
"""
