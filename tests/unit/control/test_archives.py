"""Archives: sealed, read back, and nothing that anything open needs leaves the store; nothing starts twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tampering import tamper

from fleet.audit.anchor import Anchor
from fleet.audit.archive import archive, plan
from fleet.audit.chain import Fault
from fleet.audit.checkpoint import plan_of
from fleet.audit.export import Range
from fleet.audit.keys import in_use
from fleet.audit.proofs import Expected, check_proofs
from fleet.audit.verify import verify_journal
from fleet.core import probe
from fleet.core.errors import Conflict, IntegrityError, NotFound, Refused, UsageError
from fleet.core.journal import Draft, Stream
from fleet.daemon.startup import check_tail
from fleet.dispatch.reconciler import Reconciler
from fleet.fabric.router import CURSOR, Router
from fleet.store import audits, cursors, journal, pruning
from fleet.store.db import Tx
from fleet.testing.desk import Desk

DAY = 86_400


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """A merged ticket/1 (pr/2) and an open ticket/3, forty days ago; everything is routed."""
    first = desk.ticket("Done", "ready")
    _, pull, head = desk.pushed("developer", first)
    for name in ("qa-engineer", "tech-lead"):
        desk.ask("pr.review", desk.reviewer(name, pull, first, head), number=pull, verdict="approve")
    desk.ask("pr.merge", number=pull)
    desk.ticket("Open", "ready")
    desk.ask("fabric.publish", event="note", summary="about the open one", subject="ticket/3")
    for number in range(5):
        desk.ask("fabric.publish", event="note", summary=f"remark {number}")
    end_runs(desk)
    routed(desk)
    desk.clock.advance(40 * DAY)
    desk.ask("fabric.publish", event="note", summary="today")
    routed(desk)
    return desk


def end_runs(desk: Desk) -> None:
    """No run is live, no delivery open: a desk leaves both."""

    def end(tx: Tx) -> None:
        tx.run("UPDATE deliveries SET state = 'dispatched', lease_token = ''")
        tx.run("UPDATE runs SET state = 'succeeded', finished_at = 1 WHERE finished_at IS NULL")

    desk.db.write(end)


def routed(desk: Desk) -> None:
    """The router has passed everything."""
    desk.db.write(lambda tx: cursors.advance(tx, CURSOR, journal.head(tx)[0]))


def seqs(desk: Desk) -> set[int]:
    """What is in the store."""
    return {entry.seq for entry in desk.entries()}


def fault(desk: Desk) -> Fault | None:
    """What verification finds in the store alone."""
    found = verify_journal(desk.db)
    return found.fault or desk.db.read(lambda tx: check_proofs(tx, Anchor((), 0), Expected())).fault


def test_what_is_over_leaves_and_what_is_open_stays(shop: Desk, tmp_path: Path) -> None:
    before = {entry.seq: entry for entry in shop.entries()}
    file = tmp_path / "one.jsonl"
    made = shop.ask("audit.archive", file=str(file), keep=1)
    gone = set(before) - seqs(shop)
    assert made["removed"] == len(gone) > 0
    assert {before[seq].type for seq in gone} & {"note", "pr_approved", "label.changed"} != set()
    for seq in gone:
        assert "ticket/3" not in (before[seq].subject, before[seq].work_item)
    kinds = {before[seq].type for seq in gone}
    assert kinds.isdisjoint({"push.intended", "push.done", "pr_created", "pr_merged", "merge.allowed"})
    assert shop.ask("audit.verify")["ok"]
    both = shop.ask("audit.verify_files", files=[str(file)], key=shop.ask("audit.key")["public"])
    assert (both["ok"], both["entries"]) == (True, made["last"])
    assert check_tail(shop.db) > 0


def test_a_second_archive_continues_the_first_and_the_export_continues_both(shop: Desk, tmp_path: Path) -> None:
    one, two, rest = (str(tmp_path / name) for name in ("one", "two", "rest"))
    shop.ask("audit.checkpoint")
    half = shop.db.read(journal.head)[0] // 2
    shop.ask("audit.archive", file=one, keep=shop.db.read(journal.head)[0] - half)
    shop.clock.advance(40 * DAY)
    routed(shop)
    made = shop.ask("audit.archive", file=two, keep=2)
    assert made["first"] == half + 1
    assert made["number"] == 2
    shop.ask("audit.export", file=rest)
    found = shop.ask("audit.verify_files", files=[one, two, rest])
    assert (found["ok"], found["problem"]) == (True, "")
    assert shop.ask("audit.verify")["ok"]
    listed = shop.ask("audit.checkpoints")["archives"]
    assert [row["file"] for row in listed] == [one, two]


def test_what_was_done_once_stays_done_once(shop: Desk, tmp_path: Path) -> None:
    def once(tx: Tx) -> journal.Appended:
        return journal.append(tx, Draft(Stream.EVENT, "note", "human:ann", summary="once", dedup_key="only-once"))

    first = shop.db.write(once)
    keys = {entry.dedup_key for entry in shop.entries()} - {None}
    routed(shop)
    shop.clock.advance(40 * DAY)
    shop.ask("fabric.publish", event="note", summary="newer")
    routed(shop)
    shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)
    assert first.seq not in seqs(shop)
    again = shop.db.write(once)
    assert (again.seq, again.id, again.fresh) == (first.seq, first.id, False)
    for key in keys:
        assert shop.db.read(lambda tx: journal.find_dedup(tx, str(key))) is not None, key
    with pytest.raises(NotFound) as caught:
        shop.db.read(lambda tx: journal.get(tx, first.id))
    assert "lies in an archive" in caught.value.where


OPEN = {
    "delivery": "UPDATE deliveries SET state = 'pending' WHERE work_item = 'ticket/1'",
    "live run": "UPDATE runs SET state = 'running', finished_at = NULL WHERE id = (SELECT min(id) FROM runs)",
    "broken run": "UPDATE runs SET state = 'lost' WHERE id = (SELECT min(id) FROM runs)",
    "task": "INSERT INTO tasks (number, entry_id, title, body, subject, work_item, offered_by, state, created_at,"
    " updated_at) VALUES (1, 'x', '', '', 'ticket/1', 'ticket/1', '', 'open', 1, 1)",
    "approval": "INSERT INTO approvals (id, asked, subject, generation, work_item, agent, cause_id, base, content,"
    " bound, reasons, state, requested_at, expires_at) VALUES ('a', '', 'pr/2', '', 'ticket/1', '', '', '', '', '', '',"
    " 'requested', 1, 2)",
    "question": "INSERT INTO questions (number, entry_id, asker, run_id, subject, work_item, body, state, asked_at)"
    " VALUES (1, 'x', '', '', '', 'ticket/1', '', 'open', 1)",
    "reopened ticket": "UPDATE forge_tickets SET state = 'open' WHERE number = 1",
    "open pull request": "UPDATE forge_pulls SET state = 'open' WHERE number = 2",
}


@pytest.mark.parametrize("statement", OPEN.values(), ids=OPEN)
def test_everything_about_open_work_stays(shop: Desk, tmp_path: Path, statement: str) -> None:
    about = {entry.seq for entry in shop.entries() if "ticket/1" in (entry.subject, entry.work_item)}
    shop.db.write(lambda tx: tx.run(statement))
    shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)
    assert about <= seqs(shop)


def test_an_entry_that_an_open_row_names_stays_with_all_that_caused_it(shop: Desk, tmp_path: Path) -> None:
    note = next(entry for entry in shop.entries() if entry.summary == "remark 3")
    shop.db.write(lambda tx: tx.run("UPDATE deliveries SET state = 'held', event_id = :id, work_item = '', subject = ''"
                                    " WHERE id = (SELECT min(id) FROM deliveries)", id=note.id))  # fmt: skip
    shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)
    assert note.seq in seqs(shop)


def test_a_pull_request_that_no_row_knows_is_not_taken_for_closed(shop: Desk) -> None:
    def add(tx: Tx) -> int:
        return journal.append(tx, Draft(Stream.EVENT, "note", "human:ann", subject="pr/77")).seq

    seq = shop.db.write(add)
    assert seq not in shop.db.read(lambda tx: pruning.sort_out(tx, 1 << 40)).going


def test_young_unrouted_and_unsigned_entries_stay(shop: Desk, tmp_path: Path) -> None:
    made = shop.ask("audit.archive", dry_run=True, before=shop.clock.now())
    young = [entry.seq for entry in shop.entries() if entry.summary == "today"]
    assert made["last"] < young[0]
    assert made["dry_run"]
    assert made["removed"] > 0
    shop.db.write(lambda tx: tx.run("UPDATE cursors SET position = 4 WHERE name = :name", name=CURSOR))
    assert shop.ask("audit.archive", dry_run=True, keep=1)["last"] == 4
    shop.db.write(lambda tx: tx.run("UPDATE cursors SET position = 0"))
    with pytest.raises(Conflict) as caught:
        shop.ask("audit.archive", dry_run=True, keep=1)
    assert caught.value.code == "FLT-AUD-031"


def test_how_much_to_archive_must_be_said_once(shop: Desk) -> None:
    for args in ({}, {"keep": 1, "before": 5, "file": "/tmp/x"}, {"keep": 1}, {"file": "/tmp/x"}):
        with pytest.raises(UsageError) as caught:
            shop.ask("audit.archive", **args)
        assert caught.value.code == "FLT-AUD-033"
    with pytest.raises(Refused):
        shop.ask("audit.archive", shop.run("developer", "ticket/3"), keep=1, dry_run=True)


def test_a_file_that_exists_stops_it_before_anything_changed(shop: Desk, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("mine")
    with pytest.raises(Conflict) as caught:
        shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)
    assert caught.value.code == "FLT-AUD-011"
    assert not shop.ask("audit.checkpoints")["archives"]
    assert (tmp_path / "one").read_text() == "mine"


def test_a_file_that_reads_back_wrong_stops_it_before_anything_changed(
    shop: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk lies: what is read is not what was written."""
    true_open = Path.open

    def lying(self: Path, *args: object, **more: object) -> object:
        if self.name == "one" and args == ("rb",):
            self.write_bytes(self.read_bytes().replace(b"remark 3", b"remark 4", 1))
        return true_open(self, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", lying)
    shop.ask("audit.checkpoint")
    height = len(shop.entries())
    with pytest.raises(IntegrityError) as caught:
        shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)
    assert caught.value.code == "FLT-AUD-013"
    assert len(shop.entries()) == height


