"""The part of the configuration that only concerns agents played by Claude Code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleet.config.kinds import Command, StrictModel, Word

AbsolutePath = Annotated[str, Field(max_length=500, pattern=r"^/[^\x00-\x1f]*$")]
Url = Annotated[str, Field(max_length=500, pattern=r"^https?://[^\s]+$")]


class AuthConfig(StrictModel):
    """What an agent's client proves itself with to its provider. No key stands in any file of the fleet."""

    kind: Literal["key_helper", "provider", "login", "none"] = Field(
        description="key_helper: a command prints the key. provider: credentials of Bedrock or Vertex in a file. login:"
        " a subscription login in a folder of its own. none: a gateway at `backend.base_url` holds the credentials."
    )
    command: Command | None = Field(
        default=None, description="For key_helper: the program that prints the key, and its arguments; no shell."
    )
    file: AbsolutePath | None = Field(
        default=None,
        description="For provider: the shared credentials file of AWS, or the credentials file of Google Cloud.",
    )
    profile: str = Field(default="", max_length=100, description="For provider with Bedrock: the profile in that file.")
    folder: AbsolutePath | None = Field(
        default=None,
        description="For login: the folder in which a person logged in with CLAUDE_CONFIG_DIR; never ~/.claude itself.",
    )


class ModelMap(StrictModel):
    """The full model id that stands for each tier; empty = what the client takes."""

    opus: str = Field(default="", max_length=200, description="The model of agents of the tier opus.")
    sonnet: str = Field(default="", max_length=200, description="The model of agents of the tier sonnet.")
    haiku: str = Field(default="", max_length=200, description="The model of agents of the tier haiku.")

    def id_of(self, tier: str) -> str:
        """The full id for a tier, or what was given, where it is no tier or none is named for it."""
        return {"opus": self.opus, "sonnet": self.sonnet, "haiku": self.haiku}.get(tier) or tier


class BackendConfig(StrictModel):
    """Where the model is asked."""

    kind: Literal["anthropic", "bedrock", "vertex"] = Field(
        default="anthropic", description="Which provider's interface."
    )
    base_url: Url | None = Field(
        default=None, description="Another address than the provider's own, such as a gateway."
    )
    region: str = Field(default="", max_length=60, description="Region of Bedrock or Vertex, such as us-east-1.")
    project: str = Field(default="", max_length=100, description="Project of Vertex.")
    price_list: str = Field(
        default="",
        max_length=60,
        description="Under which name its prices stand in `prices`, where they are not those of its `kind`.",
    )
    models: ModelMap = Field(
        default_factory=ModelMap, description="The full id for a tier, where the client's choice does not fit."
    )

    @property
    def priced_as(self) -> str:
        """The backend of its rows in the table of prices."""
        return self.price_list or self.kind


class ClaudeConfig(StrictModel):
    """How Claude Code is started and waited for."""

    program: str = Field(
        default="claude",
        min_length=1,
        max_length=500,
        description="The program: a name on the daemon's PATH, or a path.",
    )
    max_retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=4,
        description="How often the client repeats a request that failed, before its turn ends with the error.",
    )
    unlisted: Literal["refuse", "ask"] = Field(
        default="refuse",
        description="What becomes of a command that the agent's role does not list: refused with a reason that the"
        " model reads, or put to a person. What no role may do is refused either way.",
    )
    permission_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=600, description="How long a question whether a tool may be used waits for a person; then it is denied."
    )
    idle_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=900, description="How long a session may stand still outside a turn before its run fails."
    )
    park_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=60,
        description="How long nothing starts at a provider that answered with a limit or an outage; doubles each time,"
        " up to an hour.",
    )
    stagger_seconds: Annotated[int, Field(ge=0, le=600)] = Field(
        default=5, description="Least time between two starts at a provider in the minutes after it was parked."
    )


class RestartConfig(StrictModel):
    """Whether an agent whose program dies is resumed: in the same session, clone and conversation."""

    attempts: Annotated[int, Field(ge=0, le=10)] = Field(
        default=3, description="How many restarts in a row; 0 = none. The work of a run that used them up comes back."
    )
    backoff_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=5, description="Pause before the first restart, in seconds; doubles with each further one in a row."
    )
    longest_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=300, description="The longest pause before a restart, in seconds."
    )
    healthy_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=600, description="An agent that lived so long begins to count its restarts anew."
    )


PermissionMode = Literal["acceptEdits", "manual", "plan", "dontAsk"]
ToolRule = Annotated[Word, Field(min_length=1, max_length=300)]
