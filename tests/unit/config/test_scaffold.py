"""The first .fleet/ of a repository: ordinary, checked, all or nothing, and never over somebody's work."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.config.catalogue import load_roles
from fleet.config.loader import load_config
from fleet.config.repository import current_branch
from fleet.config.scaffold import scaffold
from fleet.core.errors import Conflict, FleetError, NotFound, PermanentError, UsageError
from fleet.testing.playbook import parse_playbook
from fleet.testing.repos import git, make_checkout

NOW = 1_700_000_000_000_000  # 2023-11-14 22:13:20 UTC
AGENTS = ("developer", "qa-engineer", "release-manager", "tech-lead")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit on branch trunk."""
    return make_checkout(tmp_path / "shop", branch="trunk")


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, git's own excepted."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_is_written_loads_without_fault_or_warning(checkout: Path) -> None:
    made = scaffold(checkout, now=NOW, allow_shared_uid_merge=True, reason='my own machine, "alone": ü')
    loaded = load_config(checkout / ".fleet" / "config.yaml", roles=load_roles())
    assert loaded.warnings == ()
    assert loaded.config.base == "trunk"
    assert loaded.config.allow_shared_uid_merge is True
    assert loaded.config.shared_uid_merge_reason == 'my own machine, "alone": ü'
    assert tuple(sorted(agent.name for agent in loaded.config.agents)) == AGENTS
    assert made.backup == ""
    assert set(made.written) == {name for name in everything(checkout) if name.startswith(".fleet/")}


def test_without_leave_to_merge_a_merge_waits_for_a_person(checkout: Path) -> None:
    scaffold(checkout, now=NOW)
    loaded = load_config(checkout / ".fleet" / "config.yaml", roles=load_roles())
    assert loaded.config.allow_shared_uid_merge is False


def test_every_agent_gets_a_prompt_and_a_playbook_that_reads(checkout: Path) -> None:
    scaffold(checkout, now=NOW)
    loaded = load_config(checkout / ".fleet" / "config.yaml", roles=load_roles())
    for agent in loaded.config.agents:
        text = (checkout / ".fleet" / "prompts" / f"{agent.name}.md").read_text()
        assert f"fleet handbook show {agent.name}" in text
        path = checkout / ".fleet" / "playbooks" / f"{agent.name}.yaml"
        playbook = parse_playbook(path.read_bytes(), str(path))
        assert all(playbook.rule_for(event, 1, 1) for event in agent.subscribes_to)


def test_an_existing_configuration_is_not_touched_without_force(checkout: Path) -> None:
    (checkout / ".fleet").mkdir()
    (checkout / ".fleet" / "config.yaml").write_text("mine")
    before = everything(checkout)
    with pytest.raises(Conflict) as caught:
        scaffold(checkout, now=NOW)
    assert caught.value.code == "FLT-CFG-015"
    assert caught.value.exit_code == 8
    assert everything(checkout) == before


def test_a_folder_with_other_files_is_completed(checkout: Path) -> None:
    (checkout / ".fleet").mkdir()
    (checkout / ".fleet" / "notes.txt").write_text("mine")
    made = scaffold(checkout, now=NOW)
    assert made.backup == ""
    assert (checkout / ".fleet" / "notes.txt").read_text() == "mine"
    assert (checkout / ".fleet" / "config.yaml").is_file()


def test_force_keeps_the_old_files_and_names_them(checkout: Path) -> None:
    scaffold(checkout, now=NOW)
    config = checkout / ".fleet" / "config.yaml"
    config.write_text("mine")
    (checkout / ".fleet" / "notes.txt").write_text("mine too")
    made = scaffold(checkout, now=NOW, force=True)
    assert made.backup == ".fleet/.backup/20231114T221320Z"
    assert ".fleet/config.yaml" in made.backed_up
    assert ".fleet/notes.txt" in made.backed_up
    assert (checkout / made.backup / "config.yaml").read_text() == "mine"
    assert (checkout / ".fleet" / "notes.txt").read_text() == "mine too"
    assert "# The members of this fleet" in config.read_text()
    again = scaffold(checkout, now=NOW, force=True)
    assert again.backup == ".fleet/.backup/20231114T221320Z-2"
    assert (checkout / made.backup / "config.yaml").read_text() == "mine"
    assert not (checkout / again.backup / ".backup").exists()


def test_backups_are_ignored_by_git_and_nothing_else_is_left_behind(checkout: Path) -> None:
    scaffold(checkout, now=NOW)
    scaffold(checkout, now=NOW, force=True)
    assert ".backup" not in git(checkout, "status", "--porcelain", "--untracked-files=all")
    assert sorted(path.name for path in checkout.iterdir()) == [".fleet", ".git", "README.md", "app.py"]


