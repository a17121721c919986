"""Several files replaced as one: whoever reads sees all of the old ones or all of the new ones, wherever it ended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.config.loader import read_config
from fleet.config.ownroles import read_own
from fleet.config.together import NOTE, noted, replace_together, settle
from fleet.core import probe
from fleet.core.errors import Conflict, PermanentError

OLD = {"config.yaml": b"old config", "roles/a.yaml": b"old a", "roles/gone.yaml": b"old gone"}
NEW = {"config.yaml": b"new config", "roles/a.yaml": b"new a", "roles/b.yaml": b"new b"}
FILES = {name: (OLD.get(name), NEW.get(name)) for name in sorted({*OLD, *NEW})}


class Ended(BaseException):
    """The process ends here."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ".fleet"
    write(folder, OLD)
    yield folder
    probe.install(None)


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Put files there."""
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def seen(folder: Path) -> dict[str, bytes]:
    """What whoever reads the configuration sees."""
    own = {f"roles/{name}.yaml": data for name, data in read_own(folder).items()}
    return {"config.yaml": read_config(folder / "config.yaml", "config.yaml"), **own}


def lying(folder: Path) -> dict[str, bytes]:
    """What lies there, drafts and notes included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def end_at(name: str, time: int) -> None:
    """The process ends when it comes to this point for the so-manieth time."""
    passed: list[str] = []

    def handler(point: str) -> None:
        passed.append(point)
        if passed.count(name) == time and point == name:
            raise Ended(name)

    probe.install(handler)


def test_all_of_them_are_replaced_and_nothing_else_stays(settings: Path) -> None:
    (settings / "config.yaml").chmod(0o640)
    replace_together(settings, FILES)
    assert lying(settings) == NEW
    assert (settings / "config.yaml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("point", "time"), [("config.noted", 1), *(("config.brought", time) for time in range(1, 5))])
def test_whoever_is_killed_leaves_the_new_ones_and_the_next_one_finishes(settings: Path, point: str, time: int) -> None:
    end_at(point, time)
    with pytest.raises(Ended):
        replace_together(settings, FILES)
    probe.install(None)
    assert (settings / NOTE).exists()
    assert seen(settings) == NEW
    settle(settings)
    assert lying(settings) == NEW


def test_before_the_note_is_in_place_everything_is_as_it_was(settings: Path) -> None:
    (settings / NOTE).mkdir()  # the note cannot come into place
    with pytest.raises(PermanentError, match="cannot be written"):
        replace_together(settings, FILES)
    assert lying(settings) == OLD


def test_a_file_that_somebody_saved_since_makes_a_note_void(settings: Path) -> None:
    end_at("config.brought", 1)
    with pytest.raises(Ended):
        replace_together(settings, FILES)
    probe.install(None)
    write(settings, {"roles/a.yaml": b"from an editor"})
    there = {**lying(settings)}
    assert noted(settings) is None
    settle(settings)
    assert lying(settings) == {name: data for name, data in there.items() if name != NOTE}


def test_an_editor_that_was_faster_is_not_overwritten(settings: Path) -> None:
    write(settings, {"roles/a.yaml": b"from an editor"})
    with pytest.raises(Conflict, match="changed by an editor"):
        replace_together(settings, FILES)
    assert lying(settings) == {**OLD, "roles/a.yaml": b"from an editor"}


def test_a_note_that_git_brings_or_that_is_a_copy_counts_nothing(settings: Path, tmp_path: Path) -> None:
    end_at("config.noted", 1)
    with pytest.raises(Ended):
        replace_together(settings, FILES)
    probe.install(None)
    other = tmp_path / "other"
    shutil.copytree(settings, other)
    assert (noted(other), seen(other)) == (None, OLD)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"folder": [1, 2], "files": {}}', '{"files": 7}',
        '{"folder": HERE, "files": {"../outside": {"new": "x"}, "prompts/a.md": {"new": "x"}}}',
        '{"folder": HERE, "files": {"config.yaml": 7}}', '{"folder": HERE, "files": {"config.yaml": {"new": 7}}}',
    ],
)  # fmt: skip
def test_a_note_that_is_none_changes_nothing(settings: Path, text: str) -> None:
    facts = settings.stat()
    (settings / NOTE).write_text(text.replace("HERE", json.dumps([facts.st_dev, facts.st_ino])))
    assert seen(settings) == OLD
    settle(settings)
    assert lying(settings) == OLD
