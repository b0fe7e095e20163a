"""Thresholds: where a signal becomes an alert, each with its unit and the source of its figure.

Rules, dashboards, runbooks and the states of the JSON endpoint take them from here. Each is
overridden by its environment variable, ``ORCHESTRATOR_THRESHOLDS__`` and the name in capitals, and
for one environment by app/core/environments.toml. "Promise" in a comment is domain.md, "What it
promises"; what has no source there is our judgement, to be tuned with ``make replay``.
"""

from typing import Self

from pydantic import Field, model_validator

from app.core.sections import Count, Days, Ratio, Seconds, Section


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

    # Capacity. Promise: 100 SMS at once.
    concurrent_sms: Count = Field(100, description="SMS at once without getting slower")

    # The AI provider's limit (domain.md, "What it depends on").
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
    sms_volume_page_widths: float = Field(
        2, gt=1, description="band widths below the baseline at which missing SMS page"
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

    # Upstreams.
    ai_error_ratio: Ratio = Field(0.10, description="share of AI calls that may fail")

    @model_validator(mode="after")
    def _objectives_leave_a_budget(self) -> Self:
        for name in type(self).model_fields:
            if name.endswith("_objective") and getattr(self, name) >= 1:
                raise ValueError(
                    f"{name} of 1 leaves no error budget to alert on; use 0.9999 or less"
                )
        return self
