"""A configuration is read whole, or refused with every fault at its line and column."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import LoadedConfig, load_config, parse_config
from fleet.core.errors import ConfigError, NotFound

ROLES = load_roles()
NAME = ".fleet/config.yaml"

GOOD = """\
version: 1
owner: ann
base: main
agents:
  - name: dev
    role: developer
    subscribes_to: ticket_ready
    reports_to: lead
  - name: lead
    role: tech-lead
    subscribes_to: [pr_needs_review]
    reports_to: ann
"""


def parse(text: str | bytes) -> LoadedConfig:
    """Check a text as a configuration file."""
    return parse_config(text if isinstance(text, bytes) else text.encode(), name=NAME, roles=ROLES)


def problems(text: str | bytes) -> tuple[str, ...]:
    """The faults of a text, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.code == "FLT-CFG-010"
    assert caught.value.exit_code == 3
    assert all(line.startswith(f"{NAME}:") for line in caught.value.problems)
    return tuple(line.removeprefix(f"{NAME}:") for line in caught.value.problems)


def only(text: str | bytes) -> str:
    """The one fault of a text."""
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def test_a_good_file_becomes_a_model_with_its_digest() -> None:
    loaded = parse(GOOD)
    assert [agent.name for agent in loaded.config.agents] == ["dev", "lead"]
    assert loaded.config.agents[0].subscribes_to == ("ticket_ready",)
    assert loaded.digest == hashlib.sha256(GOOD.encode()).hexdigest()
    assert loaded.text == GOOD.encode()
    assert loaded.warnings == ()
    role = loaded.role_of("lead")
    assert role is not None
    assert role.is_reviewer
    assert loaded.role_of("nobody") is None


def test_a_schedule_is_cron_text_or_a_mapping() -> None:
    short = parse(GOOD.replace("reports_to: lead", "schedule: 0 9 * * 1")).config.agents[0].schedule
    assert short is not None
    assert (short.cron, short.timezone, short.missed) == ("0 9 * * 1", "UTC", "skip")
    text = "schedule: {cron: '*/5 * * * *', timezone: Europe/Berlin, missed: catch_up_once}"
    long = parse(GOOD.replace("reports_to: lead", text)).config.agents[0].schedule
    assert long is not None
    assert (long.timezone, long.missed) == ("Europe/Berlin", "catch_up_once")


