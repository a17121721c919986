"""MCP: the fleet as tools, for a person's client and for agents.

Takes calls of the Model Context Protocol; gives what ``control`` answers. Owns nothing and decides nothing: a tool is a
verb of the verb table under another name, and the same authorisation holds. Two ways in: ``/mcp`` of the daemon's HTTP
door (agents, their capability as bearer) and ``fleet mcp serve`` over standard input and output (people).
Weakness: importing the SDK costs most of a second and 60 MB, so both load it only when somebody comes.
"""
