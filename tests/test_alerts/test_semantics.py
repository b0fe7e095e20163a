"""Expressions that Prometheus takes and that can't be right are found, each with its fix."""

from dataclasses import replace

import pytest

from alerts.check import meaningless_in
from alerts.form import misshapen_in
from alerts.identity import IDENTITY
from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
    records,
)
from alerts.order import misordered_in
from alerts.prometheus_config import scrape_seconds
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationFailed

ALL = groups(Thresholds())
SEMANTICS = Semantics(records(ALL), scrape_seconds=15)
ERRORS = "operation_errors_total"
SECONDS = "operation_duration_seconds"
MEMORY = "process_resident_memory_bytes"
TARGET = {"job", "instance", *IDENTITY}


@pytest.mark.parametrize(
    ("expr", "complaint"),
    [
        (f"{ERRORS} > 5", "a counter only grows, until a restart; take rate() or increase()"),
        (f"sum by (job) ({SECONDS}_count)", "a counter only grows"),
        (f"sum({SECONDS}_bucket) / sum({SECONDS}_count)", "a counter only grows"),
        (f"rate({MEMORY}[5m])", "that is not a counter; use delta() or deriv()"),
        (f"delta({ERRORS}[5m])", "whose restart looks like a fall; use rate()"),
        (f"predict_linear({ERRORS}[1h], 3600)", "whose restart looks like a fall"),
        (f"rate({ERRORS}[30s])", "holds at least 4 scrapes; write [60s] or more"),
        (f"histogram_quantile(0.9, sum by (job) (rate({SECONDS}_bucket[5m])))", "has no le"),
        (
            f"sum by (route) (rate({ERRORS}[5m]))",
            "no such label; it has cluster, component",
        ),
        (f"sum without (route) (rate({ERRORS}[5m]))", "sum without route"),
        (
            f"sum by (job, component) (rate({ERRORS}[5m])) / sum by (job) (rate({ERRORS}[5m]))",
            "the sides never match: the left has component, job, the right job",
        ),
        (f"rate({ERRORS}[5m]) / rate({SECONDS}_count[5m])", "the sides never match"),
        (f"sum by (job) (rate({ERRORS}[5m])) > 0 and up", "and: the sides never match"),
        ('up{job=~"orchestrator"}', 'a regex that is plain text; write job="orchestrator"'),
        ('up{job!~"node"}', 'write job!="node"'),
    ],
)
def test_what_can_not_be_right_is_named(expr: str, complaint: str) -> None:
    problems = SEMANTICS.problems(expr)
    assert any(complaint in problem for problem in problems), problems


@pytest.mark.parametrize(
    "expr",
    [
        f"sum by (job) (rate({ERRORS}[5m])) / sum by (job) (rate({SECONDS}_count[5m]))",
        f"sum(rate({ERRORS}[5m])) > 1",
        f"100 * sum by (job) (rate({ERRORS}[1m])) > 5",
        f"histogram_quantile(0.9, sum by (job, le) (rate({SECONDS}_bucket[5m])))",
        f"absent({ERRORS})",
        f"count by (job) ({ERRORS})",
        f"sum by (job) (increase({ERRORS}[1h])) > 0 unless on (job) up == 1",
        f"deriv({MEMORY}[1h]) > 0",
        f"{MEMORY} / on (job, instance) group_left () process_open_fds",
        "time() - process_start_time_seconds > 60",
        'up{job="orchestrator"} or absent(up{job="orchestrator"}) - 1',
        'up{job=~"orchestrator|node"} == 0',
        "vector(1)",
        'min by (instance) (up or absent(up{job="orchestrator"}) - 1)',
        f"label_replace(rate({ERRORS}[5m]), 'a', '$1', 'b', '(.*)') / up",
        f"topk(3, sum by (component) (rate({ERRORS}[5m])))",
        f"max_over_time({MEMORY}[1h:5m])",
    ],
)
def test_what_is_right_is_left_alone(expr: str) -> None:
    assert SEMANTICS.problems(expr) == []


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("up", TARGET),
        (f"{SECONDS}_bucket", TARGET | {"component", "operation", "outcome", "le"}),
        (f"sum by (job) ({MEMORY})", {"job"}),
        (f"sum without (instance) ({MEMORY})", TARGET - {"instance"}),
        (f"sum({MEMORY})", set()),
        (f"topk(2, {MEMORY})", TARGET),
        (
            f"histogram_quantile(0.5, rate({SECONDS}_bucket[5m]))",
            TARGET | {"component", "operation", "outcome"},
        ),
        (f"histogram_quantile(0.5, sum by (job, le) (rate({SECONDS}_bucket[5m])))", {"job"}),
        (f"2 * {MEMORY} > 5", TARGET),
        (f"sum by (job) ({MEMORY}) or up", {"job"}),
        (f"{MEMORY} and on (job) up", TARGET),
        (f"{MEMORY} / on (job) process_open_fds", {"job"}),
        (f"{MEMORY} / ignoring (instance) process_open_fds", TARGET - {"instance"}),
        (f"{MEMORY} * on (job) group_left (version) build_info", TARGET | {"version"}),
        ("sum by (job) (up) * on (job) group_right (version) up", TARGET | {"version"}),
        ('absent(up{job="a",instance=~"b"})', {"job"}),
        ("label_replace(sum by (job) (up), 'a', '$1', 'job', '(.*)')", {"job", "a"}),
        ("label_join(sum by (job) (up), 'a', ' ', 'job')", {"job", "a"}),
        ("vector(1)", set()),
    ],
)
def test_the_labels_of_a_result_are_known(expr: str, labels: set[str]) -> None:
    assert SEMANTICS.labels(expr) == labels


