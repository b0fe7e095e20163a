"""What tells a made-up past from a real one."""

from asgi_observability.metric import Kind, Metric

SYNTHETIC_HISTORY = Metric(
    "synthetic_history",
    Kind.GAUGE,
    "bool",
    "1 while the data of a target is synthetic; absent where the data is real.",
)