def test_a_full_disk_leaves_everything_as_it_was(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaffold(checkout, now=NOW)
    (checkout / ".fleet" / "config.yaml").write_text("mine")
    before = everything(checkout)
    written: list[Path] = []
    real = Path.write_text

    def write(self: Path, *args: object, **more: object) -> int:
        written.append(self)
        if len(written) > 3:
            raise OSError(28, "No space left on device")
        return real(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(PermanentError) as caught:
        scaffold(checkout, now=NOW, force=True)
    assert caught.value.code == "FLT-CFG-016"
    assert everything(checkout) == before


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"vendor": "gpt"}, "FLT-CFG-014"),
        ({"vendor": "claude-code"}, "FLT-CFG-014"),
        ({"auth": {"kind": "key_helper", "command": ["x"]}}, "FLT-CFG-014"),
        ({"vendor": "claude-code", "auth": {"kind": "login", "folder": "/home/me/.claude"}}, "FLT-CFG-014"),
        ({"allow_shared_uid_merge": True}, "FLT-CFG-014"),
        ({"allow_shared_uid_merge": True, "reason": "a\nb"}, "FLT-CFG-014"),
        ({"allow_shared_uid_merge": True, "reason": "x" * 501}, "FLT-CFG-014"),
        ({"base": "fleet/7"}, "FLT-CFG-013"),
        ({"base": "a..b"}, "FLT-CFG-013"),
    ],
)
def test_arguments_that_do_not_fit_write_nothing(checkout: Path, args: dict[str, object], code: str) -> None:
    before = everything(checkout)
    with pytest.raises(UsageError) as caught:
        scaffold(checkout, now=NOW, **args)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert everything(checkout) == before


def test_a_link_in_place_of_the_folder_is_not_followed(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (checkout / ".fleet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        scaffold(checkout, now=NOW, force=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


# -- the repository around it ----------------------------------------------------------------------------


def refused(folder: Path) -> FleetError:
    """The error for a folder that is no place for a fleet."""
    with pytest.raises(FleetError) as caught:
        current_branch(folder)
    return caught.value


def test_a_folder_outside_any_repository_is_refused(tmp_path: Path) -> None:
    assert (type(refused(tmp_path)), refused(tmp_path).code) == (NotFound, "FLT-CFG-012")
    with pytest.raises(NotFound):
        scaffold(tmp_path, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_repository_without_a_commit_or_branch_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    assert "has no commit yet" in refused(tmp_path).message
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "first")
    assert current_branch(tmp_path) == "main"
    git(tmp_path, "checkout", "--quiet", "--detach")
    assert "no branch is checked out" in refused(tmp_path).message


def test_packed_branches_and_worktrees_are_understood(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "branch", "a/b")
    git(checkout, "pack-refs", "--all")
    assert current_branch(checkout) == "trunk"
    git(checkout, "worktree", "add", "--quiet", str(tmp_path / "tree"), "a/b")
    assert current_branch(tmp_path / "tree") == "a/b"


@pytest.mark.parametrize(
    ("url", "repo"),
    [
        ("https://github.com/acme/shop.git", "acme/shop"),
        ("https://github.com/acme/shop", "acme/shop"),
        ("https://ann@github.com/acme/shop.js.git", "acme/shop.js"),
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("ssh://git@github.com/acme/shop.git", "acme/shop"),
        ("ssh://git@ssh.github.com:443/acme/shop.git", "acme/shop"),
        ("https://gitlab.com/acme/shop.git", ""),
        ("https://github.com.evil.test/acme/shop.git", ""),
        ("git@notgithub.com:acme/shop.git", ""),
        ("/srv/git/shop.git", ""),
    ],
)
def test_a_repository_whose_origin_is_at_github_is_worked_on_there(checkout: Path, url: str, repo: str) -> None:
    git(checkout, "remote", "add", "origin", url)
    scaffold(checkout, now=NOW)
    config = load_config(checkout / ".fleet" / "config.yaml", roles=load_roles()).config
    assert (config.forge, config.repo) == (("github", repo) if repo else ("local", ""))


def test_the_forge_can_be_chosen(checkout: Path) -> None:
    with pytest.raises(UsageError) as caught:
        scaffold(checkout, now=NOW, forge="github")
    assert caught.value.code == "FLT-CFG-014"
    git(checkout, "remote", "add", "origin", "git@github.com:acme/shop.git")
    scaffold(checkout, now=NOW, forge="local")
    assert load_config(checkout / ".fleet" / "config.yaml", roles=load_roles()).config.forge == "local"