def test_labels_of_records_follow_from_what_they_record() -> None:
    known = [
        Record("job_component:errors:rate5m", f"sum by (job, component) (rate({ERRORS}[5m]))"),
        Record("job:errors:rate5m", "sum by (job) (job_component:errors:rate5m)"),
    ]
    semantics = Semantics(known, scrape_seconds=15)
    assert semantics.labels("job:errors:rate5m") == {"job"}
    assert semantics.problems("job_component:errors:rate5m / job:errors:rate5m")
    assert semantics.problems("sum by (operation) (job_component:errors:rate5m)")


def signal(**changes: object) -> Signal:
    threshold = Threshold(
        alert="ThingsFail",
        comparison=Comparison.ABOVE,
        value=0.5,
        severity=Severity.PAGE,
        team=Team.ORCHESTRATOR,
        summary="{{ $labels.job }} fails",
        description="It fails.",
        action="Fix it.",
        pending="1m",
        absence="TargetDown",
    )
    return Signal(
        title="Failures",
        meaning="Good is 0.",
        unit=Unit.RATIO,
        source=f"sum by (job) (rate({ERRORS}[5m]))",
        thresholds=(replace(threshold, **changes),),  # type: ignore[arg-type]
    )


def group(of: Signal) -> tuple[Group, ...]:
    return (Group("things", "Things.", (), (of,)),)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"summary": "{{ $labels.component }} fails"}, "$labels.component is always empty"),
        ({"description": "at {{ $labels.instance }}"}, "$labels.instance is always empty"),
        (
            {"logs": LogQuery((OperationFailed,), where={"component": "{{ $labels.component }}"})},
            "$labels.component is always empty",
        ),
        (
            {"guards": (Guard("up", Comparison.ABOVE, 0, on=()),)},
            "and: the sides never match",
        ),
    ],
)
def test_an_alert_whose_text_has_holes_is_named(changes: dict[str, object], complaint: str) -> None:
    (problem, *_) = meaningless_in(group(signal(**changes)), SEMANTICS)
    assert problem.startswith("group things: rule ThingsFail: ")
    assert complaint in problem


def test_a_label_that_is_asked_for_before_it_is_used_may_be_missing() -> None:
    text = "{{ with $labels.instance }} at {{ . }}{{ end }}"
    assert meaningless_in(group(signal(summary=text)), SEMANTICS) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"summary": " "}, "has no summary; write one"),
        ({"action": ""}, "has no action; write one"),
        ({"summary": "one\ntwo"}, "more than one line"),
        ({"pending": "15s"}, "make it 30s or more"),
        ({"pending": "0s"}, "make it 30s or more"),
        ({"value": 50}, "is not a ratio; write 0.05 for 5%"),
        ({"comparison": Comparison.BELOW, "value": 0}, "nothing is below 0, so it never fires"),
        ({"pending": "40s"}, "have to be multiples of the evaluation's 15s"),
        ({"absence": ""}, "pages, but says nothing of missing series"),
        (
            {"absence": "SMSMissing"},
            "has no absent(); those that do are ServiceDown,",
        ),
    ],
)
def test_an_alert_that_lacks_something_is_named(changes: dict[str, object], complaint: str) -> None:
    (problem,) = misshapen_in((*group(signal(**changes)), *ALL), 15)
    assert problem.startswith("group things: alert ThingsFail: ")
    assert complaint in problem


def test_a_ticket_that_comes_after_its_page_is_named() -> None:
    both = signal()
    (page,) = both.thresholds
    ticket = replace(page, severity=Severity.TICKET, value=0.6)
    (problem,) = misshapen_in((*group(replace(both, thresholds=(page, ticket))), *ALL), 15)
    assert "its ticket at 60% comes no sooner than its page at 50%; move one of them" in problem


@pytest.mark.parametrize(
    ("expr", "complaint"),
    [
        ("job:later:rate5m > 1", "reads job:later:rate5m, which is evaluated after it"),
        ("job_flow:throughput:rate1m > 1", "group throughput, which may be an evaluation behind"),
    ],
)
def test_a_rule_that_reads_what_is_stale_is_named(expr: str, complaint: str) -> None:
    records_of = (Record("job:first:rate5m", expr), Record("job:later:rate5m", "up"))
    (problem,) = misordered_in((Group("things", "Things.", records_of, ()), *ALL))
    assert problem.startswith("group things: rule job:first:rate5m: ")
    assert complaint in problem


def test_what_looks_back_may_read_what_comes_later() -> None:
    looking = Record("job:first:rate5m", "job:later:rate5m offset 5m")
    later = Record("job:later:rate5m", "sum by (job) (up)")
    assert misordered_in((Group("things", "Things.", (looking, later), ()), *ALL)) == []


def test_our_own_rules_have_none_of_this() -> None:
    assert scrape_seconds() == 15
    assert meaningless_in(ALL, SEMANTICS) == []
    assert misshapen_in(ALL, 15) == []
