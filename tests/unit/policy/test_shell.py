"""A command line is read as a shell would, or said to be unreadable: it is never guessed."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.policy.shell import Simple, Unreadable, read
from fleet.process import run


def words(command: str) -> list[tuple[str, ...]]:
    """The words of every program in a command line."""
    return [one.words for one in read(command)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("git status", [("git", "status")]),
        ("  git   status  ", [("git", "status")]),
        ("a && b || c; d | e\nf & g", [("a",), ("b",), ("c",), ("d",), ("e",), ("f",), ("g",)]),
        ("(cd x && rm y); z", [("cd", "x"), ("rm", "y"), ("z",)]),
        ("echo 'a b' \"c d\" e\\ f", [("echo", "a b", "c d", "e f")]),
        ("g'i't p\"us\"h", [("git", "push")]),
        ("gi\\t push", [("git", "push")]),
        ("g\\\nit push", [("git", "push")]),
        ("! test -f x", [("test", "-f", "x")]),
        ("ls # rm -rf /", [("ls",)]),
        ("echo a#b", [("echo", "a#b")]),
        ("echo '$HOME `id`'", [("echo", "$HOME `id`")]),
        ("grep x <<< word", [("grep", "x")]),
        ("find . -name '{}'", [("find", ".", "-name", "{}")]),
        ("a |& b", [("a",), ("b",)]),
    ],
)
def test_plain_commands_are_read_word_for_word(command: str, expected: list[tuple[str, ...]]) -> None:
    assert words(command) == expected


@pytest.mark.parametrize(
    ("command", "targets"),
    [
        ("echo x > out", [("out", True)]),
        ("echo x >> 'a b'", [("a b", True)]),
        ("echo x 2> err >| out", [("err", True), ("out", True)]),
        ("echo x &> both", [("both", True)]),
        ("echo x &>> both", [("both", True)]),
        ("sort < in", [("in", False)]),
        ("echo x <> both", [("both", True)]),
        ("echo x >& out", [("out", True)]),
        ("echo x 2>&1", []),
        ("echo x >&2", []),
        ("> emptied", [("emptied", True)]),
    ],
)
def test_every_file_of_a_redirection_is_named(command: str, targets: list[tuple[str, bool]]) -> None:
    assert [(one.target, one.writes) for simple in read(command) for one in simple.redirects] == targets


UNREADABLE = [
    "echo $HOME", "echo ${HOME}", "echo $(id)", "echo `id`", 'echo "$(id)"', 'echo "`id`"', "$CMD push", "g${x}it push",
    "echo $'\\x67'", "cat <<EOF\nx\nEOF", "cat <<-E\nx\nE", "diff <(a) b", "a >(b)", "{ git push; }", "{git,push}",
    "echo {1..3}", "if true; then git push; fi", "for i in a; do b; done", "while true; do a; done",
    "case x in x) a;; esac",
    "f() { git push; }; f", "function f { a; }", "coproc git push", "time git push", "[[ -f x ]]", "((1))",
    "a=(git push)",
    "~/bin/x", "echo ~", "'unclosed", '"unclosed', "a\\", "(a", "a)", "a >", "a\0b", "a\rb", "x" * 10_001,
]  # fmt: skip


@pytest.mark.parametrize("command", UNREADABLE)
def test_what_only_a_shell_can_know_is_not_guessed(command: str) -> None:
    with pytest.raises(Unreadable):
        read(command)


def test_a_variable_in_front_of_a_command_is_named() -> None:
    assert read("PATH=. GIT_SSH_COMMAND=x git fetch") == [
        Simple(("git", "fetch"), (), ("PATH", "GIT_SSH_COMMAND"))
    ]  # fmt: skip
    assert read("git commit -m a=b")[0].assigns == ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12), min_size=1, max_size=5
    )
)
def test_quoted_words_come_back_as_they_were(given_words: list[str]) -> None:
    command = " ".join(shlex.quote(word) for word in ["echo", *given_words])
    assert words(command) == [("echo", *given_words)]


SNIPPETS = st.lists(
    st.sampled_from(
        ["one", "two", "'thr ee'", '"fo\\"ur"', "fi\\ ve", "a=b", "&&", "||", ";", "|", "&", "(", ")", "\n", "!",
        "#x", "2>&1",
         "> out", "<<< in", "{}", "x{", "''", '""', "\\\n", "si'x'\"y\"", "-a", "--", "[", "}"]
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip
_TELL = """
command_not_found_handle() { printf '%s\\0' "$#" "$@" >> "$TOLD"; return "$((RANDOM % 2))"; }
PATH=/nonexistent
"""


@settings(max_examples=150, deadline=None)
@given(SNIPPETS)
def test_every_program_that_bash_starts_was_read_with_its_words(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    """Bash itself is the reference: it tells the words of every program that it looks for."""
    command = " ".join(pieces)
    try:
        found = [one.words for one in read(command)]
    except Unreadable:
        return
    folder = tmp_path_factory.mktemp("shell")
    told = folder / "told"
    run(["bash", "-c", f"{_TELL}{command}"], timeout=60, cwd=folder, env={"TOLD": str(told)})
    started = told.read_bytes().decode().split("\0")[:-1] if told.exists() else []
    while started:
        size = int(started[0])
        assert tuple(started[1 : size + 1]) in found, command
        started = started[size + 1 :]
