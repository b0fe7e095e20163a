"""What the records of HTTP have to say."""

from collections.abc import Mapping
from itertools import product

from alerts.rule_tests.beginning import CALM, add_beginning, add_targets, first_rates
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import JOB, Labels, Universe, Values, key_of, or_zero, share
from alerts.signals import http
from app.core import catalogue
from app.core.thresholds import Thresholds

_DURATION = catalogue.HTTP_SERVER_REQUEST_DURATION
_BY = ("job", "http_route")
PROBES = ("/metrics", "/health", "/health/dependencies")
_BY_STATUS = ("job", "http_response_status_code")
_INTAKE = "/orchestrate/sms-received"
_SERVED = "job_http_route_http_response_status_code:sli_availability:rate2m"


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


def tests(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_by_route(thresholds), _beginning(), _windows()]


def _by_route(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    observe_requests(universe)
    # Nothing has failed there: its errors are at zero, not missing.
    for route in ("/orchestrate/escalate", _INTAKE):
        universe.observe_one(_DURATION, CALM, "c:8000", 0.001, **_request(route, "200"))
    universe.observe(_DURATION, **_request(_INTAKE, "429"))
    for position, (job, status) in enumerate(((JOB, "200"), (JOB, "500"), (CALM, "503"))):
        for route in ("/orchestrate/escalate", _INTAKE):
            labels = {"job": job, "http_route": route, "http_response_status_code": status}
            weight = 3**position + len(route)
            universe.add(_SERVED, labels, weight, grows=False)
    requests = universe.rates(_DURATION.count, 300, _BY)
    errors = universe.rates(_DURATION.count, 300, _BY, failed)
    asked = universe.rates(_DURATION.count, 300, where=served)

    def in_time(labels: Mapping[str, str]) -> bool:
        return served(labels) and labels["le"] == str(float(thresholds.rollback_latency_seconds))

    kept = universe.rates(_DURATION.bucket, 300, where=in_time)
    slow = {key: rate - kept[key] for key, rate in asked.items()}
    expected = {
        http.RATE.name: requests,
        http.ROUTE_ERROR_RATIO.name: share(errors, requests),
        http.SERVED_RATE.name: asked,
        http.served_slow(thresholds).name: slow,
        http.SERVED_SLOW_RATIO.name: share(slow, asked),
        http.ROUTE_SERVED.name: universe.now(_SERVED, _BY),
        http.ROUTE_ERRORS.name: universe.now(_SERVED, _BY, failed),
        **_intake(
            universe.rates(_DURATION.count, 120, _BY_STATUS, _is_intake),
        ),
    }
    return RecordTest("requests by route", universe, expected)


def _beginning() -> RecordTest:
    universe = Universe()
    add_targets(universe)
    for job, statuses in ((JOB, ("200", "429", "500")), (CALM, ("200",))):
        for route, status in product(("/orchestrate/escalate", _INTAKE), statuses):
            add_beginning(
                universe, _DURATION.count, job, len(universe.series), _request(route, status)
            )
    found = first_rates(universe, _DURATION.count, _BY_STATUS, _is_intake)
    return RecordTest("counters of SMS that come in begin", universe, _intake(found))


def _intake(by_status: Values) -> dict[str, Values]:
    every: Values = {}
    refused: Values = {}
    for key, rate in by_status.items():
        labels = dict(key)
        job: Labels = (("job", labels["job"]),)
        every[job] = every.get(job, 0.0) + rate
        if labels["http_response_status_code"].startswith("4"):
            refused[job] = refused.get(job, 0.0) + rate
    return {
        http.INTAKE_BY_STATUS.name: by_status,
        http.INTAKE.name: every,
        http.REFUSED.name: or_zero(refused, every),
    }


def _windows() -> RecordTest:
    universe = Universe()
    expected: dict[str, Values] = {}
    for part, whole, (added, seen, ratio), (window, step), extra in (
        (
            http.ROUTE_ERRORS,
            http.ROUTE_SERVED,
            (http.ROUTE_ERRORS_1H, http.ROUTE_ERRORS_SEEN, http.ROUTE_ERROR_RATIO_1H),
            (3600, 60),
            {"http_route": _INTAKE},
        ),
        (
            http.REFUSED,
            http.INTAKE,
            (http.REFUSED_5M, http.REFUSED_SEEN, http.REFUSED_RATIO),
            (300, 15),
            {},
        ),
    ):
        expected |= expected_of_window(
            universe,
            (part.name, whole.name),
            (added.name, seen.name, ratio.name),
            window=window,
            step=step,
            labels=extra,
        )
    return RecordTest("what failed within a window", universe, expected)


def expected_of_window(
    universe: Universe,
    read: tuple[str, str],
    names: tuple[str, str, str],
    window: int,
    step: int,
    labels: Mapping[str, str],
) -> dict[str, Values]:
    """What is added up, seen and shared of a part and a whole, of jobs that are added here.

    Of one job something always fails, of another sometimes; the third has next to nothing.
    """
    part, whole = read
    added: Values = {}
    seen: Values = {}
    ratio: Values = {}
    # At the very start rules are evaluated as well, and may say that nothing failed.
    begin = ((universe.at + 1, universe.at),)
    for job, weight, base in (("always", 0.3, 0.0), ("sometimes", 0.5, -2.0), (CALM, 1e-4, 0.0)):
        own = {"job": job, **labels}
        universe.add(part, own, weight, grows=False, base=base, gaps=begin)
        failed_then = universe.at_steps(universe.series[-1], window, step)
        universe.add(whole, own, 0, grows=False, base=10 * weight)
        all_then = universe.at_steps(universe.series[-1], window, step)
        key = key_of(own)
        added[key] = step * sum(failed_then)
        seen[key] = step * sum(value > 0 for value in failed_then)
        ratio[key] = sum(failed_then) / sum(all_then)
    return dict(zip(names, (added, seen, ratio), strict=True))


def _request(route: str, status: str) -> dict[str, str]:
    return {
        "http_request_method": "POST",
        "http_route": route,
        "http_response_status_code": status,
    }


def _is_intake(labels: Mapping[str, str]) -> bool:
    return labels["http_route"] == _INTAKE
