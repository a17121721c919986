"""Is the record whole? Takes the journal, gives the first entry that does not fit, or the proof that all do.

Pure: chain. Weakness: a chain alone does not stop whoever owns the file from rewriting all of it;
compare the head with one noted elsewhere (``fleet audit verify`` prints it).
"""
