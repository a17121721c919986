"""Deliveries become runs, if policy allows; work of broken runs comes back.

Takes open deliveries, facts from the store and the live state of the forge; gives queued runs, verdicts on
record, and ``work_returned`` events. Owns the transitions of deliveries after ``pending``.
Pure: plan. Gathering: facts, lineage, unserved. Services: dispatcher, reconciler. Control shares facts and settle.
Weakness: the live state is read just before the deciding transaction, not in it; what an agent may do with
a verdict is therefore checked again when it acts (review, merge).
"""
