"""Answers of the JSON metrics endpoint."""

from pydantic import BaseModel, Field


class LastHour(BaseModel):
    """The minute that runs and the 59 before it."""

    sms_received: int = Field(description="SMS accepted", examples=[120])
    ai_responses: int = Field(description="answers the AI wrote", examples=[118])
    auto_approval_rate: float = Field(
        ge=0,
        le=1,
        description="share of the AI's answers sent without a manager; 0 when there were none",
        examples=[0.71],
    )
    avg_response_time_ms: int = Field(
        description="mean time from accepting an SMS to its routing, ms; 0 when there were none",
        examples=[840],
    )


class Today(BaseModel):
    """Since midnight in the configured time zone."""

    total_messages: int = Field(description="SMS accepted", examples=[1450])
    escalations: int = Field(description="escalations opened", examples=[31])
    payment_plans: int = Field(description="payment plans found", examples=[88])


class MetricsAnswer(BaseModel):
    """The business at a glance."""

    last_hour: LastHour
    today: Today