def test_an_archive_that_another_one_overtook_is_not_sealed(shop: Desk, tmp_path: Path) -> None:
    """Two processes can plan the same prefix; the second to seal it keeps nothing but its file."""
    shop.ask("audit.checkpoint")
    prefix = shop.db.read(lambda tx: plan(tx, 5))
    active = shop.db.read(audits.active_key)
    assert active is not None
    signer = in_use(active, plan_of(shop.paths, shop.context.loaded.config.audit).keys)

    def seal(name: str) -> int:
        file = tmp_path / name
        return archive(shop.db, prefix, file, fleet=shop.paths.fleet_id, signer=signer, actor="human:ann").number

    def overtake(point: str) -> None:
        if point == "archive.written":
            probe.install(None)
            assert seal("first") == 1

    probe.install(overtake)
    try:
        with pytest.raises(Conflict) as caught:
            seal("second")
    finally:
        probe.install(None)
    assert (caught.value.code, caught.value.exit_code) == ("FLT-AUD-032", 8)
    assert len(shop.entries("journal.archived")) == 1
    assert fault(shop) is None


def test_the_store_refuses_to_delete_what_no_seal_covers(shop: Desk, tmp_path: Path) -> None:
    last = shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)["last"]
    for table in ("journal_payloads", "journal"):
        with pytest.raises(Conflict):
            shop.db.write(lambda tx: tx.run(f"DELETE FROM {table} WHERE seq > :last", last=last))
    for table in ("archives", "archived_keys", "checkpoints", "audit_keys"):
        with pytest.raises(Conflict):
            shop.db.write(lambda tx: tx.run(f"DELETE FROM {table}"))


