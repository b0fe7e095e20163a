"""What Prometheus makes of an alert's templates, for the functions that our annotations use.

Written after the documentation of template functions, not after the code: a second opinion.
"""

import re
from collections.abc import Callable, Mapping

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
_LABEL = re.compile(r"\$labels\.(\w+)")


class UnknownTemplateError(ValueError):
    """A template uses what is not known here, so that its test has to be written by hand."""


def render(text: str, labels: Mapping[str, str], value: float) -> str:
    """``text`` with its placeholders filled in. Raises UnknownTemplateError."""

    def filled(match: re.Match[str]) -> str:
        inner = match[1].strip()
        if label := _LABEL.fullmatch(inner):
            return labels.get(label[1], "")
        name = inner.removeprefix("$value | ")
        if name not in _FUNCTIONS:
            raise UnknownTemplateError(f"{{{{ {inner} }}}}")
        return _FUNCTIONS[name](value)

    return _PLACEHOLDER.sub(filled, text)


def humanize(value: float) -> str:
    """Metric prefixes, four digits."""
    if value == 0 or 1 <= abs(value) < 1000:
        return f"{value:.4g}"
    prefixes, factor = ("kMGTPEZY", 1000.0) if abs(value) >= 1 else ("munpfazy", 0.001)
    prefix = ""
    for prefix in prefixes:  # noqa: B007 - the last one is the answer
        value /= factor
        if 1 <= abs(value) < 1000:
            break
    return f"{value:.4g}{prefix}"


def humanize_1024(value: float) -> str:
    """Binary prefixes, four digits."""
    if abs(value) <= 1:
        return f"{value:.4g}"
    prefix = ""
    for following in ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"):
        if abs(value) < 1024:
            break
        prefix, value = following, value / 1024
    return f"{value:.4g}{prefix}"


def humanize_percentage(value: float) -> str:
    """A ratio in percent, four digits."""
    return f"{value * 100:.4g}%"


def humanize_duration(value: float) -> str:
    """Seconds as days, hours, minutes and seconds; below one with a metric prefix."""
    if value == 0:
        return f"{value:.4g}s"
    if abs(value) < 1:
        return f"{humanize(value)}s"
    sign, whole = ("-" if value < 0 else ""), int(abs(value))
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{abs(value):.4g}s"


_FUNCTIONS: dict[str, Callable[[float], str]] = {
    "humanize": humanize,
    "humanize1024": humanize_1024,
    "humanizePercentage": humanize_percentage,
    "humanizeDuration": humanize_duration,
}
