"""Thresholds: where a signal becomes an alert, each with its unit and the source of its figure.

Rules, dashboards, runbooks and the states of the JSON endpoint take them from here. Each is
overridden by its environment variable, ``ORCHESTRATOR_THRESHOLDS__`` and the name in capitals, and
for one environment by app/core/environments.toml. "Promise" in a comment is docs/domain.md, "What
it promises"; what has no source there is our judgement: ``python -m alerts replay`` tunes it.
"""

import math
import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.core.sections import Bytes, Count, Days, Ratio, Seconds, Section

State = Literal["ok", "warning", "critical", "no_data"]
"""Warning is what opens a ticket, critical what pages somebody, if it lasts a few minutes."""


@dataclass(frozen=True, slots=True)
class BurnLimit:
    """How fast an error budget may burn: a share ``spent`` of it within ``long`` is worth a call.

    Errors of the ``short`` window have to be as many, so that the call ends soon after them.
    Seconds.
    """

    spent: float
    long: int
    short: int
    urgency: Literal["page", "ticket"]

    def factor(self, period_days: float) -> float:
        """The burn rate: 1 uses up the budget in exactly the period, and is no reason to call."""
        return max(1.0, round(self.spent * period_days * 86400 / self.long, 9))


BURN_LIMITS = (
    BurnLimit(0.02, 3600, 300, "page"),
    BurnLimit(0.05, 6 * 3600, 1800, "page"),
    BurnLimit(0.10, 3 * 86400, 6 * 3600, "ticket"),
)
"""After the Google SRE workbook, "Alerting on SLOs", the fastest first.

Its fourth pair, a day at 3 times, says nothing that three days at once don't say: both are a tenth
of the budget, so any steady burn above 3 passes both at the same moment, and a slower one only the
latter.
"""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(
            f"is no regular expression: {error}; write it like /|/var/lib/.+"
        ) from None
    if forbidden := set(text) & {'"', "\\", "\n"}:
        raise ValueError(
            f"{', '.join(map(repr, sorted(forbidden)))} can't stand in it; write [.] for a dot"
        )
    return text


ShareAtMost = Annotated[float, Field(ge=0, lt=1)]
"""A share above which something is wrong. Of 1 nothing could be above."""

ShareAtLeast = Annotated[float, Field(gt=0, le=1)]
"""A share below which something is wrong. Of 0 nothing could be below."""

Mountpoints = Annotated[str, AfterValidator(_expression)]
"""A regular expression that stands in PromQL as it is."""


