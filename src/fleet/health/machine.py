"""Checks of the machine and the installation. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.health.words import Check, Git, Machine

OLDEST = {"python": (3, 11), "sqlite": (3, 51, 3), "git": (2, 38), "tmux": (3, 2)}
_KERNEL = (5, 3)  # pidfd_open
_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_DESCRIPTORS_FEW = 1024
_DESCRIPTORS_TOO_FEW = 256

_WHY = {
    "python": "Fleet uses what older versions lack.",
    "sqlite": "Older ones can corrupt a database that several processes read (the WAL-reset bug).",
    "git": "Merges are computed with git merge-tree --write-tree.",
    "tmux": "Sessions are driven in control mode.",
}
_FIX = {
    "python": "Install Python 3.11 or newer.",
    "sqlite": "pip install --force-reinstall 'apsw>=3.51.3'",
    "git": "Install git 2.38 or newer.",
    "tmux": "Install tmux 3.2a or newer.",
}


def machine_checks(facts: Machine) -> Iterator[Check]:
    """Everything about the machine that does not need a fleet."""
    yield _system(facts)
    yield Check("fleet", "ok", facts.program)
    for name in ("python", "sqlite", "git", "tmux"):
        yield version_check(name, getattr(facts, name))
    yield _gh(facts)
    yield _bytecode(facts)
    yield _descriptors(facts)


def version_check(name: str, said: str) -> Check:
    """Whether a program is there and new enough, by what it said about itself."""
    oldest = OLDEST[name]
    found = _NUMBERS.search(said)
    if found is None:
        return Check(name, "fail", "not found", _WHY[name], _FIX[name])
    numbers = tuple(int(part) for part in found.groups() if part)
    letter = said[found.end() :][:1]
    shown = found[0] + (letter if letter.isalpha() else "")
    too_old = numbers < oldest or (name == "tmux" and numbers == oldest and not letter.isalpha())
    if too_old:
        return Check(name, "fail", f"{shown} is older than {_FIX[name].split()[2]}" if name != "sqlite" else
                     f"{shown} is older than 3.51.3", _WHY[name], _FIX[name])  # fmt: skip
    return Check(name, "ok", shown)


def _system(facts: Machine) -> Check:
    if facts.system != "Linux":
        why = "Only Linux can keep the promises about process trees so far."
        return Check("system", "fail", facts.system, why, "Run Fleet on Linux.")
    found = _NUMBERS.search(facts.release)
    if found is not None and tuple(int(part) for part in found.groups()[:2]) < _KERNEL:
        why = "Processes are signalled through pidfds, which need 5.3."
        return Check("system", "fail", f"Linux {facts.release}", why, "Use a kernel of 5.3 or newer.")
    return Check("system", "ok", f"Linux {facts.release}")


def _gh(facts: Machine) -> Check:
    """Informative: nothing of Fleet needs it yet, so it never warns."""
    found = _NUMBERS.search(facts.gh)
    if found is None:
        return Check("gh", "ok", "not installed; the local forge does without")
    login = "somebody is logged in" if facts.gh_login else "nobody is logged in"
    return Check("gh", "ok", f"{found[0]}, {login} (not asked over the network); the local forge does without")


def _bytecode(facts: Machine) -> Check:
    """Without compiled bytecode every start compiles again, which costs several times a start."""
    why = "Every start of fleet compiles again, which takes several times as long."
    command = f"{facts.interpreter} -m compileall -q {facts.package}"
    if not facts.bytecode:
        cause = " and PYTHONDONTWRITEBYTECODE is set" if facts.bytecode_off else ""
        mend = "bytecode" if facts.package_writable else ""
        return Check("bytecode", "warn", f"not compiled{cause}", why, command, mend)
    return Check("bytecode", "ok", "compiled")


def _descriptors(facts: Machine) -> Check:
    soft = facts.descriptors_soft
    why = "The daemon holds a socket for each caller and several files for each run."
    if soft < _DESCRIPTORS_FEW:
        fix = f"ulimit -n {min(4096, facts.descriptors_hard)}, then fleet down, fleet up"
        return Check("descriptors", "fail" if soft < _DESCRIPTORS_TOO_FEW else "warn", f"{soft} open files", why, fix)
    return Check("descriptors", "ok", f"{soft} open files")


def git_checks(facts: Git) -> Iterator[Check]:
    """Who commits in the person's checkout, and whether the base branch is there."""
    missing = [name for name, value in (("user.name", facts.name), ("user.email", facts.email)) if not value]
    if missing:
        why = "git refuses your own commits, and your changes cannot be told from an agent's."
        fix = "git config --global user.name 'Your Name'; git config --global user.email you@example.org"
        yield Check("git.identity", "warn", f"{' and '.join(missing)} not set", why, fix)
    else:
        yield Check("git.identity", "ok", f"{facts.name} <{facts.email}>")
    if facts.base_exists:
        yield Check("git.base", "ok", f"the base branch {facts.base} is there")
    else:
        why = "Branches start from it and merges go into it; the daemon does not start without."
        fix = f"Commit on {facts.base}, or change base in .fleet/config.yaml"
        yield Check("git.base", "fail", f"the base branch {facts.base} does not exist or has no commit", why, fix)
