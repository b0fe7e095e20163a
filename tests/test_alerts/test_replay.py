"""A day of history on a real Prometheus: records backfilled or worked out, alerts replayed."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from alerts import replay_command
from alerts.prometheus_config import evaluation_seconds
from alerts.rules import rule_files
from app.core import catalogue
from app.core.config import Links
from app.core.thresholds import Thresholds
from prometheus_tools import blocks
from prometheus_tools.api import PrometheusAPI, QueryRefusedError
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.expansion import expanded
from prometheus_tools.replay import Fired, NoDataError, Replay, Replayed, differences
from prometheus_tools.rulebook import Rulebook, rulebook
from prometheus_tools.scratch import scratch
from simulator.history.openmetrics import write
from simulator.history.past import Incident, IncidentKind, Past
from simulator.history.series import UP
from tests.not_empty import not_empty
from tests.test_alerts.run_command import run_command

END = datetime(2026, 11, 18, tzinfo=UTC)
_END = int(END.timestamp())
_START = _END - 86400
SLOW = Incident(IncidentKind.LATENCY, END - timedelta(hours=10), timedelta(hours=1), 3.0)
PAST = Past(
    end=END,
    duration=timedelta(days=1),
    incidents=(SLOW,),
    restarts=(END - timedelta(hours=9, minutes=40),),
)
_DURATION = catalogue.SMS_PROCESSING_DURATION
RULES = """\
groups:
  - name: layers
    rules:
      - record: job_route:sms:rate5m
        expr: sum by (job, route) (rate(COUNT[5m]))
      - record: job:sms:rate5m
        expr: sum by (job) (job_route:sms:rate5m)
      - record: job:sms:late_ratio
        expr: 1 - sum by (job) (rate(BUCKET{le="LIMIT"}[5m])) / job:sms:rate5m
        labels: {of: late}
      - record: job:sms:late_ratio
        expr: sum by (job) (job_route:sms:rate5m{route="failed"}) / job:sms:rate5m
        labels: {of: failed}
      - alert: Late
        expr: job:sms:late_ratio{of="late"} > 0.05 and on (job) job:sms:rate5m > 0.1
        for: 2m
        keep_firing_for: 5m
        labels: {severity: page}
      - alert: LateOfLate
        expr: |
          max_over_time(job:sms:late_ratio{of=~"la.*",of!="failed"}[10m]) > 0.05
          unless on (job) ALERTS{alertname="Late",alertstate="firing"}
      - alert: FewSince
        expr: job:sms:rate5m < 0.4 * (job:sms:rate5m offset 4h > 0)
      - alert: Routes
        expr: count by (job) (job_route:sms:rate5m{route!~"failed|none"} > 0) < 3
  - name: slower
    interval: 1m
    rules:
      - record: job:sms:rate5m_max1h
        expr: max_over_time(job:sms:rate5m[1h])
      - alert: BelowThePeak
        expr: job:sms:rate5m < 0.8 * job:sms:rate5m_max1h
        for: 1m
"""


def rules(limit: str = "2.0", text: str = RULES) -> Rulebook:
    """The rules above, as often as there are samples; ``limit`` is a threshold in a record."""
    for name, value in (("COUNT", _DURATION.count), ("BUCKET", _DURATION.bucket), ("LIMIT", limit)):
        text = text.replace(name, value)
    return rulebook([text], default_interval=30)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a day of raw metrics."""
    folder = tmp_path_factory.mktemp("day")
    text = folder / "history.om"
    with text.open("w", encoding="utf-8") as output:
        read = frozenset({_DURATION, catalogue.SMS_RECEIVED, UP})
        write(PAST, output, read, recent=PAST.duration)
    blocks.create(text, folder / "data")
    return folder / "data"


