"""PromQL that every signal needs, written once."""

from collections.abc import Iterable

from asgi_observability.metric import Metric


def or_zero(part: str, whole: str) -> str:
    """``part``, or 0 where it has no series yet but ``whole``, with the same labels, has one."""
    return f"{part} or 0 * {whole}"


def summed(parts: Iterable[str], by: str) -> str:
    """The sum of ``parts`` by labels; one that is not there adds nothing, and hides nothing.

    While they are added up they are told apart by a label that nothing else has.
    """
    told_apart = (f'label_replace({part}, "part", "{n}", "", "")' for n, part in enumerate(parts))
    return f"sum by ({by}) ({' or '.join(told_apart)})"


def ratio(part: str, whole: str) -> str:
    """The share ``part`` of ``whole``; no sample where ``whole`` is 0, instead of a NaN."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, bucket: str, by: str, window: str) -> str:
    """The ``q`` quantile of a classic histogram's ``bucket`` series over ``window``, by labels."""
    return quantile_of(q, by_bound(bucket, by, window))


def by_bound(bucket: str, by: str, window: str) -> str:
    """Observations a second up to each bound, by labels: what several quantiles are taken of."""
    return f"sum by ({by}, le) (rate({bucket}[{window}]))"


def quantile_of(q: float, rates: str) -> str:
    """The ``q`` quantile of ``rates`` up to each bound.

    No sample where nothing was observed: a NaN would be passed on by every average.
    """
    return f"histogram_quantile({q}, {rates}) >= 0"


def beyond(total: str, part: str, on: str) -> str:
    """What of ``total`` is not in ``part``, both events a second, matched by the labels ``on``.

    To a billionth: what rounding leaves of two equal sums is no event.
    """
    return f"round({total} - on ({on}) {part}, 1e-9)"


def at_most(metric: Metric, limit: float, setting: str) -> str:
    """The matcher of the bucket of ``metric`` that ends at ``limit``, so that its share is exact.

    ValueError names the ``setting`` whose limit is no bucket bound, and the bounds there are.
    """
    if limit not in metric.buckets:
        bounds = ", ".join(f"{bound:g}" for bound in metric.buckets)
        raise ValueError(
            f"{setting}={limit:g} is not a bucket bound of {metric.name}, so the share within it "
            f"can't be exact; use one of {bounds}"
        )
    return f'le="{float(limit)}"'


def seconds(window: str) -> int:
    """The length of a Prometheus duration of one unit, such as ``30m``."""
    return int(window[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[window[-1]]
