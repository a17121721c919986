"""What a role lists and no agent may run: the guard refuses it whatever a role says, so it stands there for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.config.commandsets import commands_of
from fleet.config.ownroles import shown_as
from fleet.config.roles import Role
from fleet.config.yamlfile import Problem, read_yaml
from fleet.policy.commandlaw import wrong


def refused_to_all(patterns: tuple[str, ...]) -> dict[str, str]:
    """The patterns whose shortest command is refused to every role, each with why."""
    found = {pattern: wrong(_shortest(pattern)) for pattern in patterns}
    return {pattern: why for pattern, why in found.items() if why}


def _shortest(pattern: str) -> tuple[str, ...]:
    return tuple(word.replace("*", "x") for word in pattern.split(" ") if word != "**")


def warnings(own: Mapping[str, Role], texts: Mapping[str, bytes]) -> Iterator[str]:
    """Lines ``file:line:col: …`` about commands of a repository's own roles that are there for nothing."""
    for name, role in sorted(own.items()):
        document = read_yaml(texts[name], shown_as(name))
        entries = document.data.get("commands") if refused_to_all(role.scope.commands) else None
        for place, entry in enumerate(entries if isinstance(entries, tuple) else ()):
            for pattern, why in refused_to_all(commands_of((str(entry),))[0]).items():
                spot = document.value_spot(("commands", place))
                yield Problem(spot, f"no agent may run {pattern!r}: {why}", "what the guard lets pass").render(
                    document.name
                )
