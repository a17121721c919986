"""Artifacts: received in pieces, named by their content, bounded, verified, and whole or not there."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.control import artifacts as control
from fleet.control.arguments import PIECE
from fleet.core import probe
from fleet.core.errors import Conflict, FleetError, IntegrityError, NotFound, Refused, TemporaryError, UsageError
from fleet.core.principal import Principal
from fleet.daemon.startup import sweep_artifacts
from fleet.fabric import contents
from fleet.store import artifacts
from fleet.testing.desk import ANN, Desk
from fleet.testing.scene import usual_members

LIMIT, TOTAL = 2 * PIECE, 3 * PIECE


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A fleet whose artifacts are bounded to two pieces each, and three together."""
    made = Desk(tmp_path, usual_members(), fabric={"artifact_bytes": LIMIT, "artifacts_bytes": TOTAL})
    yield made
    made.close()


def code_of(call: Callable[[], object]) -> tuple[type[FleetError], str]:
    """How a call is refused."""
    with pytest.raises(FleetError) as caught:
        call()
    return type(caught.value), caught.value.code


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def upload(desk: Desk, data: bytes, who: Principal = ANN) -> str:
    """Send a content in pieces; its upload."""
    offset = 0
    name = ""
    while True:
        piece = data[offset : offset + PIECE]
        args: dict[str, Any] = {"upload": name} if name else {}
        text = base64.b64encode(piece).decode()
        name = str(desk.ask("artifact.send", who, offset=offset, size=len(data), data=text, **args)["upload"])
        offset += len(piece)
        if offset >= len(data):
            return name


def keep(desk: Desk, data: bytes, name: str = "report.txt", who: Principal = ANN, **more: Any) -> dict[str, Any]:
    """Put an artifact."""
    place = upload(desk, data, who)
    found: dict[str, Any] = desk.ask("artifact.put", who, upload=place, sha256=digest(data), name=name, **more)
    return found


def content(desk: Desk, ref: str) -> bytes:
    """Read an artifact back, piece by piece."""
    data = b""
    while True:
        answer = desk.ask("artifact.read", artifact=ref, offset=len(data))
        data += base64.b64decode(answer["data"])
        if len(data) >= answer["artifact"]["size"]:
            return data


def files(desk: Desk) -> list[str]:
    """Every file below the folder of artifacts."""
    folder = desk.paths.artifacts
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("data", [b"", b"\0\xff binary\r\n", b"x" * (PIECE + 1), b"y" * LIMIT])
def test_what_was_put_is_read_back_byte_for_byte(desk: Desk, data: bytes) -> None:
    made = keep(desk, data)["artifact"]
    assert (made["size"], made["sha256"], made["put_by"]) == (len(data), digest(data), "human:ann")
    assert content(desk, str(made["number"])) == data
    assert content(desk, made["sha256"][:8]) == data
    assert files(desk) == [f"{made['sha256'][:2]}/{made['sha256']}"]
    assert oct(desk.paths.artifacts.joinpath(files(desk)[0]).stat().st_mode & 0o777) == "0o600"


