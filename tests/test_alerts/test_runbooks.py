"""A runbook for every alert, and nothing in them that doesn't exist."""

import math
from pathlib import Path

import pytest

from alerts import paths, runbooks
from alerts.expressions import Vocabulary
from alerts.model import (
    Comparison,
    Group,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
    alert_names,
    records,
)
from alerts.signals import groups
from app.core.thresholds import Thresholds
from tests.not_empty import not_empty
from tests.test_alerts.runbook_claims import claims, facts

GROUPS = groups(Thresholds())
VOCABULARY = Vocabulary(records(GROUPS))
ALERTS = alert_names(GROUPS)


def test_every_alert_has_its_page_and_no_page_is_left_over() -> None:
    assert runbooks.problems(paths.RUNBOOKS, GROUPS, VOCABULARY) == []


def test_a_page_has_queries_to_paste_and_no_empty_section() -> None:
    for alert in not_empty(sorted(ALERTS)):
        text = (paths.RUNBOOKS / f"{alert}.md").read_text()
        assert text.startswith(f"# {alert}\n")
        assert "```promql" in text, alert
        bodies = [section.split("\n", 1)[1].strip() for section in text.split("\n## ")[1:]]
        assert all(not_empty(bodies)), alert


SIGNAL = Signal(
    title="Things",
    meaning="Good is 0.",
    unit=Unit.COUNT,
    source="up",
    thresholds=(
        Threshold(
            alert="A",
            comparison=Comparison.ABOVE,
            value=3,
            severity=Severity.TICKET,
            team=Team.PLATFORM,
            summary="Things",
            description="Things.",
            action="Fix.",
            pending="1m",
        ),
    ),
)
THINGS = (Group("things", "Things.", (), (SIGNAL,)),)
HEAD = runbooks.heads(THINGS)["A"]
PAGE = f"# A\n\n{HEAD}\n\n" + "\n".join(f"## {section}\n" for section in runbooks.SECTIONS)


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ({}, "A.md: is missing"),
        ({"A": PAGE, "B": PAGE}, "B.md: no alert is called B"),
        ({"A": PAGE.replace("## Fix\n", "")}, "A.md: has sections"),
        ({"A": PAGE + "```promql\nsum(nothing_total)\n```\n"}, "A.md: nothing_total: neither"),
        ({"A": PAGE + "   ```promql\n   nothing_total\n   ```\n"}, "A.md: nothing_total: neither"),
        ({"A": PAGE.replace("above 3", "above 2")}, "its head differs from the signal"),
        ({"A": PAGE + runbooks.TO_DO}, f"A.md: still says {runbooks.TO_DO}"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, pages: dict[str, str], problem: str) -> None:
    for name, text in pages.items():
        (tmp_path / f"{name}.md").write_text(text)
    (tmp_path / runbooks.INDEX).write_text(runbooks.index(THINGS))
    (found,) = runbooks.problems(tmp_path, THINGS, VOCABULARY)
    assert problem in found


def test_a_page_is_begun_and_then_only_its_head_is_written(tmp_path: Path) -> None:
    runbooks.write(tmp_path, THINGS)
    page = tmp_path / "A.md"
    assert HEAD in page.read_text()
    page.write_text(page.read_text().replace(runbooks.TO_DO, "By hand.").replace("above 3", "?"))
    runbooks.write(tmp_path, THINGS)
    text = page.read_text()
    assert HEAD in text
    assert text.count("By hand.") == len(runbooks.SECTIONS) + 1
    assert runbooks.problems(tmp_path, THINGS, VOCABULARY) == []


def test_a_table_that_is_not_of_these_alerts_is_named(tmp_path: Path) -> None:
    (tmp_path / "A.md").write_text(PAGE)
    (tmp_path / runbooks.INDEX).write_text("# Runbooks\n")
    (found,) = runbooks.problems(tmp_path, THINGS, VOCABULARY)
    assert "README.md: differs from the signals; run `make generate`" in found


DERIVED = {
    # Half of its window: from then on what happened since is more than what was before.
    "PaymentPlanDetectionCollapsed": {"three hours"},
    # What the budget covers.
    "AvailabilityBudgetBurn": {"30 days"},
}
"""Numbers of a page that are right, and in no rule."""


def unfounded(alert: str, page: str, of: tuple[Group, ...]) -> list[str]:
    """The words of a page's numbers that are none of its rule's."""
    known = facts(alert, of)
    return [
        words
        for words, value in claims(page)
        if not any(math.isclose(value, each, rel_tol=1e-6) for each in known)
    ]


def test_a_page_says_the_numbers_of_its_rule() -> None:
    """When it fires, over which time, and from how many on: as the rule has it today."""
    found = {
        alert: said
        for alert in ALERTS
        if (
            said := {*unfounded(alert, (paths.RUNBOOKS / f"{alert}.md").read_text(), GROUPS)}
            - DERIVED.get(alert, set())
        )
    }
    assert found == {}, "write what the rule says, or leave the number to the page's head"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("More than three times for a minute.", []),
        ("Below two band widths.", ["two band widths"]),
        ("It has been so for ten minutes.", ["ten minutes"]),
        ("More than one in ten.", ["one in ten"]),
        ("More than 10 % of them.", ["10 %"]),
        ("## Meaning\n\nBackups take ten minutes.", []),
        ("## Meaning\n\nThis alert fires after ten minutes.", ["ten minutes"]),
    ],
)
def test_a_number_that_is_not_the_rules_is_found(text: str, wrong: list[str]) -> None:
    page = f"# A\n\n{HEAD}\n\nThings.\n\n{text}\n\n## Impact\n"
    assert unfounded("A", page, THINGS) == wrong
