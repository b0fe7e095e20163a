"""What of an undeclared line is written, in each of the three modes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from asgi_observability import hashed_fields
from asgi_observability.logging import get_logger
from asgi_observability.privacy import LEFT_OUT, Mode, Privacy
from asgi_observability.secrets_in_text import SECRET, is_secrets_name, shown_url, without_logins
from tests.captured_logs import captured_logs
from tests.not_empty import not_empty

log = get_logger("tests.privacy")

TEXT, PASSWORD = "".join(("im2", "late")), "".join(("hunter", "2"))


class Colour(Enum):
    """A member of the program's own."""

    RED = "red"


def logged(mode: Mode, safe_fields: tuple[str, ...] = (), **fields: object) -> dict[str, object]:
    """The line of one call, with ``fields`` as they are written."""
    with captured_logs(privacy=Privacy(mode, safe_fields)) as lines:
        log.info("said", **fields)
    return lines[0]


def is_hashed(value: object) -> bool:
    return str(value).startswith("hmac:")


def test_a_text_in_a_field_that_nobody_declared_is_hashed() -> None:
    line = logged("strict", text=TEXT, customer="aroha7-3", list=[TEXT], deep={"it": {"is": TEXT}})
    assert is_hashed(line["text"])
    assert is_hashed(line["customer"])
    assert TEXT not in str(line)


@pytest.mark.parametrize("mode", ["strict", "fields", "off"])
@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "token",
            "access_token",
            "secret",
            "client_secret",
            "authorization",
            "cookie",
        ),
        *(
            "cookie",
            "api_key",
            "apiKey",
            "X-API-Key",
            "Set-Cookie",
            "db_pwd",
            "passwordHash",
            "private_key",
        ),
    ],
)
def test_a_secret_is_written_in_no_mode(mode: Mode, name: str) -> None:
    for value in (PASSWORD, [PASSWORD], {PASSWORD: 1}, PASSWORD.encode(), 15550100001):
        line = logged(mode, **{name: value}, headers={name: value}, deep=[{"in": {name: value}}])
        assert PASSWORD not in str(line)
        assert "15550100001" not in str(line)
    assert line["headers"] == {name: SECRET} or mode != "off"


@pytest.mark.parametrize(
    "name",
    ["token_count", "api_key_id", "password_length", "tokens_file", "monkey", "key", "pinned"],
)
def test_what_is_said_about_a_secret_is_none(name: str) -> None:
    assert not is_secrets_name(name)


def test_tokens_of_a_language_model_are_counted() -> None:
    line = logged("strict", prompt_tokens=512, tokens=7, has_password=True, token=None)
    assert (line["prompt_tokens"], line["tokens"], line["has_password"]) == (512, 7, True)
    assert line["token"] is None


def test_what_the_program_says_is_written() -> None:
    uuid = UUID("550e8400-e29b-41d4-a716-446655440000")
    moment = datetime(2026, 11, 28, 12, tzinfo=UTC)
    line = logged(
        "strict",
        colour=Colour.RED,
        paid=True,
        share=0.25,
        rows=5_000_000,
        sent_bytes=15_550_100_001,
        it=uuid,
        at=moment,
        price=Decimal("12.50"),
        nothing=None,
        empty="",
        odd=float("nan"),
        error=KeyError(TEXT),
    )
    assert (line["colour"], line["paid"], line["share"]) == ("red", True, 0.25)
    assert (line["rows"], line["sent_bytes"]) == (5_000_000, 15_550_100_001)
    assert (line["it"], line["at"]) == (str(uuid), moment.isoformat())
    assert (line["price"], line["nothing"], line["empty"], line["odd"]) == (12.5, None, "", "nan")
    assert line["error"] == "KeyError"


def test_a_constant_of_the_code_that_logs_is_written() -> None:
    with captured_logs() as lines:
        log.info("said", stage="before the call", nested={"kind": "of the code", "n": 1})
    (line,) = lines
    assert line["stage"] == "before the call"
    assert line["nested"] == {"kind": "of the code", "n": 1}


def test_an_id_is_written_where_the_field_is_called_one() -> None:
    value = "".join(("tenant", "-42"))
    line = logged("strict", tenant_id=value, id=value, userId=value, note=value, paid=value)
    assert line["tenant_id"] == line["id"] == line["userId"] == value
    assert is_hashed(line["note"])
    assert is_hashed(line["paid"])
    assert is_hashed(logged("strict", tenant_id=TEXT)["tenant_id"])


def test_a_field_that_is_said_to_be_safe_is_written() -> None:
    line = logged("strict", ("note", "size"), note=TEXT, size=15_550_100_001, other=TEXT)
    assert (line["note"], line["size"]) == (TEXT, 15_550_100_001)
    assert is_hashed(line["other"])
    assert logged("strict", ("password",), password=PASSWORD)["password"] == SECRET


def test_by_their_shape_identifiers_are_written_in_any_field() -> None:
    value = "".join(("order", "-42"))
    line = logged("fields", note=value, text=TEXT, number="15550100001")
    assert line["note"] == value
    assert is_hashed(line["text"])
    assert is_hashed(line["number"])


def test_without_privacy_all_is_written_but_passwords() -> None:
    url = f"postgresql://u:{PASSWORD}@db/x"
    line = logged("off", text=TEXT, number=15550100001, map={TEXT: 1}, url=url)
    assert (line["text"], line["number"], line["map"]) == (TEXT, 15550100001, {TEXT: 1})
    assert line["url"] == "postgresql://u:***@db/x"


