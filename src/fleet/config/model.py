"""The configuration as frozen models: the one source for YAML, the JSON schema and its documentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fleet.config.budgets import (
    Budget,
    BudgetsConfig,
    Dollars,
    PriceConfig,
    Seconds,
    TokenBudget,
    Tokens,
    UsdBudget,
)
from fleet.config.checks import RequiredCheck
from fleet.config.claude import (
    AuthConfig,
    BackendConfig,
    ClaudeConfig,
    PermissionMode,
    RestartConfig,
    ToolRule,
)
from fleet.config.gate import GateConfig
from fleet.config.kinds import Command, EventName, Label, Name, Pattern, StrictModel, Word
from fleet.config.sections import (
    ApprovalsConfig,
    AuditConfig,
    FabricConfig,
    GitHubConfig,
    KeepingConfig,
    LimitsConfig,
    RetryConfig,
    TeamConfig,
)

PORT_PATTERN = r"^[a-z][a-z0-9_]{0,30}$"
PREFIX_PATTERN = r"^([A-Za-z0-9][A-Za-z0-9._:/-]*)?$"
BRANCH_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$"
REPO_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$"


def _one_or_many(value: object) -> object:
    """A single event name means a list of one."""
    return (value,) if isinstance(value, str) else value


def _cron_alone(value: object) -> object:
    """The cron text by itself means a schedule with defaults."""
    return {"cron": value} if isinstance(value, str) else value


PortName = Annotated[str, Field(pattern=PORT_PATTERN)]
EventNames = Annotated[
    tuple[EventName, ...],
    BeforeValidator(_one_or_many, json_schema_input_type=EventName | tuple[EventName, ...]),
    Field(max_length=100),
]


class ScheduleConfig(StrictModel):
    """When an agent starts by the clock."""

    cron: str = Field(max_length=100, description="Minute, hour, day of month, month, day of week: `0 9 * * 1`.")
    timezone: str = Field(default="UTC", max_length=64, description="Zone of those times, such as Europe/Berlin.")
    missed: Literal["skip", "catch_up_once"] = Field(
        default="skip",
        description="Times that passed while nothing could start: leave out, or make up for all with one start.",
    )


class SetupConfig(StrictModel):
    """What a run needs before its agent starts. Its seconds count as the agent's own."""

    commands: Annotated[tuple[Command, ...], Field(max_length=50)] = Field(
        default=(),
        description="Programs to run in the clone, one after the other: each a list of words, or one text that is"
        " split into words without a shell.",
    )
    env_files: Annotated[tuple[Name, ...], Field(max_length=20)] = Field(
        default=(),
        description="Names of files of variables for the commands (not for the agent), kept in the fleet's state"
        " folder as env/<name>.env with mode 0600.",
    )
    ports: Annotated[tuple[PortName, ...], Field(max_length=20)] = Field(
        default=(),
        description="Names of ports that no other live run has; commands and agent find them as FLEET_PORT_<NAME>.",
    )
    timeout_seconds: Annotated[int, Field(gt=0, le=86400)] = Field(
        default=300, description="Limit of all commands together, in seconds; the limit of the run counts as well."
    )


