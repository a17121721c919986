"""A GitHub on this machine with everything around it: repository, people, and the environment that leads there."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet.core.clock import Clock
from fleet.process import run
from fleet.testing.folders import short_folder
from fleet.testing.github.hub import REPO, Hub
from fleet.testing.github.rest import Rest
from fleet.testing.github.server import GitHub, serving
from fleet.testing.repos import git

BOT = "fleet-bot"  # the login that the fleet's gh is logged in as


@dataclass(frozen=True)
class Place:
    """A running server and how to reach it."""

    folder: Path
    server: GitHub
    hub: Hub

    def env(self, login: str = BOT) -> dict[str, str]:
        """The environment in which ``gh`` and git reach this GitHub as somebody, and nothing else."""
        token = next(token for token, name in self.hub.tokens.items() if name == login)
        return {
            "PATH": f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "GH_CONFIG_DIR": str(self.folder / "gh"),
            "GH_TOKEN": token,
            "GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig"),
        }

    def gh(self, *words: str, login: str = BOT) -> str:
        """The real gh, as somebody; its output. Raises AssertionError when it fails."""
        settled = {"GH_TELEMETRY": "0", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PROMPT_DISABLED": "1"}
        done = run(("gh", *words), timeout=60, env=self.env(login) | settled)
        assert done.ok, done.error_text or done.text
        return done.text

    def hub_of(self, repo: str) -> Hub:
        """One of the repositories."""
        return self.hub if repo == REPO else self.server.others[repo].hub

    def label(self, number: int, name: str, *, login: str, repo: str = REPO) -> None:
        """Somebody puts a label on, by the real gh."""
        self.gh("api", "-X", "POST", f"repos/{repo}/issues/{number}/labels", "-f", f"labels[]={name}", login=login)

    def rename(self, name: str) -> None:
        """The first repository gets another name; whoever asks for the old one is led there, by git too."""
        with self.hub.lock:
            self.server.renamed[self.hub.repo] = name
            self.hub.repo = name
            self.server.rest = Rest(self.hub)
        there = self.folder / f"{name}.git"
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(self.hub.bare)

    def push(self, checkout: Path, refspec: str = "main:main") -> None:
        """A person's own push."""
        git(checkout, "push", "--quiet", str(self.hub.bare), refspec)


@contextmanager
def a_github(
    checkout: Path, others: Mapping[str, Path] | None = None, *, clock: Clock | None = None
) -> Iterator[Place]:
    """A GitHub that holds the checkout's ``main``; the bot and ann may write, tim may label, xen may only talk.

    ``others`` are further repositories: a name, and the checkout whose ``main`` it begins with. ``clock`` is the
    repository's own idea of the time.
    """
    with short_folder("ghb-") as folder:
        hub = Hub(_bare(folder, REPO, checkout), clock=clock)
        for login, permission in ((BOT, "write"), ("ann", "admin"), ("tim", "triage"), ("xen", "read")):
            hub.person(login, permission)
        (folder / "home").mkdir()
        (folder / "gh").mkdir()
        config = folder / "gh" / "config.yml"
        config.write_text(f'version: "1"\ngit_protocol: https\nhttp_unix_socket: {folder}/gh.sock\n')
        config.chmod(0o600)
        (folder / "gitconfig").write_text(f'[url "file://{folder}/"]\n\tinsteadOf = https://github.com/\n')
        with serving(folder / "gh.sock", hub) as server:
            for repo, beginning in (others or {}).items():
                other = Hub(_bare(folder, repo, beginning), repo=repo)
                other.permissions, other.tokens = hub.permissions, hub.tokens
                server.others[repo] = Rest(other)
            yield Place(folder, server, hub)


def _bare(folder: Path, repo: str, checkout: Path) -> Path:
    """The repository that pushes go to."""
    bare = folder / f"{repo}.git"
    bare.mkdir(parents=True)
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(checkout, "push", "--quiet", str(bare), "main:main")
    return bare