TAMPERED = {
    "a kept entry deleted": "DELETE FROM journal WHERE seq = 1",
    "a seal moved": "UPDATE archives SET last_seq = last_seq + 1",
    "a seal forged": "UPDATE archives SET signature = replace(signature, 'a', 'b')",
    "a head forged": "UPDATE archives SET head_hash = 'x' || substr(head_hash, 2)",
    "a kept entry edited": "UPDATE journal SET actor = 'human:eve' WHERE seq = 1",
}


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=TAMPERED)
def test_a_changed_seal_or_remainder_is_found(shop: Desk, tmp_path: Path, statement: str) -> None:
    shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)
    assert fault(shop) is None
    tamper(shop.paths.database, "PRAGMA foreign_keys = 0", statement)
    assert fault(shop) is not None


def test_an_erased_payload_in_an_archive_needs_its_later_entry(shop: Desk, tmp_path: Path) -> None:
    victim = next(entry for entry in shop.entries() if entry.summary == "remark 2")
    shop.ask("audit.erase", entry=victim.id, reason="a key was pasted")
    shop.ask("audit.archive", file=str(tmp_path / "one"), keep=3)
    assert shop.ask("audit.verify")["ok"]
    assert shop.ask("audit.verify_files", files=[str(tmp_path / "one")])["ok"]
    assert b"remark 2" in (tmp_path / "one").read_bytes()  # its summary; the payload is gone


