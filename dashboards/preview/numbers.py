"""Numbers as JavaScript rounds and writes them, on which all of Grafana's texts rest."""

import math

_LN10 = 2.302585092994046
_MOST_DIGITS, _LEAST_EXPONENT = 21, -6
"""From and below which powers of ten JavaScript writes an exponent."""


def written(value: float) -> str:
    """The shortest text that is this number, as `String(value)` gives it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    if whole == "0":
        point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if _LEAST_EXPONENT < point <= _MOST_DIGITS:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        if point >= len(digits):
            return sign + digits + "0" * (point - len(digits))
        return f"{sign}{digits[:point]}.{digits[point:]}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def rounded(value: float) -> float:
    """To a whole number, halves upwards."""
    if math.isnan(value) or math.isinf(value):
        return value
    below = math.floor(value)
    return float(below if value - below < 0.5 else below + 1)


def fixed(value: float, decimals: int | None) -> str:
    """``value`` with ``decimals`` digits behind the point; without them, about three in all."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if decimals is None:
        decimals = _decimals(value)
    if value == 0:
        return f"{0:.{decimals}f}"
    factor = float(10 ** max(0, decimals)) if decimals else 1.0
    shown = written(rounded(value * factor) / factor)
    if "e" in shown:
        return shown
    _, point, behind = shown.partition(".")
    if len(behind) >= decimals:
        return shown
    return shown + ("" if point else ".") + "0" * (decimals - len(behind))


def decimals_of(value: float) -> int:
    """How many digits ``value`` has behind the point, as it is written."""
    return len(written(value).partition(".")[2])


def _decimals(value: float) -> int:
    if value == 0 or math.isnan(value) or value % 1 == 0:
        return 0
    size = abs(value)
    decimals = 1 - math.floor(math.log(size) / _LN10)
    return max(0, decimals + (size / 10.0**-decimals > 2.25))
