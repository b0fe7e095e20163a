"""Thresholds: where a signal becomes an alert, each with its unit and the source of its figure.

Rules, dashboards, runbooks and the states of the JSON endpoint take them from here. Each is
overridden by its environment variable, ``ORCHESTRATOR_THRESHOLDS__`` and the name in capitals, and
for one environment by app/core/environments.toml. "Promise" in a comment is domain.md, "What it
promises"; what has no source there is our judgement, to be tuned with ``make replay``.
"""

from typing import Self

from pydantic import Field, model_validator

from app.core.sections import Bytes, Count, Ratio, Seconds, Section


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

    @model_validator(mode="after")
    def _objectives_leave_a_budget(self) -> Self:
        for name in type(self).model_fields:
            if name.endswith("_objective") and getattr(self, name) >= 1:
                raise ValueError(
                    f"{name} of 1 leaves no error budget to alert on; use 0.9999 or less"
                )
        return self
