"""The command line: a thin door that asks the daemon and prints its answer.

Takes words, options and files; gives lines or one JSON object, and an exit code. Owns no transition.
``entry`` decides in a millisecond between the quick way (``hot``) and the full one (``main``); commands lie
in ``commands/``, one file a noun. Weakness: what it prints of other people's text is safe to look at
(``output.visible``), not safe to paste into a shell.
"""
