"""What the records of versions have to say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

from alerts.exporters import UP
from alerts.rule_tests.beginning import CALM, add_beginning, add_targets, first_rates
from alerts.rule_tests.http import expected_of_window, failed, observe_requests, served
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import JOB, Labels, Universe, Values, Where, key_of, or_zero
from alerts.signals import release, slo
from app.core import catalogue
from app.core.thresholds import Thresholds

_DURATION, _BUILD = catalogue.HTTP_SERVER_REQUEST_DURATION, catalogue.BUILD_INFO.name
_HOUR = 3600

Rates = Callable[[str, tuple[str, ...], Where], Values]


def tests(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_moving(thresholds), _beginning(thresholds), _windows(thresholds), _new(thresholds)]


def _moving(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    observe_requests(universe)
    for job, instance, statuses in (
        *((CALM, "c:8000", ("200",)), (CALM, "a:8000", ("200",))),
        (JOB, "unknown:8000", ("200", "500")),
    ):
        for status in statuses:
            universe.observe_one(_DURATION, job, instance, 0.1, **_request(status))
    for job, instance, version in (
        *((JOB, "a:8000", "1"), (JOB, "b:8000", "2")),
        *((CALM, "c:8000", "1"), (CALM, "a:8000", "3")),
    ):
        labels = {"job": job, "instance": instance}
        universe.add(UP.name, labels, 0, grows=False, base=1)
        universe.add(_BUILD, {**labels, "version": version}, 0, grows=False, base=1)
    # Where nothing else of an instance says where it runs, its own word is none of the targets'.
    lonely = {"job": JOB, "instance": "unknown:8000", "version": "1"}
    universe.add(_BUILD, lonely, 0, grows=False, base=1)
    other = {"job": CALM, "instance": "unknown:8000"}
    universe.add(UP.name, other, 0, grows=False, base=1)

    def rates(name: str, by: tuple[str, ...], where: Where) -> Values:
        return universe.rates(name, 120, by, where)

    return RecordTest("requests by version", universe, _expected(universe, thresholds, rates))


def _beginning(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    add_targets(universe)
    for position, one in enumerate(list(universe.series)):
        labels = {**one.labels, "version": str(position % 2)}
        universe.add(_BUILD, labels, 0, grows=False, base=1)
    for job, statuses in ((JOB, ("200", "500")), (CALM, ("200",))):
        for status in statuses:
            for route in ("/orchestrate/escalate", "/health"):
                own = {**_request(status), "http_route": route}
                weight = len(universe.series)
                add_beginning(universe, _DURATION.count, job, weight, own)
                for le, part in (
                    (str(float(thresholds.rollback_latency_seconds)), 0.7),
                    ("+Inf", 1),
                ):
                    base = weight * part
                    add_beginning(universe, _DURATION.bucket, job, base, {**own, "le": le})

    def rates(name: str, by: tuple[str, ...], where: Where) -> Values:
        return first_rates(universe, name, by, where)

    return RecordTest("counters that begin", universe, _expected(universe, thresholds, rates))


def _expected(universe: Universe, thresholds: Thresholds, rates: Rates) -> dict[str, Values]:
    limit = str(float(thresholds.rollback_latency_seconds))
    targets = {_place(one.labels) for one in universe.series if one.name == UP.name}
    versions = {
        _place(one.labels): one.labels["version"]
        for one in universe.series
        if one.name == _BUILD and _place(one.labels) in targets
    }

    def by_version(name: str, where: Where) -> Values:
        found: Values = {}
        for key, rate in rates(name, ("instance", "job"), where).items():
            labels = dict(key)
            if version := versions.get(_place(labels)):
                now: Labels = (("job", labels["job"]), ("version", version))
                found[now] = found.get(now, 0.0) + rate
        return found

    asked = by_version(_DURATION.count, served)
    errors = by_version(_DURATION.count, lambda labels: served(labels) and failed(labels))
    kept = by_version(_DURATION.bucket, lambda labels: served(labels) and labels["le"] == limit)
    by_status = ("http_response_status_code", "instance", "job")
    return {
        release.BY_STATUS.name: rates(_DURATION.count, by_status, served),
        release.SERVED_BY.name: asked,
        release.ERRORS_BY.name: or_zero(errors, asked),
        release.slow_by(thresholds).name: {key: rate - kept[key] for key, rate in asked.items()},
    }


def _windows(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    expected: dict[str, Values] = {}
    whole = release.SERVED_BY.name
    for part, names, version in (
        (
            release.ERRORS_BY.name,
            (release.ERRORS_5M.name, release.ERRORS_SEEN.name, release.ERROR_RATIO.name),
            "1",
        ),
        (
            release.slow_by(thresholds).name,
            (release.SLOW_5M.name, release.SLOW_SEEN.name, release.SLOW_RATIO.name),
            "2",
        ),
    ):
        own = {"version": version}
        expected |= expected_of_window(
            universe, (part, whole), names, window=300, step=15, labels=own
        )
    of = {(one.name, one.labels["job"]): one for one in universe.series if _is_first(one.labels)}
    added: Values = {}
    growth: Values = {}
    for job, weight in (("always", 1.0), ("sometimes", 0.01), (CALM, 1e-4)):
        errors, all_of = (
            universe.at_steps(of[name, job], _HOUR // 2, 60)
            for name in (release.ERRORS_BY.name, whole)
        )
        before = []
        for name, times in ((slo.ERRORS, 0.001 if job == "sometimes" else 0.1), (slo.TOTAL, 1.0)):
            for objective in ("reachable", "availability"):
                labels = {"job": job, "slo": objective}
                base = weight if name == slo.TOTAL else 0.0
                universe.add(name, labels, weight * times, grows=False, base=base)
            two_hours, one_hour = (
                universe.at_steps(universe.series[-1], hours * _HOUR, 60) for hours in (2, 1)
            )
            before.append(sum(two_hours) - sum(one_hour))
        key: Labels = (("job", job), ("version", "1"))
        usual = max(before[0] / before[1], 1 - thresholds.availability_objective)
        added[key] = 60 * sum(errors)
        growth[key] = sum(errors) / sum(all_of) / usual
    expected[release.ERRORS_30M.name] = added
    expected[release.growth(thresholds).name] = growth
    return RecordTest("what failed within a window", universe, expected)


@dataclass(frozen=True, slots=True)
class _Place:
    """A job somewhere. Without ``environment``, what runs there only says one itself."""

    job: str
    cluster: str = "main"
    environment: str = ""

    @property
    def labels(self) -> dict[str, str]:
        own = {"job": self.job, "cluster": self.cluster}
        return {**own, "environment": self.environment} if self.environment else own


@dataclass(frozen=True, slots=True)
class _Run:
    """A version on an instance, from and until how many minutes ago; none was not running yet."""

    place: _Place
    instance: str
    version: str
    since: int = 10**6
    until: int = 0

    def is_at(self, ago: int) -> bool:
        return bool(self.version) and self.since >= ago >= self.until


_OURS = _Place(JOB, environment="production")
_PLAIN = _Place(JOB)
"""Its targets are not labelled with their environment; `a` and `b` are instances elsewhere too."""
_SPARE = _Place(JOB, "spare", "production")
_PLAIN_SPARE = _Place(JOB, "spare")
_CALM = _Place(CALM, environment="production")
_FIRST = _Place("first", environment="production")
_PLAIN_FIRST = _Place("first")
_SPARE_FIRST = _Place("first", "spare", "production")

_RUNS = (
    # Another version on the same instance; elsewhere that one is an hour old.
    *(_Run(_OURS, "c", "1", until=45), _Run(_OURS, "c", "2", since=45)),
    # What left here is new where nothing says the environment.
    *(_Run(_OURS, "d", "4", since=90, until=45), _Run(_PLAIN, "e", "4", since=45)),
    *(_Run(_PLAIN, "a", "2", since=90), _Run(_PLAIN, "b", "3", since=45)),
    # A job that began less than two hours ago has a release.
    *(_Run(_SPARE, "a", "2", since=90, until=45), _Run(_SPARE, "b", "2", since=90)),
    _Run(_SPARE, "c", "3", since=45),
    # What begins is no release, although the same job runs elsewhere.
    _Run(_PLAIN_SPARE, "e", "9", since=45),
    *(_Run(_FIRST, "c", "", until=45), _Run(_FIRST, "c", "2", since=45)),
    # Neither is the same version on another instance; but one that comes after a pause is.
    *(_Run(_CALM, "a", "2", until=45), _Run(_CALM, "b", "2", since=45)),
    *(_Run(_PLAIN_FIRST, "a", "2", until=45), _Run(_PLAIN_FIRST, "a", "3", since=15)),
    *(_Run(_SPARE_FIRST, "a", "2", until=45), _Run(_SPARE_FIRST, "a", "3", since=15)),
)


def _new(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    for (place, instance), of_instance in groupby(_RUNS, lambda run: (run.place, run.instance)):
        runs = list(of_instance)
        labels = {**place.labels, "instance": instance}
        universe.add(UP.name, labels, 0, grows=False, base=1, gaps=_outside(runs))
        for run in runs:
            # An unlabelled target's version says an environment of its own.
            own = {"environment": "production", **labels, "version": run.version}
            if run.version:
                universe.add(_BUILD, own, 0, grows=False, base=1, gaps=_outside([run]))

    def running(ago: int) -> set[tuple[_Place, str]]:
        return {(run.place, run.version) for run in _RUNS if run.is_at(ago)}

    before = running(60)
    released = {
        key_of({**place.labels, "version": version}): 1.0
        for place, version in running(0) - before
        if place in {each for each, _ in before}
    }
    asked = {**_PLAIN.labels, "instance": "b", **_request("500")}
    universe.add(_DURATION.count, asked, 3, grows=True)
    le = str(float(thresholds.rollback_latency_seconds))
    universe.add(_DURATION.bucket, {**asked, "le": le}, 1, grows=True)
    rates, kept = (
        universe.rates(name, 120, ("cluster", "job"))
        for name in (_DURATION.count, _DURATION.bucket)
    )
    (rate,), (in_time,) = rates.values(), kept.values()
    of_version = key_of({**_PLAIN.labels, "version": "3"})
    expected = {
        release.RELEASED.name: released,
        release.SERVED_BY.name: {of_version: rate},
        release.ERRORS_BY.name: {of_version: rate},
        release.slow_by(thresholds).name: {of_version: rate - in_time},
    }
    return RecordTest("versions that are new", universe, expected, says_where=True)


def _outside(runs: list[_Run]) -> tuple[tuple[int, int], ...]:
    """When none of these runs is: from and until how many seconds ago."""
    edges = [10**6, *(at for run in runs for at in (run.since, run.until)), 0]
    minutes = zip(edges[::2], edges[1::2], strict=True)
    return tuple((60 * since, 60 * until) for since, until in minutes if since > until)


def _is_first(labels: Mapping[str, str]) -> bool:
    return labels.get("version") == "1"


def _place(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels["job"], labels["instance"]


def _request(status: str) -> dict[str, str]:
    return {
        "http_request_method": "POST",
        "http_route": "/orchestrate/escalate",
        "http_response_status_code": status,
    }
