"""`python -m app.core.events_reference`: docs/log-events.md, made from the declared events."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import fields
from enum import EnumMeta

from app.core.events import declared
from app.core.generated_document import written_or_checked
from asgi_observability.event import FromCode, Identifier
from asgi_observability.utf8 import begin_in_utf8

_HEAD = """\
# Events of the log

Made from `app/core/events.py` and the layer's events by `make generate`. Every line also has
`timestamp`, `level`, `event`, `logger`, `service`, `version` and `environment`. If they are known,
it has `correlation_id`, `request_id`, `trace_id`, `tenant_id`, `conversation_id` and
`workflow_id`. A sampled line has its `weight`, and a line about an exception its `exception`.
"""


def reference() -> str:
    """The document."""
    return "\n".join([_HEAD, *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    yield "| event | level | when | fields |"
    yield "| --- | --- | --- | --- |"
    for event in declared():
        when = " ".join((event.__doc__ or "").split())
        shown = ", ".join(f"`{field.name}` {_type(field.type)}" for field in fields(event))  # type: ignore[arg-type]
        level = logging.getLevelName(event.level).lower()
        yield f"| `{event.name}` | {level} | {when} | {shown} |"


def _type(kind: object) -> str:
    if isinstance(kind, EnumMeta):
        return "(" + ", ".join(str(member.value) for member in kind) + ")"  # type: ignore[var-annotated]
    words: dict[object, str] = {
        Identifier: "ID",
        FromCode: "text from the code",
        int: "whole number",
        float: "number",
        bool: "true or false",
    }
    return words[kind]


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(written_or_checked("log-events.md", reference(), "app/core/events.py"))
