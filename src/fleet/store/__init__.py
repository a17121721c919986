"""The only SQL. Takes plain functions ``fn(tx)``, gives their result after a durable COMMIT.

Owns the schema and every statement, one file a table family. One writer thread with group commit;
readers have their own connections. Weakness: a transaction that computes for long delays every other.
"""