def test_a_range_knows_whether_it_is_whole() -> None:
    assert Range().whole
    assert not Range(until=5).whole
    assert not Range(wanted=journal.Filter(type="note")).whole


def test_log_and_why_say_that_history_goes_on_in_an_archive(shop: Desk, tmp_path: Path) -> None:
    assert shop.ask("log")["archived_to"] == 0
    assert not [line for line in shop.ask("why", ref="pr/2")["lines"] if "archive" in line]
    last = shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)["last"]
    assert shop.ask("log")["archived_to"] == last
    assert f"Entries up to {last} may lie in an archive only" in shop.ask("why", ref="pr/2")["lines"][-1]
    number = shop.ticket("New", "ready")
    assert not [line for line in shop.ask("why", ref=f"ticket/{number}")["lines"] if "archive" in line]


def started(tx: Tx) -> tuple[int, int]:
    """How many runs and deliveries there are."""
    row = tx.one("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM deliveries)")
    assert row is not None
    return row[0], row[1]


def test_nothing_is_routed_offered_or_merged_again_because_history_went_to_an_archive(
    shop: Desk, tmp_path: Path
) -> None:
    """Router, reconciler and merge on the store as it is after an archive: no new delivery, run or merge."""
    routed(shop)
    router = Router(shop.db, lambda: shop.loaded)
    reconciler = Reconciler(shop.db, shop.live, shop.live, lambda: shop.loaded)

    def settle() -> list[str]:
        before = len(shop.entries())
        for _ in range(20):
            shop.clock.advance(5)
            router.tick(shop.clock.now())
            reconciler.tick(shop.clock.now())
        return [entry.type for entry in shop.entries()[before:]]

    settle()
    shop.clock.advance(40 * DAY)
    shop.ask("fabric.publish", event="note", summary="later")
    settle()
    assert shop.ask("audit.archive", file=str(tmp_path / "one"), keep=1)["removed"] > 0
    counts = shop.db.read(started)
    assert settle() == []
    assert shop.ask("pr.merge", number=2)["merge_commit"]  # finds the first one
    assert shop.db.read(started) == counts
    assert len(shop.entries("pr_merged")) == 1
