"""Where a fleet keeps its things: a socket that fits, and folders that nobody else enters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet.config.paths import SOCKET_LIMIT, fleet_paths, make_private
from fleet.core.errors import PermanentError


def test_a_socket_path_that_is_too_long_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as caught:
        fleet_paths(tmp_path / "repo", {"XDG_RUNTIME_DIR": f"{tmp_path}/{'x' * SOCKET_LIMIT}"}, os.getuid())
    assert (caught.value.code, caught.value.exit_code) == ("FLT-CFG-002", 1)
    assert "XDG_RUNTIME_DIR" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_our_own_is_made_and_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        make_private(tmp_path / "a" / "b", os.getuid())
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("case", ["open to others", "a link", "somebody else's"])
def test_a_folder_that_others_could_enter_is_refused(tmp_path: Path, case: str) -> None:
    folder, uid = tmp_path / "run", os.getuid()
    if case == "open to others":
        folder.mkdir()
        folder.chmod(0o750)
    elif case == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        uid += 1
    with pytest.raises(PermanentError) as caught:
        make_private(folder, uid)
    assert (caught.value.code, caught.value.where) == ("FLT-CFG-003", str(folder))
