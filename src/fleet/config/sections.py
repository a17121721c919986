"""Sections of the configuration that concern the fleet as a whole, as frozen models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fleet.config.kinds import Name, StrictModel


class RetryConfig(StrictModel):
    """What happens when a run ends without its result."""

    attempts: Annotated[int, Field(ge=1, le=10)] = Field(default=3, description="Attempts before a dead letter.")
    backoff_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=2, description="Pause before the second attempt, in seconds; doubles with each further one."
    )


Days = Annotated[int, Field(ge=1, le=36_500)]
Megabytes = Annotated[int, Field(ge=1, le=1_000_000_000)]


class KeepingConfig(StrictModel):
    """How long things stay, and how much disk has to be free. Ages in days; 1 MB is 1,000,000 bytes."""

    automatic: bool = Field(default=True, description="False: only `fleet gc --yes` removes anything.")
    clone_days: Days = Field(
        default=7, description="Days after its run ended that a clone stays whose work could not be saved at once."
    )
    run_days: Days = Field(default=30, description="Days after its end that a run's folder (screen, records) stays.")
    branch_days: Days = Field(
        default=14,
        description="Days that the branch of a merged or closed pull request stays in the fleet's repository.",
    )
    escrow_days: Days = Field(
        default=90, description="Days after its run ended that saved work stays which was never merged."
    )
    escrow_max_mb: Megabytes = Field(
        default=5000, description="MB of saved, never merged work above which the oldest goes first, before its days."
    )
    escrow_run_mb: Megabytes = Field(
        default=1000,
        description="MB that are saved of one session, the smallest files first; what does not fit stays in its clone.",
    )
    escrow_run_files: Annotated[int, Field(gt=0, le=10_000_000)] = Field(
        default=100_000, description="The same in files."
    )
    backup_days: Days = Field(
        default=30,
        description="Days that a copy of the store made before a schema change stays; the newest always does.",
    )
    low_disk_mb: Megabytes = Field(
        default=500, description="Free MB on the state folder's disk below which nothing new is started."
    )
    low_disk_percent: Annotated[int, Field(ge=0, le=50)] = Field(
        default=2, description="The same in percent of that disk; the larger of the two counts."
    )

    @property
    def escrow_cap(self) -> tuple[int, int]:
        """Bytes and files that are saved of one session."""
        return self.escrow_run_mb * 1_000_000, self.escrow_run_files


class TeamConfig(StrictModel):
    """Agents that are spoken to together: fleet agent pause --team, fleet task assign --team."""

    name: Name = Field(description="Unique name of the team.")
    agents: tuple[Name, ...] = Field(max_length=1000, description="Names of its members; an agent may be in several.")


class FabricConfig(StrictModel):
    """Bounds of the Fabric: what it keeps, and for how long a claim holds."""

    lease_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=900, description="How long a claim on a task holds unless the claimant says otherwise, in seconds."
    )
    inbox_limit: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=200, description="How many unread messages an agent's inbox takes."
    )
    artifact_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = Field(
        default=10 * 1024 * 1024, description="Largest artifact, in bytes."
    )
    artifacts_bytes: Annotated[int, Field(ge=1, le=1 << 40)] = Field(
        default=1024 * 1024 * 1024, description="All artifacts of the fleet together, in bytes."
    )


class AuditConfig(StrictModel):
    """How the record is proved and kept."""

    anchor: str = Field(
        default="",
        max_length=500,
        pattern=r"^(/.*)?$",
        description="An absolute path: a file outside the store to which every checkpoint is appended. Best on another "
        "disk, or a mount that only grows; empty = `audit/anchor.jsonl` in the state folder.",
    )
    checkpoint_entries: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1000, description="Sign the journal's head at the latest after so many entries."
    )
    checkpoint_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=600, description="Sign new entries at the latest after so many seconds."
    )
    keep_days: Annotated[int, Field(ge=0, le=36_500)] = Field(
        default=30, description="Entries younger than this stay in the store, whatever `fleet audit archive` is told."
    )


class LimitsConfig(StrictModel):
    """Where a loop or a storm is held for a person, however well each single start is allowed."""

    hops: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=40, description="How many starts may follow from each other since a person or the forge began it."
    )
    review_rounds: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10, description="How many heads of one pull request may be sent back before a person looks."
    )
    starts_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=600, description="How many runs the whole fleet may start in an hour."
    )
    same_failures: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=8, description="How many runs of one agent in a row may end in the same failure."
    )


class ApprovalsConfig(StrictModel):
    """How long a person's word is waited for, and how long it holds."""

    expire_after_seconds: Annotated[int, Field(gt=0, le=1_000_000_000)] = Field(
        default=604_800, description="A question without an answer, and a grant that nobody used, end after this."
    )


class GitHubConfig(StrictModel):
    """How a repository at GitHub is worked on."""

    poll_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        default=5, description="Seconds between two looks while something happens there; it slows down by itself."
    )
    label_permission: Literal["triage", "write", "maintain", "admin"] = Field(
        default="write",
        description="What somebody must be allowed in the repository for a label of theirs to wake agents, and for"
        " their texts to reach them.",
    )
    trusted_bots: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(),
        max_length=100,
        description="Bots whose labels and texts count too, by the numeric `id` that gh api users/NAME shows.",
    )
