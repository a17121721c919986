"""The key that signs for a fleet: one file that only its owner reads, and the statements that vouch for it.

Takes the audit folder of the state, gives a ``Signer``. A change of keys is written in three steps (new file
beside the old one, statement and entry in one transaction, rename); whoever is killed between two of them is
completed by the next ``take_up``.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fleet.audit.statement import key_id_of, key_statement
from fleet.core.clock import Clock
from fleet.core.errors import Conflict, FleetError, IntegrityError, NotFound
from fleet.core.journal import Draft, Stream
from fleet.core.principal import system
from fleet.core.probe import probe
from fleet.store import audits, journal
from fleet.store.db import Database, Tx

_FORM = "fleet-signing-key-1"
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a fleet's key lies, and where the next one waits for its turn."""

    folder: Path

    @property
    def current(self) -> Path:
        """The key in use."""
        return self.folder / "signing.key"

    @property
    def coming(self) -> Path:
        """A key whose statement may or may not be on record yet."""
        return self.folder / "signing.key.new"


class Signer:
    """A private key in memory."""

    def __init__(self, seed: bytes) -> None:
        """Take the 32 bytes that the key is made of."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw().hex()
        self.id = key_id_of(self.public)

    def sign(self, statement: str) -> str:
        """The signature of a statement, in hex."""
        return self._key.sign(statement.encode("ascii")).hex()


def is_signed(public: str, statement: str, signature: str) -> bool:
    """Whether this key signed this statement; False for anything malformed."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), statement.encode("ascii"))
    except (InvalidSignature, ValueError):
        return False
    return True


def read_key(path: Path) -> Signer:
    """The key of a file. Raises NotFound FLT-AUD-001, IntegrityError FLT-AUD-002 for one that cannot be trusted."""
    try:
        facts = path.lstat()
        text = path.read_text("ascii")
    except FileNotFoundError as error:
        raise NotFound("FLT-AUD-001", "the signing key is missing", where=str(path), hint=_LOST) from error
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError("FLT-AUD-002", f"the signing key cannot be read: {error}", where=str(path)) from error
    form, _, seed = text.strip().partition(" ")
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        hint = f"chmod 0400 {path}, and rotate it if anybody else could read it: fleet audit rotate-key --reason …"
        raise IntegrityError("FLT-AUD-002", "others may read the signing key", where=str(path), hint=hint)
    try:
        raw = bytes.fromhex(seed)
    except ValueError:
        raw = b""
    if form != _FORM or len(raw) != _SEED_BYTES:
        raise IntegrityError("FLT-AUD-002", "this is not a signing key", where=str(path), hint=_LOST)
    return Signer(raw)


_LOST = "Restore the file, or say that it is gone: fleet audit rotate-key --lost --reason …"


def write_key(path: Path, clock: Clock) -> Signer:
    """Make a key in a new file that only its owner reads; it is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    seed = clock.entropy(_SEED_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(descriptor, f"{_FORM} {seed.hex()}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
    return Signer(seed)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def take_up(db: Database, files: KeyFiles, fleet: str) -> Signer:
    """The key in use, made and put on record if the fleet has none; a rotation that was cut short is ended.

    Raises NotFound FLT-AUD-001 when the file is gone, IntegrityError FLT-AUD-002/003 when it is not the one on record.
    """
    active = db.read(audits.active_key)
    if active is None:
        try:
            signer = read_key(files.current)
        except NotFound:
            signer = write_key(files.current, db.clock)
        db.write(lambda tx: _introduce(tx, signer, fleet))
        return signer
    return in_use(active, files)


def in_use(active: audits.KeyRow, files: KeyFiles) -> Signer:
    """The key file that belongs to the active key. Raises as ``take_up``."""
    if files.coming.exists():
        coming = read_key(files.coming)
        if coming.id == active.key_id:
            files.coming.rename(files.current)
            sync_folder(files.folder)
    signer = read_key(files.current)
    if signer.id != active.key_id:
        raise IntegrityError(
            "FLT-AUD-003",
            f"the key file holds {signer.id}, on record is {active.key_id}",
            where=str(files.current),
            hint=_LOST,
        )
    return signer


def _introduce(tx: Tx, signer: Signer, fleet: str) -> None:
    """The first key: it vouches for itself, and its entry makes it part of the chain."""
    if audits.active_key(tx) is not None:
        return
    statement = key_statement(fleet, signer.public, replaces="", lost=False, reason="the first key", at=tx.now)
    _record(tx, "audit.key_introduced", str(system("audit")), signer, statement, "", f"key {signer.id} signs from now")


def _record(tx: Tx, kind: str, actor: str, signer: Signer, statement: str, by_old: str, summary: str) -> int:
    by_new = signer.sign(statement)
    payload: dict[str, object] = {
        "key": signer.id,
        "statement": statement,
        "signed_by_new": by_new,
        "signed_by_old": by_old,
    }
    made = journal.append(tx, Draft(Stream.DECISION, kind, actor, summary=summary, payload=payload))
    audits.add_key(tx, audits.KeyRow(signer.id, signer.public, statement, by_new, by_old, made.seq, tx.now))
    return made.seq


def rotate(db: Database, files: KeyFiles, fleet: str, *, actor: str, reason: str, lost: bool) -> tuple[Signer, int]:
    """Replace the key; the new one and the number of the entry that says so.

    The old key signs for the new one, unless it is ``lost``. Raises Conflict FLT-AUD-004 when there is no key yet or
    it changed meanwhile, FLT-AUD-005 when it is called lost and is there, and what ``take_up`` raises.
    """
    active = db.read(audits.active_key)
    if active is None:
        raise Conflict("FLT-AUD-004", "there is no key to replace yet", hint="The daemon makes one: fleet up")
    old = _old(active, files, lost=lost)
    new = write_key(files.coming, db.clock)

    def change(tx: Tx) -> int:
        now = audits.active_key(tx)
        if now is None or now.key_id != active.key_id:
            raise Conflict("FLT-AUD-004", "the key was replaced meanwhile", where=active.key_id)
        statement = key_statement(fleet, new.public, replaces=active.key_id, lost=lost, reason=reason, at=tx.now)
        by_old = old.sign(statement) if old is not None else ""
        how = "whose file was lost" if lost else "which signed for it"
        summary = f"key {new.id} replaces {active.key_id}, {how}: {reason}"
        return _record(tx, "audit.key_rotated", actor, new, statement, by_old, summary)

    probe("rotate.written")
    seq = db.write(change)
    probe("rotate.recorded")
    files.coming.rename(files.current)
    sync_folder(files.folder)
    return new, seq


def _old(active: audits.KeyRow, files: KeyFiles, *, lost: bool) -> Signer | None:
    """The key that is to be replaced; None when it is really lost."""
    if not lost:
        return in_use(active, files)
    try:
        in_use(active, files)
    except FleetError:
        return None
    raise Conflict(
        "FLT-AUD-005",
        "the key is there and works: it is not lost",
        where=str(files.current),
        hint="Leave --lost out, so that it signs for the new one.",
    )
