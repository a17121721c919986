"""What other programs have to have said before a merge, as the configuration names it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleet.config.kinds import StrictModel


class RequiredCheck(StrictModel):
    """A check that has to be green before a merge."""

    name: str = Field(min_length=1, max_length=255, description="Its name, as the pull request shows it.")
    app_id: Annotated[int, Field(ge=0, le=1 << 40)] = Field(
        default=0,
        description="Number of the GitHub App that has to say it (GitHub Actions: 15368); 0 = whoever says it, which"
        " everybody with write access can.",
    )
