"""Thresholds: where a signal becomes an alert, each with its unit and the source of its figure.

Rules, dashboards, runbooks and the states of the JSON endpoint take them from here. Each is
overridden by its environment variable, ``ORCHESTRATOR_THRESHOLDS__`` and the name in capitals, and
for one environment by app/core/environments.toml. "Promise" in a comment is docs/domain.md, "What
it promises"; what has no source there is our judgement: ``python -m alerts replay`` tunes it.
"""

from typing import Self

from pydantic import Field, model_validator

from app.core.sections import Bytes, Count, Days, Ratio, Seconds, Section


class Thresholds(Section):
    """Where a signal becomes an alert."""

    # Objectives. Promise: availability 99.9 %, an SMS within 2 s.
    slo_period_days: int = Field(30, ge=7, le=60, description="days an error budget is for")
    availability_objective: Ratio = Field(0.999, description="share of requests without a 5xx")
    sms_latency_seconds: Seconds = Field(2.0, description="an SMS is processed within")
    sms_latency_objective: Ratio = Field(
        0.99, description="share of SMS that must be within sms_latency_seconds"
    )
    ai_answers_objective: Ratio = Field(
        0.99, description="share of SMS asking the AI that must get its answer"
    )
    sms_delivery_objective: Ratio = Field(
        0.995, description="share of answers that must be handed to the SMS Agent"
    )
    minimum_failures: Count = Field(
        5, description="failures below which no ratio alerts, however little traffic there is"
    )

    # Requests. Promise: roll a release back above these.
    rollback_error_ratio: Ratio = Field(
        0.05, description="share of requests with a 5xx above which a release is rolled back"
    )
    rollback_latency_seconds: Seconds = Field(
        5.0, description="response time above which a release is rolled back"
    )
    slow_ratio: Ratio = Field(
        # One in twenty: 1 % would be an upstream's hiccup, whose retries wait up to 7 s and help.
        0.05,
        description="share of requests, AI answers or statements that may exceed their limit",
    )

    # SMS.
    sms_failed_ratio: Ratio = Field(
        0.10, description="share of SMS whose workflow may fail; retries have been made by then"
    )

    # Capacity. Promise: 100 SMS at once.
    concurrent_sms: Count = Field(100, description="SMS at once without getting slower")
    concurrent_sms_warning_ratio: Ratio = Field(
        0.75, description="share of concurrent_sms above which capacity has to be added"
    )

    # The AI provider's limit (docs/domain.md, "What it depends on").
    ai_calls_per_minute: Count = Field(3500, description="calls the AI provider takes a minute")
    capacity_days: Days = Field(30, description="days before a limit at which to act")
    capacity_minimum_usage: Ratio = Field(
        0.3, description="usage of a limit below which its trend calls nobody"
    )

    # Bands by hour of the week.
    seasonal_minimum_weeks: int = Field(
        3, ge=2, le=4, description="past weeks to know before a band calls anybody"
    )
    # Three standard deviations are left by one hour in 370, if hours scatter normally.
    seasonal_deviations: float = Field(
        3, gt=0, description="width of a band in standard deviations between past weeks"
    )
    sms_volume_band: Ratio = Field(0.3, description="least width of the band, share of baseline")
    # With a band of 30 %, three SMS in four are missing.
    sms_volume_page_widths: float = Field(
        2.5, gt=1, description="band widths below the baseline at which missing SMS page"
    )
    sms_volume_minimum_per_hour: Count = Field(
        100, description="SMS an hour to expect; with fewer, chance alone leaves the band"
    )
    approval_ratio_band: Ratio = Field(0.3, description="least width, share of baseline")
    approval_ratio_minimum_decisions: Count = Field(
        30, description="decisions an hour below which their shares say nothing"
    )
    latency_band: Ratio = Field(0.5, description="least width, share of baseline")
    latency_minimum_sms_per_hour: Count = Field(
        50, description="SMS an hour below which their durations say nothing"
    )

    # Upstreams and the database.
    ai_error_ratio: Ratio = Field(0.10, description="share of AI calls that may fail")
    upstream_error_ratio: Ratio = Field(
        0.10, description="share of calls to another upstream that may fail"
    )
    database_error_ratio: Ratio = Field(
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
    database_pool_ratio: Ratio = Field(
        0.90, description="share of the connections above which the pool is too small"
    )
    breaker_recoveries: Count = Field(
        3, description="times a worker's breaker closes within 30 min from which on it flaps"
    )

    # Decisions of the AI and of managers. Promise: awaiting a manager at most 36 h.
    approval_wait_seconds: Seconds = Field(
        36 * 3600, description="a response waits for a manager at most"
    )
    approval_wait_warning_seconds: Seconds = Field(
        # Three quarters: leaves managers a working day.
        27 * 3600,
        description="waiting time from which on managers have to be reminded",
    )
    approval_queue_length: Count = Field(
        100, description="waiting responses that managers can still work off"
    )
    approval_ratio: Ratio = Field(
        0.50, description="share of managers' decisions that should send the AI's text unchanged"
    )
    escalation_ratio: Ratio = Field(
        # Low confidence, the most common cause, is expected to send about 8 % to a person.
        0.15,
        description="escalations of one type that there may be per SMS received",
    )
    critical_escalation_seconds: Seconds = Field(
        1800, description="a critical escalation, such as a threat to life, is open at most"
    )
    high_escalation_seconds: Seconds = Field(
        4 * 3600, description="an escalation of high severity is open at most"
    )
    payment_plan_ratio: Ratio = Field(
        0.50, description="share of the past week's payment plan detection that should be kept up"
    )
    confidence_drift: Ratio = Field(
        0.10, description="the AI's mean confidence may differ from that of the past week by this"
    )
    minimum_events: Count = Field(
        # A share of 30 is off by 0.09 at most two times in three.
        30,
        description="decisions, answers or escalations below which no share of them alerts",
    )

    # The process.
    memory_bytes: Bytes = Field(512 * 1024**2, description="resident memory of one worker")
    cpu_ratio: Ratio = Field(
        # A worker is one event loop, and so uses one core at most.
        0.90,
        description="share of a core that one worker may use for long",
    )
    event_loop_lag_seconds: Seconds = Field(
        0.1, description="how late the event loop may be, which every request waits on top"
    )
    restarts: Count = Field(3, description="restarts within 30 min that are no release")

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
        4, description="times a target goes or comes within 30 minutes; a restart makes 2"
    )
    scrape_seconds: Seconds = Field(5.0, description="duration of a scrape, half its timeout")
    scrape_samples: Count = Field(20_000, description="samples a target may give")
    cardinality_growth: float = Field(
        1.5, gt=1, description="times as many series as a day ago that are too many"
    )
    cardinality_samples: Count = Field(
        1000, description="more samples of one target than a day ago below which growth is small"
    )
    head_series_more: Count = Field(
        20_000, description="more series in memory than a day ago below which growth is small"
    )
    samples_rejected: Count = Field(10, description="samples refused within 10 minutes")

    # Platform: rules and notifications.
    rule_group_share: Ratio = Field(0.5, description="share of its interval a group may need")
    notification_error_ratio: Ratio = Field(
        0.01, description="share of alerts or notifications that may be lost"
    )
    notification_minimum_failures: Count = Field(
        2, description="lost alerts or notifications below which the share calls nobody"
    )
    notification_queue_ratio: Ratio = Field(0.1, description="how full the queue may stay")
    tsdb_failures: Count = Field(3, description="failures of the store within an hour")
    newest_sample_seconds: Seconds = Field(
        90, description="age of the newest sample; six scrapes, below the 5 minutes they are seen"
    )

    # Platform: machines. Days and hours leave a night, or a meeting, to act in.
    disk_full_ticket_seconds: Seconds = Field(86400, description="time until a disk is full")
    disk_full_page_seconds: Seconds = Field(14400, description="the same, to call somebody")
    disk_filling_ticket_ratio: Ratio = Field(
        0.4, description="share left above which a filling disk is no matter yet"
    )
    disk_filling_page_ratio: Ratio = Field(0.2, description="the same, to call somebody")
    disk_left_ticket_ratio: Ratio = Field(0.1, description="share of a disk that has to be left")
    disk_left_page_ratio: Ratio = Field(0.05, description="the same, to call somebody")
    inodes_left_ratio: Ratio = Field(0.1, description="share of inodes that has to be left")
    memory_left_ratio: Ratio = Field(0.1, description="share of memory that has to be available")
    cpu_busy_ratio: Ratio = Field(0.9, description="share of CPU time that may be used")
    # NTP keeps a clock within a few milliseconds.
    clock_offset_seconds: Seconds = Field(0.05, description="distance of a clock from its source")
    # A machine reads its clock while it is scraped, up to half a scrape's timeout late.
    clock_difference_seconds: Seconds = Field(
        5.0, description="distance of a machine's clock from Prometheus's"
    )
    certificate_ticket_days: Days = Field(14, description="days before a certificate expires")
    certificate_page_days: Days = Field(3, description="the same, to call somebody")

    @model_validator(mode="after")
    def _tickets_come_before_pages(self) -> Self:
        for ticket, page in (
            ("disk_full_ticket_seconds", "disk_full_page_seconds"),
            ("disk_filling_ticket_ratio", "disk_filling_page_ratio"),
            ("disk_left_ticket_ratio", "disk_left_page_ratio"),
            ("certificate_ticket_days", "certificate_page_days"),
        ):
            if getattr(self, ticket) <= getattr(self, page):
                raise ValueError(
                    f"{ticket} of {getattr(self, ticket):g} is not above {page} of "
                    f"{getattr(self, page):g}, so the ticket would come no sooner than the page; "
                    "raise it"
                )
        return self

    @model_validator(mode="after")
    def _objectives_leave_a_budget(self) -> Self:
        for name in type(self).model_fields:
            if name.endswith("_objective") and getattr(self, name) >= 1:
                raise ValueError(
                    f"{name} of 1 leaves no error budget to alert on; use 0.9999 or less"
                )
        return self
