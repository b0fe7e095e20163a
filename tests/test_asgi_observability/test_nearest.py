"""A misspelt name is answered with the right one or with none."""

from zoneinfo import available_timezones

import pytest

from app.core import catalogue
from app.core.config import ENV_PREFIX, Settings
from asgi_observability.metric import Metric
from asgi_observability.nearest import did_you_mean, nearest
from tests.length import LONG
from tests.not_empty import not_empty

SETTINGS = [name.removeprefix(ENV_PREFIX) for name in Settings.variables()]
RANDOM = (
    *("banana", "window", "purple", "river", "seven", "coffee", "umbrella"),
    *("justice", "guitar", "zebra", "lantern", "pyramid", "foo", "bar"),
    *("baz", "qux", "xyz", "abcdef", "qwertz", "lorem", "ipsum"),
    *("dolor", "consectetur", "4711", "x", "colour", "freitag", "nothing"),
)


def slips(name: str) -> set[str]:
    """What somebody may write in place of a name."""
    middle = len(name) // 2
    missing = name[: middle - 1] + name[middle:]
    swapped = name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :]
    doubled = name[:middle] + name[middle - 1] + name[middle:]
    return {missing, swapped, doubled, name.lower(), name.replace("__", "_")}


def test_one_slip_is_found() -> None:
    some = SETTINGS[:: 1 if LONG else 4]
    misspelt = [(slip, name) for name in some for slip in slips(name)]
    found = [(slip, nearest(slip, SETTINGS), name) for slip, name in not_empty(misspelt)]
    assert [each for each in found if each[1] != each[2]] == []


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("LOGLEVEL", "LOG_LEVEL"),
        ("LEVEL", "LOG_LEVEL"),
        ("AI_PROVIDER_BASE_URL", "AI_PROVIDER_URL"),
        ("SMS_LATENCY_SECONDS", "THRESHOLDS__SMS_LATENCY_SECONDS"),
    ],
)
def test_a_word_too_few_or_too_many_is_found(given: str, meant: str) -> None:
    assert nearest(given, SETTINGS) == meant


def test_what_is_near_to_nothing_or_to_many_gets_no_answer() -> None:
    metrics = [one.name for one in vars(catalogue).values() if isinstance(one, Metric)]
    assert len(metrics) > 30
    zones = available_timezones()
    for word in (*RANDOM, "", "___", "URL", "AI", "SECONDS"):
        assert nearest(word, SETTINGS) is None, word
        assert nearest(f"CHEESE_{word}_CRACKER", SETTINGS) is None, word
        assert nearest(word, metrics) is None, word
        assert nearest(word, zones) is None, word


def test_two_that_are_as_near_get_no_answer() -> None:
    assert nearest("cat", ["car", "cap"]) is None
    assert nearest("cat", ["car", "dog"]) == "car"


def test_the_answer_is_a_question_or_what_else_helps() -> None:
    assert did_you_mean("Sidney", ["Sydney"], otherwise="there are many") == "did you mean Sydney?"
    assert did_you_mean("Bern", ["Sydney"], otherwise="there are many") == "there are many"