@pytest.fixture(scope="module")
def raw_url(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that knows raw metrics only."""
    folder = tmp_path_factory.mktemp("raw")
    blocks.link(blocks.blocks_in(raw), folder)
    with scratch(folder) as url:
        yield url


@pytest.fixture(scope="module")
def recorded_url(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that knows the records as well."""
    folder = tmp_path_factory.mktemp("recorded")
    blocks.link(blocks.blocks_in(raw), folder)
    book = rules()
    done = backfill(book, book.records, folder, [Stretch(_START, _END)])
    assert all(not_empty(done.samples.values())), done.samples
    with scratch(folder) as url:
        yield url


def replayed(url: str, book: Rulebook, *names: str, start: int = _START + 6 * 3600) -> Replayed:
    """What ``book`` makes of the day at ``url``, where the rules above were recorded if any."""
    with PrometheusAPI(url) as prometheus:
        return Replay(prometheus, start, _END, rules()).run(book, names)


def told(fired: list[Fired]) -> list[tuple[str, float, float, float]]:
    return [(f.alert, f.start, f.end, round(f.peak, 9)) for f in fired]


def test_an_incident_is_found_with_its_times(recorded_url: str) -> None:
    (late,) = replayed(recorded_url, rules(), "Late").fired
    begins, ends = SLOW.start.timestamp(), SLOW.end.timestamp()
    # The window has to fill up, then comes `for`; it empties, then comes `keep_firing_for`.
    assert begins + 120 <= late.start <= begins + 180
    assert ends + 300 <= late.end <= ends + 600
    assert late.labels == {"job": "orchestrator", "of": "late", "severity": "page"}
    assert 0.4 < late.peak < 1


def test_records_that_are_not_there_are_worked_out(raw_url: str, recorded_url: str) -> None:
    from_raw = replayed(raw_url, rules())
    from_records = replayed(recorded_url, rules())
    assert from_raw.untold == from_records.untold == {}
    assert {f.alert for f in from_raw.fired} >= {"Late", "LateOfLate", "BelowThePeak"}
    assert sorted(told(from_raw.fired)) == sorted(told(from_records.fired))


def test_a_threshold_within_a_record_is_replayed_from_what_it_reads(recorded_url: str) -> None:
    usual, strict = (replayed(recorded_url, rules(limit), "Late").fired for limit in ("2.0", "1.0"))
    assert len(usual) == 1
    assert sum(f.end - f.start for f in strict) > 4 * sum(f.end - f.start for f in usual)


KEPT = """\
      - record: job:sms:kept_rate5m
        expr: sum by (job) (rate(BUCKET{le="LIMIT"}[5m]))
      - record: job:sms:kept_ratio30m
        expr: sum_over_time(job:sms:kept_rate5m[30m]) / sum_over_time(job:sms:rate5m[30m])
      - alert: FewKept
        expr: job:sms:kept_ratio30m < 0.6
"""


def test_looking_seldom_compares_like_with_like(recorded_url: str) -> None:
    """One side of a ratio worked out once in 5 minutes, the other recorded ten times as often,
    would be a tenth of what it is: a page for a day on which all went well but for an hour."""
    text = RULES.replace("  - name: slower", f"{KEPT}  - name: slower")
    for name, value in (("COUNT", _DURATION.count), ("BUCKET", _DURATION.bucket)):
        text = text.replace(name, value)
    book = rulebook([text.replace("LIMIT", "1.5")], 30, at_least=300)
    recorded = rulebook([text.replace("LIMIT", "2.0")], 30, at_least=300)
    with PrometheusAPI(recorded_url) as prometheus:
        found = Replay(prometheus, _START + 6 * 3600, _END, recorded).run(book, ["FewKept"])
    begins, ends = SLOW.start.timestamp(), SLOW.end.timestamp()
    assert all(begins <= f.start and f.end <= ends + 1800 for f in not_empty(found.fired)), told(
        found.fired
    )


def test_an_alert_reads_the_other_as_it_is_replayed(recorded_url: str) -> None:
    (late,) = replayed(recorded_url, rules(), "Late").fired
    of_late = replayed(recorded_url, rules(), "LateOfLate").fired
    # Before the other has waited for its `for`, and after it was kept firing.
    assert [late.start - 30, late.end + 30] == [of_late[0].end, of_late[-1].start]


def test_a_range_without_data_is_no_silence(raw_url: str) -> None:
    with PrometheusAPI(raw_url) as prometheus, pytest.raises(NoDataError, match=_DURATION.count):
        Replay(prometheus, _START - 7 * 86400, _END - 7 * 86400, rules()).run(rules())


def test_an_alert_without_data_is_named_beside_others(raw_url: str) -> None:
    book = rules(text=RULES + "      - {alert: Gone, expr: nowhere > 1}\n")
    found = replayed(raw_url, book, "Gone", "Late")
    assert found.untold == {"Gone": "there is no nowhere in this time"}
    assert [f.alert for f in found.fired] == ["Late"]


def test_a_query_that_takes_too_long_is_told_with_its_mend(raw_url: str) -> None:
    heavy = "      - {record: 'job:sms:heavy', expr: 'max_over_time(job:sms:rate5m[6h:1s])'}\n"
    alert = "      - {alert: Heavy, expr: 'job:sms:heavy < 0'}\n"
    with PrometheusAPI(raw_url, timeout_seconds=0.001) as prometheus:
        book = rules(text=RULES + heavy + alert)
        found = Replay(prometheus, _END - 3600, _END, rules()).run(book, ["Heavy"])
    assert found.fired == []
    assert "timed out" in found.untold["Heavy"]
    assert "python -m alerts backfill" in found.untold["Heavy"]


def test_data_that_begins_within_the_time_is_told(raw_url: str) -> None:
    found = replayed(raw_url, rules(), "Late", start=_START - 86400)
    assert [f.alert for f in found.fired] == ["Late"]
    assert found.partly == {"Late"}
    assert replayed(raw_url, rules(), "Late").partly == set()


def test_an_alert_that_reads_an_unknown_one_is_named(raw_url: str) -> None:
    book = rules(text=RULES + "      - {alert: Bad, expr: 'ALERTS{alertname=\"Other\"}'}\n")
    with pytest.raises(ValueError, match=r"Bad can't be replayed: .*alertname"):
        replayed(raw_url, book, "Bad", "Late")


@pytest.mark.parametrize(
    "expr",
    [
        'job:sms:late_ratio{of="late"}',
        'job:sms:late_ratio{of!="failed"}',
        'job:sms:late_ratio{of=~"lat.",job!~"x|y"}',
        'job_route:sms:rate5m{route="failed"}',
        "job:sms:rate5m offset 1h",
        "avg_over_time(job:sms:rate5m[20m])",
        "avg_over_time(job:sms:rate5m[20m] offset 30m)",
        "max_over_time(job:sms:rate5m[20m:2m])",
        "job:sms:rate5m > on (job) group_left () (job:sms:rate5m_max1h * 0.5)",
        'job_route:sms:rate5m{route=~"queued|failed",job="orchestrator"} or job:sms:rate5m',
    ],
)
def test_an_expanded_expression_gives_what_the_records_hold(recorded_url: str, expr: str) -> None:
    book = rules()
    by_record = expanded(expr, book, [])
    by_hand = expanded(expr, book, book.records)
    assert ":sms:" not in by_hand
    at = (_START + 12 * 3600, _START + 13 * 3600)
    with PrometheusAPI(recorded_url) as prometheus:
        one, other = (
            {
                tuple(sorted((k, v) for k, v in p.labels.items() if k != "__name__")): [
                    (t, round(v, 9)) for t, v in p.values.items()
                ]
                for p in prometheus.range(each, *at, 60)
            }
            for each in (by_record, by_hand)
        )
    assert one
    assert one == other


def test_long_ranges_are_asked_in_parts(raw_url: str) -> None:
    with PrometheusAPI(raw_url) as prometheus:
        (points,) = prometheus.range("vector(time())", _START, _START + 25_000, 1)
    assert list(points.values) == [_START + n for n in range(25_001)]
    assert all(at == value for at, value in not_empty(points.values.items()))


def test_what_is_recorded_already_stays(raw: Path, tmp_path: Path) -> None:
    blocks.link(blocks.blocks_in(raw), tmp_path)
    book, name = rules(), "job:sms:rate5m"
    middle = _START + 43_200
    first = backfill(book, [name], tmp_path, [Stretch(middle, _END)])
    again = backfill(book, [name], tmp_path, [Stretch(_START, _END)])
    assert first.samples[name] == 43_200 // 30 + 1
    # The first sample of all has no rate yet.
    assert first.samples[name] + again.samples[name] in (2880, 2881, 2879)
    assert not list(tmp_path.glob(".backfill*"))


def test_the_past_of_a_running_prometheus_is_taken_by_remote_read(
    raw_url: str, tmp_path: Path
) -> None:
    book, name = rules(), "job:sms:rate5m_max1h"
    done = backfill(book, [name], tmp_path / "new", [Stretch(_END - 7200, _END)], raw_url)
    assert done.samples == {
        "job_route:sms:rate5m": done.samples["job_route:sms:rate5m"],
        "job:sms:rate5m": 241,
        name: 121,
    }
    assert set(done.blocks) == set(blocks.blocks_in(tmp_path / "new"))


def test_a_running_prometheus_takes_new_blocks_in(raw: Path, tmp_path: Path) -> None:
    """Moved in whole, they are there after a restart at the latest."""
    data = tmp_path / "data"
    blocks.link(blocks.blocks_in(raw), data)
    with scratch(data) as url:
        book = rules()
        backfill(book, ["job:sms:rate5m"], data, [Stretch(_END - 3600, _END)])
        assert httpx.get(f"{url}/-/healthy").is_success
    with scratch(data) as url, PrometheusAPI(url) as prometheus:
        assert prometheus.has("job:sms:rate5m", _START, _END)


def test_records_in_a_circle_are_named() -> None:
    text = (
        "groups: [{name: g, rules: [{record: 'a:b', expr: 'c:d'}, {record: 'c:d', expr: 'a:b'}]}]"
    )
    book = rulebook([text], 30)
    with pytest.raises(ValueError, match="a:b, c:d"):
        book.layers(["a:b"])


def test_differences_pair_what_overlaps() -> None:
    def fired(start: float, end: float, **labels: str) -> Fired:
        return Fired("A", labels, start, end, 1.0)

    before = [fired(0, 10), fired(20, 30), fired(50, 60, x="1")]
    after = [fired(5, 15), fired(40, 45), fired(50, 60, x="2")]
    assert [(d.before, d.after) for d in differences(before, after)] == [
        (before[0], after[0]),
        (before[1], None),
        (None, after[1]),
        (None, after[2]),
        (before[2], None),
    ]


# --- The commands --------------------------------------------------------------------------------

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `replay` or `backfill`; gives exit code, output and errors."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        return run_command(name, *arguments), *capsys.readouterr()

    return run


DAY = ("--from", f"{END - timedelta(hours=14):%Y-%m-%dT%H:%MZ}", "--to", f"{END:%Y-%m-%dT%H:%MZ}")


def test_the_command_prints_a_table(raw_url: str, command: Command) -> None:
    only = ("--alert", "TargetDown", "--alert", "Watchdog")
    code, out, _ = command("replay", "--prometheus", raw_url, *DAY, "--interval", "1m", *only)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["alert", "from", "(UTC)", "to", "for", "peak", "labels"]
    assert {line.split()[0] for line in lines[1:]} == {"TargetDown", "Watchdog"}
    assert any(line.endswith("job=node") for line in lines)
    assert max(map(len, lines)) <= 80


def test_before_the_oldest_sample_nothing_is_told(raw_url: str, command: Command) -> None:
    began = END - timedelta(days=1)
    until = f"{began + timedelta(hours=2):%Y-%m-%dT%H:%MZ}"
    span = ("--from", f"{began - timedelta(days=1):%Y-%m-%dT%H:%MZ}", "--to", until)
    only = ("--alert", "ServiceDown", "--alert", "TargetDown", "--alert", "Watchdog")
    code, out, err = command("replay", "--prometheus", raw_url, *span, "--interval", "1m", *only)
    assert code == 0
    said = re.search(r"^nothing is known before (11-\d\d \d\d:\d\d); it begins there$", err, re.M)
    assert said
    begins = datetime.strptime(f"2026-{said[1]}Z", "%Y-%m-%d %H:%M%z")
    assert abs(begins - began) <= timedelta(minutes=2)
    rows = [line for line in out.splitlines() if "11-16" in line]
    assert rows == []
    assert "ServiceDown" not in out


def test_the_table_says_what_a_change_makes_of_it() -> None:
    def fired(start: float, end: float, **labels: str) -> Fired:
        return Fired("Slow", {"severity": "page", "job": "orchestrator", **labels}, start, end, 0.5)

    before = Replayed([fired(0, 600, route="a"), fired(7200, 7800, route="a")], {}, set())
    after = Replayed(
        [fired(60, 600, route="a"), fired(0, 90, route="b")], {"Gone": "x " * 80}, set()
    )
    text = replay_command.report(before, after, end=90_000, is_changed=True)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "Slow 01-01 00:01 01-01 00:10 9m 0.5 route=a" in rows
    assert "was 01-01 00:00 for 10m" in rows
    assert "+ Slow 01-01 00:00 01-01 00:01 1m30s 0.5 route=b" in rows
    assert "- Slow 01-01 02:00 01-01 02:10 10m 0.5 route=a" in rows
    assert "with the change: 1 more (+), 1 no more (-)" in text
    assert "Gone: can't be replayed: x x" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_young_stacks_many_alerts_without_data_are_one_line() -> None:
    reasons = {f"Alert{number}": f"there is no series{number} in this time" for number in range(11)}
    found = Replayed([], reasons, set())
    short = replay_command.report(found, found, end=90_000, is_changed=False)
    assert short.splitlines() == [
        "nothing would have fired",
        "alerts that can't be replayed: 11 (VERBOSE=1 or --verbose says why)",
    ]
    long = replay_command.report(found, found, end=90_000, is_changed=False, is_verbose=True)
    for alert, reason in reasons.items():
        assert f"{alert}: can't be replayed: {reason}" in long.splitlines()


def test_alerts_known_in_part_are_counted_and_named_on_demand() -> None:
    names = {f"AnAlertWithALongName{number}" for number in range(40)}
    found = Replayed([], {}, names)
    short = replay_command.report(found, found, end=90_000, is_changed=False)
    assert short.splitlines()[1:] == [
        "alerts of which only the last part of this time is known: 40 (VERBOSE=1 or",
        "  --verbose names them)",
    ]
    long = replay_command.report(found, found, end=90_000, is_changed=False, is_verbose=True)
    assert names <= set(long.replace(",", "").split())
    assert max(map(len, long.splitlines())) <= 80


def test_the_longest_row_fits_a_terminal() -> None:
    labels = {"alertmanager": "http://127.0.0.1:9093/api/v2/alerts", "integration": "pagerduty"}
    rules = rulebook(rule_files(Thresholds(), Links()).values(), evaluation_seconds())
    name = max((rule.name for rule in rules.alerts), key=len)
    week = Replayed([Fired(name, labels, 0, 7 * 86_400 - 15, 1234567890.0)], {}, set())
    text = replay_command.report(week, week, end=8 * 86_400, is_changed=False)
    assert "167h59m" in text
    assert all(value in text for value in labels.values())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "sms_latency_objectiv=0.98"), "did you mean sms_latency_objective?"),
        (("--set", "sms_latency_objective=98"), "--set sms_latency_objective: Input should be"),
        (("--alert", "TargetDwn"), "did you mean TargetDown?"),
        (("--from", "2026-11-18", "--to", "2026-11-17"), "is not before"),
    ],
)
def test_what_can_not_be_meant_is_named(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        command("replay", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--last", "a week"), "not a duration"),
        (("--from", "yesterday"), "not a time"),
        (("--set", "sms_latency_objective"), "write NAME=VALUE"),
    ],
)
def test_bad_arguments_are_explained(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit):
        command("replay", *arguments)
    assert message in capsys.readouterr().err


