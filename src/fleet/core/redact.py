"""Takes secrets and names out of text that is to leave this machine. Pure.

Known secrets go in every encoding; unknown ones by their form: prefixes of tokens, key=value, passwords in
addresses, long hexadecimal or base64 text, also percent-encoded, base64-encoded or broken over lines. It rather
takes too much: a bundle with holes still helps, one with a password does not.
Weakness: a password that looks like a word, in a sentence, cannot be told from a word.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

GONE = "[redacted]"

_SHORTEST = 6  # characters of a known secret; shorter ones would tear holes everywhere
_BREAK = r"(?:\\[nrt]|\\\\|[\s\"'+,])*"  # what may stand between two characters of a secret that is broken up

_NAMED = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credential|auth\w*|cookie|session[_-]?id|signature|capability|key)"
)
_KEY = rf"(?<![\w.\-])[\w.\-]{{0,60}}{_NAMED}[\w.\-]{{0,60}}\\?[\"']?(?:%3[ad]|\s{{0,9}}[=:]\s{{0,9}}|=>)"
_TOKENS = r"gh[pousr]_|github_pat_|glpat-|xox[a-z]-|npm_|hf_|dop_v1_|sk-|pk-|rk_|sk_|pypi-"

# What has the form of a secret; only the group ``hide`` goes, so that it is seen what stood there.
_FORMS: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(?P<hide>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z))", re.S
    ),
    re.compile(r"[A-Za-z0-9+.\-]{1,20}://(?P<hide>[^\s/@:\"']{0,200}:[^\s/@\"']{1,200})@"),
    re.compile(r"\b(?:Bearer|Basic|Digest)(?:\s|%20|\\n){1,9}(?P<hide>[^\s\"',;]+)", re.IGNORECASE),
    re.compile(rf"\b(?P<hide>(?:{_TOKENS})[A-Za-z0-9_\-]{{4,}})"),
    re.compile(r"\b(?P<hide>(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,})"),
    re.compile(r"\b(?P<hide>AIza[A-Za-z0-9_\-]{10,})"),
    re.compile(r"\b(?P<hide>eyJ[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*){0,2})"),
    re.compile(_KEY + r"(?P<q>\\?[\"'])(?P<hide>.{1,2000}?)(?P=q)", re.IGNORECASE | re.S),
    re.compile(_KEY + r"(?P<hide>[^\s\"',;&}\]\\\[]+)", re.IGNORECASE),
)

_HEX = re.compile(r"(?<![A-Za-z0-9])[0-9a-fA-F]{24,}(?![A-Za-z0-9])")
_SHA = re.compile(r"[0-9a-f]{40}")
_DENSE = re.compile(r"[A-Za-z0-9+/_\-]{16,}={0,2}")
_PERCENT = re.compile(r"(?<!\S)\S*%[0-9A-Fa-f]{2}\S*")
_JOINT = re.compile(r"(?<=[A-Za-z0-9+/=_\-.%])(?:\\\n|(?:\\r)?\\n|\r?\n)[ \t]{0,40}(?=[A-Za-z0-9+/=_\-.%])")
_COMMON = frozenset({"root", "user", "fleet", "admin", "localhost", "git", "main", "local"})

Span = tuple[int, int]


class Redactor:
    """Takes out what is known, then what looks like it. ``names`` maps a word to what stands in its place."""

    def __init__(self, secrets: Iterable[str] = (), *, home: str = "", names: Iterable[tuple[str, str]] = ()) -> None:
        """``secrets`` are known values, ``home`` the home folder's path."""
        known = sorted({form for secret in secrets for form in encodings(secret)}, key=len, reverse=True)
        self._known = [_broken(form) for form in known]
        self._home = home.rstrip("/")
        self._names = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"), to)
            for name, to in names
            if len(name) > 1 and name.lower() not in _COMMON
        ]

    def text(self, text: str) -> str:
        """The text without secrets, home folder and names."""
        for pattern in self._known:
            text = pattern.sub(GONE, text)
        if len(self._home) > 1:
            text = text.replace(self._home, "~")
        text = shapes(text)
        for pattern, to in self._names:
            text = pattern.sub(to, text)
        return text

    def value(self, value: object) -> object:
        """A JSON value with every text in it, keys included, taken through ``text``."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self._member(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def _member(self, key: str, value: object) -> object:
        """A text under a key that names a secret goes as a whole."""
        if isinstance(value, str) and re.fullmatch(rf"[\w.\-]*{_NAMED}[\w.\-]*", key, re.IGNORECASE):
            return GONE if value else value
        return self.value(value)


def shapes(text: str) -> str:
    """The text without what has the form of a secret, as it stands and with its broken lines joined."""
    text = _without(text, _spans(text))
    joined, starts = _joined(text)
    if joined != text:
        text = _without(text, [(_back(at, starts), _back(end - 1, starts) + 1) for at, end in _spans(joined)])
    return _HEX.sub(_hexadecimal, text)


def _spans(text: str) -> list[Span]:
    """Where something has the form of a secret."""
    found = [match.span("hide") for pattern in _FORMS for match in pattern.finditer(text)]
    found += [match.span() for match in _HEX.finditer(text) if not _SHA.fullmatch(match[0])]
    found += [match.span() for match in _DENSE.finditer(text) if not _SHA.fullmatch(match[0]) and _is_dense(match[0])]
    return found + [match.span() for match in _PERCENT.finditer(text) if _hides(match[0])]


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text with every span replaced; spans that overlap or touch become one."""
    parts: list[str] = []
    done = 0
    for at, end in sorted(spans):
        if at > done or not parts:
            parts += [text[done:at], GONE]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _joined(text: str) -> tuple[str, list[Span]]:
    """The text without line breaks inside words, and for each piece where it begins: here and in the original."""
    pieces, starts, done, length = [], [], 0, 0
    for match in _JOINT.finditer(text):
        pieces.append(text[done : match.start()])
        starts.append((length, done))
        length += match.start() - done
        done = match.end()
    return "".join([*pieces, text[done:]]), [*starts, (length, done)]


