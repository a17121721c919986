"""``.fleet/config.yaml`` in, ``LoadedConfig`` out: whole, or not at all with every fault."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fleet.config import crosscheck
from fleet.config.configfile import digest_of
from fleet.config.model import AgentConfig, FleetConfig
from fleet.config.modelchoice import ModelChoice, model_of
from fleet.config.ownroles import roles_in, texts_of
from fleet.config.paths import ORG_FILE
from fleet.config.prices import prices_of
from fleet.config.roles import Role
from fleet.config.scope import Scope
from fleet.config.together import noted
from fleet.config.validate import check
from fleet.config.yamlfile import PROBLEM_LIMIT, SIZE_LIMIT, invalid, read_yaml
from fleet.core.errors import ConfigError, NotFound
from fleet.core.price import PriceTable


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration in force, with the catalogue it was checked against.

    ``text`` are the file's bytes, ``digest`` is what ``digest_of`` says of them and of the repository's own roles;
    ``warnings`` are lines of the form ``file:line:col: …``.
    """

    config: FleetConfig
    digest: str
    warnings: tuple[str, ...]
    text: bytes
    roles: Mapping[str, Role]

    @property
    def prices(self) -> PriceTable:
        """What models cost: the shipped table under the prices of this configuration."""
        return prices_of(self.config.prices)

    def role_of(self, agent: str) -> Role | None:
        """The role of an agent of this configuration; None for an unknown agent."""
        member = self.config.agent(agent)
        return self.roles.get(member.role) if member is not None else None

    def model_of(self, member: AgentConfig) -> ModelChoice:
        """Which model the runs of a member get, and by whose word."""
        return model_of(self.config, member, self.roles.get(member.role))

    def scope_of(self, agent: str) -> Scope | None:
        """What the runs of an agent may start and change; None for an unknown agent or role.

        Its role says so; its own ``may_run`` adds commands, its ``may_change`` stands in place of the role's paths.
        """
        member, role = self.config.agent(agent), self.role_of(agent)
        if member is None or role is None:
            return None
        commands = tuple(dict.fromkeys((*role.scope.commands, *member.may_run)))
        if member.may_change is None:
            return Scope(commands, role.scope.write, role.scope.never)
        return Scope(commands, member.may_change, ())


def load_config(path: Path, *, roles: Mapping[str, Role], name: str = "") -> LoadedConfig:
    """Read and check a configuration file, and the repository's own roles beside it.

    ``name`` is how messages call the file (its path by default). Raises NotFound FLT-CFG-001 when there is
    none, ConfigError FLT-CFG-010 with every fault (of the roles first), FLT-CFG-011 when a file cannot be read.
    """
    shown = name or str(path)
    data = read_config(path, shown)
    return parse_config(data, name=shown, roles=roles_in(path.parent, roles), folder=path.parent)


def parse_config(data: bytes, *, name: str, roles: Mapping[str, Role], folder: Path | None = None) -> LoadedConfig:
    """Check the bytes of a configuration file; with ``folder`` also warn of files that it lacks.

    Raises ConfigError FLT-CFG-010 with every fault.
    """
    document = read_yaml(data, name)
    config = check(document, FleetConfig)
    document.problems.extend(islice(crosscheck.faults(document, roles), PROBLEM_LIMIT))
    if config is None or document.problems:
        invalid(name, document.problems)
    for agent in config.agents:
        _ = roles[agent.role]  # read now: what is in force must not change with a file
    hears = folder is not None and (folder.parent / ORG_FILE).is_file()
    found = crosscheck.warnings(document, roles, hears=hears)
    notes = sorted(islice(found, PROBLEM_LIMIT), key=lambda problem: problem.spot)
    rendered = tuple(problem.render(name) for problem in notes)
    if folder is not None:
        rendered += _missing_files(config, folder, name)
    return LoadedConfig(config, digest_of(data, texts_of(roles)), rendered, data, roles)


def playbook_path(agent: AgentConfig) -> str:
    """Where the playbook of a scripted agent lies, relative to .fleet/."""
    return agent.playbook or f"playbooks/{agent.name}.yaml"


def prompt_path(agent: AgentConfig) -> str:
    """Where the standing instructions of an agent lie, relative to .fleet/."""
    return f"prompts/{agent.name}.md"


def _missing_files(config: FleetConfig, folder: Path, shown: str) -> tuple[str, ...]:
    """What agents need beside the configuration and would not find."""
    return tuple(
        f"{shown}:1:1: agent {agent.name} has no {what} {name}, expected that file in .fleet/"
        for agent in config.agents
        for what, name in _needs(agent)
        if not (folder / name).is_file()
    )


def _needs(agent: AgentConfig) -> tuple[tuple[str, str], ...]:
    if agent.vendor == "scripted":
        return (("playbook", playbook_path(agent)),)
    return (("prompt", prompt_path(agent)),) if any("{prompt}" in word for word in agent.command) else ()


def read_config(path: Path, shown: str) -> bytes:
    """The file's bytes, at most one more than the limit; never waits on a pipe or device.

    ``shown`` is how messages call it. Raises NotFound FLT-CFG-001, ConfigError FLT-CFG-011.
    """
    meant = (noted(path.parent) or {}).get(path.name)  # a change that was interrupted: it counts
    if meant is not None:
        return meant
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound(
            "FLT-CFG-001", "no .fleet/config.yaml here or above", where=shown, hint="Make one: fleet init"
        ) from error
    except OSError as error:
        raise _unreadable(shown, error.strerror or str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unreadable(shown, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise _unreadable(shown, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)


def _unreadable(shown: str, why: str) -> ConfigError:
    problem = f"{shown}:1:1: the file cannot be read: {why}"
    return ConfigError("FLT-CFG-011", problem, hint="Make it a plain file that you may read.", problems=(problem,))