def test_windows_line_ends_and_words_of_yaml_1_1_are_ordinary_text() -> None:
    text = GOOD.replace("name: dev", "name: on").replace("\n", "\r\n")
    assert parse(text).config.agents[0].name == "on"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", "version: 2", "1:10: version is 2, expected 1"),
        ("version: 1", "version: true", "1:10: version is a truth value, expected 1"),
        ("owner: ann", "owner: 5", "2:8: owner is 5, expected text"),
        ("base: main", "base: fleet/x", "3:7: base is 'fleet/x', expected a branch name that git takes"),
        ("base: main", "base: a..b", "3:7: base is 'a..b', expected a branch name that git takes"),
        ("base: main", "base: main.lock", "3:7: base is 'main.lock', expected a branch name that git takes"),
        (
            "base: main",
            "bas: main",
            "3:1: unknown key 'bas', expected one of agents, allow_shared_uid_merge,",
        ),
        ("name: dev", "name: a/b", "5:11: agents[0].name is 'a/b', expected a name: 1 to 63 lower-case letters"),
        ("name: dev", 'name: "a\\0b"', "5:11: control character U+0000, expected printable text"),
        ("name: dev", 'name: "a\\tb"', "5:11: agents[0].name is 'a\\tb', expected a name: 1 to 63"),
        ("name: dev", "name: ../x", "5:11: agents[0].name is '../x', expected a name"),
        ("name: dev", "name: Dev", "5:11: agents[0].name is 'Dev', expected a name"),
        ("name: dev", "name: [dev]", "5:11: agents[0].name is a list, expected text"),
        ("name: dev", "name: lead", "9:11: agent name 'lead' stands here and on line 5, expected every name once"),
        (
            "role: developer",
            "role: develper",
            "6:11: unknown role 'develper', expected a role of the catalogue. Did you mean `developer`?",
        ),
        ("reports_to: lead", "reports_to: led", "8:17: reports_to names 'led', expected an agent of this file, or"),
        ("reports_to: lead", "reports_to: dev", "8:17: reports_to goes round: dev -> dev, expected a way to the top"),
        ("reports_to: ann", "reports_to: dev", "8:17: reports_to goes round: dev -> lead -> dev, expected a way"),
        ("reports_to: lead", "max_concurrent: '2'", "8:21: agents[0].max_concurrent is '2', expected a whole number"),
        ("reports_to: lead", "max_concurrent: 0", "8:21: agents[0].max_concurrent is 0, expected a number greater"),
        ("reports_to: lead", "max_concurrent: 1.5", "8:21: agents[0].max_concurrent is 1.5, expected a whole number"),
        ("reports_to: lead", "budget_seconds: .inf", "8:21: agents[0].budget_seconds is inf, expected a whole number"),
        ("reports_to: lead", "enabled: yes", "8:14: agents[0].enabled is 'yes', expected true or false"),
        ("reports_to: lead", "vendor: gpt", "8:13: agents[0].vendor is 'gpt', expected 'scripted'"),
        ("reports_to: lead", "may_start: [led]", "8:17: may_start names 'led', expected an agent of this file"),
        ("reports_to: lead", "publishes: [Qa]", "8:17: agents[0].publishes[0] is 'Qa', expected an event name"),
        ("reports_to: lead", "publishes: pr_merged", "8:16: publishes holds the built-in event 'pr_merged', expected"),
        ("reports_to: lead", "schedule: '* * * *'", "8:15: cron is '* * * *', expected five fields: minute, hour, day"),
        ("reports_to: lead", "schedule: '0 0 30 2 *'", "8:15: cron is '0 0 30 2 *', expected cron fields that a day"),
        ("reports_to: lead", "schedule: 5", "8:15: agents[0].schedule is 5, expected a mapping"),
        ("reports_to: lead", "schedule: {timezone: UTC}", "8:15: agents[0].schedule.cron is missing, expected a value"),
        ("reports_to: lead", "schedule: {cron: '61 * * * *'}", "8:22: cron is '61 * * * *', expected cron fields"),
        ("reports_to: lead", "schedule: {cron: 0 9 * * 1, timezone: Mars/X}", "8:43: timezone is 'Mars/X', expected"),
        ("reports_to: lead", "schedule: {cron: 0 9 * * 1, missed: all}", "8:41: agents[0].schedule.missed is 'all'"),
        (
            "reports_to: lead",
            "schedule: {cron: 0 9 * * 1, zone: UTC}",
            "8:33: unknown key 'zone' in agents[0].schedule",
        ),
        ("reports_to: lead", "playbook: ../x.yaml", "8:15: playbook is '../x.yaml', expected a relative path"),
        ("reports_to: lead", "playbook: /x.yaml", "8:15: playbook is '/x.yaml', expected a relative path"),
        ("reports_to: lead", "playbook: .", "8:15: playbook is '.', expected a relative path"),
        ("base: main", "protected_paths: [src/, /etc]", "3:25: protected path '/etc', expected a relative path"),
        ("base: main", "agents: []", "4:1: key 'agents' stands here and on line 3, expected every key once"),
        ("ticket_ready", "&x ticket_ready", "7:20: anchor &x, expected a plain value"),
        ("ticket_ready", "!!str ticket_ready", "7:20: tag 'tag:yaml.org,2002:str', expected a plain value"),
        ("base: main", "<<: {base: main}", "3:1: merge key <<, expected the keys themselves"),
        ("base: main", f"max_concurrent: {'9' * 5000}", "3:17: number '9999"),
        ("owner: ann", "owner: a\u202eb", "2:9: control character U+202E, expected printable text"),
        ("owner: ann", f"owner: {'x' * 10_000}", "2:1: a line of 10007 characters, expected at most 10000"),
    ],
)
def test_a_fault_is_named_with_line_column_and_what_was_expected(old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    found = problems(GOOD.replace(old, new))
    assert any(line.startswith(expected) for line in found), found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "1:1: an empty file, expected a mapping of keys to values"),
        (b"# nothing\n", "1:1: an empty file, expected a mapping of keys to values"),
        (b"- a\n", "1:1: a list at the top, expected a mapping"),
        (b"word", "1:1: a single value at the top, expected a mapping"),
        (b"a: [\n b", "2:3: not YAML: while parsing a flow sequence"),
        (b"a: b: c", "1:5: not YAML: mapping values are not allowed here"),
        (b"\ta: 1", "1:1: not YAML: while scanning for the next token"),
        (b"a: \xff", "1:4: byte 0xff is not UTF-8, expected UTF-8 text"),
        (b"\xef\xbb\xbfversion: 1", "1:1: a byte order mark, expected UTF-8 without one"),
        (b"v\0ersion: 1", "1:2: control character U+0000, expected printable text"),
        (b"a: 1\nb: \x1b[2J", "2:4: control character U+001B, expected printable text"),
        (b"a: 1\n---\nb: 2\n", "2:1: a second document, expected one document in the file"),
        (b"%YAML 1.1\n---\n- a", "2:1: a % directive, expected plain YAML"),
        (b"? [a]\n: b\n", "1:3: a key that is not a plain word, expected text as key"),
        (b"[" * 40, "1:33: nesting too deep, expected at most 32 levels"),
        (b"a: 1\n" * 300_000, "1:1: 1500000 bytes, expected at most 1048576"),
    ],
)
def test_what_is_no_mapping_in_plain_yaml_is_refused_at_its_place(data: bytes, expected: str) -> None:
    assert any(line.startswith(expected) for line in problems(data)), problems(data)


