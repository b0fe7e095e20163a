"""The synthetic past: consistent, as rhythmic as it says, the same each time, and readable."""

import io
import re
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app.core import catalogue
from app.core.catalogue import ApprovalAction, Route
from app.core.synthetic_history import SYNTHETIC_HISTORY
from asgi_observability.metric import Kind, Metric
from simulator.history.openmetrics import write
from simulator.history.past import INSTANCE, JOB, Incident, Past, five_weeks
from simulator.history.series import KNOWN, UP, all_series
from simulator.history.workload import Workload
from tests.length import LONG
from tests.not_empty import not_empty

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIVE_WEEKS = replace(five_weeks(END), seed=1, step_seconds=300)
METRICS = {name: metric for metric in KNOWN for name in metric.series_names}
TARGETS = {JOB: INSTANCE, "node": "here:9100", "prometheus": "here:9090"}


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Workload(FIVE_WEEKS)


def between(workload: Workload, start: datetime, end: datetime) -> np.ndarray:
    return (workload.times >= start.timestamp()) & (workload.times < end.timestamp())


def text_of(past: Past, metrics: frozenset[Metric] = KNOWN, **options: timedelta) -> str:
    output = io.StringIO()
    write(past, output, metrics, **options)
    return output.getvalue()


def samples_of(text: str, series: str) -> list[tuple[int, float]]:
    """Time and value of each sample of the one series that begins so."""
    found = [line.rsplit(" ", 2) for line in text.splitlines() if line.startswith(series)]
    assert found, series
    assert len({name for name, _, _ in found}) == 1, series
    return [(int(at), float(value)) for _, value, at in found]


def test_five_weeks_end_when_they_should(workload: Workload) -> None:
    assert workload.times[-1] == END.timestamp()
    assert workload.times[0] == (END - timedelta(days=35)).timestamp()
    assert set(np.diff(workload.times)) == {300}


def test_there_is_more_in_the_evening_less_at_weekends_and_more_each_week(
    workload: Workload,
) -> None:
    def sms(start: datetime, hours: int) -> int:
        return int(
            workload.received[between(workload, start, start + timedelta(hours=hours))].sum()
        )

    monday = datetime(2026, 11, 9, tzinfo=UTC)
    assert sms(monday + timedelta(hours=18), 2) > 2.5 * sms(monday + timedelta(hours=2), 2)
    assert sms(monday + timedelta(days=5), 24) < 0.75 * sms(monday, 24)
    weeks = [sms(datetime(2026, 10, 26, tzinfo=UTC) + timedelta(weeks=n), 48) for n in range(4)]
    assert [b / a for a, b in pairwise(weeks)] == pytest.approx([1.03] * 3, 0.03)


def test_a_holiday_is_quieter_than_a_sunday(workload: Workload) -> None:
    (holiday,) = FIVE_WEEKS.holidays
    assert holiday.weekday() < 5
    assert timedelta(days=14) < END.date() - holiday < timedelta(days=21)
    start = datetime(holiday.year, holiday.month, holiday.day, tzinfo=UTC)
    sunday = start + timedelta(days=6 - start.weekday())
    day = timedelta(days=1)
    quiet = workload.received[between(workload, start, start + day)].sum()
    assert quiet < 0.9 * workload.received[between(workload, sunday, sunday + day)].sum()


def test_the_incidents_are_where_they_are_planted(workload: Workload) -> None:
    def during(incident: Incident) -> np.ndarray:
        assert timedelta(0) < END - incident.start < timedelta(days=7)
        assert incident.start.weekday() < 5
        return between(workload, incident.start, incident.end)

    def week_before(incident: Incident) -> np.ndarray:
        week = timedelta(weeks=1)
        return between(workload, incident.start - week, incident.end - week)

    volume, approval, latency = FIVE_WEEKS.incidents
    assert len({incident.start.date() for incident in FIVE_WEEKS.incidents}) == 3
    received = workload.received
    fell = received[during(volume)].sum() / received[week_before(volume)].sum()
    assert fell == pytest.approx(0.4 * 1.03, 0.1)
    approved = workload.decisions[ApprovalAction.APPROVE]
    of = workload.decided
    assert approved[during(approval)].sum() < 0.3 * of[during(approval)].sum()
    assert approved[week_before(approval)].sum() > 0.7 * of[week_before(approval)].sum()
    assert set(workload.slowness[during(latency)]) == {3.0}
    assert set(workload.slowness[~during(latency)]) == {1.0}


