"""What tells a made-up past from a real one."""

from app.core.catalogue import Kind, Metric

SYNTHETIC_HISTORY = Metric(
    "synthetic_history",
    Kind.GAUGE,
    "bool",
    "1 while the past of a target is made up; there is none where it is real.",
)
