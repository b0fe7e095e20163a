"""Whether Prometheus sees its targets, and whether what they give stays bearable."""

from alerts import exporters
from alerts.builds import exposed
from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import ratio, summed
from app.core import catalogue
from app.core.events import ServiceStarted, StartRefused
from app.core.thresholds import Thresholds
from asgi_observability.events import MetricMisused, MetricNameTaken

ORCHESTRATOR_JOB = "orchestrator"
PROMETHEUS_JOB = "prometheus"
ALERTMANAGER_JOB = "alertmanager"
NODE_JOB = "node"
PLATFORM_JOBS = (PROMETHEUS_JOB, ALERTMANAGER_JOB, NODE_JOB)

PROBE_JOB = "blackbox"
"""A blackbox exporter's, where there is one."""

UP = exporters.UP.name
"""Prometheus's own series: 1 where the last scrape of a target worked."""

OUR_JOBS = (ORCHESTRATOR_JOB, *PLATFORM_JOBS)
ALL_OURS = f'job=~"{"|".join(OUR_JOBS)}"'
"""Whoever scrapes us may scrape others too, whose targets are none of our business."""

_SAMPLES = exporters.SCRAPE_SAMPLES_KEPT.name
# The largest target: a second instance of a job is no growth of what one of them gives.
_LARGEST = f"max by (job) ({_SAMPLES}{{{ALL_OURS}}})"
_LARGEST_YESTERDAY = f"max by (job) ({_SAMPLES} offset 1d)"

OURS = f'{UP}{{job="{ORCHESTRATOR_JOB}"}}'
CHANGES = Record(f"job_instance:{UP}:changes30m", f"changes({UP}{{{ALL_OURS}}}[30m])")
ANY_UP = Record(f"job:{UP}:max", f"max by (job) ({OURS})")
REACHABLE = Record(f"job:{UP}:reachable", f"{ANY_UP} or 0 * last_over_time({ANY_UP}[1d])")
"""1 while any instance is scraped, and 0 for a day after the last one has gone from discovery."""
INSTANCES = Record(f"job:{UP}:count", f"count by (job) ({OURS})")
GROWTH = Record(f"job:{_SAMPLES}:times1d", ratio(_LARGEST, _LARGEST_YESTERDAY))
MORE_SAMPLES = Record(f"job:{_SAMPLES}:more1d", f"{_LARGEST} - {_LARGEST_YESTERDAY}")
REJECTED = Record(
    "job_instance:prometheus_target_scrapes_rejected:increase10m",
    summed(
        (
            f'increase({metric.name}{{job="{PROMETHEUS_JOB}"}}[10m])'
            for metric in (
                exporters.SAMPLES_OUT_OF_ORDER,
                exporters.SAMPLES_OUT_OF_BOUNDS,
                exporters.SAMPLES_DUPLICATE,
            )
        ),
        "job, instance",
    ),
)


NEEDED = (
    catalogue.HTTP_SERVER_REQUEST_DURATION.count,
    catalogue.SMS_PROCESSING_DURATION.count,
    catalogue.WORKFLOW_STEP_DURATION.count,
    catalogue.OPERATION_DURATION.count,
    catalogue.SMS_RECEIVED.name,
    catalogue.SMS_IN_FLIGHT.name,
    catalogue.SMS_CAPACITY.name,
    catalogue.APPROVALS.name,
    catalogue.APPROVAL_QUEUE_OLDEST_AGE.name,
    catalogue.ESCALATIONS_OLDEST_AGE.name,
    catalogue.BUILD_INFO.name,
)
"""Series that pages are made from, and that every instance exposes from its first minutes on."""


def reachable(job: str, severity: Severity, team: Team) -> Signal:
    """Whether each target of ``job`` is scraped; a job that lost all its targets counts as one.

    Not of the orchestrator: that is ServiceDown, which knows where.
    """
    known = f'min by (job, instance) ({UP}{{job="{job}"}})'
    return Signal(
        title=f"{job} reachable",
        meaning="1 where the last scrape of a target worked. All should be at 1.",
        unit=Unit.COUNT,
        source=known
        if job == ORCHESTRATOR_JOB
        else f'{UP}{{job="{job}"}} or absent({UP}{{job="{job}"}}) - 1',
        thresholds=(
            Threshold(
                alert="TargetDown",
                comparison=Comparison.BELOW,
                value=1,
                severity=severity,
                team=team,
                summary="{{ $labels.job }} can't be scraped"
                "{{ with $labels.instance }} at {{ . }}{{ else }}: it has no target{{ end }}",
                description="It is down, unreachable or answers /metrics too slowly. Nothing "
                "else is known about it until this is fixed.",
                # The other jobs' own logs are wherever they run.
                logs=LogQuery(level="error") if job == ORCHESTRATOR_JOB else None,
                action="Does its /health answer? If not, look at its log and restart it.",
                pending="1m",
                keep_firing="1m",
                state="Down",
                # The series has it already; here it tells the rules apart for promtool's linter.
                labels={"job": job},
                absence="TargetDown",
            ),
        ),
    )


