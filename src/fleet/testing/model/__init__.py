"""A model that follows a script, behind the addresses of the Messages API: for the real client without an account.

Takes scenarios (turns of text, tool calls and errors), gives answers on loopback in the forms of three backends.
Which scenario a conversation plays says a marker ``SCENARIO:<name>`` in its prompt; which turn is next is counted
from the conversation itself, so that a resumed one goes on where it was.
Weakness: it knows of the interface what a client of today asks for, and answers nothing else.
"""