class Thresholds(Section):
    """Where a signal becomes an alert."""

    # Objectives. Promise: availability 99.9 %, an SMS within 2 s.
    slo_period_days: int = Field(
        30,
        description="days that an error budget covers: 28 or 30. The windows that call are made "
        "for a month; over a week they would call for nothing, over two months too late",
    )
    availability_objective: Ratio = Field(0.999, description="share of requests without a 5xx")
    sms_latency_seconds: Seconds = Field(2.0, description="longest time to process an SMS")
    sms_latency_objective: Ratio = Field(
        0.99, description="share of SMS that must be within sms_latency_seconds"
    )
    ai_answers_objective: Ratio = Field(
        0.99, description="of the SMS that ask the AI, share that must get its answer"
    )
    sms_delivery_objective: Ratio = Field(
        0.995, description="share of answers that must be handed to the SMS Agent"
    )
    minimum_failures: Count = Field(
        5, description="with fewer failures no ratio alerts, so little traffic calls nobody"
    )

    @field_validator("slo_period_days")
    @classmethod
    def _a_month(cls, days: int) -> int:
        if days not in (28, 30):
            raise ValueError(f"{days} days are no month, for which the windows are; use 28 or 30")
        return days

    # Requests. Promise: roll a release back above these.
    rollback_error_ratio: ShareAtMost = Field(
        0.05, description="share of requests with a 5xx above which a release is rolled back"
    )
    rollback_latency_seconds: Seconds = Field(
        5.0, description="response time above which a release is rolled back"
    )
    release_error_growth: float = Field(
        1.5,
        gt=1,
        description="failures of a new release, as a multiple of those before it, that are told",
    )
    release_minimum_failures: Count = Field(
        # With 10 expected, chance alone makes 20 of them once in three hundred releases.
        20,
        description="failures below which a new release is not compared with the one before",
    )
    route_error_ratio: ShareAtMost = Field(
        0.10, description="share of one route's requests within an hour that may be answered 5xx"
    )
    intake_refused_ratio: ShareAtMost = Field(
        0.50, description="share of incoming SMS refused with a 4xx above which somebody is paged"
    )
    intake_refused_ticket_ratio: ShareAtMost = Field(
        0.15, description="share of incoming SMS that may be refused with a 4xx for long"
    )
    slow_ratio: ShareAtMost = Field(
        # One in twenty: 1 % would be an upstream's hiccup, whose retries wait up to 7 s and help.
        0.05,
        description="share of requests, AI answers or statements that may exceed their limit",
    )

    # SMS.
    sms_failed_ratio: ShareAtMost = Field(
        0.10, description="share of SMS whose workflow may fail; retries have been made by then"
    )

    # Capacity. Promise: 100 SMS at once.
    concurrent_sms: Count = Field(100, description="SMS at once that must not slow each other down")
    concurrent_sms_warning_ratio: ShareAtMost = Field(
        0.75, description="share of concurrent_sms above which capacity must be added"
    )

    # The AI provider's limit (docs/domain.md, "What it depends on").
    ai_calls_per_minute: Count = Field(
        3500, description="calls a minute that the AI provider accepts"
    )
    ai_quota_ratio: ShareAtMost = Field(0.9, description="share of those calls that may be used")
    capacity_days: Days = Field(30, description="days left before a limit at which to act")
    capacity_minimum_usage: ShareAtMost = Field(
        0.3, description="share of a limit in use below which its trend does not alert"
    )

    # SMS that arrive, beside what is usual at this hour.
    sms_missing_page_ratio: ShareAtLeast = Field(
        # Most public holidays leave more; an outage hardly anything.
        0.1,
        description="share of the usual SMS below which nearly all are missing",
    )
    sms_missing_ticket_ratio: ShareAtLeast = Field(
        0.5, description="share of an hour's usual SMS below which many are missing"
    )
    sms_missing_usual: Count = Field(
        # Where 20 are usual, chance leaves fewer than two once in 20 million times.
        20,
        description="usual SMS of a time below which its silence says nothing",
    )
    sms_missing_usual_per_hour: Count = Field(
        100, description="usual SMS of an hour below which a share of them says nothing"
    )

    @model_validator(mode="after")
    def _many_are_missing_before_nearly_all(self) -> Self:
        if self.sms_missing_page_ratio >= self.sms_missing_ticket_ratio:
            raise ValueError(
                f"sms_missing_page_ratio={self.sms_missing_page_ratio:g} must be below "
                f"sms_missing_ticket_ratio={self.sms_missing_ticket_ratio:g}"
            )
        return self

    # Upstreams and the database.
    ai_error_ratio: ShareAtMost = Field(0.10, description="share of AI calls that may fail")
    upstream_error_ratio: ShareAtMost = Field(
        0.10, description="share of calls to another upstream that may fail"
    )
    database_error_ratio: ShareAtMost = Field(
        # An SMS takes about twenty statements: one in a hundred failing spoils one SMS in five.
        0.01,
        description="share of database statements that may fail",
    )
    ai_slow_seconds: Seconds = Field(
        # Promise: an SMS within 2 s, the answer included.
        2.0,
        description="an answer of the AI that takes longer is slow",
    )
    database_slow_seconds: Seconds = Field(
        0.25, description="a database statement that takes longer is slow"
    )
    database_pool_ratio: ShareAtMost = Field(
        0.90, description="share of the connections above which the pool is too small"
    )

    # Decisions of the AI and of managers. Promise: awaiting a manager at most 36 h.
    approval_wait_seconds: Seconds = Field(
        36 * 3600, description="longest time that a response may wait for a manager"
    )
    approval_wait_warning_seconds: Seconds = Field(
        # Three quarters: leaves managers a working day.
        27 * 3600,
        description="waiting time after which managers must be reminded",
    )
    approval_work_seconds: Seconds = Field(
        # Two working days; a weekend leaves about twelve hours of work.
        16 * 3600,
        description="work that may wait for managers, at the pace of their busy hours",
    )
    failed_workflow_seconds: Seconds = Field(
        1800, description="longest time that a failed workflow may wait to be run again"
    )
    approval_ratio: ShareAtLeast = Field(
        0.50, description="share of managers' decisions that should send the AI's text unchanged"
    )
    escalation_ratio: ShareAtMost = Field(
        # Low confidence, the most common cause, is expected to send about 8 % to a person.
        0.15,
        description="escalations of one type allowed per SMS received",
    )
    critical_escalation_seconds: Seconds = Field(
        1800, description="longest time that a critical escalation may be open"
    )
    high_escalation_seconds: Seconds = Field(
        4 * 3600, description="longest time that an escalation of high severity may be open"
    )
    payment_plan_ratio: ShareAtLeast = Field(
        0.50, description="lowest payment plan detection, as a share of the past week's"
    )
    confidence_drift: ShareAtMost = Field(
        0.10, description="largest change of the AI's mean confidence against the past week"
    )
    minimum_events: Count = Field(
        # A share of 30 is off by 0.09 at most two times in three.
        30,
        description="with fewer decisions, answers or escalations no share of them alerts",
    )

    # The process.
    memory_bytes: Bytes = Field(512 * 1024**2, description="resident memory of one worker")
    cpu_ratio: ShareAtMost = Field(
        # A worker is one event loop, and so uses one core at most.
        0.90,
        description="share of a core that one worker may use for long",
    )
    event_loop_lag_seconds: Seconds = Field(
        0.1, description="how late the event loop may be; each request waits that much longer"
    )
    restarts: Count = Field(3, description="restarts within 30 min that are too many for a release")

    @model_validator(mode="after")
    def _warned_before_the_promise_is_broken(self) -> Self:
        if self.approval_wait_warning_seconds >= self.approval_wait_seconds:
            raise ValueError(
                f"approval_wait_warning_seconds={self.approval_wait_warning_seconds:g} must be "
                f"below approval_wait_seconds={self.approval_wait_seconds:g}"
            )
        return self

    # Platform: scraping. Scrapes are given up after 10 s.
    target_changes: Count = Field(
        4, description="times a target goes down or comes up within 30 minutes; a restart makes 2"
    )
    expected_instances: int = Field(
        0,
        ge=0,
        description="instances of the orchestrator that there should be; 0 is as many as there "
        "were for most of the past day",
    )
    scrape_seconds: Seconds = Field(5.0, description="duration of a scrape, half its timeout")
    scrape_samples: Count = Field(20_000, description="samples a target may give")
    cardinality_growth: float = Field(
        1.5, gt=1, description="series, as a multiple of a day ago, that are too many"
    )
    cardinality_samples: Count = Field(
        1000, description="samples that a target must have gained in a day to alert"
    )
    head_series_more: Count = Field(
        20_000, description="series in memory that must have been gained in a day to alert"
    )
    samples_rejected: Count = Field(10, description="samples refused within 10 minutes")

    # Platform: rules and notifications.
    rule_group_share: ShareAtMost = Field(0.5, description="share of its interval a group may need")
    notification_error_ratio: ShareAtMost = Field(
        0.01, description="share of alerts or notifications that may be lost"
    )
    notification_minimum_failures: Count = Field(
        2, description="lost alerts or notifications below which their share does not alert"
    )
    notification_queue_ratio: ShareAtMost = Field(0.1, description="how full the queue may stay")
    remote_write_seconds: Seconds = Field(
        # Prometheus keeps what waits for an hour at least.
        300,
        description="age of the newest sample that remote write has sent, above which it is behind",
    )
    tsdb_failures: Count = Field(3, description="failures of the store within an hour")
    newest_sample_seconds: Seconds = Field(
        90, description="age of the newest sample: six scrapes, and below the 5 minutes it is shown"
    )

    # Platform: machines. Days and hours leave a night, or a meeting, to act in.
    disk_filling_seconds: Seconds = Field(86400, description="time until a disk is full")
    disk_filling_ratio: ShareAtLeast = Field(
        0.4, description="free share above which a filling disk does not alert yet"
    )
    disk_left_ticket_ratio: ShareAtLeast = Field(
        0.1, description="share of a disk that must be free"
    )
    disk_left_page_ratio: ShareAtLeast = Field(0.05, description="the same, for a page")
    disk_page_mountpoints: Mountpoints = Field(
        "",
        description="where the disks lie that page, as a regular expression, such as "
        "`/|/var/lib/.+`; empty for every disk. Others open a ticket",
    )
    inodes_left_ratio: ShareAtLeast = Field(0.1, description="share of inodes that must be free")
    memory_left_ratio: ShareAtLeast = Field(
        0.1, description="share of memory that must be available"
    )
    cpu_busy_ratio: ShareAtMost = Field(0.9, description="share of CPU time that may be used")
    # A machine reads its clock while it is scraped, up to half a scrape's timeout late.
    clock_difference_seconds: Seconds = Field(
        5.0, description="difference between a machine's clock and Prometheus's"
    )
    certificate_ticket_days: Days = Field(14, description="days before a certificate expires")
    certificate_page_days: Days = Field(3, description="the same, for a page")

    @model_validator(mode="after")
    def _tickets_come_before_pages(self) -> Self:
        for ticket, page in (
            ("disk_left_ticket_ratio", "disk_left_page_ratio"),
            ("certificate_ticket_days", "certificate_page_days"),
        ):
            if getattr(self, ticket) <= getattr(self, page):
                raise ValueError(
                    f"{ticket} of {getattr(self, ticket):g} is not above {page} of "
                    f"{getattr(self, page):g}, so the ticket would not come before the page; "
                    f"raise {ticket}"
                )
        return self

    @model_validator(mode="after")
    def _objectives_leave_a_budget(self) -> Self:
        for name in type(self).model_fields:
            if name.endswith("_objective") and getattr(self, name) >= 1:
                raise ValueError(
                    f"{name} of 1 leaves no error budget to alert on; use 0.9999 or less"
                )
            # Failures can't come faster than all at once.
            fastest = max(limit.factor(self.slo_period_days) for limit in BURN_LIMITS)
            if name.endswith("_objective") and (1 - getattr(self, name)) * fastest >= 1:
                raise ValueError(
                    f"{name} of {getattr(self, name):g} would never page: that takes failures "
                    f"{fastest:g} times as fast as allowed, which is more than all there is; use "
                    f"{math.ceil((1 - 1 / fastest) * 100) / 100:g} or more"
                )
        return self
