"""Log levels, as they are asked for and answered."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.core.levels import Level

DAY = 86400


class ChangeLevel(BaseModel):
    """Another level for a logger, and for how long."""

    model_config = ConfigDict(extra="forbid")

    level: Level
    for_seconds: Annotated[float, Field(gt=0, le=7 * DAY)] = 3600


class ChangedLevel(BaseModel):
    """A level that differs from the settings."""

    level: str
    until: datetime
    by: str


class LogLevelsAnswer(BaseModel):
    """The level of each logger, and which of them were changed."""

    levels: dict[str, str]
    changes: dict[str, ChangedLevel]
