"""A command line as a shell would read it, as far as that can be known without running it. Pure.

What cannot be known (expansions, here-documents, functions, loops) is not guessed: ``read`` says what it was, and the
caller refuses. Everything that is given back is literal: the words are those that the program would get, except that
``*``, ``?`` and ``[`` may still stand for file names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LIMIT = 10_000  # characters

_BLANK = " \t"
_ENDS = "&|;()\n"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_EXPANDING_BRACE = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
_RESERVED = frozenset(
    [
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "for",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "in",
        "select",
        "function",
        "{",
        "}",
        "[[",
        "]]",
        "time",
        "coproc",
    ]
)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a stream goes or comes from. ``writes`` is False for reading."""

    target: str
    writes: bool


@dataclass(frozen=True, slots=True)
class Simple:
    """One program with its words; ``assigns`` are the names of the variables set in front of it."""

    words: tuple[str, ...]
    redirects: tuple[Redirect, ...] = ()
    assigns: tuple[str, ...] = ()


class Unreadable(Exception):
    """What stands there that only a shell could say the meaning of, in words for whoever wrote it."""


@dataclass(slots=True)
class _Reader:
    text: str
    place: int = 0
    found: list[Simple] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    assigns: list[str] = field(default_factory=list)
    depth: int = 0
    begun: bool = False  # a redirection stood in front

    # -- characters ----------------------------------------------------------------------------

    def peek(self, size: int = 1) -> str:
        return self.text[self.place : self.place + size]

    def run(self) -> list[Simple]:
        while self.place < len(self.text):
            char = self.peek()
            if char in _BLANK:
                self.place += 1
            elif char == "#":
                end = self.text.find("\n", self.place)
                self.place = len(self.text) if end < 0 else end
            elif char in _ENDS:
                self.operator(char)
            elif char in "<>":
                self.redirect("")
            else:
                self.word()
        self.finish()
        if self.depth:
            raise Unreadable("a ( that is not closed")
        return self.found

    def operator(self, char: str) -> None:
        two = self.peek(2)
        if two == "&>":
            self.place += 1
            self.redirect("&")
            return
        if two in ("((", "))") and char == "(":
            raise Unreadable("arithmetic in (( ))")
        if char == "(":
            if self.words or self.assigns or self.redirects:
                raise Unreadable("a function or an array")
            self.depth += 1
        elif char == ")":
            self.depth -= 1
            if self.depth < 0:
                raise Unreadable("a ) without its (")
        self.finish()
        self.place += 2 if two in ("&&", "||", "|&", ";;") else 1
        if two == ";;":
            raise Unreadable("a case statement")

    def finish(self) -> None:
        """The command ends here."""
        if self.words and self.words[0] in _RESERVED:
            raise Unreadable(f"the shell's own word {self.words[0]!r}")
        if self.words or self.redirects or self.assigns:
            self.found.append(Simple(tuple(self.words), tuple(self.redirects), tuple(self.assigns)))
        self.words, self.redirects, self.assigns, self.begun = [], [], [], False

    # -- words ---------------------------------------------------------------------------------

    def word(self) -> None:
        start = self.place
        text, quoted = self.literal()
        raw = self.text[start : self.place]
        if not raw.replace("\\\n", ""):
            return  # lines put together, and nothing on them
        if not quoted and text.isdigit() and self.peek() and self.peek() in "<>":
            self.redirect(text)
            return
        if raw == "!" and not (self.words or self.begun or self.assigns):
            return  # turns a command's answer around; only in front of everything
        assignment = _NAME.match(raw)
        if assignment and not self.words:
            self.assigns.append(assignment.group().rstrip("=+"))
            return
        self.words.append(text)

    def literal(self) -> tuple[str, bool]:
        """One word without its quotes, and whether it had any. Raises Unreadable for what a shell would expand."""
        out: list[str] = []
        quoted = False
        bare = ""
        start = self.place
        while self.place < len(self.text):
            char = self.peek()
            if char in _BLANK or char in _ENDS or char in "<>":
                break
            if char == "'":
                out.append(self.single())
                quoted = True
            elif char == '"':
                out.append(self.double())
                quoted = True
            elif char == "\\":
                out.append(self.escaped())
                quoted = True
            elif char in "$`":
                raise Unreadable(f"an expansion ({self.text[self.place : self.place + 20]!r})")
            elif char == "~" and self.place == start:
                raise Unreadable("a ~; write the path out")
            else:
                out.append(char)
                bare += char
                self.place += 1
        if _EXPANDING_BRACE.search(bare):
            raise Unreadable("braces that stand for several words")
        return "".join(out), quoted

    def single(self) -> str:
        end = self.text.find("'", self.place + 1)
        if end < 0:
            raise Unreadable("a quote that is not closed")
        inner = self.text[self.place + 1 : end]
        self.place = end + 1
        return inner

    def double(self) -> str:
        self.place += 1
        out: list[str] = []
        while self.place < len(self.text):
            char = self.peek()
            if char == '"':
                self.place += 1
                return "".join(out)
            if char in "$`":
                raise Unreadable(f"an expansion inside quotes ({self.text[self.place : self.place + 20]!r})")
            if char == "\\" and self.peek(2)[1:] in ("\\", '"', "$", "`", "\n"):
                out.append("" if self.peek(2)[1:] == "\n" else self.peek(2)[1:])
                self.place += 2
            else:
                out.append(char)
                self.place += 1
        raise Unreadable("a quote that is not closed")

    def escaped(self) -> str:
        following = self.peek(2)[1:]
        if not following:
            raise Unreadable("a backslash at the end")
        self.place += 2
        return "" if following == "\n" else following

    # -- redirections --------------------------------------------------------------------------

    def redirect(self, descriptor: str) -> None:
        """``>``, ``>>``, ``>|``, ``<``, ``<>``, ``<<<``, ``&>`` and copies such as ``2>&1``."""
        for mark in ("<<<", "<<", "<>", "<&", "<(", ">>", ">|", ">&", ">(", "<", ">"):
            if self.peek(len(mark)) == mark:
                break
        self.place += len(mark)
        self.begun = True
        if mark in ("<(", ">("):
            raise Unreadable("a command in the place of a file")
        if mark == "<<":
            raise Unreadable("a here-document; write the file with the Write tool")
        while self.peek() and self.peek() in _BLANK:
            self.place += 1
        target, _ = self.literal()
        if not target:
            raise Unreadable("a redirection without its target")
        if mark == "<<<":
            return
        if mark in (">&", "<&") and descriptor != "&" and (target.isdigit() or target == "-"):
            return
        self.redirects.append(Redirect(target, writes=mark != "<"))


def read(command: str) -> list[Simple]:
    """Every program that a command line would start, in order, those inside ( ) too.

    Raises Unreadable for what cannot be known without running it.
    """
    if len(command) > LIMIT:
        raise Unreadable(f"more than {LIMIT} characters")
    if "\0" in command or "\r" in command:
        raise Unreadable("a control character")
    return _Reader(command).run()
