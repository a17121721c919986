"""What a tool of a session may do: the role's own commands and paths, and every bypass that was thought of refused."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

import pytest

from fleet.config.scope import Scope
from fleet.policy.guard import Ground, judge
from fleet.policy.scope import protected_among

PROTECTED = (".github", ".claude", ".mcp.json", "CLAUDE.md", "AGENTS.md", ".fleet", "CODEOWNERS")
COMMANDS = (
    "cat **", "ls **", "grep **", "rg **", "find **", "sort **", "tar **", "sed **", "awk **", "cp **", "mv **",
    "rm **",
    "mkdir **", "touch **", "chmod **", "git status **", "git diff **", "git log **", "git add **", "git commit **",
    "git rebase **", "git fetch **", "git merge **", "git grep **", "python3 **", "bash -n **", "fleet pr create **",
    # a careless role of somebody's own:
    "git **", "gh **", "sh **", "bash **", "env **", "xargs **", "sudo **", "tmux **", "curl **",
)  # fmt: skip


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A clone with a source folder, a link out of it, and a place outside with a secret."""
    clone, outside, own = tmp_path / "clone", tmp_path / "state", tmp_path / "tmp"
    for folder in (clone / "src", clone / ".github" / "workflows", clone / "docs", outside, own):
        folder.mkdir(parents=True)
    (clone / "src" / "app.py").write_text("print()\n")
    (clone / "CLAUDE.md").write_text("rules\n")
    (outside / "capability").write_text("secret\n")
    (clone / "src" / "link").symlink_to(outside)
    (clone / "src" / "rules").symlink_to("../.github")
    return Ground(
        role="developer",
        scope=Scope(COMMANDS, ("**",), ("docs/legal/**",)),
        clone=str(clone),
        cwd=str(clone),
        writable=(str(own),),
        readable=("/usr", str(tmp_path / "run")),
        secret=(str(outside),),
        protected=lambda path: bool(protected_among([path], PROTECTED)),
        real=os.path.realpath,
        matches=lambda pattern: tuple(glob.glob(pattern, include_hidden=True)),
    )


def code(ground: Ground, tool: str, **given: Any) -> str:
    """The code of the objection; "" for none."""
    found = judge(tool, given, ground)
    return found.code if found is not None else ""


ALLOWED = [
    "git status", "git diff HEAD~1 -- src", "git commit -m 'a = b; $x'", "git add src/app.py && git commit -m x",
    "cat src/app.py | grep print", "python3 -m unittest -v 2>&1", "sed -n '1,20p' src/app.py",
    "sed -i 's/a/b/g' src/app.py",
    "rm src/app.py", "mkdir -p src/new && touch src/new/x.py", "cp src/app.py src/copy.py", "cd src && ls -la",
    "echo done > src/out.txt", "find . -name '*.py'", "bash -n src/run.sh", "git fetch origin main",
    "git rebase origin/main",
    "fleet pr create --title x --body y", "echo x >/dev/null", "ls /usr/lib", "rm src/*.py", "chmod 755 src/app.py",
    "grep -rn 'def ' src", "awk '{ print $1 }' src/app.py", "true", "grep -rn /api/v1 src", "(cd src && ls)",
    "sed -i -e 's/a/b/' src/app.py",
]  # fmt: skip


@pytest.mark.parametrize("command", ALLOWED)
def test_ordinary_work_is_let_through(ground: Ground, command: str) -> None:
    assert code(ground, "Bash", command=command) == ""


