"""``subscription_gate``: named conditions before an agent starts, joined by ``all_of`` and ``any_of``.

One mapping holds one condition. What each means is said by ``policy/conditions.py``; the page for people is
``docs/reference/gates.md``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fleet.config.kinds import EventName, Label, StrictModel

TIME_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
DEEPEST = 4  # groups within groups
MOST = 20  # conditions in one group

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Time = Annotated[str, Field(pattern=TIME_PATTERN)]


class WindowConfig(StrictModel):
    """Hours of days. A window that closes before it opens goes on into the next day."""

    opens: Time = Field(default="00:00", description="When it opens, as `22:00`.")
    closes: Time = Field(default="24:00", description="When it closes; earlier than `opens` means on the next day.")
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = Field(
        default=DAYS, description="Days on which it opens: mon, tue, wed, thu, fri, sat, sun."
    )
    timezone: str = Field(default="UTC", max_length=64, description="Zone of those times, such as Europe/Berlin.")


class DiffConfig(StrictModel):
    """How large a change may be."""

    lines: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="Lines added and removed together; binary files count as files only."
    )
    files: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(default=None, description="Changed files.")


class EventConfig(StrictModel):
    """An event that has to be on record about the same ticket or pull request."""

    type: EventName = Field(description="Name of the event.")
    head: Literal["this", "any"] = Field(
        default="this", description="Whether it has to speak of the present head of the pull request."
    )


def _type_alone(value: object) -> object:
    """The name of an event by itself means an event at this head."""
    return {"type": value} if isinstance(value, str) else value


class GateConfig(StrictModel):
    """One condition, or a group of them: exactly one of these keys."""

    all_of: Annotated[tuple[GateConfig, ...], Field(min_length=1, max_length=MOST)] | None = Field(
        default=None, description="Met when every condition of the list is."
    )
    any_of: Annotated[tuple[GateConfig, ...], Field(min_length=1, max_length=MOST)] | None = Field(
        default=None, description="Met when one condition of the list is."
    )
    approved: Literal[True] | None = Field(
        default=None, description="`true`: somebody without a part in the change approved this head."
    )
    approvals: Annotated[int, Field(ge=1, le=50)] | None = Field(
        default=None,
        description="So many of them did; those that descend from one another count once.",
    )
    approved_by_person: Literal[True] | None = Field(
        default=None, description="`true`: a person without a part in the change approved this head."
    )
    reviewers_answered: Literal[True] | None = Field(
        default=None, description="`true`: every reviewer asked at this head has answered or was waived."
    )
    check: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="A check of this name at the forge is green at this head (`forge: github`)."
    )
    label: Label | None = Field(default=None, description="The ticket or pull request carries this label.")
    event: Annotated[
        EventConfig | None, BeforeValidator(_type_alone, json_schema_input_type=str | EventConfig | None)
    ] = Field(default=None, description="This event is on record about it, at this head unless `head: any` is said.")
    time_window: WindowConfig | None = Field(default=None, description="It is within these hours.")
    max_diff: DiffConfig | None = Field(default=None, description="The change is not larger than this.")
    max_risk: Literal["low", "elevated", "high"] | None = Field(
        default=None, description="No agent that starts or stands behind the change is at a higher level of risk."
    )

    @property
    def name(self) -> str:
        """The key that is there."""
        return next((name for name in type(self).model_fields if getattr(self, name) is not None), "")

    @property
    def inside(self) -> tuple[GateConfig, ...]:
        """The conditions of a group."""
        return self.all_of or self.any_of or ()


def names_in(gate: GateConfig | None) -> frozenset[str]:
    """Every condition that stands anywhere in a gate."""
    if gate is None:
        return frozenset()
    return frozenset({gate.name}).union(*(names_in(one) for one in gate.inside))
