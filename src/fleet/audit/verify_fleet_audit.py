#!/usr/bin/env python3
"""Check an export or archive of a fleet's journal without the program that wrote it.

    python3 verify_fleet_audit.py FILE... [--key HEX] [--anchor FILE]

Needs Python 3.11 and nothing else; `fleet audit verifier` prints this file. It shares no code with Fleet, so
that a mistake in one of the two does not hide behind the other. Several files are one journal in pieces, in
their order. --key is the public key that somebody noted (`fleet audit key`); --anchor is the file that
checkpoints were appended to. Exit 0: everything fits. 1: something does not, and it is said what. 2: usage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FORMAT = "fleet-export-1"
NO_HASH = "0" * 64
COLUMNS = (
    "seq", "id", "writer", "stream", "type", "kind", "actor", "subject", "generation", "work_item", "agent", "run_id",
    "cause_id", "dedup_key", "summary", "at", "payload_hash",
)  # fmt: skip
NUMBERS = ("seq", "at")
SHAPES: dict[str, set[str]] = {
    "header": {*"record format fleet made_at whole after after_hash filter keys erased_later".split(" ")},  # noqa: SIM905
    "entry": {"record", *COLUMNS, "prev_hash", "hash", "salt", "payload"},
    "checkpoint": {"record", "statement", "signature"},
    "trailer": {"record", "format", "fleet", "entries", "head", "checkpoints", "sha256", "key", "signature"},
}  # fmt: skip
# Which records may come after which; "" is the beginning of a file.
_IN_ORDER = ("entry", "checkpoint", "trailer")
FOLLOWS: dict[str, tuple[str, ...]] = {
    "": ("header",), "header": _IN_ORDER, "entry": _IN_ORDER, "checkpoint": _IN_ORDER[1:], "trailer": (),
}  # fmt: skip


class Problem(Exception):
    """Something does not fit."""


def need(fits: bool, otherwise: str) -> None:
    """Go on only with what fits; ``otherwise`` says what is wrong."""
    if not fits:
        raise Problem(otherwise)


# Ed25519 as RFC 8032 has it, verification only.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def _add(one: Point, two: Point) -> Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(factor: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


def _unpack(data: bytes) -> Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _pack(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_GENERATOR_Y = 4 * pow(5, P - 2, P) % P
GENERATOR = _unpack(_GENERATOR_Y.to_bytes(32, "little"))


def ed25519_ok(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes) over ``message`` was made with the key of ``public`` (32 bytes)."""
    if len(public) != 32 or len(signature) != 64 or GENERATOR is None:
        return False
    key, scalar = _unpack(public), int.from_bytes(signature[32:], "little")
    if key is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    negative: Point = (P - key[0], key[1], key[2], P - key[3])
    challenge = int.from_bytes(digest, "little") % ORDER
    return _pack(_add(_times(scalar, GENERATOR), _times(challenge, negative))) == signature[:32]


def signed(public: str, statement: str, signature: str) -> bool:
    """The same over hexadecimal digits and text."""
    try:
        return ed25519_ok(bytes.fromhex(public), statement.encode("ascii"), bytes.fromhex(signature))
    except ValueError:
        return False


