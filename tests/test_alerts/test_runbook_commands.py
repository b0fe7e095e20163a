"""What a runbook tells people to type works: statements, requests and silences."""

import re
import shlex
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from alerts import paths
from alerts.exporters import known_metrics
from alerts.identity import IDENTITY
from alerts.model import Threshold, records
from alerts.prometheus_config import scrape_seconds
from alerts.rules import alert_expr
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.config import ASYNC_DRIVERS
from app.core.thresholds import Thresholds
from app.schemas.orchestrate import RetryFailed
from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty
from tests.project import ROOT
from tests.test_docs import DOCUMENTS, commands, name

STORE = "/data/app/orchestrator.db"
"""Where a native stack has its database, below the folder of its state."""

POSTGRESQL_ONLY = "-- PostgreSQL only\n"
"""How a statement begins that SQLite does not take."""

_SQL = re.compile(r"^( *)```sql\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_OUTSIDE = re.compile(r"^ {2,}(?:select|update|delete|insert)\b.*", re.MULTILINE | re.IGNORECASE)
_SILENCE = re.compile(r"amtool silence add((?:.*\\\n)*.*)")
_MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"?(.*?)"?')


def statements(page: str) -> list[str]:
    """The SQL of a page, as somebody would paste it."""
    return [re.sub(f"^{indent}", "", sql, flags=re.M) for indent, sql in _SQL.findall(page)]


STATEMENTS = [
    pytest.param(sql, id=f"{document.stem}-{number}")
    for document in DOCUMENTS
    for number, sql in enumerate(statements(document.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("sql", STATEMENTS)
async def test_each_statement_works(sql: str, database_url: str) -> None:
    """On PostgreSQL, and on the SQLite of a native stack unless it says that it doesn't."""
    url = make_url(database_url)
    url = url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()])
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            if sql.startswith(POSTGRESQL_ONLY) and url.get_backend_name() == "sqlite":
                with pytest.raises(Exception, match=r"no such|syntax error"):
                    await connection.execute(text(sql))
            else:
                await connection.execute(text(sql))
    finally:
        await engine.dispose()


def test_each_statement_stands_in_a_block_of_its_own() -> None:
    """Else nothing tries it."""
    assert len(STATEMENTS) >= 5
    found = {
        f"{name(document)}: {line.strip()}"
        for document in not_empty(DOCUMENTS)
        for line in _OUTSIDE.findall(_SQL.sub("", document.read_text(encoding="utf-8")))
    }
    assert found == set(), "write it between ```sql and ```"


def test_no_request_waits_without_end() -> None:
    """What hangs takes connections and never answers."""
    requests = [
        (name(document), command)
        for document in DOCUMENTS
        for command in commands(document)
        if re.search(r"\bcurl -", command)
    ]
    assert len(requests) >= 10
    assert [each for each in requests if "--max-time " not in each[1]] == []


def silences(page: str) -> Iterator[list[tuple[str, str, str]]]:
    """The matchers of each silence in a page: label, operator and value."""
    for arguments in _SILENCE.findall(page):
        words = shlex.split(arguments.replace("\\\n", " "))
        given = [word for word in words if not word.startswith("--")]
        yield [(m[1], m[2], m[3]) for word in given if (m := _MATCHER.fullmatch(word)) is not None]


GROUPS = groups(Thresholds())
BY_ALERT: dict[str, list[Threshold]] = {}
LABELS: dict[str, set[str] | None] = {}
"""The labels that alerts of a name can have; None where they can't be told."""


def _read() -> None:
    semantics = Semantics(records(GROUPS), scrape_seconds())
    for group in GROUPS:
        for signal in group.signals:
            for threshold in signal.thresholds:
                BY_ALERT.setdefault(threshold.alert, []).append(threshold)
                kept = semantics.labels(alert_expr(signal, threshold))
                known = LABELS.setdefault(threshold.alert, set())
                if kept is None or known is None:
                    LABELS[threshold.alert] = None
                else:
                    known |= kept | threshold.labels.keys()


_read()
_CONFIG = read_yaml((ROOT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
JOBS = {each["job_name"] for each in _CONFIG["scrape_configs"]}


def values(alert: str, label: str) -> set[str] | None:
    """The values that ``label`` can have in ``alert``; None where any will do."""
    match label:
        case "alertname":
            return {alert}
        case "job":
            return JOBS
        case "severity":
            return {each.severity.value for each in BY_ALERT[alert]}
        case "team":
            return {each.team.value for each in BY_ALERT[alert]}
    fixed = [each.labels.get(label) for each in BY_ALERT[alert]]
    if all(fixed):
        return {each for each in fixed if each}
    found: set[str] = set()
    for metric in known_metrics():
        if label in metric.label_names:
            allowed = metric.label(label).values
            if allowed is None:
                return None
            found |= {*allowed}
    return found or None


def wrong(alert: str, page: str) -> Iterator[str]:
    """What no alert of this name has, in the silences of its page."""
    always = {"alertname", "severity", "team", "ruleset", "job", *IDENTITY}
    for matchers in silences(page):
        if ("alertname", "=", alert) not in matchers:
            yield "a silence of another alert, or of all"
        for label, operator, value in matchers:
            labels = LABELS[alert]
            if labels is not None and label not in labels | always:
                yield f"has no label {label}"
            allowed = values(alert, label)
            if allowed is not None and operator == "=" and value not in allowed:
                yield f"{label} is never {value}; it is one of {', '.join(sorted(allowed))}"


def test_each_silence_matches_alerts_that_there_can_be() -> None:
    pages = {
        alert: (paths.RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8") for alert in BY_ALERT
    }
    written = [alert for alert, page in not_empty(pages.items()) if not list(silences(page))]
    assert written == [], "each page says how to silence its alert"
    found = [f"{alert}: {each}" for alert, page in pages.items() for each in wrong(alert, page)]
    assert found == []


@pytest.mark.parametrize(
    ("matchers", "problem"),
    [
        ("alertname=TargetDown job=node", None),
        ("alertname=TargetDown environment=staging", None),
        ("alertname=TargetDown job=node-staging", "job is never node-staging"),
        ("alertname=TargetDown route=/", "has no label route"),
        ("alertname=TargetDown severity=page", "severity is never page"),
        ("job=node", "a silence of another alert"),
    ],
)
def test_a_silence_that_matches_nothing_is_found(matchers: str, problem: str | None) -> None:
    page = f'    amtool silence add --duration=1h \\\n      --comment="a drill" {matchers}\n'
    found = list(wrong("TargetDown", page))
    assert (found == []) if problem is None else any(problem in each for each in found)


def test_the_page_of_runbooks_says_which_database_a_statement_is_for() -> None:
    page = (paths.RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert POSTGRESQL_ONLY.strip() in page
    assert f".state{STORE}" in page
    assert f"{{self._state}}{STORE}" in (ROOT / "stack/native.py").read_text(encoding="utf-8")


def test_a_page_that_runs_failed_workflows_again_has_the_command_for_all_of_them() -> None:
    """After an outage hundreds wait."""
    anchor = "(README.md#run-failed-workflows-again)"
    told = {
        alert: anchor in page
        for alert in not_empty(BY_ALERT)
        if re.search(
            r"orchestrate/retry|retry\s+(?:the\s+)?failed\s+workflows|failed\s+workflows\s+again",
            page := (paths.RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8"),
        )
    }
    assert len(told) >= 8
    assert [alert for alert, is_linked in told.items() if not is_linked] == []


def test_the_command_for_all_of_them_is_complete() -> None:
    page = (paths.RUNBOOKS / "README.md").read_text(encoding="utf-8")
    command = page.partition("## Run failed workflows again")[2].split("```")[1]
    words = shlex.split(command.replace("\\\n", " "))
    assert words[words.index("-X") + 1] == "POST"
    assert "Content-Type: application/json" in words
    assert "Authorization: Bearer $(cat .state/secrets/people_metrics_token)" in words
    body = words[words.index("-d") + 1].replace("YYYY-MM-DDTHH:MM", "2026-01-31T14:05")
    RetryFailed.model_validate_json(body)
