"""The vendor that plays a playbook instead of asking a model: for the demo, for rehearsals and for tests."""

from __future__ import annotations

import sys

from fleet.config.loader import playbook_path
from fleet.core.errors import PermanentError
from fleet.runtime.vendors.port import Start, VendorLaunch

_FILE = "playbook.yaml"
_LIMIT = 1024 * 1024  # bytes


def launch(start: Start) -> VendorLaunch:
    """The program that plays the agent's playbook.

    The session gets a copy: neither the branch it works on nor a later edit changes what it plays. Raises
    PermanentError FLT-RUN-011 when the playbook cannot be read.
    """
    agent = start.agent
    source = start.settings / playbook_path(agent)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise PermanentError(
            "FLT-RUN-011",
            f"the playbook of {agent.name} cannot be read: {error.strerror or error}",
            where=str(source),
            hint="Write it, or name another one with `playbook:` in .fleet/config.yaml.",
        ) from error
    if len(content) > _LIMIT:
        raise PermanentError("FLT-RUN-011", f"the playbook has more than {_LIMIT} bytes", where=str(source))
    # -P keeps the clone out of the import path: a file json.py there must not become ours.
    return VendorLaunch(
        (sys.executable, "-P", "-m", "fleet.testing.agent", str(start.folder / _FILE)), files={_FILE: content}
    )
