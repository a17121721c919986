"""The quick way finds the same socket as the full one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.cli import place
from fleet.config.paths import find_checkout, fleet_paths
from fleet.core.errors import FleetError

_NAMES = st.text(
    st.characters(exclude_characters="/\0", categories=("L", "N", "P", "S", "Zs", "M")), min_size=1, max_size=40
)


def full(env: dict[str, str], folder: Path) -> str:
    """The socket as the full way computes it; "" where it complains."""
    try:
        return str(fleet_paths(find_checkout(folder), env, os.getuid()).socket)
    except FleetError:
        return ""


def make(folder: Path) -> Path:
    """A folder with a configuration file."""
    (folder / ".fleet").mkdir(parents=True)
    (folder / ".fleet" / "config.yaml").write_text("version: 1\n")
    return folder


@given(_NAMES)
def test_the_fleets_name_is_the_same_for_any_folder_name(name: str) -> None:
    checkout = Path("/nowhere") / name
    if str(checkout.resolve()) != str(checkout):
        return  # "." and ".." name another folder
    assert place.fleet_id(str(checkout)) == fleet_paths(checkout, {"XDG_RUNTIME_DIR": "/r"}, 0).fleet_id


@pytest.mark.parametrize(
    "env",
    [
        {"XDG_RUNTIME_DIR": "/run/user/1000"},
        {"XDG_RUNTIME_DIR": "/run/user/1000/"},
        {"XDG_RUNTIME_DIR": ""},
        {"HOME": "/home/ann"},
        {},
        {"XDG_RUNTIME_DIR": "/run/" + "long" * 30},
    ],
)
def test_every_environment_leads_to_the_same_socket(tmp_path: Path, env: dict[str, str]) -> None:
    checkout = make(tmp_path / "A Repo, with Signs")
    inner = checkout / "src" / "deep"
    inner.mkdir(parents=True)
    for folder in (checkout, inner):
        assert place.socket_path(env, str(folder)) == full(env, folder)


def test_links_are_resolved(tmp_path: Path) -> None:
    checkout = make(tmp_path / "real")
    (tmp_path / "link").symlink_to(checkout)
    env = {"XDG_RUNTIME_DIR": "/r"}
    assert place.socket_path(env, str(tmp_path / "link")) == full(env, tmp_path / "link") == full(env, checkout)


def test_the_nearest_configuration_counts(tmp_path: Path) -> None:
    outer = make(tmp_path / "outer")
    inner = make(outer / "inner")
    assert place.checkout_above(str(inner / ".fleet")) == str(inner.resolve())


def test_without_a_fleet_there_is_no_socket(tmp_path: Path) -> None:
    assert place.socket_path({"XDG_RUNTIME_DIR": "/r"}, str(tmp_path)) == ""


def test_the_environment_may_name_the_socket(tmp_path: Path) -> None:
    assert place.socket_path({"FLEET_SOCKET": "/x/fleet.sock"}, str(tmp_path)) == "/x/fleet.sock"
