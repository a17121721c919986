"""Builders of real git repositories for tests: a person's checkout, an agent's clone, a clone with traps in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.process import run

ANN = ("Ann", "ann@example.test")
_SECONDS = 60.0


def git(repo: Path, *words: str, who: tuple[str, str] = ANN, stdin: bytes = b"", must: bool = True) -> str:
    """Run git as a person would, without any configuration but the repository's; returns stdout stripped.

    ``who`` is name and e-mail of author and committer. Raises AssertionError when git fails, unless ``must``
    is False.
    """
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": who[0],
        "GIT_AUTHOR_EMAIL": who[1],
        "GIT_COMMITTER_NAME": who[0],
        "GIT_COMMITTER_EMAIL": who[1],
    }
    done = run(("git", "-C", str(repo), *words), timeout=_SECONDS, env=env, stdin=stdin)
    assert done.ok or not must, f"git {' '.join(words)}: {done.error_text}"
    return done.text.strip()


def make_checkout(path: Path, files: Mapping[str, str] | None = None, *, branch: str = "main") -> Path:
    """A repository with one commit on ``branch``: a person's checkout."""
    path.mkdir(parents=True)
    git(path, "init", "--quiet", f"--initial-branch={branch}")
    commit(path, files or {"README.md": "a small program\n", "app.py": "print('hello')\n"}, "first commit")
    return path


def make_clone(bare: Path, path: Path, *, branch: str = "main") -> Path:
    """A clone of the fleet's bare repository that borrows its objects, as a run gets one."""
    git(bare, "clone", "--quiet", "--shared", "--branch", branch, str(bare), str(path))
    return path


def commit(
    repo: Path,
    files: Mapping[str, str | bytes],
    message: str = "a change",
    *,
    who: tuple[str, str] = ANN,
    delete: Sequence[str] = (),
) -> str:
    """Write and delete files, commit everything, and return the commit's id."""
    for name, content in files.items():
        target = repo / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    for name in delete:
        (repo / name).unlink()
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--allow-empty", "--no-verify", "-F", "-", who=who, stdin=message.encode())
    return git(repo, "rev-parse", "HEAD")


def worktree_state(repo: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and link of a worktree with its mode and bytes; git's own folder is left out."""
    found: dict[str, tuple[int, bytes]] = {}
    for folder, inner, names in os.walk(repo):
        if ".git" in inner and Path(folder) == repo:
            inner.remove(".git")
        links = [name for name in inner if (Path(folder) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder) / name
            mode = path.lstat().st_mode
            content = os.readlink(path).encode() if stat.S_ISLNK(mode) else path.read_bytes()
            found[path.relative_to(repo).as_posix()] = (mode, content)
    return found


def plant_traps(repo: Path, canary: Path) -> None:
    """Put every known way to make git run something into a clone's own folder and into its files.

    Whatever is run creates ``canary``. For repositories that a hostile agent may have written to.
    """
    home = repo / ".git"
    trap = home / "trap.sh"
    trap.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{canary}'\ncat 2>/dev/null\nexit 0\n")
    trap.chmod(0o755)
    hooks = home / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in _HOOKS:
        (hooks / name).write_bytes(trap.read_bytes())
        (hooks / name).chmod(0o755)
    with (home / "config").open("a") as config:
        config.write(_TRAP_CONFIG.format(trap=trap, hooks=hooks))
    (home / "info").mkdir(exist_ok=True)
    (home / "info" / "attributes").write_text("* filter=trap diff=trap merge=trap\n")


_HOOKS = (
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout", "post-commit",
    "post-index-change", "post-merge", "post-receive", "post-rewrite", "post-update", "pre-auto-gc", "pre-commit",
    "pre-merge-commit", "pre-push", "pre-rebase", "pre-receive", "prepare-commit-msg", "proc-receive",
    "push-to-checkout", "reference-transaction", "sendemail-validate", "update",
)  # fmt: skip

_TRAP_CONFIG = """
[core]
\tfsmonitor = {trap}
\thooksPath = {hooks}
\tsshCommand = {trap}
\tgitProxy = {trap}
\taskPass = {trap}
\teditor = {trap}
\tpager = {trap}
\talternateRefsCommand = {trap}
\tpartialCloneFilter = blob:none
[extensions]
\tpartialClone = trap
[remote "trap"]
\turl = ext::{trap}
\tpromisor = true
\tuploadpack = {trap}
\treceivepack = {trap}
[remote "origin"]
\tuploadpack = {trap}
\tvcs = ext
[uploadpack]
\tpackObjectsHook = {trap}
[filter "trap"]
\tclean = {trap}
\tsmudge = {trap}
\tprocess = {trap}
\trequired = true
[diff]
\texternal = {trap}
[diff "trap"]
\tcommand = {trap}
\ttextconv = {trap}
[merge "trap"]
\tdriver = {trap} %A
[credential]
\thelper = !{trap}
[gpg]
\tprogram = {trap}
[log]
\tshowSignature = true
[commit]
\tgpgSign = true
[alias]
\trev-parse = !{trap}
\tlog = !{trap}
[protocol "ext"]
\tallow = always
[url "ext::{trap} "]
\tinsteadOf = /
[trailer "co-authored-by"]
\tcommand = {trap}
[maintenance]
\tauto = true
[gc]
\tauto = 1
[submodule]
\trecurse = true
"""
