"""What the service exposes passes the linter that adopters run on it."""

from alerts import exposed
from alerts.exposed import ill_formed
from app.core import catalogue
from asgi_observability.metric import Kind, Metric
from prometheus_tools import metrics_lint
from prometheus_tools.toolchain import Tool
from tests.not_empty import not_empty


def test_every_metric_of_the_catalogue_passes(each_promtool: Tool) -> None:
    text = exposed._exposed(catalogue.metrics())
    assert all(f"# TYPE {metric.name} " in text for metric in not_empty(catalogue.metrics()))
    assert metrics_lint.problems_in(text, each_promtool) == []


def test_a_gauge_with_a_reserved_ending_is_named() -> None:
    (problem,) = ill_formed([Metric("pool_count", Kind.GAUGE, "connections", "Connections.")])
    assert problem == (
        'pool_count non-histogram and non-summary metrics should not have "_count" suffix; '
        "change it in the catalogue"
    )


def test_what_is_no_exposition_is_a_problem() -> None:
    assert metrics_lint.problems_in("no exposition at all {") != []