def service_down() -> Signal:
    """Whether any instance of the orchestrator is scraped."""
    reachable_job, instances = (f'{r}{{job="{ORCHESTRATOR_JOB}"}}' for r in (REACHABLE, INSTANCES))
    return Signal(
        title="Any orchestrator instance reachable",
        meaning="1 while one of its instances can be scraped, -1 where it has none as a target. "
        "Good is 1.",
        unit=Unit.COUNT,
        source=f"({reachable_job} unless {instances}) - 1 or {reachable_job} "
        f"or absent({reachable_job}) - 2",
        thresholds=(
            Threshold(
                alert="ServiceDown",
                comparison=Comparison.BELOW,
                value=1,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} {{ if lt $value 0.0 }}has no target: service discovery "
                "finds nothing to scrape{{ else }}is down: none of its instances can be scraped"
                "{{ end }}",
                description="Tenants' SMS are not accepted, or Prometheus can't see whether they "
                "are. Its other alerts are held back until it answers again, because they would "
                "repeat old samples.",
                logs=LogQuery(level="error"),
                action="Does its /health answer? If not, look at its log and restart it. If it "
                "does, look at its targets in Prometheus.",
                pending="1m",
                keep_firing="1m",
                state="Down",
                absence="TargetDown",
            ),
        ),
    )


def missing(thresholds: Thresholds) -> Signal:
    """How many instances are gone from discovery, so that no target tells of them.

    Compared with how many there mostly were, so that those that a release adds for a while count
    for nothing.
    """
    expected = (
        f"{thresholds.expected_instances} - {INSTANCES}"
        if thresholds.expected_instances
        else f"quantile_over_time(0.5, {INSTANCES}[1d:5m]) - {INSTANCES}"
    )
    than = (
        f"the {thresholds.expected_instances} that there should be"
        if thresholds.expected_instances
        else "for most of the past day"
    )
    return Signal(
        title="Instances missing",
        meaning=f"How many instances fewer than {than} Prometheus has as targets, up or down. "
        "Good is 0 or less.",
        unit=Unit.COUNT,
        source=Record(f"job:{UP}:missing", expected),
        thresholds=(
            Threshold(
                alert="InstancesMissing",
                comparison=Comparison.AT_LEAST,
                value=1,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} has fewer instances than it should have",
                description="The others take its load, until one more goes. Instances that are "
                "missing.",
                action="See why the platform does not start it. If it was taken away on purpose, "
                "say so in expected_instances.",
                pending="15m",
                logs=LogQuery((ServiceStarted, StartRefused)),
            ),
        ),
    )


def silent() -> Signal:
    """What the orchestrator should expose and doesn't: without it, what reads it never fires."""
    answers = f'({UP}{{job="{ORCHESTRATOR_JOB}"}} == 1)'
    parts = [
        f"label_replace({answers} unless on (job, instance) group by (job, instance) ({shown}), "
        f'"metric", "{series}", "", "")'
        for series in NEEDED
        for shown in [exposed() if series == catalogue.BUILD_INFO.name else series]
    ]
    return Signal(
        title="Metrics that are missing",
        meaning="Instances that answer scrapes without a metric that pages are made from. Good is "
        "none.",
        unit=Unit.COUNT,
        source=Record(f"job_metric:{UP}:without", f"count by (job, metric) ({' or '.join(parts)})"),
        thresholds=(
            Threshold(
                alert="MetricsMissing",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} no longer exposes {{ $labels.metric }}",
                description="Whatever watches it is blind, and nobody would be called. Instances "
                "without it.",
                action="See whether a release renamed it, or a relabelling drops it.",
                pending="15m",
                logs=LogQuery((MetricNameTaken, MetricMisused)),
            ),
        ),
    )


