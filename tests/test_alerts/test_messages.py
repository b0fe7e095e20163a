"""What arrives on a phone, as the real amtool renders it."""

import re

import pytest

from alerts import paths
from tests.test_alerts import rendering


@pytest.mark.parametrize("kind", rendering.FIELDS)
def test_messages_read_as_they_were_reviewed(kind: str) -> None:
    expected = (rendering.EXPECTED / f"{kind}.txt").read_text()
    assert rendering.message(kind) == expected, (
        "if that is meant: python -m tests.test_alerts.rendering, and read the difference"
    )


def test_every_expected_text_is_compared() -> None:
    assert {file.stem for file in rendering.EXPECTED.iterdir()} == set(rendering.FIELDS)


@pytest.mark.parametrize("kind", rendering.FIELDS)
def test_nobody_is_shown_what_a_template_could_not_fill_in(kind: str) -> None:
    text = (rendering.EXPECTED / f"{kind}.txt").read_text()
    assert not re.search(r"<no value>|%!|map\[|0001-01-01", text)


@pytest.mark.parametrize("kind", ["email_html", "slack"])
def test_what_an_alert_says_is_no_markup(kind: str) -> None:
    text = hostile(kind)
    assert "&lt;!channel&gt;" in text
    assert not re.search(r"<!channel>|<script|<b>bold|<http://evil", text)


def test_what_an_alert_says_is_no_link_in_teams() -> None:
    text = hostile("teams")
    assert "pay here" in text
    assert "](http://evil" not in text
    assert re.findall(r"(?<!\\)\]\((\w+)", text) == ["http", "http"]  # the dashboard, the silence


@pytest.mark.parametrize("kind", rendering.FIELDS)
def test_what_an_alert_says_begins_no_line(kind: str) -> None:
    """Else it could tell people what to do."""
    assert "call 555" in hostile(kind)
    assert not re.search(r"^Do: call", hostile(kind), re.MULTILINE)


@pytest.mark.parametrize("kind", rendering.FIELDS)
def test_nothing_links_to_what_runs(kind: str) -> None:
    assert "javascript:" not in hostile(kind)


@pytest.mark.parametrize("kind", rendering.FIELDS)
def test_of_what_is_over_nothing_is_said_to_be_now(kind: str) -> None:
    over = situation(kind, "one that is over") + situation(kind, "two that are over")
    assert over.count("RESOLVED") >= 2
    assert "over after 53m 10s" in over
    assert "Now " not in over


@pytest.mark.parametrize("kind", rendering.FIELDS)
def test_the_title_says_where(kind: str) -> None:
    assert "[PAGE production eu-1] Calls" in situation(kind, "one that fires")


def test_the_example_in_the_documents_is_the_mail() -> None:
    _, subject, _, *text = situation("email", "one that fires").split("\n")[1:]
    example = paths.NOTIFYING.read_text(encoding="utf-8").partition("## What a message says")[2]
    shown = example.split("```")[1].strip().split("\n")
    *lines, silence = shown
    assert lines == [subject, "", *text[: len(lines) - 2]]
    assert silence.endswith("…")
    assert text[len(lines) - 2].startswith(silence.removesuffix("…"))


def hostile(kind: str) -> str:
    return situation(kind, "hostile texts")


def situation(kind: str, name: str) -> str:
    """What is expected of one situation."""
    text = (rendering.EXPECTED / f"{kind}.txt").read_text()
    found = text.partition(f"=== {name} ")[2].partition("\n=== ")[0]
    assert found, name
    return found
