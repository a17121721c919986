"""What the fleet leaves on the disk: measured, backed up, restored, and cleared away when it is no longer needed.

Takes the state folder and what the rooms know about it, gives backups, a restored state, and plans of what
may go. Above the rooms, because it looks after what each of them leaves. Owns no transitions of runs or
deliveries, except in a store that is being restored, before any daemon opens it.
Pure: choose. Weakness: sizes are what the file system says; a file that grows meanwhile is counted as it was.
"""