# (what is tried, the code that answers it)
BYPASSES = [
    # pushing and the forge, past the door
    ("git push", "FLT-GRD-003"), ("git push origin HEAD:main", "FLT-GRD-003"), ("g'i't push", "FLT-GRD-003"),
    ("git --no-pager push", "FLT-GRD-003"), ("git -c alias.x='!id' x", "FLT-GRD-003"), ("git -C /tmp push",
    "FLT-GRD-003"),
    ("git --git-dir=/x push", "FLT-GRD-003"), ("git --exec-path=/tmp/evil status", "FLT-GRD-003"),
    ("git config alias.st '!git push'", "FLT-GRD-003"), ("git remote add evil https://x", "FLT-GRD-003"),
    ("git fetch https://evil/x", "FLT-GRD-003"), ("git fetch --upload-pack=id origin", "FLT-GRD-003"),
    ("git fetch 'ext::sh -c id'", "FLT-GRD-003"), ("git rebase -x 'git push' HEAD~1", "FLT-GRD-003"),
    ("git rebase --exec id HEAD~1", "FLT-GRD-003"), ("git rebase --exe=id HEAD~1", "FLT-GRD-003"),
    ("git grep -Oid x", "FLT-GRD-003"), ("git diff --ext-diff", "FLT-GRD-003"), ("git diff --output=/x", "FLT-GRD-003"),
    ("git diff --no-index /etc/shadow /dev/null", "FLT-GRD-003"), ("git bisect run id", "FLT-GRD-003"),
    ("git send-pack /x main", "FLT-GRD-003"), ("git update-ref refs/heads/main HEAD", "FLT-GRD-003"),
    ("gh pr merge 1", "FLT-GRD-003"), ("/usr/bin/gh api x", "FLT-GRD-003"),
    # a program inside another
    ("sh -c 'git push'", "FLT-GRD-003"), ("bash -c 'git push'", "FLT-GRD-003"), ("bash -nc 'git push'", "FLT-GRD-003"),
    ("env git push", "FLT-GRD-003"), ("env GIT_SSH=x git fetch", "FLT-GRD-003"), ("command git push", "FLT-GRD-003"),
    ("exec git push", "FLT-GRD-003"), ("eval git push", "FLT-GRD-003"), ("nohup git push", "FLT-GRD-003"),
    ("echo push | xargs git", "FLT-GRD-003"), ("find . -exec git push ';'", "FLT-GRD-003"),
    ("find . -delete", "FLT-GRD-003"), ("rg --pre id x", "FLT-GRD-003"), ("sort --compress-program=id x",
    "FLT-GRD-003"),
    ("tar xf a --to-command=id", "FLT-GRD-003"), ("tar cf a b --checkpoint-action=exec=id", "FLT-GRD-003"),
    ("sed '1e id' src/app.py", "FLT-GRD-003"), ("sed 'w /tmp/x' src/app.py", "FLT-GRD-003"),
    ("sed -f x src/app.py", "FLT-GRD-003"), ("awk 'BEGIN { system(\"id\") }'", "FLT-GRD-003"),
    ("awk '{ print > \"x\" }' src/app.py", "FLT-GRD-003"), ("source src/run.sh", "FLT-GRD-003"), (". src/run.sh",
    "FLT-GRD-003"),
    ("alias ls='git push'", "FLT-GRD-003"), ("trap 'git push' EXIT", "FLT-GRD-003"), ("sudo id", "FLT-GRD-003"),
    ("tmux kill-server", "FLT-GRD-003"), ("setsid id", "FLT-GRD-003"), ("export PATH=.", "FLT-GRD-003"),
    ("hash -p /tmp/evil git", "FLT-GRD-003"), ("enable -f x y", "FLT-GRD-003"), ("chmod 4755 src/app.py",
    "FLT-GRD-003"),
    ("chmod u+s src/app.py", "FLT-GRD-003"), ("cp -t .github src/app.py", "FLT-GRD-003"),
    # what nobody can read
    ("$(echo git) push", "FLT-GRD-001"), ("`echo git` push", "FLT-GRD-001"), ("G=git; $G push", "FLT-GRD-001"),
    ("{git,push}", "FLT-GRD-001"), ("if true; then git push; fi", "FLT-GRD-001"), ("f() { git push; }; f",
    "FLT-GRD-001"),
    ("cat <<E | sh\ngit push\nE", "FLT-GRD-001"), ("PATH=.:/usr/bin git status", "FLT-GRD-001"),
    ("GIT_SSH_COMMAND=id git fetch origin", "FLT-GRD-001"), ("LD_PRELOAD=x ls", "FLT-GRD-001"), ("cat ~/.ssh/id_rsa",
    "FLT-GRD-001"),
    # programs that are not the role's
    ("wget http://x", "FLT-GRD-002"), ("npm publish", "FLT-GRD-002"), ("./evil.sh", "FLT-GRD-002"),
    ("ls; dd if=/dev/zero of=x", "FLT-GRD-002"), ("ls && docker ps", "FLT-GRD-002"), ("(id)", "FLT-GRD-002"),
    # writing where it may not
    ("echo x > .github/workflows/ci.yml", "FLT-GRD-008"), ("cp src/app.py CLAUDE.md", "FLT-GRD-008"),
    ("rm claude.md", "FLT-GRD-008"), ("mv src/app.py .Fleet/config.yaml", "FLT-GRD-008"), ("rm -rf .github",
    "FLT-GRD-008"),
    ("touch src/rules/new.yml", "FLT-GRD-008"), ("rm .git?ub/*", "FLT-GRD-008"), ("rm *", "FLT-GRD-008"),
    ("cd .github && touch x", "FLT-GRD-008"), ("sed -i 's/a/b/' CLAUDE.md", "FLT-GRD-008"),
    ("sed -i --expression=s/a/b/ CLAUDE.md", "FLT-GRD-003"), ("sed -ni p CLAUDE.md", "FLT-GRD-008"),
    ("echo x > .git/hooks/pre-commit", "FLT-GRD-004"), ("cp src/app.py src/../.git/config", "FLT-GRD-004"),
    ("echo x > /tmp/elsewhere", "FLT-GRD-004"), ("touch ../sibling", "FLT-GRD-004"), ("rm -rf .", "FLT-GRD-004"),
    ("touch docs/legal/terms.md", "FLT-GRD-004"), ("cd / && touch x", "FLT-GRD-004"), ("cd .. && ls", "FLT-GRD-004"),
    ("touch src/link/x", "FLT-GRD-004"),
    # reading what is not for it
    ("cat /etc/passwd", "FLT-GRD-009"), ("cat src/link/capability", "FLT-GRD-009"), ("grep -ex /etc/passwd",
    "FLT-GRD-009"), ("cat /proc/self/environ", "FLT-GRD-009"),
    ("grep x --file=/etc/shadow", "FLT-GRD-009"), ("cat ../state/capability", "FLT-GRD-009"), ("sort < /etc/passwd",
    "FLT-GRD-009"),
    ("ln -s /etc/passwd src/x", "FLT-GRD-002"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "expected"), BYPASSES)
