"""Whether Prometheus sees anything at all."""

from alerts import exporters
from alerts.logs import LogQuery
from alerts.model import Comparison, Group, Severity, Signal, Team, Threshold, Unit

ORCHESTRATOR_JOB = "orchestrator"
PLATFORM_JOBS = ("prometheus", "alertmanager", "node")

UP = exporters.UP.name
"""Prometheus's own series: 1 where the last scrape of a target worked."""


def reachable(job: str, severity: Severity, team: Team) -> Signal:
    """Whether each target of ``job`` is scraped; a job that lost all its targets counts as one."""
    return Signal(
        title=f"{job} reachable",
        meaning="1 where the last scrape of a target worked. All should be at 1.",
        unit=Unit.COUNT,
        source=f'{UP}{{job="{job}"}} or absent({UP}{{job="{job}"}}) - 1',
        thresholds=(
            Threshold(
                alert="TargetDown",
                comparison=Comparison.BELOW,
                value=1,
                severity=severity,
                team=team,
                summary="{{ $labels.job }} can't be scraped"
                "{{ with $labels.instance }} at {{ . }}{{ else }}: it has no target{{ end }}",
                description="It is down, unreachable or answers /metrics too slowly. Nothing else "
                "is known about it until that is mended.",
                # The other jobs' own logs are wherever they run.
                logs=LogQuery(level="error") if job == ORCHESTRATOR_JOB else None,
                action="Ask for its /health; if it doesn't answer, look at its log and restart it.",
                pending="1m",
                keep_firing="1m",
                # The series has it already; here it tells the rules apart for promtool's linter.
                labels={"job": job},
                absence="TargetDown",
            ),
        ),
    )


def watchdog() -> Signal:
    """The path from rule to notification."""
    return Signal(
        title="Watchdog",
        meaning="Always 1 as long as Prometheus evaluates rules.",
        unit=Unit.COUNT,
        source="vector(1)",
        thresholds=(
            Threshold(
                alert="Watchdog",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.INFO,
                team=Team.PLATFORM,
                summary="Alerting works",
                description="This alert always fires. Something is wrong when it is missing.",
                action="Nothing while it fires. When it is missing: is Prometheus up, does it "
                "reach Alertmanager?",
            ),
        ),
    )


def group() -> Group:
    """The rules of scraping."""
    return Group(
        name="scraping",
        about="Whether Prometheus sees its targets, and whether alerting works.",
        records=(),
        signals=(
            reachable(ORCHESTRATOR_JOB, Severity.PAGE, Team.ORCHESTRATOR),
            *(reachable(job, Severity.TICKET, Team.PLATFORM) for job in PLATFORM_JOBS),
            watchdog(),
        ),
    )
