"""Makes the folder of an org: a git repository with ``org.yaml`` and a fleet of its own that hears the others."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config, parse_config
from fleet.config.org import ORG_SCHEMA, org_schema, parse_org
from fleet.config.paths import CONFIG_RELATIVE, ORG_FILE
from fleet.config.scaffold import member_files
from fleet.config.schema import config_schema
from fleet.core.errors import Conflict, FleetError, PermanentError
from fleet.forge.gitrepo import Repo, git

_ORG = """\
# yaml-language-server: $schema={schema}
#
# The repositories of this org. Their fleets run in one daemon: fleet up --org {name}. Each is configured by the
# .fleet/config.yaml in its own checkout. The org's own agents are configured in .fleet/config.yaml beside this file;
# they hear what happens in every repository. A change here counts from the next fleet restart --org {name} on.
version: 1
name: {name}
repositories:{rows}
"""
_CONFIG = """\
# yaml-language-server: $schema=schema.json
#
# The org's own agents. Events of the repositories reach them under the names that they have there; the subject says
# where: repo/<owner>/<name>/pr/7. Tickets and pull requests of the org itself live in this folder's own fleet.
version: 1
base: main
agents:
  - name: chronicler
    role: docs-writer
    subscribes_to: [ticket_ready, ticket_shipped, pr_merged]
"""


def make_org(home: Path, checkouts: Sequence[Path]) -> tuple[str, ...]:
    """Write a new org's folder and its first commit; the names of its files.

    ``checkouts`` are absolute. Raises Conflict FLT-ORG-003 when the folder is there, ConfigError FLT-CFG-010 for
    repositories that do not fit, PermanentError FLT-CFG-016 when the disk says no.
    """
    if os.path.lexists(home):
        raise Conflict("FLT-ORG-003", "there is such an org already", where=str(home), hint="Edit its org.yaml.")
    files = _files(home, checkouts)
    parse_org(files[ORG_FILE].encode("utf-8"), home, {})
    try:
        home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    except OSError as error:
        raise PermanentError("FLT-CFG-016", f"cannot write the org: {error}", where=str(home)) from error
    try:
        for name, text in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_text(text, encoding="utf-8")
        repo = Repo(draft)
        git(repo, "init", "--quiet", "--initial-branch=main")
        git(repo, "add", "--all")
        git(repo, "commit", "--quiet", "--message", f"The org {home.name}")
        draft.rename(home)
    except OSError as error:
        raise PermanentError("FLT-CFG-016", f"cannot write the org: {error}", where=str(home)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return tuple(sorted(files))


def _files(home: Path, checkouts: Sequence[Path]) -> dict[str, str]:
    roles = load_roles()
    rows = "".join(f"\n  - repo: {name_of(path)}\n    checkout: {json.dumps(str(path))}" for path in checkouts)
    files = {
        ORG_FILE: _ORG.format(schema=ORG_SCHEMA, name=home.name, rows=rows or " []"),
        ORG_SCHEMA: json.dumps(org_schema(), indent=2) + "\n",
        ".fleet/config.yaml": _CONFIG,
        ".fleet/schema.json": json.dumps(config_schema(), indent=2) + "\n",
    }
    config = parse_config(_CONFIG.encode("utf-8"), name=".fleet/config.yaml", roles=roles).config
    for agent in config.agents:
        members = member_files(agent, roles[agent.role], config)
        files |= {f".fleet/{name}": text for name, text in members.items()}
    return files


def name_of(checkout: Path) -> str:
    """What the checkout's own configuration calls the repository; ``local/<folder>`` where it says nothing."""
    try:
        loaded = load_config(checkout / CONFIG_RELATIVE, roles=load_roles())
    except FleetError:
        return f"local/{checkout.name}"
    return loaded.config.repo or f"local/{checkout.name}"
