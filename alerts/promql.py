"""PromQL that every signal needs, written once."""


def or_zero(part: str, whole: str) -> str:
    """``part``, or 0 where it has no series yet but ``whole``, with the same labels, has one."""
    return f"{part} or 0 * {whole}"


def ratio(part: str, whole: str) -> str:
    """The share ``part`` of ``whole``; no sample where ``whole`` is 0, instead of a NaN."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, bucket: str, by: str, window: str) -> str:
    """The ``q`` quantile of a classic histogram's ``bucket`` series over ``window``, by labels."""
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({bucket}[{window}])))"


def seconds(window: str) -> int:
    """The length of a Prometheus duration of one unit, such as ``30m``."""
    return int(window[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[window[-1]]
