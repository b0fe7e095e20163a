"""Who reads docs/notifying.md learns what is held back, and why, as the rules do it."""

from pathlib import Path

import pytest

from alerts import paths
from alerts.notifications import held_back
from alerts.notifications.inhibition import inhibitions
from tests.not_empty import not_empty


def test_every_rule_is_a_line_with_its_reason_and_names_that_there_are() -> None:
    lines = held_back.table().splitlines()[3:-1]
    for rule, line in zip(not_empty(inhibitions()), lines, strict=True):
        assert line.endswith(f"| {rule.reason} |")
        # In words: no matcher is left over.
        assert "=~" not in line
        assert "!=" not in line
        assert "|  |" not in line
    (breakers,) = (line for line in lines if "CircuitBreaker" in line)
    assert breakers.startswith(
        "| `AIProviderFailing` or `UpstreamFailing` | `CircuitBreakerOpen` | `component` |"
    )


def test_a_table_that_no_longer_says_what_the_rules_do_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = paths.NOTIFYING.read_text(encoding="utf-8")
    file = tmp_path / "notifying.md"
    monkeypatch.setattr(paths, "NOTIFYING", file)
    file.write_text(text.replace("| `ServiceDown` |", "| `ServiceAway` |"), encoding="utf-8")
    assert "run `make generate`" in held_back.drift()[0]
    held_back.write()
    assert held_back.drift() == []
    file.write_text("without its marks", encoding="utf-8")
    assert "marks" in held_back.drift()[0]
