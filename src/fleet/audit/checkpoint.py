"""Service: signs the journal's head now and then, after computing the chain anew from the stored bytes.

It signs nothing that does not fit: a fault is put on record and shown, and the signing rests until it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.audit import anchor
from fleet.audit.chain import Fault, verify
from fleet.audit.keys import KeyFiles, Signer, is_signed, take_up
from fleet.audit.statement import checkpoint_statement, link_of, parsed
from fleet.audit.verify import sealed_prefix
from fleet.config.paths import FleetPaths
from fleet.config.sections import AuditConfig
from fleet.core.clock import SECOND
from fleet.core.errors import FleetError, IntegrityError, NotFound
from fleet.core.journal import GENESIS, Draft, Stream
from fleet.core.principal import system
from fleet.core.probe import probe
from fleet.core.service import Tick
from fleet.store import audits, journal
from fleet.store.db import Database, Tx


@dataclass(frozen=True, slots=True)
class Plan:
    """How a fleet's checkpoints are made: at the latest after so many entries or seconds, and where they go."""

    fleet: str
    keys: KeyFiles
    anchor: Path
    entries: int = 1000
    seconds: int = 600


def plan_of(paths: FleetPaths, config: AuditConfig) -> Plan:
    """The plan of a fleet."""
    place = Path(config.anchor) if config.anchor else paths.audit / "anchor.jsonl"
    return Plan(paths.fleet_id, KeyFiles(paths.audit), place, config.checkpoint_entries, config.checkpoint_seconds)


class Checkpointer:
    """Entries -> signed checkpoints."""

    name = "checkpointer"

    def __init__(self, db: Database, plan: Callable[[], Plan]) -> None:
        """Take the store, and what gives the plan in force."""
        self._db = db
        self._plan = plan
        self._due = 0
        self._anchored = False
        self._refused = False

    def tick(self, now: int) -> Tick:
        """Sign what is new when enough of it came or enough time passed. Raises TemporaryError FLT-AUD-006."""
        plan = self._plan()
        if not self._anchored:
            catch_up(self._db, plan.anchor)
            self._anchored = True
        seq, signed = self._db.read(_heights)
        period = plan.seconds * SECOND
        due_at = min(self._due, now + period)  # a clock that was set back delays nothing for long
        enough = seq - signed >= plan.entries and not self._refused
        if seq == signed or (not enough and now < due_at):
            return Tick(0, due_at if seq != signed else None)
        self._due = now + period
        self._anchored = False
        made = self._sign(plan)
        catch_up(self._db, plan.anchor)
        self._anchored = True
        return Tick(made, self._due)

    def _sign(self, plan: Plan) -> int:
        try:
            made = make_checkpoint(self._db, plan)
        except (IntegrityError, NotFound) as error:
            refusal = error
            self._refused = True
            self._db.write(lambda tx: _refuse(tx, refusal))
            return 0
        self._refused = False
        return int(made is not None)


def _heights(tx: Tx) -> tuple[int, int]:
    """The journal's height and that of the last checkpoint."""
    last = audits.last_checkpoint(tx)
    return journal.head(tx)[0], last.seq if last is not None else 0


def _refuse(tx: Tx, error: FleetError) -> None:
    """Say once that nothing is signed, and why."""
    draft = Draft(
        Stream.DECISION,
        "checkpoint.refused",
        str(system("checkpointer")),
        summary=f"no checkpoint is signed: {error.message}",
        payload={"code": error.code, "where": error.where, "message": error.message},
        dedup_key=f"checkpoint.refused:{error.code}:{error.where}:{error.message}"[:400],
    )
    journal.append(tx, draft)


def make_checkpoint(db: Database, plan: Plan) -> audits.CheckpointRow | None:
    """Compute the chain since the last checkpoint, sign its head, keep the signature; None when nothing is new.

    Raises IntegrityError FLT-AUD-007 when what is stored does not fit together: nothing is signed then; and what
    ``take_up`` raises about the key.
    """
    signer = take_up(db, plan.keys, plan.fleet)
    last, seq, digest = db.read(_examined)
    if last is not None and last.seq == seq:
        return None
    number = last.number + 1 if last is not None else 1
    previous = link_of(last.statement, last.signature) if last is not None else GENESIS
    at = db.clock.now()
    heads = {journal.WRITER: (seq, digest)}
    statement = checkpoint_statement(plan.fleet, number, heads, previous=previous, key=signer.id, at=at)
    row = audits.CheckpointRow(number, seq, digest, signer.id, at, statement, signer.sign(statement))
    probe("checkpoint.signed")
    kept = db.write(lambda tx: _keep(tx, row, signer))
    return row if kept else None


def _keep(tx: Tx, row: audits.CheckpointRow, signer: Signer) -> bool:
    """Keep a checkpoint unless another was faster or the key changed meanwhile."""
    active = audits.active_key(tx)
    return active is not None and active.key_id == signer.id and audits.add_checkpoint(tx, row)


def _examined(tx: Tx) -> tuple[audits.CheckpointRow | None, int, str]:
    """The last checkpoint, and the head that the stored bytes after it really lead to."""
    last = audits.last_checkpoint(tx)
    start = (0, GENESIS)
    if last is not None:
        _trust(tx, last)
        start = (last.seq, last.hash)
    sealed = sealed_prefix(tx)
    walk = journal.walk(tx, after=start[0])
    found = verify(walk, erasures=journal.erased_ids(tx), after=start[0], prev_hash=start[1], sealed=sealed)
    if found.fault is not None:
        raise _unfit(found.fault)
    if found.head_seq < start[0]:
        raise _unfit(Fault(start[0], "", "is missing, although a checkpoint saw it"))
    return last, found.head_seq, found.head_hash


def _trust(tx: Tx, last: audits.CheckpointRow) -> None:
    """The place to go on from must be what was signed, and must still be there."""
    key = next((row for row in audits.keys(tx) if row.key_id == last.key_id), None)
    facts = parsed(last.statement)
    told = facts is not None and facts.get("heads") == {journal.WRITER: [last.seq, last.hash]}
    if key is None or not told or not is_signed(key.public, last.statement, last.signature):
        raise _unfit(Fault(last.seq, f"checkpoint {last.number}", "is not what was signed"))
    here = journal.hash_at(tx, last.seq)
    sealed = sealed_prefix(tx)
    if here != last.hash and not (here == "" and last.seq <= sealed.seq):
        raise _unfit(Fault(last.seq, "", "is not the entry that the last checkpoint saw"))


def _unfit(fault: Fault) -> IntegrityError:
    return IntegrityError(
        "FLT-AUD-007",
        f"the journal does not fit together: {fault.what}",
        where=f"entry {fault.seq} {fault.id}".strip(),
        hint="fleet audit verify tells more; keep the file as evidence, or restore a backup.",
    )


def catch_up(db: Database, path: Path) -> int:
    """Anchor every checkpoint that the file lacks; how many. Raises TemporaryError FLT-AUD-006."""
    known = anchor.read_anchor(path).lines
    after = max((line.number for line in known), default=0)
    missing = db.read(lambda tx: audits.checkpoints(tx, after=after))
    anchor.append(path, missing)
    return len(missing)