def test_every_fault_is_reported_at_once_in_the_order_of_the_file() -> None:
    text = (
        GOOD.replace("base: main", "bsae: main")
        .replace("developer", "develper")
        .replace("lead\n    role", "dev\n    role")
    )
    found = problems(text)
    assert [line.split(":")[0] for line in found] == ["3", "6", "8", "9"]
    assert found[0].endswith("Did you mean `base`?")
    assert found[1].endswith("Did you mean `developer`?")


def test_both_lines_of_a_duplicate_key_are_named() -> None:
    found = only(GOOD + "owner: bob\n")
    assert found.startswith("13:1: key 'owner' stands here and on line 2")
    assert "Remove it here or on line 2." in found


def test_missing_keys_are_named_where_they_belong() -> None:
    name = "is missing, expected a value for it. Unique name; also the prompt and playbook file name."
    role = "is missing, expected a value for it. A role of the catalogue; fixes what the agent may do."
    assert problems("version: 1\nagents:\n  - name: dev\n  -\n  - {}\n") == (
        f"3:5: agents[0].role {role}",
        "4:4: agents[1] is empty, expected a mapping of keys to values",
        f"5:5: agents[2].name {name}",
        f"5:5: agents[2].role {role}",
    )


def test_a_value_refused_while_reading_is_not_blamed_twice() -> None:
    assert len(problems(GOOD.replace("name: dev", 'name: "\\e"'))) == 1


def test_an_event_nobody_can_publish_is_a_warning_with_its_place() -> None:
    loaded = parse(GOOD.replace("[pr_needs_review]", "[pr_needs_review, qa_passed]"))
    assert loaded.warnings == (
        f"{NAME}:11:38: nobody publishes 'qa_passed', expected a built-in event or one an agent publishes."
        " Declare it under `publishes:` of the agent that sends it.",
    )


def test_an_event_that_only_absent_roles_emit_is_a_warning() -> None:
    loaded = parse(GOOD.replace("ticket_ready", "pr_merged"))
    assert len(loaded.warnings) == 1
    assert loaded.warnings[0].startswith(
        f"{NAME}:7:20: no agent here can publish pr_merged, expected an agent whose role may"
    )
    disabled = parse(GOOD.replace("ticket_ready", "pr_approved").replace("reports_to: ann", "enabled: false"))
    assert "no agent here can publish pr_approved" in disabled.warnings[0]


def test_a_declared_event_and_built_in_ones_with_a_source_are_no_warning() -> None:
    text = GOOD.replace("ticket_ready", "[ticket_ready, pr_conflict, pr_approved, qa_passed]")
    assert parse(text.replace("reports_to: ann", "publishes: [qa_passed]")).warnings == ()


def test_a_limit_that_another_limit_hides_is_a_warning() -> None:
    loaded = parse(GOOD.replace("base: main", "max_concurrent: 2").replace("reports_to: ann", "max_concurrent: 3"))
    assert loaded.warnings == (f"{NAME}:12:21: max_concurrent is 3, expected at most the fleet's 2, which comes first",)


def test_merging_in_shared_uid_mode_without_a_reason_is_a_warning() -> None:
    loaded = parse(GOOD + "allow_shared_uid_merge: true\n")
    assert "no reason is given" in loaded.warnings[0]
    assert parse(GOOD + "allow_shared_uid_merge: true\nshared_uid_merge_reason: one user\n").warnings == ()


def test_a_way_to_github_without_github_is_a_warning() -> None:
    loaded = parse(GOOD + "forge_transport: httpx2\n")
    assert "expected forge: github beside it" in loaded.warnings[0]
    assert parse(GOOD + "forge_transport: httpx2\nforge: github\nrepo: acme/shop\n").warnings == ()


