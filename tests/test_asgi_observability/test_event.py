"""Declaring an event: what may be in its fields is decided when the class is made."""

from __future__ import annotations

import textwrap
from enum import Enum
from typing import Annotated, Any, NewType, Optional, Union, cast

import pytest

from asgi_observability import event as declaring
from asgi_observability.event import Event, FromCode, Identifier
from asgi_observability.logging import get_logger
from tests.captured_logs import captured_logs

log = get_logger("tests.event")

NAME = "Aroha Ngata"

TenantId = NewType("TenantId", Identifier)


class Colour(Enum):
    """A member of the program's own."""

    RED = "red"


SPELLINGS = [
    *("Identifier", "Identifier | None", "None | Identifier", "Optional[Identifier]"),
    *("Annotated[Identifier, 'of a tenant']", "Union[Identifier, FromCode]", "TenantId"),
    *("list[Identifier]", "tuple[Identifier, ...]", "Annotated[list[Identifier] | None, 1]"),
    *("'Identifier'", "Optional['Identifier']", "NotImportedHere", "list[NotImportedHere]"),
]


@pytest.fixture(autouse=True)
def _declared_for_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaring, "_declared", [])


def declared(annotation: str, *, postponed: bool, name: str = "tenant") -> type[Event]:
    """An event with one field, whose type is spelled so."""
    source = f"""
        class Taken(Event):
            "An order was taken."

            {name}: {annotation}
    """
    first = "from __future__ import annotations\n" if postponed else ""
    names: dict[str, Any] = {**globals(), "Optional": Optional, "Union": Union}
    names |= {"Annotated": Annotated, "Any": Any, "FromCode": FromCode}
    exec(compile(first + textwrap.dedent(source), "<declared>", "exec", dont_inherit=True), names)
    return cast("type[Event]", names["Taken"])


@pytest.mark.parametrize("postponed", [True, False])
@pytest.mark.parametrize("annotation", SPELLINGS)
def test_however_it_is_spelled_a_clients_id_is_hashed(annotation: str, postponed: bool) -> None:
    if not postponed and "NotImportedHere" in annotation:
        annotation = f'"{annotation}"'
    kind = declared(annotation, postponed=postponed)
    assert kind.identifiers == ("tenant",)
    is_list = "list" in annotation or "tuple" in annotation
    with captured_logs() as lines:
        log.event(kind(tenant=[NAME, "tenant-42"] if is_list else NAME))  # type: ignore[call-arg]
        log.event(kind(tenant=None))  # type: ignore[call-arg]
    assert len(lines) == 2
    assert NAME not in str(lines)
    assert lines[1]["tenant"] is None
    if is_list:
        assert lines[0]["tenant"][1] == "tenant-42"


@pytest.mark.parametrize(
    "annotation",
    ["str", "str | None", "Optional[str]", "object", "Any", "dict[str, int]", "bytes", "list[str]"],
)
@pytest.mark.parametrize("postponed", [True, False])
def test_a_field_that_may_hold_anything_is_refused_by_name(
    annotation: str, postponed: bool
) -> None:
    with pytest.raises(TypeError, match=r"Taken\.tenant: .*make it an Identifier .* FromCode"):
        declared(annotation, postponed=postponed)


@pytest.mark.parametrize("name", ["password", "api_key", "token"])
def test_a_field_with_a_secrets_name_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Taken\.{name}: by its name it holds a secret"):
        declared("Identifier", postponed=False, name=name)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        *(("int", 15550100001), ("float", 0.5), ("float", 1), ("bool", True), ("int | None", None)),
        *(("Colour", Colour.RED), ("FromCode", "GET"), ("FromCode | None", None)),
    ],
)
def test_what_can_hold_nothing_of_a_clients_is_written_as_it_is(
    annotation: str, value: object
) -> None:
    kind = declared(annotation, postponed=True)
    assert kind.identifiers == ()
    made = kind(tenant=value)  # type: ignore[call-arg]
    assert made.is_as_declared
    with captured_logs() as lines:
        log.event(made)
    assert lines[0]["tenant"] == (value.value if isinstance(value, Enum) else value)


@pytest.mark.parametrize("annotation", ["int", "float", "bool", "Colour", "int | None"])
@pytest.mark.parametrize("value", [NAME, "+15550100001", [NAME], {NAME: NAME}, NAME.encode()])
def test_a_text_where_a_number_was_declared_is_hashed(annotation: str, value: object) -> None:
    kind = declared(annotation, postponed=True)
    with captured_logs() as lines:
        log.event(kind(tenant=value))  # type: ignore[call-arg]
    assert len(lines) == 1
    assert NAME not in str(lines)
    assert "15550100001" not in str(lines)


def test_what_an_event_is_made_of_counts_as_well() -> None:
    base = declared("Identifier | None", postponed=True)

    class Paid(base):  # type: ignore[valid-type, misc]
        """It was paid."""

        amount: int

    assert Paid.identifiers == ("tenant",)
    with captured_logs() as lines:
        log.event(Paid(tenant=NAME, amount=3))
    assert lines[0]["tenant"].startswith("hmac:")
