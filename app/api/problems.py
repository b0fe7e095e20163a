"""What is wrong with a request, in plain words: the field, the rule and the nearest right name.

Pydantic's own words are for programmers: "unable to parse string as an integer".
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.schemas.error_answers import Problem
from app.schemas.forms import IDENTIFIER, JSON_OR_CSV, PHONE_NUMBER
from asgi_observability.nearest import did_you_mean

UNREADABLE_BODY = "body: it can't be read as JSON; send one JSON object"

_PLACES = ("body", "query", "path", "header")
_WORDS = {
    "missing": "it is missing",
    "json_invalid": "it is not valid JSON; send one JSON object",
    "model_attributes_type": "send one JSON object",
    "string_type": "it must be a text",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "bool_parsing": "it must be true or false",
    "enum": "use {expected}",
    "literal_error": "use {expected}",
    "datetime_from_date_parsing": "use a time such as 2026-03-01T09:30:00Z",
    "datetime_parsing": "use a time such as 2026-03-01T09:30:00Z",
    "timezone_aware": "it needs a time zone, such as 2026-03-01T09:30:00Z",
    "string_too_short": "it needs {min_length} or more characters",
    "string_too_long": "it may have {max_length} characters at most",
    "greater_than_equal": "it must be {ge} or more",
    "greater_than": "it must be more than {gt}",
    "less_than_equal": "it must be {le} or less",
    "less_than": "it must be less than {lt}",
}
"""Our words by pydantic's type of error; its own ones for any other."""


_FORMS = {
    IDENTIFIER: "it may hold letters, digits and . _ : @ - and begins with a letter or a digit",
    PHONE_NUMBER: "it needs 7 to 15 digits, with or without a leading +",
    JSON_OR_CSV: "use json or csv",
}
"""What each pattern of a field asks for."""


def problems_of(request: Request, errors: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Each error of FastAPI's validation. Of what was sent they name nothing but fields."""
    known = _fields_of_body(request)
    return [_problem(error, known) for error in errors]


def _problem(error: Mapping[str, Any], known: list[str]) -> Problem:
    context = {name: _written(value) for name, value in error.get("ctx", {}).items()}
    # A rule about several fields says itself which of them to change.
    field = context.get("field") or _field(error["loc"])
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])[:60]
        hint = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}")
        return Problem(field=field, message=f"unknown field; {hint}")
    words = _WORDS.get(error["type"]) or _FORMS.get(str(context.get("pattern")))
    message = words.format(**context) if words else error["msg"].removeprefix("Value error, ")
    return Problem(field=field, message=message)


def _written(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _field(location: tuple[int | str, ...]) -> str:
    """The field in the request's own words: without "body" before it."""
    names = [str(part) for part in location if part not in _PLACES and not isinstance(part, int)]
    return ".".join(names) or str(location[0])


def _fields_of_body(request: Request) -> list[str]:
    route = request.scope.get("route")
    body = route.body_field if isinstance(route, APIRoute) else None
    model = body.field_info.annotation if body else None
    # An optional body is a union with None.
    for each in (model, *getattr(model, "__args__", ())):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return [field.alias or name for name, field in each.model_fields.items()]
    return []
