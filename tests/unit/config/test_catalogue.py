"""The catalogue as a whole: many roles, none like another, none that could pass its own work on, all of it true."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click
import pytest

from fleet.cli import main as command_line
from fleet.config import catalogue
from fleet.config.catalogue import index, index_text, load_roles, shipped, short
from fleet.config.commandsets import command_sets
from fleet.config.roles import EVERYBODYS, SKILLS, VERBS, Role, parse_role
from fleet.config.scope import command_fault, path_fault
from fleet.core.errors import ConfigError
from fleet.core.event import BUILTIN
from fleet.process import run

ROLES = dict(load_roles())

# What two roles may have in common: of all runs of four words in both, this share. Bans are inherited on purpose and
# counted apart.
SHARED = 0.05
SHARED_WITH_BANS = 0.25

# Entries that people read and that start nobody by themselves.
FOR_PEOPLE = {"note", "status", "artifact", "claim", "decision"}
# What the watcher makes an event of its own from: a push becomes pr_needs_review, a merge ticket_shipped.
FOR_THE_WATCHER = {"pr_created", "pr_updated"}


def own_words(role: Role) -> str:
    return " ".join((role.mission, *role.owns, *role.duties, *role.examples))


def shingles(text: str, size: int = 4) -> set[tuple[str, ...]]:
    words = [word.strip(".,;:?!\"'()").lower() for word in text.split()]
    return {tuple(words[place : place + size]) for place in range(len(words) - size + 1)}


def closest(texts: dict[str, str]) -> list[tuple[float, str, str]]:
    """Every pair with the share of shingles they have in common, the most alike first."""
    sets = {name: shingles(text) for name, text in texts.items()}
    pairs = (
        (len(sets[one] & sets[other]) / len(sets[one] | sets[other]), one, other)
        for one, other in itertools.combinations(sets, 2)
    )
    return sorted(pairs, reverse=True)


def test_there_are_many_roles_and_about_forty_are_written_in_full() -> None:
    bases = [role for role in ROLES.values() if not role.extends]
    assert len(ROLES) >= 130
    assert 35 <= len(bases) <= 50
    assert len({role.department for role in ROLES.values()}) >= 12
    for needed in ("chief-technology-officer", "chief-product-officer", "site-reliability-engineer", "ticket-triager"):
        assert needed in ROLES


def test_no_role_is_nearly_another() -> None:
    for share, one, other in closest({name: own_words(role) for name, role in ROLES.items()}):
        assert share <= SHARED, f"{one} and {other} share {share:.0%} of their words"
    whole = {name: f"{own_words(role)} {' '.join(role.must_never)}" for name, role in ROLES.items()}
    for share, one, other in closest(whole):
        assert share <= SHARED_WITH_BANS, f"{one} and {other} share {share:.0%} with their bans"


def test_no_sentence_stands_in_two_roles() -> None:
    lines = Counter(
        line for role in ROLES.values() for line in {role.mission, *role.owns, *role.duties, *role.examples}
    )
    assert [line for line, count in lines.items() if count > 1] == []


def test_a_copy_of_a_role_would_be_noticed() -> None:
    role = ROLES["payments-developer"]
    copy = own_words(role).replace("payments", "billing").replace("Charges", "Fees")
    assert closest({"a": own_words(role), "b": copy})[0][0] > SHARED


def test_every_role_has_substance() -> None:
    for role in ROLES.values():
        assert len(role.duties) >= 3, role.name
        assert len(role.owns) >= 2, role.name
        assert len(own_words(role).split()) >= 90, (role.name, len(own_words(role).split()))
        assert role.must_never, role.name


def test_no_role_may_pass_on_its_own_work() -> None:
    for name, role in ROLES.items():
        for pair in itertools.combinations(["pr.push", "pr.review", "pr.merge"], 2):
            assert not set(pair) <= role.verbs, name
        assert EVERYBODYS <= role.verbs <= set(VERBS) | EVERYBODYS, name
        assert ("pr_created" in role.emits) == ("pr.push" in role.verbs), name
        assert ("pr_approved" in role.emits) == ("pr.review" in role.verbs), name
        assert ("pr_merged" in role.emits) == ("pr.merge" in role.verbs), name
        assert role.skill in SKILLS, name
        for skill, verb in (("develop", "pr.push"), ("review", "pr.review"), ("ship", "pr.merge")):
            assert (role.skill == skill) == (verb in role.verbs), name
        if "pr.push" not in role.verbs:
            assert role.scope.write == (), "whoever hands nothing in changes nothing"


def test_what_a_role_hears_somebody_says_and_what_it_says_somebody_hears() -> None:
    said = {event for role in ROLES.values() for event in role.emits}
    heard = {event for role in ROLES.values() for event in role.hears}
    for event in heard:
        others = set(BUILTIN[event].producers) - {"agent"}
        assert event in said or others, f"nobody says {event}"
    assert said - heard <= FOR_PEOPLE | FOR_THE_WATCHER
    for role in ROLES.values():
        assert role.hears, f"{role.name} would never start"
        for events in role.expects.values():
            assert set(events) <= role.emits | {"pr_conflict"}


def test_every_pattern_is_valid_and_every_fleet_command_exists() -> None:
    for role in ROLES.values():
        for pattern in role.scope.commands:
            assert command_fault(pattern) == "", (role.name, pattern)
            if pattern.startswith("fleet "):
                assert command_exists(pattern.split(" ")[1:]), (role.name, pattern)
        for pattern in (*role.scope.write, *role.scope.never):
            assert path_fault(pattern) == "", (role.name, pattern)


def command_exists(words: list[str]) -> bool:
    """Whether the words name a command, or begin one, of the real table."""
    command: click.Command | None = command_line.root
    context = click.Context(command_line.root)
    for word in words:
        if word == "**" or not isinstance(command, click.Group):
            break
        command = command.get_command(context, word)
        if command is None:
            return False
    return True


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert command_exists(["pr", "create", "**"])
    assert not command_exists(["pr", "approve", "**"])


def test_every_set_of_commands_is_used_and_lets_nobody_push_by_hand() -> None:
    used = {line for name in shipped() for line in _names_of_sets(name)}
    assert set(command_sets()) == used
    for name, role in ROLES.items():
        for argv in (["git", "push", "origin"], ["gh", "pr", "merge"], ["curl", "x"], ["sh", "-c", "x"], ["sudo", "x"]):
            assert not role.scope.may_run(argv), (name, argv)
        assert role.scope.may_run(["fleet", "ask", "x"]), name


def _names_of_sets(name: str) -> Iterator[str]:
    text = resources.files("fleet.config.catalog").joinpath(f"{name}.yaml").read_text("utf-8")
    for line in text.splitlines():
        if line.startswith("commands:"):
            yield from (word.strip('"@') for word in line.partition("[")[2].rstrip("]").split(", ") if '"@' in word)


def test_who_may_do_more_than_its_base_says_why() -> None:
    assert {name for name, role in ROLES.items() if role.widens} < {
        name for name, role in ROLES.items() if role.extends
    }
    assert all(len(role.widens) > 30 for role in ROLES.values() if role.widens)


def test_tiers_are_given_with_reasons_that_differ_by_base() -> None:
    tiers = Counter(role.default_tier for role in ROLES.values())
    assert set(tiers) == {"opus", "sonnet", "haiku"}
    bases = [role for role in ROLES.values() if not role.extends]
    assert len({role.tier_reason for role in bases}) == len(bases)


def test_roles_that_extend_one_another_in_a_ring_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = Path(str(resources.files("fleet.config.catalog").joinpath("go-developer.yaml"))).read_text("utf-8")
    for name, base in (("one", "two"), ("two", "one"), ("lost", "nobody")):
        changed = text.replace("go-developer", name, 1).replace("extends: developer", f"extends: {base}")
        (tmp_path / f"{name}.yaml").write_text(changed)
    monkeypatch.setattr(catalogue, "shipped", lambda: frozenset({"one", "two", "lost"}))
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path)
    for name, said in (
        ("one", "extends goes round or too deep: one -> two -> one"),
        ("lost", "extends names 'nobody'"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_roles()[name]
        assert said in caught.value.message


def test_the_index_is_current_and_lists_need_no_role_file() -> None:
    assert index_text() == resources.files("fleet.config.catalog").joinpath(catalogue.INDEX).read_text("utf-8")
    assert {name: short(role) for name, role in ROLES.items()} == dict(index())


def test_a_role_that_is_not_there(tmp_path: Path) -> None:
    assert "juggler" not in load_roles()
    assert load_roles().get("juggler") is None
    with pytest.raises(ConfigError):
        parse_role(b"name: x", "x.yaml")


_READS = "import builtins, io, os, sys; from fleet.cli.entry import main; main(sys.argv); print(*sorted(sys.modules))"


def test_the_version_and_a_publish_read_no_role() -> None:
    """The catalogue must not slow what agents call all day."""
    for words in (["--version"], ["fabric", "publish", "--kind", "note", "--summary", "x"]):
        code = _READS if words == ["--version"] else _READS.replace("main(sys.argv)", "import fleet.cli.hot")
        done = run([sys.executable, "-c", code, *words], timeout=60)
        assert done.ok, done.error_text
        loaded = done.text.split()
        for module in ("fleet.config.catalogue", "fleet.config.roles", "ruamel.yaml", "jinja2"):
            assert module not in loaded, (words, module)
