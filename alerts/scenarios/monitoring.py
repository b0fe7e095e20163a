"""The monitoring itself: rules that fail or are late, alerts and messages that get lost."""

from alerts import exporters
from alerts.scenarios.changes import Counts, JobDown, Sets
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import Change, World

_SLOW = {"rule_group": "/etc/prometheus/rules/growth.yml;growth"}
_OFTEN = {"rule_group": "/etc/prometheus/rules/slo.yml;slo"}
_PEER = {"alertmanager": "http://alertmanager:9093/api/v2/alerts"}
_REMOTE = {"remote_name": "engine", "url": "http://engine:8428/api/v1/write"}


def _each(minutes: float, until: float, labels: dict[str, str]) -> tuple[Change, ...]:
    """A rule of a group fails at each of its evaluations."""
    times = int(until / minutes)
    return tuple(
        Counts(exporters.RULE_FAILURES, at=number * minutes, amount=1, labels=labels)
        for number in range(times)
    )


def _group_of_5_minutes(until: float) -> Sets:
    return Sets(exporters.RULE_GROUP_INTERVAL, 300, since=-1000, until=until, labels=_SLOW)


def _refuses(integration: str, until: float, each: float) -> tuple[Change, ...]:
    """A way to people takes no message: one is tried and fails each so many minutes."""
    labels = {"integration": integration}
    return tuple(
        change
        for number in range(int(until / each))
        for change in (
            Counts(exporters.ALERTMANAGER_NOTIFICATIONS, at=number * each, amount=1, labels=labels),
            Counts(
                exporters.ALERTMANAGER_NOTIFICATIONS_FAILED,
                at=number * each,
                amount=1,
                labels={**labels, "reason": "clientError"},
            ),
        )
    )


SCENARIOS = (
    Scenario(
        name="A rule of a 5-minute group fails",
        story="A group that is evaluated each 5 minutes fails each time, for an hour.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(changes=(_group_of_5_minutes(90), *_each(5, 60, _SLOW))),
        told=(Told("RuleEvaluationFailing", team="platform", within=13, over=75),),
    ),
    Scenario(
        name="A rule of a 15-second group fails",
        story="A group that is evaluated each 15 s fails each time, for half an hour.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=_each(0.25, 30, _OFTEN)),
        told=(Told("RuleEvaluationFailing", team="platform", within=8, over=36),),
    ),
    Scenario(
        name="Rules fail once",
        story="16 rules of a group of 5 minutes, and 16 of one of 15 s, fail at one evaluation.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            changes=(
                _group_of_5_minutes(60),
                Counts(exporters.RULE_FAILURES, at=1, amount=16, labels=_SLOW),
                Counts(exporters.RULE_FAILURES, at=1, amount=16, labels=_OFTEN),
            )
        ),
    ),
    Scenario(
        name="A rule group is too slow",
        story="A group needs 20 s of its 15, so that each second evaluation is left out.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            changes=(
                Sets(exporters.RULE_GROUP_DURATION, 20, until=30, labels=_OFTEN),
                Counts(exporters.RULE_GROUP_MISSED, per_minute=2, until=30, labels=_OFTEN),
            )
        ),
        told=(
            Told("RuleEvaluationsMissed", TICKET, "platform", within=8, over=40),
            Told("RuleEvaluationSlow", TICKET, "platform", within=12, over=36),
        ),
    ),
    Scenario(
        name="Alertmanager restarts",
        story="Alertmanager is away for half a minute; 20 alerts are refused meanwhile.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(
            changes=(
                JobDown("alertmanager", until=0.5),
                Counts(exporters.NOTIFICATIONS_ERRORS, at=0.25, amount=20, labels=_PEER),
            )
        ),
    ),
    Scenario(
        name="Alertmanager gone",
        story="The only Alertmanager stops for half an hour. Nobody hears of it by this one: the "
        "dead man's switch tells. What is listed here is what another one would tell.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            changes=(
                JobDown("alertmanager", until=30),
                Counts(exporters.NOTIFICATIONS_ERRORS, per_minute=4, until=30, labels=_PEER),
            )
        ),
        told=(
            Told("TargetDown", TICKET, "platform", within=3, over=36),
            Told("AlertsUndelivered", team="platform", within=9, over=37),
            Told("NotificationsFailing", TICKET, "platform", within=9, over=40),
        ),
    ),
    Scenario(
        name="PagerDuty refuses",
        story="PagerDuty takes no message for half an hour: one is tried each half minute.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(changes=_refuses("pagerduty", 30, 0.5)),
        told=(Told("AlertmanagerNotificationsFailing", team="platform", within=4, over=50),),
    ),
    Scenario(
        name="Slack refuses",
        story="Slack takes no message for an hour: one is tried each 5 minutes.",
        begins=MONDAY_MORNING,
        lasts=120,
        world=World(changes=_refuses("slack", 60, 5)),
        told=(Told("AlertmanagerNotificationsFailing", TICKET, "platform", within=25, over=82),),
    ),
    Scenario(
        name="The engine beside Prometheus is away",
        story="Prometheus also sends its samples to another engine; it is away for half an hour.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            changes=(
                # Until then everything was sent; then nothing; then all at once, and on.
                Sets(exporters.REMOTE_WRITE_SENT, 15 * 60, until=30, labels=_REMOTE),
                Sets(exporters.REMOTE_WRITE_SENT, 45 * 60, 30, per_minute=60, labels=_REMOTE),
            )
        ),
        told=(Told("RemoteWriteBehind", TICKET, "platform", within=11, over=36),),
    ),
    Scenario(
        name="The engine beside Prometheus refuses samples",
        story="Prometheus also sends its samples to another engine; for half an hour it answers "
        "404, which is not tried again.",
        begins=MONDAY_MORNING,
        lasts=70,
        world=World(
            changes=(
                Sets(exporters.REMOTE_WRITE_SENT, 15 * 60, per_minute=60, labels=_REMOTE),
                Counts(exporters.REMOTE_WRITE_FAILED, per_minute=9000, until=30, labels=_REMOTE),
            )
        ),
        told=(Told("RemoteWriteLosesSamples", TICKET, "platform", within=4, over=52),),
    ),
    Scenario(
        name="Samples are kept for too short a time",
        story="Prometheus is started with a retention of 15 days; the bands need five weeks.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(changes=(Sets(exporters.RETENTION, 15 * 86400),)),
        told=(Told("RetentionTooShort", TICKET, "platform", within=12),),
    ),
)
