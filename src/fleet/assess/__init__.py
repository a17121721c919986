"""What runs say about agents: how well they work (scorecards), and apart from it how likely they do harm (risk).

Takes ended runs, reviews, refusals, blockers and silence from the store; gives scorecards, scores of risk and their
reasons. The two never import each other. Evaluation moves nothing: it is for people. Risk owns the move of an agent
to *quarantined*; only a person moves it back. Weakness: what is not on record is not seen, and the shipped
coefficients of risk are judgement until a fleet has labels enough for ``fleet risk fit``.
"""
