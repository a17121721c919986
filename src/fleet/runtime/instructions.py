"""Reads what a handbook is made of beside the configuration: the team's instructions, and what the repository is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fleet.config.loader import LoadedConfig, prompt_path
from fleet.config.model import AgentConfig
from fleet.config.signals import kinds_of
from fleet.core.errors import PermanentError
from fleet.runtime.handbook import Handbook, compile_handbook

LIMIT = 256 * 1024  # bytes of one agent's instructions


def handbook_of(agent: AgentConfig, loaded: LoadedConfig, settings: Path) -> Handbook:
    """The handbook of a member as a run that starts now gets it; ``settings`` is the .fleet/ of the checkout.

    Raises PermanentError FLT-AGT-130 for instructions that cannot be read or used, FLT-AGT-131 for an unknown role.
    """
    name = prompt_path(agent)
    return compile_handbook(agent, loaded, kinds_of(settings.parent), _instructions(settings / name, name), name)


def _instructions(path: Path, name: str) -> bytes | None:
    """The bytes of a file; None when there is none. Never waits on a pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unfit(name, error.strerror or str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unfit(name, "it is not a plain file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise _unfit(name, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)
    if len(data) > LIMIT:
        raise _unfit(name, f"it has more than {LIMIT} bytes")
    return data


def _unfit(name: str, why: str) -> PermanentError:
    return PermanentError("FLT-AGT-130", f"the instructions cannot be read: {why}", where=f".fleet/{name}:1")
