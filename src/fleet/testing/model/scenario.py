"""What a scripted model says: turns, tool calls and failures, and how they follow from a conversation. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

MARKER = re.compile(r"SCENARIO:([A-Za-z0-9_-]+)")
_FOLDER = re.compile(r"(?:working directory|cwd)[^/\n<]{0,20}(/[^\s<>`\"]+)", re.IGNORECASE)

_BRIEF = re.compile(r"(/[^\s`]+/brief\.json)")
_TMP = re.compile(r"(/[^\s`]+/tmp)`")
_TICKET = re.compile(r'"ticket": \{.*?"number": (\d+)', re.DOTALL)
_PULL = re.compile(r'"pr": \{.*?"number": (\d+)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a tool. In its input may stand what ``Conversation.words`` knows, such as ``{cwd}`` or ``{pr}``."""

    tool: str
    input: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer: some text, then tool calls; without calls the client's turn ends. Tokens are those it reports."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    input_tokens: int = 100
    output_tokens: int = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """An error instead of an answer, ``times`` times in a row at this place of a conversation; 0 means always."""

    status: int
    kind: str
    message: str
    times: int = 0
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the model was sent: the instructions, the texts and tool results in order, and how often it answered."""

    session: str
    model: str
    system: str
    said: tuple[str, ...]  # texts of the user's side, reminders of the client included
    results: tuple[str, ...]  # of tools, oldest first
    answers: int  # of the model so far
    words: Mapping[str, str]  # cwd, tmp: folders; brief: its path; ticket, pr: numbers that the brief gave

    @property
    def scenario(self) -> str:
        """The name that a marker gives; "" without one."""
        for text in (self.system, *self.said):
            found = MARKER.search(text)
            if found:
                return found.group(1)
        return ""


Step = Turn | Failure
Scenario = Sequence[Step] | Callable[[Conversation], Step]

_DONE = Turn("There is nothing left to do.")


def bash(command: str, *, text: str = "") -> Turn:
    """A turn that runs one command."""
    return Turn(text, (Call("Bash", {"command": command, "description": "a step of the scenario"}),))


def read_brief() -> Turn:
    """A turn that reads the brief, after which its numbers are known."""
    return Turn("", (Call("Read", {"file_path": "{brief}"}),))


def write(name: str, content: str) -> Turn:
    """A turn that writes one new file in the working folder."""
    return Turn("", (Call("Write", {"file_path": f"{{cwd}}/{name}", "content": content}),))


def step_of(scenario: Scenario, conversation: Conversation, failed: int) -> Step:
    """What comes next. ``failed`` counts the failures that were answered at this place already.

    Failures do not count as answers: a list's index is that of the answers among its turns.
    """
    if callable(scenario):
        return scenario(conversation)
    left = conversation.answers
    for step in scenario:
        if isinstance(step, Failure):
            if left == 0 and (step.times == 0 or failed < step.times):
                return step
            if left == 0:
                failed -= step.times
            continue
        if left == 0:
            return step
        left -= 1
    return _DONE


def conversation_of(session: str, model: str, body: Mapping[str, object]) -> Conversation:
    """Read the body of a request."""
    said: list[str] = []
    results: list[str] = []
    answers = 0
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if message.get("role") == "assistant":
            answers += 1
            continue
        for block in _blocks(message.get("content")):
            if block.get("type") == "tool_result":
                results.append(text_of(block.get("content")))
            else:
                said.append(text_of([block]))
    system = text_of(body.get("system"))
    words = _words((system, *said), results)
    return Conversation(session, model, system, tuple(said), tuple(results), answers, words)


def _words(told: Sequence[str], results: Sequence[str]) -> dict[str, str]:
    """What a model knows after reading: where it works and may write, where its brief lies, the numbers in it."""
    looks = {
        "cwd": (_FOLDER, told),
        "brief": (_BRIEF, told),
        "tmp": (_TMP, told),
        "ticket": (_TICKET, results),
        "pr": (_PULL, results),
    }
    found = {name: next((hit for hit in map(form.search, texts) if hit), None) for name, (form, texts) in looks.items()}
    return {name: hit.group(1) if hit else "" for name, hit in found.items()}


def text_of(content: object) -> str:
    """The text in a content field, whichever of its forms it has."""
    return "\n".join(str(block.get("text", "")) for block in _blocks(content))


def _blocks(content: object) -> list[Mapping[str, object]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def filled(value: object, words: Mapping[str, str]) -> object:
    """A tool's input with the words of the conversation filled in."""
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace(f"{{{name}}}", word)
        return value
    if isinstance(value, Mapping):
        return {key: filled(item, words) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, words) for item in value]
    return value
