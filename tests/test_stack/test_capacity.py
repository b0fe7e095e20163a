"""`python -m stack capacity`: figures that follow from the catalogue, and what is refused."""

import json
import re

import pytest

from app.core.catalogue import metrics
from asgi_observability.metric import Kind
from stack.__main__ import main
from stack.capacity import constants, report, series
from stack.capacity.estimate import Estimate, unsampled
from stack.capacity.limits import Machine, limits
from stack.capacity.size import Size
from tests.capacity.fleet import Instance
from tests.not_empty import not_empty
from tests.project import ROOT

SIZE = Size(1000, 40)


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["stack", "capacity", *arguments])
    return main()


def test_it_prints_every_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--sms-per-second", "1000", "--instances", "40", monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr().out
    for part in (
        "series in use",
        "samples",
        "one Prometheus",
        "VictoriaMetrics, single node",
        "rules",
        "rollups",
        "log lines",
        "where it breaks first, and what then",
    ):
        assert f"\n{part}" in printed
    # 1,000 SMS a second are far more than the provider's 3,500 calls a minute.
    limits_printed = printed.partition("and what then\n")[2]
    assert "AI provider: 60,000 calls a minute of 3,500  EXCEEDED" in limits_printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--instances", "4"], "give --sms-per-second"),
        (["--sms-per-second", "4"], "give --instances"),
        (
            ["--sms-per-second", "many", "--instances", "4"],
            "--sms-per-second: many: this is no number",
        ),
        (
            ["--sms-per-second", "nan", "--instances", "4"],
            "--sms-per-second: nan: use a number above 0",
        ),
        (
            ["--sms-per-second", "-1", "--instances", "4"],
            "--sms-per-second: -1: use a number above 0",
        ),
        (
            ["--sms-per-second", "1", "--instances", "0"],
            "--instances: 0: use a whole number from 1",
        ),
        (
            ["--sms-per-second", "1", "--instances", "1.5"],
            "--instances: 1.5: use a whole number from 1",
        ),
        (
            ["--sms-per-second", "1", "--instances", "1", "--retention", "60"],
            "--retention: 60: use days",
        ),
        (
            ["--sms-per-second", "1", "--instances", "1", "--keep-info", "2"],
            "--keep-info: 2: use a share",
        ),
        (["--sms", "1"], "unrecognized arguments: --sms"),
    ],
)
def test_what_makes_no_sense_is_named(
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        code = run(*arguments, monkeypatch=monkeypatch)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code
    assert says in capsys.readouterr().err


def test_series_are_those_that_a_simulated_instance_exposes() -> None:
    lines = Instance(25, seed=1).lines
    names = [line.name for line in lines]
    assert len(names) == len(set(names)) == series.usual()
    assert series.usual() < series.at_most()


def test_a_simulated_instance_counts_as_a_real_one() -> None:
    instance = Instance(25, seed=1)
    before, after = instance.after(15), instance.after(15)
    for line, earlier, later in zip(not_empty(instance.lines), before, after, strict=True):
        assert later >= earlier, line
    by_name = dict(zip((line.name for line in instance.lines), after, strict=True))
    histograms = [
        (metric, dict(zip(metric.label_names, one.labels, strict=True)))
        for metric in metrics()
        if metric.kind is Kind.HISTOGRAM
        for one in series.exposed(metric)
    ]
    for metric, labels in not_empty(histograms):
        count = metric.count + labelled(labels)
        assert by_name[metric.bucket + labelled({**labels, "le": "+Inf"})] == by_name[count]


def labelled(labels: dict[str, str]) -> str:
    """As they are exposed."""
    return "{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else ""


def test_a_metric_that_was_never_measured_counts_with_all_that_it_allows() -> None:
    known = constants.measured().service.exposed
    new = [metric for metric in metrics() if metric.name not in known]
    assert [metric.name for metric in new] == series.not_measured()
    for metric in not_empty(new):
        combinations = 1
        for label in metric.labels:
            combinations *= len(label.values or ("",))
        assert len(series.exposed(metric)) == combinations


def test_what_is_measured_is_still_in_the_catalogue() -> None:
    names = {metric.name for metric in metrics()}
    assert constants.measured().service.exposed.keys() <= names


def test_figures_grow_with_the_size() -> None:
    small, large = Estimate(SIZE), Estimate(Size(2000, 80))
    assert large.exposed == 2 * small.exposed
    assert large.series > small.series
    assert large.log_bytes_per_day == pytest.approx(2 * small.log_bytes_per_day)
    assert large.rule_seconds > small.rule_seconds
    assert large.rollup_rows_per_day > 1.9 * small.rollup_rows_per_day


def test_series_that_are_printed_add_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--sms-per-second", "1000", "--instances", "40", monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr().out.partition("series in use\n")[2].partition("\n\n")[0]
    found = [re.search(r"  ([\d,]+)(?:  |$)", line) for line in printed.splitlines()]
    *parts, every = [int(each[1].replace(",", "")) for each in not_empty(found) if each]
    assert len(parts) == 4
    assert sum(parts) == every


def test_the_database_is_among_the_limits() -> None:
    found = {limit.name: limit for limit in limits(Estimate(SIZE), Machine())}
    connections = found["connections of the one database"]
    assert connections.says == "280 of 97, 7 a worker"
    assert connections.used == pytest.approx(280 / 97)
    assert found["disk of the one database"].used > 1


def test_more_workers_write_more_rollups_which_cost_the_database() -> None:
    few, many = Estimate(SIZE), Estimate(Size(1000, 40, workers=8))
    assert many.database_cores > 2 * few.database_cores
    assert many.database_log_bytes_per_day > 2 * few.database_log_bytes_per_day


def test_sampling_keeps_warnings_and_a_share_of_the_rest() -> None:
    everything = unsampled(SIZE)[1]
    usual, tenth = Estimate(SIZE), Estimate(Size(1000, 40, keep_info=0.1))
    assert everything > usual.log_bytes_per_day > 5 * tenth.log_bytes_per_day
    none = Estimate(Size(1000, 40, keep_info=0))
    assert none.log_bytes_per_day > 0


def test_what_breaks_first_comes_first() -> None:
    found = limits(Estimate(SIZE), Machine())
    assert [limit.used for limit in found] == sorted((f.used for f in found), reverse=True)
    assert len({limit.name for limit in found}) == len(not_empty(found))
    little = limits(Estimate(Size(1, 1)), Machine())
    assert all(limit.used < 1 for limit in not_empty(little))


def test_the_page_shows_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for table in (report.table(), report.limits_table(), report.logs_table()):
        assert table in page


def test_constants_say_by_which_command_they_were_made() -> None:
    parts = json.loads(constants.FILE.read_text(encoding="utf-8"))
    for name, part in not_empty(parts.items()):
        assert part["command"] == f"python -m tests.capacity {name}"
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", part["date"])
