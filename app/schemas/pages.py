"""Lists are answered page by page."""

from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from app.schemas.orchestrate import Identifier

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="entries on a page")]
After = Annotated[Identifier | None, Query(description="`after` of the page before this one")]
Order = Annotated[
    Literal["oldest", "newest"], Query(description="which come first: by the time they began")
]


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    total: int = Field(description="entries on all pages")
    items: list[T]
    after: str | None = Field(description="`after` of the next page; null on the last one")
