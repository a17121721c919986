"""A repository's own roles: read like those that come with Fleet, beside them, and never in their place."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config.catalogue import load_roles, shipped
from fleet.config.configfile import digest_of
from fleet.config.loader import load_config
from fleet.config.ownroles import LIMIT, TeamRoles, own_of, read_own, roles_in, roles_with, texts_of
from fleet.config.roles import EVERYBODYS, VERBS
from fleet.core.errors import ConfigError

NAME, BASE = "till-developer", "payments-developer"
CONFIG = "version: 1\nagents:\n  - name: pay\n    role: till-developer\n    subscribes_to: [ticket_ready]\n"
TILL = """\
name: till-developer
extends: payments-developer
mission: Keep the tills of our shops selling.
owns: [The program on the tills.]
duties: [Try every change on a till that is offline.]
examples: [Print the receipt twice., Sell without a network.]
"""
AUDITOR = """\
name: till-auditor
extends: till-developer
mission: Look after the records of the tills.
owns: [The records.]
duties: [Compare sales with records.]
must_never: [Change a record.]
examples: [Find last week's gap., Say why two records are alike.]
"""


def put(settings_: Path, **texts: str) -> Path:
    """Role files, with _ for - in their names; the .fleet/ folder."""
    folder = settings_ / "roles"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name.replace('_', '-')}.yaml").write_text(text)
    return settings_


def faults(settings_: Path) -> tuple[str, ...]:
    """Every fault that reading them finds."""
    with pytest.raises(ConfigError) as caught:
        roles_in(settings_, load_roles())
    return caught.value.problems


def test_own_roles_stand_beside_the_shipped_ones_and_extend_them_and_one_another(tmp_path: Path) -> None:
    roles = roles_in(put(tmp_path, till_developer=TILL, till_auditor=AUDITOR), load_roles())
    assert set(roles) == {*shipped(), "till-developer", "till-auditor"}
    assert len(roles) == len(shipped()) + 2
    till, auditor = roles["till-developer"], roles["till-auditor"]
    assert (till.verbs, till.scope) == (roles["payments-developer"].verbs, roles["payments-developer"].scope)
    assert till.file == ".fleet/roles/till-developer.yaml"
    assert auditor.must_never[0] == "Change a record."
    assert set(roles["payments-developer"].must_never) < set(auditor.must_never)
    assert "developer" in roles
    assert roles["developer"].file == "catalog/developer.yaml"


def test_the_role_of_the_howto_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "howto" / "roles.md").read_text("utf-8")
    (shown,) = (block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("name: "))
    assert NAME in roles_in(put(tmp_path, till_developer=shown), load_roles())


def test_without_such_files_nothing_is_different(tmp_path: Path) -> None:
    roles = load_roles()
    assert roles_in(tmp_path, roles) is roles
    assert not texts_of(roles)
    assert not own_of(roles)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, till_developer=TILL)
    for name in ("README.md", ".till.yaml.swp", ".hidden.yaml"):
        (tmp_path / "roles" / name).write_text("{")
    assert list(read_own(tmp_path)) == ["till-developer"]


def test_every_fault_of_every_file_is_named_with_its_place(tmp_path: Path) -> None:
    wrong = TILL.replace("mission", "missoin").replace(NAME, "till-lead")
    more = (
        AUDITOR.replace("till-auditor", "till-tester") + "verbs: [pr.push, pr.review]\nemits: [pr_created, nothing]\n"
    )
    found = faults(put(tmp_path, till_developer=TILL, till_lead=wrong, till_tester=more))
    assert [line.split(": ", 1)[0] for line in found] == [
        ".fleet/roles/till-lead.yaml:1:1",
        ".fleet/roles/till-lead.yaml:3:1",
        ".fleet/roles/till-tester.yaml:1:1",
        ".fleet/roles/till-tester.yaml:8:8",
        ".fleet/roles/till-tester.yaml:8:8",
        ".fleet/roles/till-tester.yaml:9:8",
        ".fleet/roles/till-tester.yaml:9:8",
    ]
    assert "Did you mean `mission`?" in found[1]
    assert "at most one of the two in a role" in found[3]


def test_a_fault_in_a_base_is_said_once(tmp_path: Path) -> None:
    found = faults(put(tmp_path, till_developer=TILL.replace("duties", "dutis"), till_auditor=AUDITOR))
    assert {line.split(":")[0] for line in found} == {".fleet/roles/till-developer.yaml"}
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("developer", TILL, "a role 'developer' comes with Fleet, expected a name of its own. Rename file and role"),
        ("Till", TILL, "the file is named 'Till', expected small letters, digits"),
        ("till", TILL, "name is 'till-developer', expected the name of the file without .yaml"),
        ("till", TILL.replace(BASE, NAME), "extends names 'till-developer', expected a role"),
        (NAME, TILL.replace(BASE, NAME), "extends goes round or too deep: till-"),
        (NAME, TILL + "verbs: [pr.push, pr.merge]\n", "verbs hold pr.merge and pr.push, expected at most one"),
        (NAME, TILL + "emits: [pr_created, pr_approved]\n", "emits holds events of author, reviewer or merg"),
        (NAME, TILL + "emits: [pr_created, till_sold]\n", "emits holds 'till_sold', expected events that an"),
        (NAME, TILL + "commands: [bazel test]\n", "commands allow 'bazel test', expected no more than paym"),
        (NAME, TILL + "widens: We have bazel.\ncommands: [fleet approve **]\n", "that one of the sets holds"),
        (NAME, TILL + "widens: We have bazel.\ncommands: ['@bazel']\n", "expected one of the sets @look"),
        (NAME, TILL + "widens: For docs.\npaths: {write: [../x]}\n", "path '../x', expected parts of letters"),
        (NAME, TILL + "schedule: daily\n", "unknown key 'schedule'"),
        (NAME, "", "an empty file, expected a mapping"),
        (NAME, TILL + "\t x", "till-developer.yaml:7:1: "),
    ],
)  # fmt: skip
def test_what_an_own_role_may_not_be(tmp_path: Path, name: str, text: str, said: str) -> None:
    put(tmp_path)
    (tmp_path / "roles" / f"{name}.yaml").write_text(text)
    assert any(said in line for line in faults(tmp_path)), faults(tmp_path)


def test_files_that_cannot_be_roles_are_refused_and_nobody_waits_for_them(tmp_path: Path) -> None:
    place = put(tmp_path) / "roles" / "till.yaml"
    os.mkfifo(place)
    assert faults(tmp_path) == (".fleet/roles/till.yaml:1:1: the file cannot be read: it is not a regular file",)
    place.unlink()
    place.write_bytes(b"#" * (LIMIT + 1))
    assert "the file is too big" in faults(tmp_path)[0]
    place.rename(place.with_suffix(".yml"))
    assert faults(tmp_path) == (".fleet/roles/till.yml:1:1: a role file ends with .yml, expected till.yaml",)
    place.with_suffix(".yml").unlink()
    place.parent.rmdir()
    place.parent.write_text("")
    assert "cannot be read: Not a directory" in faults(tmp_path)[0]


def test_a_configuration_takes_them_and_its_hash_tells_them_apart(tmp_path: Path) -> None:
    (put(tmp_path, till_developer=TILL) / "config.yaml").write_text(CONFIG)
    loaded = load_config(tmp_path / "config.yaml", roles=load_roles(), name=".fleet/config.yaml")
    assert loaded.roles["till-developer"].mission == "Keep the tills of our shops selling."
    assert loaded.digest == digest_of(CONFIG.encode(), {"till-developer": TILL.encode()}) != digest_of(CONFIG.encode())
    put(tmp_path, till_developer=TILL.replace("selling", "honest"))
    again = load_config(tmp_path / "config.yaml", roles=loaded.roles, name=".fleet/config.yaml")
    assert again.digest != loaded.digest
    assert again.roles["till-developer"].mission.endswith("honest.")
    assert isinstance(again.roles, TeamRoles)
    assert not isinstance(again.roles.shipped, TeamRoles), "read anew, not one upon the other"
    (tmp_path / "roles" / "till-developer.yaml").unlink()
    with pytest.raises(ConfigError, match="unknown role 'till-developer'"):
        load_config(tmp_path / "config.yaml", roles=again.roles, name=".fleet/config.yaml")


SPLICES = st.sampled_from(
    ["verbs: [pr.review]\n", "emits: [pr_approved]\n", "widens: x\n", "extends: till-developer\n", "skill: ship\n",
     "- ", "commands: ['**']\n", "paths: {write: ['**']}\n", "expects: {}\n",
     ": ", "\n", "\0", "é", "[", "{", "'", "&a ", "*a"]
)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, len(TILL)), st.integers(0, 40), SPLICES), min_size=1, max_size=5)
SHIPPED = load_roles()


@settings(max_examples=150, deadline=None)
@given(EDITS)
def test_whatever_stands_in_a_role_file_it_is_refused_in_words_or_keeps_the_rules(
    edits: list[tuple[int, int, str]],
) -> None:
    text = TILL
    for place, length, splice in edits:
        text = text[:place] + splice + text[place + length :]
    try:
        role = roles_with(SHIPPED, {"till-developer": text.encode()})["till-developer"]
    except ConfigError as error:
        for line in error.problems:
            assert re.match(r"\.fleet/roles/till-developer\.yaml:[1-9][0-9]*:[1-9][0-9]*: .", line), line
            assert line.isprintable(), line
        return
    assert EVERYBODYS <= role.verbs <= {*VERBS, *EVERYBODYS}
    assert not any(set(pair) <= role.verbs for pair in itertools.combinations(("pr.push", "pr.review", "pr.merge"), 2))
    assert not {"pr_created", "pr_approved"} <= role.emits
