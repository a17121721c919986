"""The kinds of text that keys of the configuration share, and the base of its models."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
EVENT_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
LABEL_PATTERN = r"^[\x21-\x7e]+( [\x21-\x7e]+)*$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
EventName = Annotated[str, Field(pattern=EVENT_PATTERN, max_length=64)]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]
Label = Annotated[str, Field(min_length=1, max_length=50, pattern=LABEL_PATTERN)]


class StrictModel(BaseModel):
    """A mapping of known keys with values of exactly the named types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