def _back(at: int, starts: list[Span]) -> int:
    """The place in the original of a place in the joined text."""
    here, there = next(start for start in reversed(starts) if start[0] <= at)
    return there + at - here


def encodings(secret: str) -> Iterator[str]:
    """A secret as it may be met: plain, in base64 at every alignment, percent-encoded, in hex, escaped, reversed."""
    secret = secret.strip()
    if len(secret) < _SHORTEST:
        return
    data = secret.encode("utf-8", "surrogateescape")
    once = quote(secret, safe="")
    yield from {secret, secret[::-1], once, quote(once, safe=""), quote_plus(secret), data.hex(), data.hex().upper()}
    yield "".join(f"%{byte:02X}" for byte in data)
    yield secret.replace("\\", "\\\\").replace('"', '\\"')
    for shift, encode in itertools.product(range(3), (base64.b64encode, base64.urlsafe_b64encode)):
        # the characters at both ends also hold bits of their neighbours
        whole = encode(b"\0" * shift + data).decode().rstrip("=")
        inner = whole[(0, 2, 3)[shift] : len(whole) - (0 if (shift + len(data)) % 3 == 0 else 1)]
        if len(inner) >= _SHORTEST:
            yield inner
    yield base64.b32encode(data).decode().rstrip("=")


def _broken(form: str) -> re.Pattern[str]:
    """A pattern that also finds the text where it is broken over lines or concatenated."""
    return re.compile(_BREAK.join(re.escape(char) for char in form if not char.isspace()))


def _hexadecimal(found: re.Match[str]) -> str:
    """Commit ids keep seven digits, which name a commit and open nothing; longer text goes."""
    return f"{found[0][:7]}…" if _SHA.fullmatch(found[0]) else GONE


def _hides(text: str) -> bool:
    """Whether percent-encoded text stands for something with the form of a secret."""
    plain = unquote(unquote(text))
    return bool(_spans(plain)) if plain != text and "%" not in plain else "%" in plain and len(plain) > 60


def _is_dense(word: str) -> bool:
    """Whether a long run of base64 letters decodes to readable text, or looks random."""
    if not word.strip("-=_/+") or word.startswith("/"):
        return False
    return _readable(word) or _random(word)


def _readable(word: str) -> bool:
    """Whether this is base64 of plain text."""
    plain = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(data) >= 10 and all(32 <= byte < 127 or byte in (9, 10, 13) for byte in data)


def _random(word: str) -> bool:
    """Whether letters and digits alternate as in no name. Ids of ours are shorter, or have no capital letters."""
    kinds = [_kind(char) for char in word]
    changes = sum(a != b for a, b in itertools.pairwise(kinds))
    mixed = {"a", "A", "0"} <= set(kinds) and len(word) >= 20 and changes * 4 >= len(word)
    return mixed or ("0" in kinds and len(word) >= 28 and changes * 3 >= len(word))


def _kind(char: str) -> str:
    return "0" if char.isdigit() else "a" if char.islower() else "A" if char.isupper() else "."