def one_form(value: object) -> str:
    """The only way in which a line may be written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def read_object(text: str) -> dict[str, Any]:
    """A JSON object, refused unless it stands in its one form: no duplicate keys, no other spelling of a number."""
    try:
        value = json.loads(text)
        if isinstance(value, dict) and one_form(value) == text:
            return value
    except (ValueError, RecursionError):
        pass
    raise Problem("is not a JSON object in its one form")


def trusted_keys(rows: object, fleet: str, pinned: str) -> tuple[dict[str, str], list[str]]:
    """Keys by name, as far as the pinned one vouches for them (all of them without one), and remarks."""
    if not isinstance(rows, list):
        raise Problem("the list of keys is malformed")
    groups: list[dict[str, str]] = [{}]
    remarks, before = [], ("", "")
    for row in rows:
        facts = _key_facts(row, fleet)
        name, public = str(facts["key"]), str(facts["public"])
        need(facts["replaces"] == before[0], f"key {name} does not follow the key before it")
        if before[0] and facts["lost"]:
            remarks.append(f"key {name} replaces one that was lost; nothing but an entry vouches for it")
            groups.append({})
        elif before[0]:
            vouched = signed(before[1], row["statement"], row["signed_by_old"])
            need(vouched, f"key {name} is not signed by the key before it")
        groups[-1][name] = public
        before = (name, public)
    if not pinned:
        remarks.append("no --key was given: signatures are compared with the keys that the file itself brings")
        return {name: public for group in groups for name, public in group.items()}, remarks
    for group in groups:
        if pinned in group.values():
            return group, remarks
    raise Problem("the key that you gave never signed for this fleet")


def _key_facts(row: object, fleet: str) -> dict[str, Any]:
    names = {"statement", "signed_by_new", "signed_by_old"}
    if not isinstance(row, dict) or set(row) != names or not all(isinstance(value, str) for value in row.values()):
        raise Problem("a key is malformed")
    facts = read_object(row["statement"])
    keys = {"format", "fleet", "key", "public", "replaces", "lost", "reason", "at"}
    need(set(facts) == keys and isinstance(facts["public"], str), "a key statement is malformed")
    ours = facts["format"] == "fleet-key-1" and facts["fleet"] == fleet
    need(ours, "a key statement is of another kind, or of another fleet")
    need(signed(facts["public"], row["statement"], row["signed_by_new"]), "a key did not sign its own statement")
    name = hashlib.sha256(bytes.fromhex(facts["public"])).hexdigest()[:16]
    need(name == facts["key"], "a key has another key's name")
    return facts


def entry_hash(previous: str, row: dict[str, Any]) -> str:
    """SHA-256 over a tag, the previous hash and every column, each with its length in front."""
    digest = hashlib.sha256(b"fleet-journal-1")
    for value in (previous, *(row[name] for name in COLUMNS)):
        if value is None:
            digest.update(b"-,")
        else:
            data = str(value).encode("utf-8", "surrogatepass")
            digest.update(str(len(data)).encode() + b":" + data + b",")
    return digest.hexdigest()


def check_entry(row: dict[str, Any]) -> None:
    """One entry by itself: types, payload, seal."""
    for name in (*COLUMNS, "prev_hash", "hash"):
        kinds = (int,) if name in NUMBERS else (str, type(None)) if name == "dedup_key" else (str,)
        need(type(row[name]) in kinds, f"column {name} has the wrong type")
    need(entry_hash(row["prev_hash"], row) == row["hash"], "was edited: its content does not match its seal")
    salt, payload = row["salt"], row["payload"]
    if salt is None and payload is None:
        return
    texts = isinstance(salt, str) and isinstance(payload, str)
    need(texts and bytes.fromhex(salt).hex() == salt, "payload or salt is malformed")
    body = payload.encode("utf-8", "surrogateescape")
    seal = hashlib.sha256(b"fleet-payload-1" + bytes.fromhex(salt) + body).hexdigest()
    need(seal == row["payload_hash"], "its payload does not match its seal")


@dataclass
class State:
    """What is known so far, over all files."""

    pinned: str
    fleet: str = ""
    seq: int = 0
    head: str = NO_HASH
    entries: int = 0
    hashes: dict[int, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    checkpoints: int = 0
    last_point: tuple[int, str] = (0, "")
    remarks: list[str] = field(default_factory=list)


def records(path: str) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Line number, raw line and object of every line."""
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                need(raw.endswith(b"\n"), "is cut short")
                row = read_object(raw[:-1].decode("ascii"))
                need(set(row) == SHAPES.get(str(row.get("record"))), "has unknown or missing fields")
            except (Problem, UnicodeDecodeError) as error:
                raise Problem(f"{path} line {number} {error}") from error
            yield number, raw, row


def check_file(path: str, state: State) -> None:
    """One file, continuing what came before."""
    digest, keys, before = hashlib.sha256(), dict[str, str](), ""
    entries, checkpoints = state.entries, state.checkpoints
    for number, raw, row in records(path):
        kind = row["record"]
        need(kind in FOLLOWS[before], f"{path} line {number} is out of order")
        before = kind
        try:
            if kind == "header":
                keys = check_header(row, state)
            elif kind == "entry":
                check_link(row, state)
            elif kind == "checkpoint":
                check_point(row, state, keys)
            else:
                counts = state.entries - entries, state.checkpoints - checkpoints
                check_trailer(row, state, keys, digest.hexdigest(), counts)
        except (Problem, ValueError, KeyError, TypeError) as error:
            place = f"entry {row['seq']} {row['id']}" if kind == "entry" else kind
            raise Problem(f"{path} line {number}: {place}: {error}") from error
        digest.update(raw)
    need(before == "trailer", f"{path} has no trailer: its end is missing")


def check_header(row: dict[str, Any], state: State) -> dict[str, str]:
    """What the file says about itself."""
    need(row["format"] == FORMAT and isinstance(row["fleet"], str), "is of another format")
    need(row["whole"] is True, "is filtered: it cannot be verified as a chain")
    fleet, after, head, later = row["fleet"], row["after"], row["after_hash"], row["erased_later"]
    need(type(after) is int and isinstance(head, str) and after >= 0, "does not say where it begins")
    goes_on = not state.fleet or (fleet, after, head) == (state.fleet, state.seq, state.head)
    need(goes_on, "does not continue the file before it")
    need(after > 0 or head == NO_HASH, "begins with a wrong hash")
    need(isinstance(later, list) and all(isinstance(name, str) for name in later), "is malformed")
    if after and not state.fleet:
        state.remarks.append(f"begins after entry {after}: what was before is in another file")
    state.fleet, state.seq, state.head = fleet, after, head
    state.later.update(later)
    keys, remarks = trusted_keys(row["keys"], row["fleet"], state.pinned)
    state.remarks += [remark for remark in remarks if remark not in state.remarks]
    return keys