def test_the_entry_on_the_fabric_names_the_content(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    made = keep(desk, b"42", who=who)["artifact"]
    (entry,) = desk.entries("artifact")
    assert (entry.actor, entry.subject, entry.work_item, entry.run_id) == (
        "agent:developer",
        "ticket/1",
        "ticket/1",
        who.run_id,
    )
    assert entry.payload == {"artifact": made["number"], "sha256": digest(b"42"), "size": 2, "name": "report.txt"}
    assert [one["number"] for one in desk.ask("artifact.list", subject="ticket/1")["artifacts"]] == [made["number"]]
    assert desk.ask("artifact.list", subject="ticket/2")["artifacts"] == []


def test_equal_contents_are_stored_once_and_the_same_call_counts_once(desk: Desk) -> None:
    first = keep(desk, b"same", "a.txt")
    again = keep(desk, b"same", "a.txt")
    other = keep(desk, b"same", "b.txt")
    assert (first["repeated"], again["repeated"], other["repeated"]) == (False, True, False)
    assert again["artifact"]["number"] == first["artifact"]["number"] != other["artifact"]["number"]
    assert len(files(desk)) == 1
    assert len(desk.entries("artifact")) == 2


def test_a_content_above_the_limit_is_refused_before_a_byte_of_it_arrived(desk: Desk) -> None:
    too_large = (UsageError, "FLT-FAB-131")
    assert code_of(lambda: desk.ask("artifact.send", size=LIMIT + 1)) == too_large
    assert files(desk) == []


def test_a_sender_that_lied_about_the_size_is_stopped_at_the_limit(desk: Desk) -> None:
    place = desk.ask("artifact.send", size=1)["upload"]
    piece = base64.b64encode(b"x" * PIECE).decode()
    for offset in (0, PIECE):
        desk.ask("artifact.send", upload=place, offset=offset, data=piece)
    assert code_of(lambda: desk.ask("artifact.send", upload=place, offset=LIMIT, data="eA==")) == (
        UsageError,
        "FLT-FAB-131",
    )


def test_all_artifacts_together_are_bounded_and_a_person_makes_room(desk: Desk) -> None:
    first = keep(desk, b"a" * LIMIT)["artifact"]
    assert code_of(lambda: keep(desk, b"b" * LIMIT)) == (Refused, "FLT-FAB-132")
    assert files(desk) == [f"{first['sha256'][:2]}/{first['sha256']}"], "what was refused does not stay on the disk"
    assert len(desk.entries("artifact")) == 1
    keep(desk, b"a" * LIMIT, "the same under another name")
    number = str(first["number"])
    assert desk.ask("artifact.remove", artifact=number, reason="superseded")["content_removed"] is False
    assert content(desk, "2") == b"a" * LIMIT
    assert desk.ask("artifact.remove", artifact="2", reason="superseded")["content_removed"] is True
    assert files(desk) == []
    keep(desk, b"b" * LIMIT)
    assert [entry.payload and entry.payload["artifact"] for entry in desk.entries("artifact.removed")] == [1, 2]
    assert code_of(lambda: desk.ask("artifact.read", artifact=number)) == (NotFound, "FLT-FAB-130")
    assert code_of(lambda: desk.ask("artifact.remove", artifact="99", reason="x")) == (NotFound, "FLT-FAB-130")


def test_the_number_of_artifacts_is_bounded_however_small_they_are(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MOST", 1)
    keep(desk, b"", "a")
    assert code_of(lambda: keep(desk, b"", "b")) == (Refused, "FLT-FAB-132")
    assert code_of(lambda: keep(desk, b"x", "c")) == (Refused, "FLT-FAB-132")
    assert len(files(desk)) == 1


def test_pieces_come_in_turn_and_from_whoever_began(desk: Desk) -> None:
    who, other = desk.run("developer", "ticket/1"), desk.run("tech-lead", "ticket/1")
    place = desk.ask("artifact.send", who, data="eHg=")["upload"]
    lost = (Conflict, "FLT-FAB-133")
    for offset in (0, 1, 3):
        assert code_of(lambda: desk.ask("artifact.send", who, upload=place, offset=offset, data="eA==")) == lost
    assert code_of(lambda: desk.ask("artifact.send", other, upload=place, offset=2, data="eA==")) == lost
    args: dict[str, Any] = {"upload": place, "sha256": digest(b"xx"), "name": "a"}
    assert code_of(lambda: desk.ask("artifact.put", other, **args)) == lost
    assert desk.ask("artifact.put", who, **args)["artifact"]["size"] == 2
    assert code_of(lambda: desk.ask("artifact.put", who, **args)) == lost


def test_a_content_that_did_not_arrive_as_it_was_sent_is_not_kept(desk: Desk) -> None:
    place = upload(desk, b"abc")
    wrong: dict[str, Any] = {"upload": place, "sha256": digest(b"abd"), "name": "a"}
    assert code_of(lambda: desk.ask("artifact.put", **wrong)) == (UsageError, "FLT-FAB-134")
    assert files(desk) == []


def test_uploads_of_one_sender_are_bounded_and_abandoned_ones_give_way(desk: Desk) -> None:
    for _ in range(contents.MOST_OF_ONE):
        desk.ask("artifact.send", data="eA==")
    assert code_of(lambda: desk.ask("artifact.send", data="eA==")) == (Refused, "FLT-FAB-136")
    desk.ask("artifact.send", desk.run("developer", "ticket/1"), data="eA==")
    for name in files(desk):
        os.utime(desk.paths.artifacts / name, (0, 0))
    desk.ask("artifact.send", data="eA==")
    assert len(files(desk)) == 1


def test_a_damaged_or_missing_content_is_never_given_out(desk: Desk) -> None:
    made = keep(desk, b"precious")["artifact"]
    place = desk.paths.artifacts / made["sha256"][:2] / made["sha256"]
    place.write_bytes(b"Precious")
    assert code_of(lambda: content(desk, "1")) == (IntegrityError, "FLT-FAB-135")
    place.unlink()
    assert code_of(lambda: content(desk, "1")) == (IntegrityError, "FLT-FAB-135")
    keep(desk, b"precious", "put again")
    assert content(desk, "1") == b"precious"


def test_a_crash_between_content_and_entry_leaves_nothing_that_the_next_start_does_not_remove(desk: Desk) -> None:
    class Killed(BaseException):
        """Ends the call there, as a signal would."""

    def at(point: str) -> None:
        if point == "artifact.stored":
            raise Killed

    kept = keep(desk, b"kept")["artifact"]
    upload(desk, b"half sent")
    probe.install(at)
    try:
        with pytest.raises(Killed):
            keep(desk, b"lost")
    finally:
        probe.install(None)
    assert len(files(desk)) == 3
    assert len(desk.entries("artifact")) == 1
    assert sweep_artifacts(desk.db, desk.paths.artifacts) == 2
    assert files(desk) == [f"{kept['sha256'][:2]}/{kept['sha256']}"]
    assert sweep_artifacts(desk.db, desk.paths.artifacts) == 0
    assert content(desk, "1") == b"kept"


def test_a_disk_that_says_no_is_a_temporary_error(desk: Desk) -> None:
    desk.paths.artifacts.mkdir(parents=True)
    (desk.paths.artifacts / "incoming").write_text("in the way")
    assert code_of(lambda: desk.ask("artifact.send", data="eA==")) == (TemporaryError, "FLT-FAB-137")


def test_a_role_that_keeps_nothing_is_refused_at_the_first_piece(desk: Desk) -> None:
    who = desk.run("developer", "ticket/1")
    mute = Principal(who.kind, who.name, who.run_id, who.epoch, who.role, who.verbs, frozenset(), who.subjects)
    assert code_of(lambda: desk.ask("artifact.send", mute, data="eA==")) == (Refused, "FLT-AUT-015")
    assert code_of(lambda: desk.ask("artifact.remove", who, artifact="1", reason="x")) == (Refused, "FLT-AUT-011")


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("artifact.send", {"data": "not base64!"}),
        ("artifact.send", {"data": "A" * (PIECE * 2)}),
        ("artifact.send", {"upload": "../../etc", "data": "eA=="}),
        ("artifact.send", {"offset": -1}),
        ("artifact.put", {"upload": "0" * 32, "sha256": "../x", "name": "a"}),
        ("artifact.put", {"upload": "0" * 32, "sha256": "0" * 64, "name": "../a"}),
        ("artifact.put", {"upload": "0" * 32, "sha256": "0" * 64, "name": ".bashrc"}),
        ("artifact.read", {"artifact": "../1"}),
        ("artifact.read", {"artifact": "abc"}),
    ],
)
def test_names_and_pieces_are_checked(desk: Desk, verb: str, args: dict[str, Any]) -> None:
    assert code_of(lambda: desk.ask(verb, **args)) == (UsageError, "FLT-CTL-003")


def test_a_hash_prefix_names_the_newest_artifact_of_that_content(desk: Desk) -> None:
    keep(desk, b"same", "a.txt")
    keep(desk, b"same", "b.txt")
    keep(desk, b"other", "c.txt")
    found = desk.db.read(lambda tx: artifacts.find(tx, digest(b"same")[:12]))
    assert found.name == "b.txt"


def test_no_content_is_received_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    full = Desk(tmp_path, keeping={"low_disk_mb": 1_000_000_000})
    with pytest.raises(Refused, match="can be spared") as caught:
        upload(full, b"a result")
    assert caught.value.code == "FLT-KEP-003"
    full.close()