def test_a_missing_file_and_a_missing_playbook_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / ".fleet" / "config.yaml"
    with pytest.raises(NotFound) as caught:
        load_config(path, roles=ROLES)
    assert caught.value.code == "FLT-CFG-001"
    (path.parent / "playbooks").mkdir(parents=True)
    path.write_text(GOOD)
    (path.parent / "playbooks" / "dev.yaml").write_text("version: 1\n")
    loaded = load_config(path, roles=ROLES, name=NAME)
    assert loaded.warnings == (
        f"{NAME}:1:1: agent lead has no playbook playbooks/lead.yaml, expected that file in .fleet/",
    )


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config.yaml"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(ConfigError) as caught:
        load_config(path, roles=ROLES)
    assert caught.value.code == "FLT-CFG-011"
    assert caught.value.problems == (f"{path}:1:1: the file cannot be read: it is not a regular file",)


def test_five_hundred_agents_in_a_chain_are_checked_quickly() -> None:
    rows = "".join(
        f"- {{name: a{index}, role: developer, reports_to: a{(index + 1) % 500}, subscribes_to: [nothing_{index}]}}\n"
        for index in range(500)
    )
    started = time.monotonic()
    found = problems(f"version: 1\nagents:\n{rows}")
    assert len(found) == 1
    assert "reports_to goes round: a0 -> a1" in found[0]
    assert time.monotonic() - started < 5  # with slack; it takes a third of a second


TEAMS = GOOD + "teams:\n"


def test_teams_are_names_of_agents() -> None:
    loaded = parse(TEAMS + "  - {name: all, agents: [dev, lead]}\n  - {name: none, agents: []}\n")
    assert [(team.name, team.agents) for team in loaded.config.teams] == [("all", ("dev", "lead")), ("none", ())]
    assert parse(GOOD).config.teams == ()


@pytest.mark.parametrize(
    ("team", "fault"),
    [
        ("{name: a, agents: [devv]}", "14:24: a team names 'devv', expected an agent of this file."),
        ("{name: a, agents: [dev, dev]}", "14:29: 'dev' is in this team twice, expected every member once."),
        ("{name: A, agents: []}", "14:12: teams[0].name is 'A', expected a name"),
        ("{name: a}", "14:5: teams[0].agents is missing"),
        ("{name: a, members: [dev], agents: []}", "14:15: unknown key 'members' in teams[0]"),
        ("{name: a, agents: dev}", "14:23: teams[0].agents is 'dev', expected a list"),
        ("{name: a, agents: [dev]}\n  - {name: a, agents: [lead]}", "15:12: team name 'a' stands here and on line 14"),
        ("dev", "14:5: teams[0] is 'dev', expected a mapping"),
    ],
)
def test_a_fault_of_a_team_is_named_at_its_place(team: str, fault: str) -> None:
    assert only(f"{TEAMS}  - {team}\n").startswith(fault)


COMMAND = """\
version: 1
agents:
  - name: dev
    role: developer
"""


def test_a_command_is_a_list_of_words() -> None:
    loaded = parse(COMMAND + "    vendor: command\n    command: [cat, '{brief}']\n    stdin: brief\n")
    assert loaded.config.agents[0].command == ("cat", "{brief}")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("vendor: command", "5:13: vendor is command and there is no command"),
        ("vendor: command\n    command: []", "5:13: vendor is command and there is no command"),
        ("vendor: command\n    command: cat x", "6:14: agents[0].command is 'cat x', expected a list"),
        ("vendor: command\n    command: [cat, 1]", "6:20: agents[0].command[1] is 1, expected text"),
        ("vendor: command\n    command: [cat, '{ticket}']", "6:20: unknown placeholder {ticket}"),
        ("vendor: command\n    command: [./x]", "6:15: the program is './x'"),
        ("command: [cat]", "5:5: command is given and the vendor is 'scripted'"),
        ("stdin: brief", "5:5: stdin is given and the vendor is 'scripted'"),
        ("vendor: command\n    command: [cat]\n    stdin: pipe", "7:12: agents[0].stdin is 'pipe'"),
        ("vendor: commands", "5:13: agents[0].vendor is 'commands', expected 'scripted', 'command' or 'claude-code'"),
    ],
)
def test_a_fault_of_a_command_is_named_at_its_place(lines: str, fault: str) -> None:
    assert only(f"{COMMAND}    {lines}\n").startswith(fault)


def test_a_prompt_that_a_command_asks_for_is_missed(tmp_path: Path) -> None:
    path = tmp_path / ".fleet" / "config.yaml"
    path.parent.mkdir()
    path.write_text(COMMAND + "    vendor: command\n    command: [cat, '{prompt}']\n")
    (warning,) = load_config(path, roles=ROLES, name=NAME).warnings
    assert "agent dev has no prompt prompts/dev.md" in warning
