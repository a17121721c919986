"""The process that runs a fleet: the only loop, the only wiring, the socket, and who is on its other end.

Takes a checkout and a listening socket, gives answers to calls. Service: janitor (expired claims go
back). Weakness: in shared-uid mode a process that leaves its run's tree by way of another program of
the same user (systemd-run, at, ssh to oneself) is not recognised as an agent.
"""
