"""What the records of HTTP have to say."""

from collections.abc import Mapping

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe, share
from alerts.signals import http
from app.core import catalogue
from app.core.thresholds import Thresholds

_DURATION = catalogue.HTTP_SERVER_REQUEST_DURATION
_BY = ("job", "http_route")
PROBES = ("/metrics", "/health", "/health/dependencies")
CALM = "calm"


def observe_requests(universe: Universe) -> None:
    """Requests of a route that fails, of one that does not, and of probes, which fail as well."""
    # A route that never failed has to be at zero, not missing.
    for route, statuses in (
        ("/orchestrate/sms-received", ("200", "500", "503")),
        ("/orchestrate/escalate", ("200", "404")),
        ("/health", ("200", "500")),
        ("/health/dependencies", ("503",)),
        ("/metrics", ("200",)),
    ):
        for status in statuses:
            universe.observe(
                _DURATION,
                http_request_method="POST",
                http_route=route,
                http_response_status_code=status,
            )


def served(labels: Mapping[str, str]) -> bool:
    """Asked for by somebody, not by a probe or a scrape."""
    return labels["http_route"] not in PROBES


def failed(labels: Mapping[str, str]) -> bool:
    """Answered 5xx."""
    return labels["http_response_status_code"].startswith("5")


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_requests(universe)
    # Nothing has failed there: its errors are at zero, not missing.
    universe.observe_one(
        _DURATION,
        CALM,
        "c:8000",
        0.001,
        http_request_method="POST",
        http_route="/orchestrate/escalate",
        http_response_status_code="200",
    )
    requests = universe.rates(_DURATION.count, 300, _BY)
    errors = universe.rates(_DURATION.count, 300, _BY, failed)
    expected = {
        http.RATE.name: requests,
        http.ROUTE_ERROR_RATIO.name: share(errors, requests),
    }
    return [RecordTest("requests by route", universe, expected)]
