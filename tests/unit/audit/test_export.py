"""Exports carry their proof, and two verifiers that share no code accept and refuse the same ones."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.audit.conftest import Record

from fleet.audit.export import Range, Written, export, write_whole
from fleet.audit.exported import verify_files
from fleet.audit.keys import read_key, rotate
from fleet.audit.statement import canonical, key_statement
from fleet.audit.verify_fleet_audit import Problem, check_files, ed25519_ok
from fleet.core.errors import Conflict, IntegrityError, PermanentError
from fleet.core.journal import Draft, Stream
from fleet.store import journal
from fleet.store.journal import Filter

Lines = list[str]


def exported(
    record: Record, part: Range | None = None, *, form: str = "jsonl", sign: bool = False, name: str = "x"
) -> Path:
    """An export of the record in a new file."""
    signer = read_key(record.plan.keys.current) if sign else None
    path = record.folder / name

    def fill(file: BinaryIO) -> Written:
        return record.db.read(lambda tx: export(tx, file, part or Range(), form=form, fleet="shop-1", signer=signer))

    write_whole(path, fill)
    return path


def both(*paths: Path, pinned: str = "") -> bool:
    """What both verifiers say; they must agree."""
    try:
        verify_files(paths, pinned=pinned)
        ours = True
    except IntegrityError:
        ours = False
    try:
        check_files([str(path) for path in paths], key=pinned)
        alone = True
    except Problem:
        alone = False
    assert ours == alone, f"fleet says {ours}, the stand-alone verifier {alone}: {paths}"
    return ours


@pytest.fixture
def rich(record: Record) -> Record:
    """The record with an erased payload, odd text, every column used, a second key, and a third checkpoint."""

    def fill(tx: Any) -> None:
        draft = Draft(
            Stream.EVENT, "note", "human:ann", subject="pr/3", summary="ünïcode \U0001f600 \u200b \" \\ =1+1",
            payload={"text": "\u2028\ud83d\ude00 é", "n": 1.5, "big": 10**20}, kind="note", generation="a" * 40,
            work_item="ticket/1", agent="dev", run_id="r1", cause_id="e0", dedup_key="k",
        )  # fmt: skip
        made = journal.append(tx, draft)
        journal.append(tx, Draft(Stream.ACTIVITY, "run.started", "system:runner", summary="secret", payload={"s": "x"}))
        journal.erase_payload(tx, made.id, "human:ann", "a key was pasted")

    record.db.write(fill)
    rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="yearly", lost=False)
    record.add(2)
    assert record.sign() == 1
    return record


# -- good ones -----------------------------------------------------------------------------------------


def test_a_whole_export_is_accepted_by_both(rich: Record) -> None:
    key = read_key(rich.plan.keys.current).public
    assert both(exported(rich))
    assert both(exported(rich, sign=True, name="signed"), pinned=key)


def test_the_key_noted_before_a_rotation_still_vouches(record: Record) -> None:
    first = read_key(record.plan.keys.current).public
    rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="yearly", lost=False)
    record.sign()
    assert both(exported(record, sign=True), pinned=first)


def test_a_key_behind_a_lost_one_is_not_vouched_for_by_the_one_before(record: Record) -> None:
    first = read_key(record.plan.keys.current).public
    record.plan.keys.current.unlink()
    rotate(record.db, record.plan.keys, "shop-1", actor="human:ann", reason="gone", lost=True)
    record.sign()
    path = exported(record, sign=True)
    assert both(path)
    assert not both(path, pinned=first)
    assert not both(path, pinned="ab" * 32)


def test_an_export_in_two_pieces_is_one_journal(rich: Record) -> None:
    at = rich.db.read(lambda tx: journal.hash_at(tx, 9))
    one = exported(rich, Range(last=9), name="one", sign=True)
    two = exported(rich, Range(after=9, after_hash=at), name="two", sign=True)
    assert both(one, two)
    assert both(two)
    assert not both(two, one)
    assert not both(one, one)


def test_a_piece_whose_erasure_is_recorded_later_needs_a_signature(rich: Record) -> None:
    signed = exported(rich, Range(last=14), sign=True)
    assert both(signed)
    assert not both(exported(rich, Range(last=14), name="unsigned"))


def test_payload_bytes_survive_unchanged(rich: Record) -> None:
    rows = [json.loads(line) for line in exported(rich).read_text().splitlines()]
    stored = rich.db.read(lambda tx: {entry.seq: body for entry, _, body in journal.walk(tx)})
    for row in rows:
        if row["record"] == "entry":
            body = stored[row["seq"]]
            assert row["payload"] == (body.decode() if body is not None else None)


# -- bad ones ------------------------------------------------------------------------------------------


def fixed(lines: Lines) -> Lines:
    """The lines with a last one that matches them: what a forger without the key does."""
    body = lines[:-1]
    last = json.loads(lines[-1])
    rows = [json.loads(line) for line in body]
    entries = [row for row in rows if row.get("record") == "entry"]
    last["entries"], last["checkpoints"] = len(entries), sum(row.get("record") == "checkpoint" for row in rows)
    if entries:
        last["head"] = [entries[-1]["seq"], entries[-1]["hash"]]
    last["sha256"] = hashlib.sha256("".join(body).encode()).hexdigest()
    return [*body, canonical(last) + "\n"]


def edited(lines: Lines, line: int, /, **changes: object) -> Lines:
    """One row changed, its file made consistent again."""
    row = {**json.loads(lines[line]), **changes}
    return fixed([*lines[:line], canonical(row) + "\n", *lines[line + 1 :]])


@pytest.fixture
def lines(rich: Record) -> Lines:
    """An unsigned export, so that nothing but the chain and the checkpoints protect it."""
    return exported(rich).read_text().splitlines(keepends=True)


def refused(folder: Path, lines: Lines) -> bool:
    """Whether both verifiers refuse these lines."""
    path = folder / "forged"
    path.write_text("".join(lines))
    return not both(path)


COLUMNS = [
    "id", "writer", "stream", "type", "kind", "actor", "subject", "generation", "work_item", "agent", "run_id",
    "cause_id", "dedup_key", "summary", "payload_hash", "prev_hash", "hash",
]  # fmt: skip
FORGERIES: dict[str, Callable[[str], object]] = {
    "other text": lambda text: text + "x",
    "no text": lambda text: None,
    "a number": lambda text: 7,
    "a look-alike": lambda text: text + "\u0430",
    "a zero width character": lambda text: text + "\u200b",
    "composed otherwise": lambda text: text + "e\u0301",
    "a half surrogate": lambda text: text + "\ud800",
    "upper case": lambda text: text.upper() + "_",
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_changed_column_is_refused(rich: Record, lines: Lines, column: str, forge: Callable[[str], object]) -> None:
    at = 13  # the entry that uses every column
    before = json.loads(lines[at])[column]
    assert before
    assert refused(rich.folder, edited(lines, at, **{column: forge(before)}))


@pytest.mark.parametrize("value", [-1, 0, 99, True, 13.0, "13", None, 10**30])
@pytest.mark.parametrize("column", ["seq", "at"])
def test_a_changed_number_is_refused(rich: Record, lines: Lines, column: str, value: object) -> None:
    assert refused(rich.folder, edited(lines, 13, **{column: value}))


def test_numbers_written_otherwise_duplicate_keys_and_spaces_are_refused(rich: Record, lines: Lines) -> None:
    def raw(old: str, new: str) -> Lines:
        assert old in lines[5]
        return [*lines[:5], lines[5].replace(old, new, 1), *lines[6:-1], lines[-1]]

    seq = json.loads(lines[5])["seq"]
    for old, new in (
        (f'"seq":{seq}', f'"seq":{seq}.0'),
        (f'"seq":{seq}', f'"seq":{seq}e0'),
        (f'"seq":{seq}', f'"seq": {seq}'),
        (f'"seq":{seq}', f'"seq":{seq},"seq":{seq}'),
        ('"summary":"entry', '"summary":"x","summary":"entry'),
        ('"summary":"entry', '"summary":"\\u0065ntry'),
        ("{", "{ "),
        ("}\n", "}\r\n"),
        ("}\n", "}\n\n"),
    ):
        forged = raw(old, new)
        with contextlib.suppress(ValueError):
            forged = fixed(forged)
        assert refused(rich.folder, forged), new


def test_changed_payloads_and_salts_are_refused(rich: Record, lines: Lines) -> None:
    row = json.loads(lines[5])
    for changes in (
        {"payload": row["payload"] + " "},
        {"payload": row["payload"].replace(":", ": ")},
        {"salt": "00" * 16},
        {"salt": row["salt"].upper() if row["salt"].upper() != row["salt"] else "0" * 31},
        {"salt": row["salt"][:2] + " " + row["salt"][2:]},
        {"salt": None},
        {"payload": None},
        {"salt": None, "payload": None},
        {"payload": 5},
        {"payload": row["payload"] + "\ud800"},
    ):
        assert refused(rich.folder, edited(lines, 5, **changes)), changes


def test_an_erased_payload_needs_the_entry_that_says_so(rich: Record, lines: Lines) -> None:
    at = next(n for n, line in enumerate(lines) if json.loads(line).get("type") == "payload.erased")
    assert refused(rich.folder, fixed([*lines[:at], *lines[at + 1 :]]))
    victim = json.loads(lines[5])
    forged = edited(edited(lines, 5, salt=None, payload=None), 0, erased_later=[victim["id"]])
    assert refused(rich.folder, forged), "an unsigned claim about a later erasure"


def test_missing_doubled_moved_and_cut_lines_are_refused(rich: Record, lines: Lines) -> None:
    for at in range(len(lines)):
        assert refused(rich.folder, [*lines[:at], *lines[at + 1 :]]), f"without line {at}"
        assert refused(rich.folder, [*lines[:at], lines[at], *lines[at:]]), f"line {at} twice"
    entries = [n for n, line in enumerate(lines) if json.loads(line)["record"] == "entry"]
    for at in entries:
        if at + 1 in entries:
            swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
            assert refused(rich.folder, fixed(swapped)), f"line {at} swapped"
        if json.loads(lines[at])["seq"] > 1:
            assert refused(rich.folder, fixed([*lines[:at], *lines[at + 1 :]])), f"line {at} removed and mended"


def test_a_cut_tail_is_refused_while_a_checkpoint_saw_it_and_shown_by_the_anchor_otherwise(
    rich: Record, lines: Lines
) -> None:
    points = [line for line in lines if json.loads(line)["record"] == "checkpoint"]
    entries = [line for line in lines if json.loads(line)["record"] == "entry"]
    assert refused(rich.folder, fixed([lines[0], *entries[:-1], *points, lines[-1]]))
    cut = fixed([lines[0], *entries[:8], points[0], lines[-1]])
    assert not refused(rich.folder, cut), "a shorter history without its checkpoints is whole in itself"
    with pytest.raises(Problem, match="was cut"):
        check_files([str(rich.folder / "forged")], anchor=str(rich.plan.anchor))


def test_forged_checkpoints_and_keys_are_refused(rich: Record, lines: Lines) -> None:
    at = next(n for n, line in enumerate(lines) if json.loads(line)["record"] == "checkpoint")
    point = json.loads(lines[at])
    forged = point["signature"][:-1] + ("0" if point["signature"][-1] != "0" else "1")
    assert refused(rich.folder, edited(lines, at, signature=forged))
    assert refused(rich.folder, edited(lines, at, signature=point["signature"] + "00"))
    assert refused(rich.folder, edited(lines, at, statement=point["statement"].replace("shop-1", "shop-2")))
    header = json.loads(lines[0])
    assert refused(rich.folder, edited(lines, 0, keys=header["keys"][:1])), "the second key is missing"
    assert refused(rich.folder, edited(lines, 0, keys=[]))
    eve = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
    public = eve.public_key().public_bytes_raw().hex()
    statement = key_statement("shop-1", public, replaces="", lost=False, reason="", at=1)
    own = {"statement": statement, "signed_by_new": eve.sign(statement.encode()).hex(), "signed_by_old": ""}
    assert refused(rich.folder, edited(lines, 0, keys=[own])), "another key signed nothing here"
    assert refused(rich.folder, edited(lines, 0, keys=[*header["keys"], own])), "it does not follow"


def test_a_header_that_lies_is_refused(rich: Record, lines: Lines) -> None:
    for changes in (
        {"whole": False}, {"whole": 1}, {"after": 1}, {"after": -1}, {"after": False}, {"after_hash": "1" * 64},
        {"format": "fleet-export-2"}, {"fleet": "shop-2"}, {"keys": "x"}, {"keys": [1]}, {"erased_later": "x"},
        {"erased_later": [1]}, {"extra": 1},
    ):  # fmt: skip
        assert refused(rich.folder, edited(lines, 0, **changes)), changes


def test_a_signed_end_cannot_be_mended(rich: Record) -> None:
    signed = exported(rich, sign=True).read_text().splitlines(keepends=True)
    assert refused(rich.folder, edited(signed, 0, made_at=1))
    row = json.loads(signed[-1])
    assert refused(rich.folder, [*signed[:-1], canonical({**row, "signature": "00" * 64}) + "\n"])
    assert refused(rich.folder, [*signed[:-1], canonical({**row, "key": ""}) + "\n"])


def mutations(lines: Lines, chance: random.Random) -> Iterator[Lines]:
    """Endless small changes: of one byte, of one value anywhere, of the order, mended or not."""
    values: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], {}, "\ud800", 2**70, GENERIC]
    while True:
        at = chance.randrange(len(lines))
        kind = chance.randrange(4)
        if kind == 0:
            text = lines[at]
            spot = chance.randrange(len(text))
            forged = [*lines[:at], text[:spot] + chance.choice('0a"}:,\\ z') + text[spot + 1 :], *lines[at + 1 :]]
        elif kind == 1:
            row = json.loads(lines[at])
            row[chance.choice(sorted(row))] = chance.choice(values)
            forged = [*lines[:at], canonical(row) + "\n", *lines[at + 1 :]]
        elif kind == 2:
            row = json.loads(lines[at])
            row[chance.choice(sorted(row))] = json.loads(chance.choice(lines)).get(chance.choice(sorted(row)), 3)
            forged = [*lines[:at], canonical(row) + "\n", *lines[at + 1 :]]
        else:
            other = chance.randrange(len(lines))
            forged = list(lines)
            forged[at], forged[other] = forged[other], forged[at]
        if chance.random() < 0.6:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                forged = fixed(forged)
        if forged != lines:
            yield forged


GENERIC = "0" * 64


@pytest.mark.parametrize("count", [200, pytest.param(30_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_both_verifiers_agree_on_thousands_of_changes(record: Record, count: int) -> None:
    """``both`` fails where they differ; what changes no meaning (the header's date, unsigned) may be accepted."""
    lines = exported(record).read_text().splitlines(keepends=True)
    path, accepted = record.folder / "forged", 0
    for number, forged in enumerate(mutations(lines, random.Random(count))):
        if number == count:
            break
        path.write_text("".join(forged))
        if both(path):
            accepted += 1
            same = [line for line in forged if '"record":"entry"' in line]
            assert same == [line for line in lines if '"record":"entry"' in line][: len(same)]
    assert accepted < count / 10


# -- formats for reading -------------------------------------------------------------------------------


def test_a_filtered_export_says_that_it_proves_nothing(rich: Record) -> None:
    path = exported(rich, Range(wanted=Filter(type="note")))
    assert len(path.read_text().splitlines()) == 3
    assert not both(path)
    with pytest.raises(Problem, match="filtered"):
        check_files([str(path)])


def test_csv_holds_no_formula(rich: Record) -> None:
    def add(tx: Any) -> None:
        for text in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx"):
            journal.append(tx, Draft(Stream.EVENT, "note", "human:ann", summary=text, payload={"t": text}))

    rich.db.write(add)
    rows = list(csv.reader(io.StringIO(exported(rich, form="csv").read_text())))
    assert rows[0][0] == "seq"
    assert not [cell for row in rows[1:] for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert sum(row[14].startswith("'") for row in rows) == 4


def test_cef_escapes_what_would_forge_a_field(rich: Record) -> None:
    def add(tx: Any) -> None:
        journal.append(tx, Draft(Stream.EVENT, "note", "human:a=b|c", summary="x|y=z\\ \nCEF:0|evil", payload={}))

    rich.db.write(add)
    text = exported(rich, form="cef").read_text()
    line = text.splitlines()[-1]
    assert line.startswith("CEF:0|Fleet|fleet|1|note|x\\|y=z\\\\  CEF:0\\|evil|3|")
    assert "suser=human:a\\=b|c" in line
    assert text.count("\n") == len(text.splitlines())


def test_a_file_that_exists_or_a_folder_that_does_not_ends_it_and_leaves_nothing(record: Record) -> None:
    path = exported(record)
    with pytest.raises(Conflict) as caught:
        exported(record)
    assert caught.value.code == "FLT-AUD-011"
    with pytest.raises(PermanentError) as missing:
        exported(record, name="no/such/folder")
    assert missing.value.code == "FLT-AUD-012"
    assert [item.name for item in record.folder.iterdir() if "partial" in item.name] == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_memory_does_not_grow_with_the_journal(record: Record) -> None:
    record.add(4000)
    tracemalloc.start()
    exported(record)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000  # one batch of a thousand entries, not all of them


# -- the stand-alone program ---------------------------------------------------------------------------

# RFC 8032, section 7.1: secret key, message; public key and signature follow from them.
RFC = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), RFC)
def test_the_vectors_of_the_standard(public: str, message: str, signature: str) -> None:
    key, text, sig = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519_ok(key, text, sig)
    for at in range(0, 64, 5):
        assert not ed25519_ok(key, text, sig[:at] + bytes([sig[at] ^ 1]) + sig[at + 1 :])
    assert not ed25519_ok(key, text + b"x", sig)
    order = 2**252 + 27742317777372353535851937790883648493
    more = (int.from_bytes(sig[32:], "little") + order).to_bytes(32, "little")
    assert not ed25519_ok(key, text, sig[:32] + more), "a second signature made from a first"


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_what_the_library_signs_is_accepted(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519_ok(public, message, signature)
    assert not ed25519_ok(public, message + b"\0", signature)


def test_the_verifier_runs_alone_and_imports_nothing_of_ours(rich: Record) -> None:
    source = resources.files("fleet.audit").joinpath("verify_fleet_audit.py").read_text("utf-8")
    assert "fleet." not in [
        line.split()[1][:6] for line in source.splitlines() if line.startswith(("import ", "from "))
    ]
    program = rich.folder / "verify_fleet_audit.py"
    program.write_text(source)
    key = read_key(rich.plan.keys.current).public
    path = exported(rich, sign=True)
    words = [sys.executable, "-I", "-S", str(program), str(path), "--key", key, "--anchor", str(rich.plan.anchor)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("whole: 18 entries of shop-1, up to 18 ")
    path.write_text(path.read_text().replace("human:ann", "human:eve"))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("NOT whole: ")