@pytest.mark.parametrize("mode", ["strict", "fields"])
def test_a_key_of_a_mapping_is_a_value(mode: Mode) -> None:
    value: Mapping[object, object] = {"maria lopez": 1, 15550100001: 1, TEXT: 1, 404: 3}
    line = logged(mode, counts=value)
    assert "maria" not in str(line)
    assert "15550100001" not in str(line)
    assert TEXT not in str(line)
    assert line["counts"]["404"] == 3  # type: ignore[index]


@pytest.mark.parametrize("mode", ["strict", "fields", "off"])
def test_the_name_of_a_field_is_never_hashed(mode: Mode) -> None:
    payload = {"tenant_name": TEXT, "userId": 3, "http.status": 200, "_private": 1, "x2": 1}
    assert payload.keys() <= logged(mode, **payload).keys()


@pytest.mark.parametrize("name", ["15550100001", "Maria Lopez", "x15550100001", "maria@x.nz", ""])
def test_what_is_no_name_of_a_field_is(name: str) -> None:
    assert name not in logged("strict", **{name: 1})


@pytest.mark.parametrize(
    "name", ["uvicorn.error", "PIL.PngImagePlugin", "my-app.worker-1", "__main__", "", "app:main"]
)
def test_the_name_of_a_logger_is_written(name: str) -> None:
    with captured_logs() as lines:
        get_logger(name).info("said")
    assert lines[0]["logger"] == name


@pytest.mark.parametrize("data", ["+1555" + "0100001", "Maria " + "Gonzalez", "m@" + "example"])
def test_data_in_the_name_of_a_logger_is_hashed(data: str) -> None:
    with captured_logs() as lines:
        get_logger(f"app.{data}").info("said")
        get_logger(f"app.{data}").info("said", bad={data: data})
    assert [is_hashed(line["logger"].removeprefix("app.")) for line in lines] == [True, True]
    assert data not in str(lines)


def test_what_holds_itself_or_very_much_is_cut() -> None:
    endless: list[object] = [1]
    endless.append(endless)
    deep: object = TEXT
    for _ in range(200):
        deep = [deep]

    def many() -> Iterator[tuple[str, int]]:
        yield from ((f"k{n}", n) for n in range(100_000))

    privacy = Privacy()
    assert LEFT_OUT in str(privacy.written("it", endless)[0])
    assert LEFT_OUT in str(privacy.written("it", deep)[0])
    assert len(str(privacy.written("it", [dict(many())] * 50)[0])) < 200_000


def test_a_value_that_can_not_be_looked_at_breaks_no_line() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(TEXT)

    class Hiding:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise RuntimeError(TEXT)

    class Closed(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError(TEXT)

    with captured_logs() as lines:
        log.info("said", it=Broken(), also={Broken(): 1})
        log.info("hidden", it=Hiding(), also=Closed(a=1), n=1)
    hidden = next(line for line in lines if line["event"] == "hidden")
    assert (hidden["it"], hidden["also"], hidden["n"]) == ("Hiding", "Closed", 1)
    assert "said" in {line["event"] for line in lines}
    assert TEXT not in str(lines)


def test_why_a_field_is_hashed_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_fields, "_told", set())
    with captured_logs(explain=hashed_fields.explain) as lines:
        for number in range(3):
            log.info("said", text=TEXT * 2, amount=15550100001 + number)
            log.info("said", password=PASSWORD, tenant_id="tenant-42")
    told = [line for line in lines if line["event"] == "field_hashed"]
    assert sorted(line["hashed_field"] for line in told) == ["amount", "password", "text"]
    assert {line["level"] for line in not_empty(told)} == {"debug"}
    by_field = {line["hashed_field"]: line["reason"] for line in told}
    assert "safe_fields" in by_field["text"]
    assert "telephone number" in by_field["amount"]


def test_a_mode_that_does_not_exist_is_named_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match="privacy='strct' is not a mode; did you mean strict"):
        Privacy("strct")
    with pytest.raises(ValueError, match=r"write a list: \['note'\]"):
        Privacy("strict", "note")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://u:hunter2@h/db", "mysql://u:***@h/db"),
        ("postgresql://u:p@ss/w@rd?#@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:hunter 2\n@h", "postgresql://u:***@h"),
        ("postgres:u:hunter2@h", "postgres:u:***@h"),
        ("u:hunter2@h", "u:***@h"),
        ("redis://:hunter2@h", "redis://***@h"),
        ("https://hunter2@h/x", "https://***@h/x"),
        ("http://h/x?token=hunter2&n=1", "http://h/x?token=***&n=1"),
        ("postgresql://h/db?password=hunter2", "postgresql://h/db?password=***"),
        ("hunter2", SECRET),
        ("postgresql://orchestrator@h/db", "postgresql://orchestrator@h/db"),
        ("sqlite:////data/a@b.db", "sqlite:////data/a@b.db"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_a_text_is_shown_without_the_passwords_of_its_addresses() -> None:
    said = f"can't reach redis://:{PASSWORD}@h:6379 nor https://u:{PASSWORD}@h/x; ask a@b.nz"
    shown = "can't reach redis://***@h:6379 nor https://u:***@h/x; ask a@b.nz"
    assert without_logins(said) == shown
