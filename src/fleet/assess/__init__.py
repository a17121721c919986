"""How well agents work, told from the journal.

Takes journal entries of a window; gives evidence and scorecards. Owns no table and moves no state: a score is for
people to decide by. Weakness: it sees what is on record, so work that was never reviewed has no quality.
"""
