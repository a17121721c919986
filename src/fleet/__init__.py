"""Fleet runs AI coding agents in tmux, under rules that people set and can check.

This file stays free of imports: every command starts here, and the build reads the version from it.
"""

__version__ = "0.1.0"
