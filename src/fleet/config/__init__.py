"""What a person wrote, checked: ``.fleet/config.yaml`` in, ``FleetConfig`` out; and where things lie on disk.

Takes a file, gives a frozen model or every fault with file, line and column. Owns the role catalogue.
Weakness: roles and config are read whole; a very large org file is slow to load.
"""