def test_an_unreachable_prometheus_is_named(command: Command) -> None:
    code, _, err = command("replay", "--prometheus", "http://127.0.0.1:1")
    assert code == 1
    assert "no Prometheus answers at http://127.0.0.1:1" in err
    assert "--prometheus" in err


def test_a_range_without_data_is_said(raw_url: str, command: Command) -> None:
    early = ("--from", "2026-01-01", "--to", "2026-01-02")
    code, out, err = command("replay", "--prometheus", raw_url, *early)
    assert (code, out) == (1, "")
    assert "no data in this time" in err


def test_the_backfill_command_says_what_it_made(
    raw: Path, tmp_path: Path, command: Command
) -> None:
    blocks.link(blocks.blocks_in(raw), tmp_path)
    record = f"job:{catalogue.SMS_RECEIVED.name.removesuffix('_total')}:rate5m"
    code, out, _ = command("backfill", "--data", str(tmp_path), *DAY, "--record", record)
    assert code == 0
    assert "841 samples, 1 records" in out
    meta = [
        json.loads((b / "meta.json").read_text(encoding="utf-8"))
        for b in blocks.blocks_in(tmp_path)
    ]
    assert sum(each["stats"]["numSamples"] for each in meta) > 841


def test_a_backfill_without_a_past_is_refused(tmp_path: Path, command: Command) -> None:
    code, _, err = command("backfill", "--data", str(tmp_path), "--record", _record())
    assert code == 1
    assert "nothing in this time" in err
    with pytest.raises(ValueError, match="no such folder"):
        command("backfill", "--data", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="did you mean"):
        command("backfill", "--data", str(tmp_path), "--record", _record() + "x")
    with pytest.raises(ValueError, match="use 5m or less"):
        command("backfill", "--data", str(tmp_path), "--interval", "10m")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"detail":"Not Found"}'])