class AgentConfig(StrictModel):
    """One member of the fleet."""

    name: Name = Field(description="Unique name; also the prompt and playbook file name.")
    role: Name = Field(description="A role of the catalogue; fixes what the agent may do.")
    department: str = Field(default="", max_length=63, description="Where the agent stands in the organisation.")
    reports_to: str = Field(default="", max_length=63, description="Name of the agent this one reports to.")
    vendor: Literal["scripted", "command", "claude-code"] = Field(
        default="scripted", description="Which program plays the agent."
    )
    command: tuple[Word, ...] = Field(
        default=(),
        max_length=200,
        description="The program and its arguments for `vendor: command`; no shell. May hold {brief}, {handbook}, "
        "{prompt}, {fleet} and {model}.",
    )
    stdin: Literal["terminal", "brief"] = Field(
        default="terminal", description="What a `vendor: command` program reads: its terminal, or the brief."
    )
    model: str = Field(
        default="",
        max_length=200,
        description="Model name handed to the vendor; empty = its default, for Claude Code the tier of the role.",
    )
    mode: Literal["interactive", "headless"] = Field(
        default="interactive",
        description="For `vendor: claude-code`: a terminal to attach to and type in, or one turn without any.",
    )
    permission_mode: PermissionMode = Field(
        default="acceptEdits", description="For `vendor: claude-code`: what happens to tools that no rule names."
    )
    allowed_tools: Annotated[tuple[ToolRule, ...], Field(max_length=200)] = Field(
        default=(),
        description="For `vendor: claude-code`: rules of tools that run without a question, such as `Bash(make test)`,"
        " beside those that every agent has.",
    )
    auth: AuthConfig | None = Field(default=None, description="In place of the fleet's `auth`, as a whole.")
    backend: BackendConfig | None = Field(default=None, description="In place of the fleet's `backend`, as a whole.")
    restart: RestartConfig | None = Field(default=None, description="In place of the fleet's `restart`, as a whole.")
    enabled: bool = Field(default=True, description="False: known, but never started.")
    subscribes_to: EventNames = Field(default=(), description="Events that start this agent; one name or a list.")
    subscription_gate: GateConfig | None = Field(
        default=None, description="Conditions before this agent starts; their grammar is in gates.md."
    )
    publishes: EventNames = Field(
        default=(), description="Custom events this agent may publish, beside those of its role."
    )
    schedule: Annotated[
        ScheduleConfig | None, BeforeValidator(_cron_alone, json_schema_input_type=str | ScheduleConfig | None)
    ] = Field(default=None, description="Starts this agent by the clock: cron text, or the mapping below.")
    may_start: tuple[Name, ...] = Field(default=(), description="Agents that this agent may start by hand.")
    may_run: tuple[Pattern, ...] = Field(
        default=(),
        max_length=200,
        description="Commands this agent may run beside those of its role, such as `bazel test **`.",
    )
    may_change: tuple[Pattern, ...] | None = Field(
        default=None, description="Paths this agent may change, in place of its role's, such as `services/pay/**`."
    )
    budget_seconds: Budget = Field(
        default=None,
        description="Cumulative run time of this agent in seconds, enforced: a number, or the mapping below; none ="
        " unlimited.",
    )
    budget_tokens: TokenBudget = Field(
        default=None,
        description="Cumulative tokens of this agent, enforced after every answer of its model: a number, or a mapping"
        " with tokens, window and timezone; none = unlimited. For `vendor: claude-code`.",
    )
    budget_usd: UsdBudget = Field(
        default=None,
        description="The same in US dollars, by the table of prices: 12.5, or a mapping with usd, window and timezone.",
    )
    timeout_seconds: Seconds = Field(default=3600, description="Limit of one run, in seconds.")
    run_tokens: Tokens | None = Field(default=None, description="Limit of one run, in tokens; none = unlimited.")
    run_usd: Dollars | None = Field(default=None, description="Limit of one run, in US dollars; none = unlimited.")
    unmetered: bool = Field(
        default=False,
        description="True: budgets of a ticket or the fleet in tokens or dollars knowingly leave this agent out. For"
        " `vendor: command`, whose programs nobody meters.",
    )
    read_untrusted: bool = Field(
        default=False,
        description="True: this agent is also told what people wrote whose labels do not count, marked as untrusted.",
    )
    setup: SetupConfig | None = Field(
        default=None, description="In place of the fleet's `setup`, as a whole; {} = none for this agent."
    )
    max_concurrent: Annotated[int, Field(gt=0, le=100)] = Field(
        default=1, description="How many runs of this agent may live at once."
    )
    playbook: str = Field(
        default="",
        max_length=200,
        description="Playbook of a scripted agent, relative to .fleet/; default playbooks/<name>.yaml.",
    )


