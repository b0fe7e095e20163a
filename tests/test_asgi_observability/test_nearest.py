"""A misspelt name is answered with the right one or with none."""

from zoneinfo import available_timezones

import pytest

from app.core import catalogue
from app.core.config import ENV_PREFIX, Settings
from asgi_observability.metric import Metric
from asgi_observability.nearest import did_you_mean, nearest

SETTINGS = [name.removeprefix(ENV_PREFIX) for name in Settings.variables()]
RANDOM = (
    *("banana", "window", "purple", "river", "seven", "coffee", "umbrella"),
    *("justice", "guitar", "zebra", "lantern", "pyramid", "foo", "bar"),
    *("baz", "qux", "xyz", "abcdef", "qwertz", "lorem", "ipsum"),
    *("dolor", "consectetur", "4711", "x", "colour", "freitag", "nothing"),
)


@pytest.mark.parametrize("name", SETTINGS)
def test_one_slip_is_found(name: str) -> None:
    middle = len(name) // 2
    missing = name[: middle - 1] + name[middle:]
    swapped = name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :]
    doubled = name[:middle] + name[middle - 1] + name[middle:]
    for misspelt in {missing, swapped, doubled, name.lower(), name.replace("__", "_")}:
        assert nearest(misspelt, SETTINGS) == name


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


@pytest.mark.parametrize("word", [*RANDOM, "", "___", "URL", "AI", "SECONDS"])
def test_what_is_near_to_nothing_or_to_many_gets_no_answer(word: str) -> None:
    metrics = [one.name for one in vars(catalogue).values() if isinstance(one, Metric)]
    assert len(metrics) > 30
    assert nearest(word, SETTINGS) is None
    assert nearest(f"CHEESE_{word}_CRACKER", SETTINGS) is None
    assert nearest(word, metrics) is None
    assert nearest(word, available_timezones()) is None


def test_two_that_are_as_near_get_no_answer() -> None:
    assert nearest("cat", ["car", "cap"]) is None
    assert nearest("cat", ["car", "dog"]) == "car"


def test_the_answer_is_a_question_or_what_else_helps() -> None:
    assert did_you_mean("Sidney", ["Sydney"], otherwise="there are many") == "did you mean Sydney?"
    assert did_you_mean("Bern", ["Sydney"], otherwise="there are many") == "there are many"