def test_a_backfill_from_what_is_no_prometheus_says_so(
    tmp_path: Path, command: Command, answer: bytes
) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    asked = ("backfill", "--data", str(tmp_path), "--record", _record(), "--prometheus")
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        code, _, err = command(*asked, url)
        server.shutdown()
        thread.join()
    assert code == 1
    assert err.startswith(f"nothing backfilled: {url} is not a Prometheus: HTTP 404")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://prometheus.invalid:9090"])
def test_a_backfill_from_nowhere_is_told(tmp_path: Path, command: Command, url: str) -> None:
    asked = ("backfill", "--data", str(tmp_path), "--record", _record(), "--prometheus")
    code, _, err = command(*asked, url)
    assert code == 1
    assert err.startswith(f"nothing backfilled: no Prometheus answers at {url}: ")
    assert "--prometheus" in err


def test_what_remote_read_could_not_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    """Prometheus answers with what it has itself, and a warning."""
    with (
        scratch(tmp_path, "http://127.0.0.1:1") as url,
        PrometheusAPI(url) as prometheus,
        pytest.raises(QueryRefusedError, match=r"remote_read: .*127\.0\.0\.1:1/api/v1/read"),
    ):
        prometheus.range("up", _START, _END, 3600)


def _record() -> str:
    return f"job:{_DURATION.name}:p99_rate5m"
