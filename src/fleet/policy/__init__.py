"""May this happen? Takes frozen facts, gives a ``Decision``: a verdict with every reason and the facts it saw.

Pure: no clock, no store, no forge. One check a file; ``decide`` runs all of them and the strictest answer
wins, so their order cannot matter. Owns no transitions.
Weakness: a verdict is only as good as the facts it was handed; ``dispatch/facts.py`` gathers them.
"""
