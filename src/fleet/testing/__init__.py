"""What tests of Fleet and of its extensions are built from: clocks, waiting, fakes that are full peers.

Shipped with the package. Takes the ports of the other rooms, gives stand-ins that pass the same contract
tests as the real ones. Nothing outside of tests and of the demo imports it.
"""
