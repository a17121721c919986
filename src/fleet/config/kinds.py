"""The kinds of text that keys of the configuration share, and the base of its models."""

from __future__ import annotations

import shlex
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
EVENT_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
LABEL_PATTERN = r"^[\x21-\x7e]+( [\x21-\x7e]+)*$"
_SHELL_WORDS = frozenset(["|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1"])

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
EventName = Annotated[str, Field(pattern=EVENT_PATTERN, max_length=64)]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]
Label = Annotated[str, Field(min_length=1, max_length=50, pattern=LABEL_PATTERN)]


class StrictModel(BaseModel):
    """A mapping of known keys with values of exactly the named types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _split_command(value: object) -> object:
    """A command written as one text, as its words. No shell reads it, so nothing that only a shell knows may stand."""
    if not isinstance(value, str):
        return value
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise PydanticCustomError("command", "words with matching quotes") from error
    if any(word in _SHELL_WORDS or word.endswith(";") for word in words):
        raise PydanticCustomError("command", 'one program and its arguments; for a shell write [bash, -c, "…"]')
    return words


Word = Annotated[str, Field(max_length=4000)]
Command = Annotated[
    tuple[Word, ...],
    BeforeValidator(_split_command, json_schema_input_type=str | tuple[Word, ...]),
    Field(min_length=1, max_length=200),
]
