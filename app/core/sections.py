"""What sections of the settings are made of."""

from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0)]
Days = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=1)]


def _base(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.query is not None or url.fragment is not None:
        raise ValueError("paths are added to it, so it can't have ? or #; leave that out")
    return url


BaseUrl = Annotated[AnyHttpUrl, AfterValidator(_base)]
"""An address to which paths are added."""


class Section(BaseModel):
    """A part of the settings: closed, and never changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