def test_what_comes_in_ends_somewhere(workload: Workload) -> None:
    routed = workload.routed
    assert (sum(routed.values()) == workload.received).all()
    assert all((counts >= 0).all() for counts in not_empty(routed.values()))
    assert (sum(workload.decisions.values()) == workload.decided).all()
    waiting = np.cumsum(routed[Route.QUEUED] - workload.decided)
    assert (waiting >= 0).all()
    assert waiting[-1] < 1000
    shares = [routed[route].sum() / workload.received.sum() for route in Route]
    assert shares == pytest.approx([0.587, 0.256, 0.156, 0.0008], rel=0.1)
    asked = workload.decisions[ApprovalAction.ESCALATE]
    assert (sum(workload.escalated.values()) == routed[Route.ESCALATED] + asked).all()


def test_counters_only_grow_but_for_restarts_and_histograms_add_up(workload: Workload) -> None:
    totals: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for series in not_empty(all_series(workload, KNOWN)):
        assert len(series.values) == len(workload.times), series.name
        metric = METRICS[series.name]
        if metric.kind is Kind.GAUGE:
            continue
        fell = np.flatnonzero(np.diff(series.values) < 0) + 1
        assert set(fell) <= set(workload.restarts), (series.name, series.labels)
        labels = (f"{k}={v}" for k, v in series.labels.items() if k != "le")
        totals.setdefault((metric.name, *labels), {})[series.labels.get("le", series.name)] = (
            series.values
        )
    received = totals[(catalogue.SMS_RECEIVED.name,)][catalogue.SMS_RECEIVED.name]
    assert set(np.flatnonzero(np.diff(received) < 0) + 1) == set(workload.restarts)
    metric = catalogue.SMS_PROCESSING_DURATION
    routes = [parts for key, parts in totals.items() if key[0] == metric.name]
    assert len(routes) == len(Route)
    for parts in routes:
        assert (parts["+Inf"] == parts[metric.count]).all()
        # All of them, as live: Grafana's heat maps take the times of all from the first.
        bounds = [parts[str(float(bound))] for bound in metric.buckets]
        assert all((a <= b).all() for a, b in not_empty(pairwise(bounds)))
        assert (parts[metric.sum] >= 0).all()


def test_labels_are_those_of_the_catalogue(workload: Workload) -> None:
    for series in not_empty(all_series(workload, KNOWN)):
        metric = METRICS[series.name]
        labels = dict(series.labels)
        if series.name == metric.bucket:
            labels.pop("le")
        if metric is UP:
            assert labels.keys() == {"job", "instance"}
            continue
        assert tuple(labels) == metric.label_names, series.name
        invented = {
            name: value
            for name, value in labels.items()
            if (allowed := metric.label(name).values) is not None and value not in allowed
        }
        assert invented == {}, series.name
    assert KNOWN - {UP, SYNTHETIC_HISTORY} <= set(catalogue.metrics())


def test_slow_processing_is_seen_in_the_durations(workload: Workload) -> None:
    latency = FIVE_WEEKS.incidents[2]
    metric = catalogue.SMS_PROCESSING_DURATION
    series = {
        # A restart costs what was counted within its step.
        s.labels.get("le", s.name): np.diff(s.values, prepend=0).clip(min=0)
        for s in all_series(workload, frozenset({metric}))
        if s.labels["route"] == Route.AUTO_SENT
    }
    slow = between(workload, latency.start, latency.end)
    for when, share in ((slow, 0.15), (~slow, 0.99)):
        within = series["2.0"][when].sum() / series[metric.count][when].sum()
        assert within == pytest.approx(share, abs=0.05)
    means = [series[metric.sum][w].sum() / series[metric.count][w].sum() for w in (slow, ~slow)]
    assert means[0] / means[1] == pytest.approx(3, 0.02)


HOUR = Past(END, duration=timedelta(hours=1), seed=3, targets=TARGETS)


def test_it_is_openmetrics() -> None:
    # Of one moment: the parser wants the samples of a histogram in the order of time, promtool not.
    at = END + timedelta(seconds=10)
    moment = Past(at, duration=timedelta(seconds=30), targets=TARGETS)
    assert list(moment.timestamps()) == [END.timestamp()]
    families = list(text_string_to_metric_families(text_of(moment)))
    names = {sample.name for family in families for sample in family.samples}
    assert all(names & set(metric.series_names) for metric in not_empty(KNOWN))
    labels = {
        (s.labels["job"], s.labels["instance"])
        for f in families
        for s in f.samples
        if f.name != UP.name
    }
    assert labels == {("orchestrator", "127.0.0.1:8000")}
    up = {s.labels["job"] for f in families for s in f.samples if f.name == UP.name}
    assert up == TARGETS.keys()


def test_the_same_seed_gives_the_same_past_whatever_is_left_out() -> None:
    few = frozenset({catalogue.APPROVALS, catalogue.AI_CONFIDENCE})
    past, other = (Past(END, duration=timedelta(minutes=20), seed=seed) for seed in (3, 4))
    everything, some = text_of(past), text_of(past, few)
    assert text_of(past) == everything
    assert some != text_of(other, few)
    assert set(some.splitlines()) <= set(everything.splitlines())