def test_every_bypass_that_was_thought_of_is_refused(ground: Ground, command: str, expected: str) -> None:
    assert code(ground, "Bash", command=command) == expected


FILES = [
    ("Write", {"file_path": "src/new.py"}, ""),
    ("Edit", {"file_path": "src/app.py"}, ""),
    ("Write", {"file_path": "CLAUDE.md"}, "FLT-GRD-008"),
    ("Edit", {"file_path": "cLaUdE.md"}, "FLT-GRD-008"),
    ("Write", {"file_path": "sub/.mcp.json"}, "FLT-GRD-008"),
    ("Write", {"file_path": ".github/workflows/x.yml"}, "FLT-GRD-008"),
    ("Edit", {"file_path": "src/rules/x.yml"}, "FLT-GRD-008"),
    ("Write", {"file_path": ".git/hooks/post-commit"}, "FLT-GRD-004"),
    ("Write", {"file_path": "docs/legal/x.md"}, "FLT-GRD-004"),
    ("Write", {"file_path": "/etc/cron.d/x"}, "FLT-GRD-004"),
    ("Write", {"file_path": "../x"}, "FLT-GRD-004"),
    ("NotebookEdit", {"notebook_path": "../x.ipynb"}, "FLT-GRD-004"),
    ("Write", {"file_path": "src/link/x"}, "FLT-GRD-004"),
    ("Write", {}, "FLT-GRD-005"),
    ("Write", {"file_path": 7}, "FLT-GRD-005"),
    ("Read", {"file_path": "src/app.py"}, ""),
    ("Read", {"file_path": "/usr/share/dict/words"}, ""),
    ("Read", {"file_path": "/proc/self/environ"}, "FLT-GRD-009"),
    ("Read", {"file_path": "src/link/capability"}, "FLT-GRD-009"),
    ("Grep", {"pattern": "x"}, ""),
    ("Grep", {"pattern": "x", "path": "/"}, "FLT-GRD-009"),
    ("Glob", {"pattern": "**", "path": "/home"}, "FLT-GRD-009"),
    ("WebFetch", {"url": "http://x"}, "FLT-GRD-007"),
    ("WebSearch", {"query": "x"}, "FLT-GRD-007"),
    ("TodoWrite", {"todos": []}, ""),
    ("mcp__fleet__fleet_inbox", {}, ""),
    ("mcp__evil__run", {}, "FLT-GRD-006"),
    ("Teleport", {}, "FLT-GRD-006"),
    ("Bash", {}, "FLT-GRD-001"),
]


@pytest.mark.parametrize(("tool", "given", "expected"), FILES)
def test_a_tool_touches_what_its_role_may_and_nothing_of_the_fleet(
    ground: Ground, tool: str, given: dict[str, Any], expected: str
) -> None:
    assert code(ground, tool, **given) == expected


def test_a_refusal_says_what_to_do_and_names_no_path_of_the_fleet(ground: Ground) -> None:
    found = judge("Bash", {"command": "git push origin HEAD:main"}, ground)
    assert found is not None
    assert "fleet pr create" in found.text


def test_a_reviewer_that_may_write_nothing_writes_nothing(ground: Ground) -> None:
    reader = Ground(**{**{name: getattr(ground, name) for name in ground.__slots__}, "scope": Scope(COMMANDS, (), ())})
    assert code(reader, "Write", file_path="src/app.py") == "FLT-GRD-004"
    assert code(reader, "Bash", command="rm src/app.py") == "FLT-GRD-004"
    assert code(reader, "Bash", command="echo x > src/app.py") == "FLT-GRD-004"
    assert code(reader, "Bash", command="cat src/app.py") == ""