def flapping(thresholds: Thresholds) -> Signal:
    """Targets that go away and come back, never for long enough to be called down."""
    return Signal(
        title="Targets that go down and come back",
        meaning="How often a target went down or came back within 30 minutes. Good is 0. One "
        "restart counts as 2.",
        unit=Unit.COUNT,
        source=CHANGES,
        thresholds=(
            Threshold(
                alert="TargetFlapping",
                comparison=Comparison.AT_LEAST,
                value=thresholds.target_changes,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.job }} at {{ $labels.instance }} goes down and comes back "
                "again and again",
                description="Its scrapes fail and work again. Rates have gaps, and other alerts "
                "may miss what happens in the gaps. Changes within 30 minutes.",
                action="See whether it restarts or only its scrapes time out. Then look at its "
                "memory and CPU.",
                pending="1m",
            ),
        ),
    )


def scrape_duration(thresholds: Thresholds) -> Signal:
    """How long targets take to answer."""
    return Signal(
        title="Duration of scrapes",
        meaning="How long a target takes to answer a scrape. Good is well below a second. At the "
        "timeout it counts as down.",
        unit=Unit.SECONDS,
        source=exporters.SCRAPE_DURATION.name,
        thresholds=(
            Threshold(
                alert="ScrapeSlow",
                comparison=Comparison.ABOVE,
                value=thresholds.scrape_seconds,
                matchers=ALL_OURS,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.job }} at {{ $labels.instance }} answers scrapes slowly",
                description="If it reaches the scrape timeout it counts as down, although it may "
                "work.",
                action="See whether it exposes more series than before, or is short of CPU.",
                pending="5m",
            ),
        ),
    )


def scrape_size(thresholds: Thresholds) -> Signal:
    """How much targets give."""
    return Signal(
        title="Samples per scrape",
        meaning="Samples that a target exposes in each scrape. Good is as many as last week.",
        unit=Unit.COUNT,
        source=exporters.SCRAPE_SAMPLES.name,
        thresholds=(
            Threshold(
                alert="ScrapeTooLarge",
                comparison=Comparison.ABOVE,
                value=thresholds.scrape_samples,
                matchers=ALL_OURS,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.job }} at {{ $labels.instance }} exposes too many samples",
                description="Each sample is a series that Prometheus holds in memory. Usually "
                "the cause is one label with many values.",
                action="Find the metric with the most series, and the label that makes them.",
                pending="5m",
            ),
        ),
    )


def cardinality(thresholds: Thresholds) -> Signal:
    """How much more a target gives than a day ago."""
    return Signal(
        title="Samples per scrape vs yesterday",
        meaning="Samples of a job's largest target, divided by those of a day ago. Good is 1.",
        unit=Unit.COUNT,
        source=GROWTH,
        thresholds=(
            Threshold(
                alert="CardinalityGrowing",
                comparison=Comparison.ABOVE,
                value=thresholds.cardinality_growth,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.job }} exposes far more series than yesterday",
                description="A label has got too many values, or a release added many metrics. "
                "Samples per scrape, divided by those of a day ago.",
                action="Find the metric that has more series than yesterday. Drop the label that "
                "grew.",
                pending="15m",
                guards=(
                    Guard(MORE_SAMPLES, Comparison.AT_LEAST, thresholds.cardinality_samples, ()),
                ),
            ),
        ),
    )


def rejected(thresholds: Thresholds) -> Signal:
    """Samples that were scraped, and not taken."""
    return Signal(
        title="Samples rejected",
        meaning="Scraped samples that Prometheus refused over 10 minutes. Good is 0.",
        unit=Unit.COUNT,
        source=REJECTED,
        thresholds=(
            Threshold(
                alert="SamplesRejected",
                comparison=Comparison.AT_LEAST,
                value=thresholds.samples_rejected,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Prometheus at {{ $labels.instance }} refuses samples",
                description="Samples that come late, twice or with a wrong time are lost. "
                "Perhaps two targets have the same labels. Refused within 10 minutes.",
                action="Find the target in Prometheus's log. Look for two targets with the same "
                "labels, or a clock that is wrong.",
                pending="10m",
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of scraping."""
    return Group(
        name="scraping",
        dashboard=Dashboard.MONITORING,
        about="Whether Prometheus sees its targets, and how many samples they expose.",
        records=(MORE_SAMPLES, INSTANCES, ANY_UP, REACHABLE),
        signals=(
            service_down(),
            missing(thresholds),
            silent(),
            reachable(ORCHESTRATOR_JOB, Severity.TICKET, Team.ORCHESTRATOR),
            *(reachable(job, Severity.TICKET, Team.PLATFORM) for job in PLATFORM_JOBS),
            flapping(thresholds),
            scrape_duration(thresholds),
            scrape_size(thresholds),
            cardinality(thresholds),
            rejected(thresholds),
        ),
    )