def test_what_is_recent_has_every_step_and_what_is_older_what_is_read() -> None:
    recent = timedelta(minutes=10)
    text = text_of(HOUR, recent=recent)
    count = catalogue.WORKFLOW_STEP_DURATION.count
    expected = {
        f'{SYNTHETIC_HISTORY.name}{{job="orchestrator"': {0},
        f'{count}{{job="orchestrator",instance="{INSTANCE}",step="send_sms"': {0, 90, 270},
        catalogue.SMS_RECEIVED.name: {0, 30, 270},
    }
    end = int(END.timestamp())
    for series, places in expected.items():
        back = [end - at for at, _ in samples_of(text, series)]
        assert [b for b in back if b < 600] == list(range(570, -1, -30)), series
        older = defaultdict(set)
        for b in back:
            if 600 <= b < 3600:
                older[b // 300].add(b % 300)
        assert len(older) == 10, series
        assert all(found == places for found in older.values()), series
    ages = [at for at, _ in samples_of(text, 'up{job="prometheus"')]
    assert max(np.diff(ages)) == 60
    assert ages[-1] == end


def test_a_rate_has_two_samples_wherever_it_is_looked_at() -> None:
    """Prometheus extends a rate to the beginning of its range where no more is missing there than
    lies between two samples."""
    past = Past(END, duration=timedelta(hours=8))
    text = text_of(past, recent=timedelta(0))
    of = f'_count{{job="{JOB}",instance="{INSTANCE}",'
    processed = f'{catalogue.SMS_PROCESSING_DURATION.name}{of}route="{Route.AUTO_SENT}"'
    request = f'{catalogue.HTTP_SERVER_REQUEST_DURATION.name}{of}http_request_method="POST",'
    received = f'{request}http_route="/orchestrate/sms-received",http_response_status_code="200"'
    for series, ranges in (
        (catalogue.SMS_RECEIVED.name, (60, 300)),
        (processed, (120, 300)),
        (received, (60, 120, 300)),
    ):
        samples = samples_of(text, series)
        back = np.array([int(END.timestamp()) - at for at, _ in samples])
        for looked_at, seconds in not_empty(product(range(0, 27_000, 300), ranges)):
            within = back[(back >= looked_at) & (back < looked_at + seconds)] - looked_at
            assert within.min() == 0
            mean = within.max() / (len(within) - 1)
            assert seconds - within.max() <= mean


@pytest.mark.parametrize("step", [15, 60, 300])
def test_weeks_in_other_steps_are_read_every_five_minutes_too(step: int) -> None:
    past = Past(END, duration=timedelta(hours=2), step_seconds=step)
    metrics = (catalogue.SMS_RECEIVED, SYNTHETIC_HISTORY)
    text = text_of(past, frozenset(metrics), recent=timedelta(0))
    for metric in metrics:
        times = {at for at, _ in samples_of(text, metric.name)}
        end = int(END.timestamp())
        assert set(range(end - 7200, end + 1, 300)) <= times


def test_fewer_samples_count_the_same() -> None:
    """What is left out is not lost: the counters grow as much, but for chance."""
    past = Past(END, duration=timedelta(days=2))
    received = catalogue.SMS_RECEIVED
    (first, *_, last), (begun, *_, ended) = (
        samples_of(text_of(past, frozenset({received}), recent=recent), received.name)
        for recent in (timedelta(0), past.duration)
    )
    assert last[1] - first[1] == pytest.approx(ended[1] - begun[1], rel=0.01)


def test_whenever_calls_are_counted_their_buckets_are_too() -> None:
    """Else a share of both, where one of them begins, would take all calls for slow ones."""
    past = replace(five_weeks(END), seed=1, duration=timedelta(days=35 if LONG else 4))
    counted: dict[str, dict[str, str]] = defaultdict(dict)
    within: dict[str, dict[str, str]] = defaultdict(dict)
    for line in text_of(past).splitlines():
        if "_count{" in line:
            series, value, at = line.replace("_count{", "{").rsplit(" ", 2)
            counted[series][at] = value
        elif 'le="+Inf"' in line:
            series, value, at = line.replace("_bucket{", "{").rsplit(" ", 2)
            within[series.replace(',le="+Inf"', "").replace('le="+Inf"', "")][at] = value
    # Of failures and of the workflow's steps nobody reads how long they take.
    unread = {series for series in counted if re.search(r'"(500|error|failed)"|step_type', series)}
    assert len(unread) == 7
    assert {*counted} - {*within} == {*unread} - {*within}
    assert {series: counted[series] for series in within} == within


def test_a_metric_without_a_past_is_named() -> None:
    unknown = frozenset({catalogue.LABEL_OVERFLOWS})
    with pytest.raises(ValueError, match=catalogue.LABEL_OVERFLOWS.name):
        text_of(HOUR, unknown)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="messages_per_minute -1: is negative"):
        Past(END, messages_per_minute=-1)