class FleetConfig(StrictModel):
    """The whole of .fleet/config.yaml."""

    version: Literal[1] = Field(description="Version of this file format.")
    repo: str = Field(default="", max_length=200, description="Name shown for the repository, such as acme/shop.")
    owner: str = Field(default="", max_length=100, description="The person responsible for this fleet.")
    forge: Literal["local", "github"] = Field(
        default="local", description="Where tickets and pull requests live; github works through an authenticated gh."
    )
    forge_transport: Literal["gh", "httpx2"] = Field(
        default="gh",
        description="How requests to GitHub travel: gh (a process each), or httpx2 (connections that stay open, with"
        " the login of gh; for many repositories).",
    )
    github: GitHubConfig = Field(
        default_factory=GitHubConfig, description="How a repository at GitHub is worked on, with `forge: github`."
    )
    base: str = Field(default="main", pattern=BRANCH_PATTERN, description="The base branch.")
    required_label: Label | None = Field(
        default=None, description="A label a ticket needs beside `ready` to enter the chain."
    )
    label_prefix: str = Field(
        default="",
        max_length=30,
        pattern=PREFIX_PATTERN,
        description="Stands at GitHub before the fleet's own labels, such as `fleet/` for `fleet/ready`; within the"
        " fleet they keep their plain names.",
    )
    max_concurrent: Annotated[int, Field(gt=0, le=500)] = Field(
        default=8, description="How many runs of the whole fleet may live at once."
    )
    allow_shared_uid_merge: bool = Field(
        default=False,
        description="True: agents may merge although all runs share one uid. False: a merge waits for a person.",
    )
    shared_uid_merge_reason: str = Field(default="", max_length=500, description="Why that is acceptable here.")
    protected_paths: tuple[str, ...] = Field(
        default=(".fleet/", ".github/", ".claude/", ".mcp.json", "CLAUDE.md", "AGENTS.md", "CODEOWNERS"),
        description="Changes below these paths need a person's approval at that head.",
    )
    required_checks: tuple[RequiredCheck, ...] = Field(
        default=(),
        max_length=100,
        description="Checks that have to be green at the approved commit, beside those of the base branch's own rules"
        " (forge: github).",
    )
    setup: SetupConfig = Field(
        default_factory=SetupConfig, description="What happens in a run's clone before its agent starts."
    )
    auth: AuthConfig | None = Field(
        default=None, description="What agents of `vendor: claude-code` prove themselves with to their provider."
    )
    backend: BackendConfig = Field(
        default_factory=BackendConfig, description="Where agents of `vendor: claude-code` find their model."
    )
    claude: ClaudeConfig = Field(
        default_factory=ClaudeConfig, description="How agents of `vendor: claude-code` are started and waited for."
    )
    restart: RestartConfig | None = Field(
        default=None,
        description="Resumes agents of `vendor: claude-code` whose program died; none = their work comes back in a new"
        " run.",
    )
    approvals: ApprovalsConfig = Field(
        default_factory=ApprovalsConfig, description="What people are asked (`fleet approvals`)."
    )
    retry: RetryConfig = Field(default_factory=RetryConfig, description="Bounds on repeated attempts.")
    limits: LimitsConfig = Field(
        default_factory=LimitsConfig, description="Where loops and storms are held for a person."
    )
    budgets: BudgetsConfig = Field(
        default_factory=BudgetsConfig,
        description="Seconds, tokens and dollars of a ticket and of the whole fleet, beside each agent's own.",
    )
    prices: Annotated[tuple[PriceConfig, ...], Field(max_length=500)] = Field(
        default=(), description="Prices of models, beside the shipped table or in place of what it says."
    )
    keeping: KeepingConfig = Field(
        default_factory=KeepingConfig, description="What is kept how long, and how much disk stays free."
    )
    fabric: FabricConfig = Field(default_factory=FabricConfig, description="Bounds of the Fabric.")
    audit: AuditConfig = Field(
        default_factory=AuditConfig,
        description="How the record is proved, and for how long all of it stays in the store.",
    )
    agents: tuple[AgentConfig, ...] = Field(min_length=1, max_length=1000, description="The members of the fleet.")
    teams: tuple[TeamConfig, ...] = Field(
        default=(), max_length=200, description="Groups of agents, for commands that speak to several at once."
    )

    def setup_of(self, agent: AgentConfig) -> SetupConfig:
        """What is set up for the runs of a member: its own, else the fleet's."""
        return self.setup if agent.setup is None else agent.setup

    def auth_of(self, agent: AgentConfig) -> AuthConfig | None:
        """What a member proves itself with: its own, else the fleet's."""
        return agent.auth or self.auth

    def backend_of(self, agent: AgentConfig) -> BackendConfig:
        """Where a member finds its model: its own, else the fleet's."""
        return agent.backend or self.backend

    def restart_of(self, agent: AgentConfig) -> RestartConfig:
        """Whether a member is resumed after a death: its own, else the fleet's, else never."""
        return agent.restart or self.restart or RestartConfig(attempts=0)

    def agent(self, name: str) -> AgentConfig | None:
        """The member of this name, or None."""
        return next((agent for agent in self.agents if agent.name == name), None)