def check_link(row: dict[str, Any], state: State) -> None:
    """An entry in its place."""
    check_entry(row)
    need(row["seq"] == state.seq + 1, f"follows entry {state.seq}: something is missing or out of order")
    need(row["prev_hash"] == state.head, "does not continue the chain")
    if row["payload"] is None:
        state.missing[row["id"]] = row["seq"]
    if row["type"] == "payload.erased" and row["stream"] == "decision":
        state.erased.add(row["cause_id"])
    state.seq, state.head = row["seq"], row["hash"]
    state.hashes[row["seq"]] = row["hash"]
    state.entries += 1


def check_point(row: dict[str, Any], state: State, keys: dict[str, str]) -> None:
    """A checkpoint: signed, in its row, and what it saw is here."""
    statement, signature = str(row["statement"]), str(row["signature"])
    facts = read_object(statement)
    names = {"format", "fleet", "number", "heads", "entries", "previous", "key", "at"}
    need(set(facts) == names and type(facts["number"]) is int, "is malformed")
    ours = facts["format"] == "fleet-checkpoint-1" and facts["fleet"] == state.fleet
    need(ours, "is of another kind, or of another fleet")
    number, heads = facts["number"], facts["heads"]
    need(isinstance(heads, dict) and list(heads) == ["local"] and isinstance(heads["local"], list), "is malformed")
    seq, seen = heads["local"]
    last, digest = state.last_point
    follows = not last or (number, facts["previous"]) == (last + 1, digest)
    need(follows, f"{number} does not follow checkpoint {last}")
    genuine = facts["key"] in keys and signed(keys[facts["key"]], statement, signature)
    need(genuine, f"{number} is forged: no key that counts signed it")
    here = type(seq) is int and state.hashes.get(seq) == seen
    need(here, f"{number} saw entry {seq} with another content, or it is missing")
    state.last_point = (number, hashlib.sha256(f"{statement}\n{signature}".encode()).hexdigest())
    state.checkpoints += 1


def check_trailer(
    row: dict[str, Any], state: State, keys: dict[str, str], digest: str, counts: tuple[int, int]
) -> None:
    """The end of a file: counts, head, and the digest of every byte before it, signed where there was a key."""
    expected = {
        "format": FORMAT, "fleet": state.fleet, "entries": counts[0], "head": [state.seq, state.head],
        "checkpoints": counts[1], "sha256": digest,
    }  # fmt: skip
    for name, value in expected.items():
        need(row[name] == value and type(row[name]) is type(value), f"{name} does not match the file")
    if row["key"] == "" and row["signature"] == "":
        need(not state.later, "is not signed, so nothing proves what the file says about erased payloads")
        state.remarks.append("the file's end is not signed")
        return
    text = one_form({name: value for name, value in row.items() if name != "signature"})
    genuine = row["key"] in keys and signed(keys[row["key"]], text, str(row["signature"]))
    need(genuine, "is forged: no key that counts signed it")


def check_anchor(path: str, state: State) -> None:
    """Every anchored checkpoint within the files must have seen what is there, and none may lie behind their end."""
    with open(path, "rb") as file:
        for raw in file:
            try:
                heads = read_object(read_object(raw.decode("ascii").rstrip("\n"))["statement"])["heads"]
                seq, seen = heads["local"]
            except (Problem, KeyError, TypeError, ValueError):
                continue  # a crash cut this line short
            need(seq <= state.seq, f"{path}: a checkpoint saw entry {seq}: everything after {state.seq} was cut")
            need(state.hashes.get(seq, seen) == seen, f"{path}: a checkpoint saw entry {seq} with another content")


def check_files(paths: list[str], *, key: str = "", anchor: str = "") -> State:
    """All files as one journal. Raises Problem with the first thing that does not fit."""
    state = State(key)
    for path in paths:
        check_file(path, state)
    for name, seq in state.missing.items():
        told = name in state.erased or name in state.later
        need(told, f"entry {seq} {name} lost its payload, and no entry says that it was erased")
    unproved = [name for name in state.missing if name not in state.erased]
    if unproved:
        state.remarks.append(f"{len(unproved)} payloads are said to be erased by entries that are not in these files")
    if anchor:
        check_anchor(anchor, state)
    return state


def main(argv: list[str]) -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(prog="verify_fleet_audit.py", description="Check an export of a fleet's journal.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--key", default="", metavar="HEX")
    parser.add_argument("--anchor", default="", metavar="FILE")
    options = parser.parse_args(argv)
    try:
        state = check_files(options.files, key=options.key.lower(), anchor=options.anchor)
    except (Problem, OSError) as error:
        sys.stdout.write(f"NOT whole: {ascii(str(error))[1:-1]}\n")
        return 1
    sys.stdout.write(f"whole: {state.entries} entries of {ascii(state.fleet)[1:-1]}, up to {state.seq} {state.head}\n")
    sys.stdout.write(f"{state.checkpoints} checkpoints fit\n")
    for remark in state.remarks:
        sys.stdout.write(f"note: {ascii(remark)[1:-1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
