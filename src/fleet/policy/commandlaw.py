"""Ways in which an allowed program does something else than its name says. Pure.

A role allows ``git diff`` or ``find`` to look at things. These laws hold whatever a role allows: what would run another
program, reach another repository, or leave the clone past the fleet's own door is refused. They are a second line:
an interpreter (python, make, npm) can do anything its user can, and no reading of its command line tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

Words = Sequence[str]
Law = Callable[[Words], str]  # the program's words without its name -> what is wrong, "" for nothing

# Programs that no role may start from a session: each leaves the run, or speaks to the forge past the door.
NEVER: Mapping[str, str] = {
    "gh": "the forge is reached through fleet pr … and fleet ticket …",
    "hub": "the forge is reached through fleet pr … and fleet ticket …",
    **dict.fromkeys(("sudo", "su", "doas", "pkexec", "runuser", "setpriv"), "a run stays its own user"),
    **dict.fromkeys(
        ("tmux", "screen", "systemd-run", "at", "batch", "crontab", "nsenter", "unshare", "chroot", "setsid", "disown"),
        "a run's processes stay in its own tree",
    ),
    **dict.fromkeys(("ssh", "scp", "sftp", "rsync", "nc", "ncat", "socat", "telnet"), "a run stays on this machine"),
    **dict.fromkeys(("gdb", "strace", "ltrace", "ptrace"), "a run looks into no other process"),
}

# Programs that only start what their words name: judging them would be judging those.
WRAPPERS = frozenset(
    [
        "sh",
        "bash",
        "dash",
        "zsh",
        "ksh",
        "fish",
        "env",
        "command",
        "builtin",
        "exec",
        "eval",
        "source",
        ".",
        "nohup",
        "nice",
        "ionice",
        "timeout",
        "time",
        "xargs",
        "parallel",
        "watch",
        "stdbuf",
        "script",
        "flock",
        "busybox",
        "alias",
        "trap",
        "enable",
        "hash",
        "export",
        "declare",
        "typeset",
        "readonly",
        "set",
        "shopt",
    ]
)

# Programs of a shell that touch nothing.
HARMLESS = frozenset(
    {"cd", "echo", "printf", "true", "false", "pwd", "test", "[", ":", "exit", "sleep", "which", "type"}
)

_SED_PLAIN = re.compile(r"(\d+|\$)?(,(\d+|\$|\+\d+))?[pdq=]|s(?P<mark>[/|#,:]).*(?P=mark).*(?P=mark)[gpiI0-9]*")
_GIT_SAFE_GLOBAL = frozenset({"--no-pager", "-P", "--literal-pathspecs", "--no-optional-locks"})
_GIT_NEVER: Mapping[str, str] = {
    "push": "a branch is handed in with fleet pr create",
    **dict.fromkeys(("remote", "config", "credential", "submodule"), "a clone's settings are the fleet's"),
    **dict.fromkeys(
        ("update-ref", "symbolic-ref", "replace", "filter-branch", "fast-import", "send-pack", "receive-pack",
         "upload-pack", "http-push", "daemon", "instaweb", "difftool", "mergetool", "gui", "web--browse", "hook",
         "p4", "svn", "send-email", "imap-send", "clone", "ls-remote", "fetch-pack", "bundle", "maintenance"),
        "it is not needed to work on a ticket, and runs or reaches something else",
    ),
}  # fmt: skip
_GIT_RUNS = (
    "--exec", "--upload-pack", "--receive-pack", "--ext-diff", "--textconv", "--open-files-in-pager", "--output",
    "--no-index", "--gpg-sign", "--strategy", "--edit", "--interactive", "--remote", "--template", "--filters",
)  # fmt: skip
_GIT_SHORT_RUNS: Mapping[str, tuple[str, ...]] = {
    "grep": ("-O",), "rebase": ("-x", "-i", "-s"), "fetch": ("-u",), "merge": ("-s",), "cherry-pick": ("-e", "-S"),
    "commit": ("-S", "-e"), "pull": ("-s",),
}  # fmt: skip
_PLAIN_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def wrong(words: Words) -> str:
    """What is wrong with a command, whatever role it is for; "" when nothing is."""
    program, rest = words[0], words[1:]
    name = program.rpartition("/")[2]
    if name in NEVER:
        return f"{name} is not for agents: {NEVER[name]}"
    if name in WRAPPERS and tuple(words[:2]) != ("bash", "-n"):  # which only reads
        return f"{name} starts what its words say; call that by itself"
    law = _LAWS.get(name)
    return law(rest) if law is not None else ""


def _git(rest: Words) -> str:
    place = 0
    while place < len(rest) and rest[place].startswith("-"):
        if rest[place] not in _GIT_SAFE_GLOBAL:
            return f"git {rest[place]} changes what git does or where; call git inside the clone without it"
        place += 1
    if place == len(rest):
        return ""
    return _git_verb(rest[place], rest[place + 1 :])


def _git_verb(verb: str, words: Words) -> str:
    if verb in _GIT_NEVER:
        return f"git {verb} is not for agents: {_GIT_NEVER[verb]}"
    if verb == "bisect" and "run" in words:
        return "git bisect run starts what its words say"
    if verb in ("fetch", "pull"):
        return _git_fetch(verb, words)
    for word in words:
        if word == "--":
            break
        long = word.split("=")[0]
        if any(long == bad or (len(long) >= 4 and bad.startswith(long)) for bad in _GIT_RUNS):
            return f"git {verb} {long} runs, reads or writes something outside the clone's work"
        if any(word.startswith(short) for short in _GIT_SHORT_RUNS.get(verb, ())):
            return f"git {verb} {word} runs something else"
    return ""


def _git_fetch(verb: str, words: Words) -> str:
    """Only from where the clone came from, only plain names."""
    plain = [
        word for word in words if word not in ("--quiet", "-q", "--prune", "-p", "--ff-only", "--rebase", "--tags")
    ]
    if any(word.startswith("-") for word in plain):
        return f"git {verb} takes no such option here"
    if plain and plain[0] != "origin":
        return f"git {verb} is from origin only"
    if any(not _PLAIN_REF.fullmatch(word) for word in plain[1:]):
        return f"git {verb} takes plain branch names only"
    return ""


def _without(*starts: str, why: str) -> Law:
    """A law against options that begin so."""

    def law(rest: Words) -> str:
        found = next((word for word in rest if word.startswith(starts)), "")
        return f"{found} {why}" if found else ""

    return law


def _sed(rest: Words) -> str:
    """Printing, deleting and substituting; its w and e commands write files and run programs."""
    scripts = [word for place, word in enumerate(rest) if place and rest[place - 1] in ("-e", "--expression")]
    plain = [word for word in rest if not word.startswith("-")]
    if any(word.startswith(("-f", "--file")) for word in rest):
        return "sed -f reads commands that nobody has seen; use the Edit tool"
    for script in scripts or plain[:1]:
        if any(part.strip() and not _SED_PLAIN.fullmatch(part.strip()) for part in re.split(r"[;\n]", script)):
            return "sed is for printing, deleting and substituting here; use the Edit tool for more"
    return ""


def _chmod(rest: Words) -> str:
    found = next((word for word in rest if re.fullmatch(r"[1-7]\d{3}|[ugoa]*[+=][rwxX]*[st][rwxXst]*", word)), "")
    return f"chmod {found} sets more than read, write and execute" if found else ""


def _awk(rest: Words) -> str:
    text = " ".join(rest)
    if re.search(r"system\s*\(|getline|\||>|@load|@include", text) or any(
        w.startswith(("-f", "-l", "-i")) for w in rest
    ):
        return "awk is for reading here: no system(), getline, pipes, output files or loaded programs"
    return ""


_LAWS: Mapping[str, Law] = {
    "git": _git,
    "find": _without("-exec", "-ok", "-delete", "-fprint", "-fls", "-files0-from", why="makes find do more than find"),
    "fd": _without("-x", "-X", "--exec", why="runs something for each file"),
    "rg": _without("--pre", "--hostname-bin", "--search-zip", why="makes rg start another program"),
    "sort": _without("--compress-program", "--compress-prog", "--files0-from", why="makes sort do more than sort"),
    "tar": _without("--to-command", "--checkpoint-action", "-I", "--use-compress", "--rsh", why="starts a program"),
    "date": _without("-s", "--set", why="sets the machine's clock"),
    "chmod": _chmod,
    "tree": _without("-o", why="writes a file; use the Write tool"),
    "file": _without("-m", "-f", "-C", why="reads or writes more than the file"),
    "jq": _without("-L", "--rawfile", "--slurpfile", why="reads more than the file"),
    "sed": _sed,
    "awk": _awk,
    "gawk": _awk,
    "mawk": _awk,
}
