"""Commands that a role lists and the guard refuses to everybody."""

from __future__ import annotations

from fleet.config.catalogue import load_roles
from fleet.config.ownroles import own_of, roles_with, texts_of
from fleet.control.rolelook import refused_to_all, warnings

TILL = """\
name: till-developer
extends: developer
widens: A till is looked into with its own tools.
mission: Keep the tills of our shops selling.
owns: [The program on the tills.]
duties: [Try every change on a till that is offline.]
commands: ["@look", gh pr list **, sudo tillctl **, tillctl status **]
examples: [Print the receipt twice., Sell without a network.]
"""


def test_an_own_role_is_told_which_of_its_commands_are_there_for_nothing() -> None:
    roles = roles_with(load_roles(), {"till-developer": TILL.encode()})
    found = list(warnings(own_of(roles), texts_of(roles)))
    assert [line.split(": ", 1)[0] for line in found] == [
        ".fleet/roles/till-developer.yaml:7:21",
        ".fleet/roles/till-developer.yaml:7:36",
    ]
    assert "no agent may run 'gh pr list **': gh is not for agents" in found[0]
    assert list(refused_to_all(roles["till-developer"].scope.commands)) == ["gh pr list **", "sudo tillctl **"]


def test_no_shipped_role_has_such_a_command() -> None:
    roles = load_roles()
    assert {
        name: refused_to_all(roles[name].scope.commands) for name in roles if refused_to_all(roles[name].scope.commands)
    } == {}
