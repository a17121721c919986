"""``fleet demo``: a ticket becomes a merged branch in front of you, in a throw-away folder.

Takes nothing, gives a story on the screen or one JSON object. It types what a person would type (``fleet up``,
``fleet ticket create``, ``fleet log`` …) and writes ordinary files; the engine does not know that it is a demo.
Weakness: the agents are scripted, so what they write is known beforehand; everything else is real.
"""
