"""A runbook for every alert, and nothing in them that doesn't exist."""

from pathlib import Path

import pytest

from alerts import paths, runbooks
from alerts.expressions import Vocabulary
from alerts.model import alert_names, records
from alerts.signals import groups
from app.core.thresholds import Thresholds

GROUPS = groups(Thresholds())
VOCABULARY = Vocabulary(records(GROUPS))
ALERTS = alert_names(GROUPS)

PAGE = "# A\n" + "\n".join(f"## {section}\n" for section in runbooks.SECTIONS)


def test_every_alert_has_its_page_and_no_page_is_left_over() -> None:
    assert runbooks.problems(paths.RUNBOOKS, GROUPS, VOCABULARY) == []


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_a_page_has_queries_to_paste_and_no_empty_section(alert: str) -> None:
    text = (paths.RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert "```promql" in text
    bodies = [section.split("\n", 1)[1].strip() for section in text.split("\n## ")[1:]]
    assert all(bodies)


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ({}, "A.md: is missing"),
        ({"A": PAGE, "B": PAGE}, "B.md: no alert is called B"),
        ({"A": PAGE.replace("## Mend\n", "")}, "A.md: has sections"),
        ({"A": PAGE + "```promql\nsum(nothing_total)\n```\n"}, "A.md: nothing_total: neither"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, pages: dict[str, str], problem: str) -> None:
    for name, text in pages.items():
        (tmp_path / f"{name}.md").write_text(text)
    (found,) = runbooks.problems(tmp_path, {"A"}, VOCABULARY)
    assert problem in found
