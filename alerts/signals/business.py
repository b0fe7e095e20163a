"""What the AI and the managers decide."""

from alerts.model import Group, Record
from alerts.promql import quantile, ratio
from app.core import catalogue
from app.core.catalogue import Metric, Route

_RESPONSES = catalogue.AI_RESPONSES
_CONFIDENCE = catalogue.AI_CONFIDENCE


def _last_hour(metric: Metric, label: str) -> Record:
    # Few a minute: a rate per second would be unreadable.
    return Record(
        f"job_{label}:{metric.name.removesuffix('_total')}:increase1h",
        f"sum by (job, {metric.label(label).name}) (increase({metric.name}[1h]))",
    )


RESPONSES = _last_hour(_RESPONSES, "route")
APPROVALS = _last_hour(catalogue.APPROVALS, "action")
ESCALATIONS = _last_hour(catalogue.ESCALATIONS, "type")
PAYMENT_PLANS = _last_hour(catalogue.PAYMENT_PLANS, "result")
AUTO_SENT_RATIO = Record(
    f"job:{_RESPONSES.name.removesuffix('_total')}:auto_sent_ratio_increase1h",
    ratio(
        f'sum by (job) ({RESPONSES}{{route="{Route.AUTO_SENT}"}})', f"sum by (job) ({RESPONSES})"
    ),
)
CONFIDENCE_MEAN = Record(
    f"job:{_CONFIDENCE.name}:mean_rate5m",
    ratio(
        f"sum by (job) (rate({_CONFIDENCE.sum}[5m]))",
        f"sum by (job) (rate({_CONFIDENCE.count}[5m]))",
    ),
)
CONFIDENCE_P10 = Record(
    f"job:{_CONFIDENCE.name}:p10_rate5m", quantile(0.1, _CONFIDENCE.bucket, "job", "5m")
)


def group() -> Group:
    """The rules of the business."""
    return Group(
        name="business",
        about="Answers, decisions, escalations and payment plans of the last hour; confidence.",
        records=(
            RESPONSES,
            AUTO_SENT_RATIO,
            APPROVALS,
            ESCALATIONS,
            PAYMENT_PLANS,
            CONFIDENCE_MEAN,
            CONFIDENCE_P10,
        ),
        signals=(),
    )
