"""Which texts are identifiers: a manager finds the request by its ID, a tenant is never in it."""

import base64
from pathlib import Path
from random import Random

import pytest

from asgi_observability.personal_data import identifier, is_correlation_id, is_identifier
from tests import drawn
from tests.length import LONG
from tests.not_empty import not_empty

DRAWN = 20_000 if LONG else 300

SHAPES = Path(__file__).parent / "identifier_shapes"
WRITTEN = (SHAPES / "written.txt").read_text(encoding="utf-8").split()
HASHED = (SHAPES / "hashed.txt").read_text(encoding="utf-8").split()


def test_there_are_enough_of_both() -> None:
    assert len(set(WRITTEN)) >= 100
    assert len(set(HASHED)) >= 100


def test_an_id_that_somebody_looks_for_stays_as_it_is() -> None:
    assert [text for text in not_empty(WRITTEN) if identifier(text) != text] == []


def test_a_number_a_name_and_a_key_do_not() -> None:
    assert [text for text in not_empty(HASHED) if not identifier(text).startswith("hmac:")] == []


@pytest.mark.parametrize(
    "made",
    [drawn.uuid4, drawn.ksuid, drawn.nanoid, drawn.ulid, drawn.hexadecimal, drawn.amazon],
    ids=["uuid", "ksuid", "nanoid", "ulid", "trace", "amazon"],
)
def test_an_id_that_was_drawn_is_never_refused_by_chance(made: drawn.Drawn) -> None:
    random = Random(20261128)
    assert [each for each in not_empty(drawn_by(made, random)) if not is_correlation_id(each)] == []


@pytest.mark.parametrize("prefix", ["req-", "req_", "tenant-", "order:"])
@pytest.mark.parametrize(
    "made",
    [drawn.uuid4, drawn.ksuid, drawn.ulid, drawn.nanoid],
    ids=["uuid", "ksuid", "ulid", "nanoid"],
)
def test_nor_with_a_word_before_it(made: drawn.Drawn, prefix: str) -> None:
    offered = [f"{prefix}{each}" for each in not_empty(drawn_by(made, Random(prefix)))]
    assert [each for each in offered if not is_identifier(each)] == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", [drawn.telephone_number, drawn.local_number])
def test_a_telephone_number_is_never_taken_for_an_id(number: drawn.Drawn, seed: int) -> None:
    random = Random(seed)
    taken = [
        each
        for each in not_empty(drawn_by(drawn.within_letters(number), random))
        if is_identifier(each) or is_correlation_id(each)
    ]
    assert taken == []


def test_a_text_in_base_64_is_not_an_id() -> None:
    random = Random(1)
    words = ("rent", "late", "please", "stop", "lawyer", "cannot", "pay", "ill", "Maria", "+64 21")
    for _ in range(DRAWN):
        text = " ".join(random.choice(words) for _ in range(random.randrange(2, 12)))
        for encoded in (base64.b64encode(text.encode()), base64.urlsafe_b64encode(text.encode())):
            bare = encoded.decode().rstrip("=")
            assert not is_identifier(bare), text
            assert not is_identifier(f"msg-{bare}"), text


def test_short_ids_of_few_hexadecimal_digits_are_rarely_refused() -> None:
    """Some of them can't be told from a number with a letter beside it; docs/logs.md says so."""
    random = Random(1)
    for length, most in ((8, 0.10), (12, 0.03), (16, 0.006), (24, 0.001)):
        made = drawn.of("0123456789abcdef", length)
        offered = not_empty(drawn_by(made, random, 2000))
        refused = [each for each in offered if not is_identifier(each)]
        assert len(refused) / 2000 <= most, length


@pytest.mark.parametrize(
    ("offered", "may_be_used"),
    [
        ("tenant-42", True),
        ("V1StGXR8_Z5jdHi6B-myT", True),
        ("-V1StGXR8_Z5jdHi6B-my", True),
        ("-leading-dash-1", False),
        ("short-1", False),
        ("order:42-of-this", False),
        ("1" + "a" * 64, False),
        ("Root=1-67891233-abcdef012345678912345678", True),
        ("Root=1-67891233-abcdef012345678912345678\r\nx: y", False),
        ("Root=1-15550100-001000000000000000000000x", False),
    ],
)
def test_an_id_of_a_caller_can_not_forge_a_line(offered: str, may_be_used: bool) -> None:
    assert is_correlation_id(offered) is may_be_used


def drawn_by(made: drawn.Drawn, random: Random, count: int = DRAWN) -> list[str]:
    return [made(random) for _ in range(count)]
