"""What arrives on a phone, as the real amtool renders it."""

import re

import pytest

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
    text = (rendering.EXPECTED / f"{kind}.txt").read_text().partition("=== hostile texts")[2]
    assert "&lt;!channel&gt;" in text
    assert not re.search(r"<!channel>|<script|<b>bold", text)


def test_a_mail_links_to_nothing_that_runs() -> None:
    text = (rendering.EXPECTED / "email_html.txt").read_text()
    assert "=== hostile texts" in text
    assert "javascript:" not in text
