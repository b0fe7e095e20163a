"""What differs between what a rule test expects and what came, in one line instead of promtool's.

promtool prints both sides whole: hundreds of characters of labels and annotations, in which one
word differs.
"""

import re
from collections.abc import Iterator

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BRACES = rf"\{{(?:[^{{}}\"]|{_QUOTED})*\}}"
_ALERT = re.compile(rf"Labels:(?P<labels>{_BRACES})\s+Annotations:(?P<annotations>{_BRACES})")
_SAMPLE = re.compile(rf"(?P<series>[\w:]*{_BRACES}) (?P<value>[-+.\w]+)")
_PAIR = re.compile(rf"(?P<name>[\w:]+)=(?P<value>{_QUOTED})")
_SIDES = re.compile(r"exp:(?P<expected>.*?)\bgot:(?P<came>.*)", re.DOTALL)
_NEAR = 30
"""Characters before the first difference of two texts that are shown."""
_LONGEST = 80
_MOST = 3
"""Differences that are shown; of more, only how many."""


def difference(detail: str) -> str:
    """What differs in ``detail``, promtool's text behind the time; that itself if it is unknown."""
    sides = _SIDES.search(detail)
    if not sides:
        return " ".join(detail.split())
    alerts = [dict(_alerts(side)) for side in sides.groups()]
    samples = [dict(_samples(side)) for side in sides.groups()]
    if any(alerts):
        found = list(_of_alerts(*alerts))
    elif any(samples):
        found = list(_of_samples(*samples))
    else:
        found = []
    if not found:
        return " ".join(detail.split())
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more


def _alerts(side: str) -> Iterator[tuple[str, dict[str, str]]]:
    for match in _ALERT.finditer(side):
        annotations = {pair["name"]: pair["value"] for pair in _PAIR.finditer(match["annotations"])}
        yield match["labels"], annotations


def _samples(side: str) -> Iterator[tuple[str, str]]:
    for match in _SAMPLE.finditer(side):
        yield match["series"], _number(match["value"])


def _number(text: str) -> str:
    return f"{float(text):.12g}"


def _of_alerts(
    expected: dict[str, dict[str, str]], came: dict[str, dict[str, str]]
) -> Iterator[str]:
    for labels in sorted(expected.keys() - came.keys()):
        yield f"does not fire for {labels}"
    for labels in sorted(came.keys() - expected.keys()):
        yield f"fires for {labels}, which is not expected"
    for labels in sorted(expected.keys() & came.keys()):
        wanted, got = expected[labels], came[labels]
        for name in sorted(wanted.keys() | got.keys()):
            if wanted.get(name) != got.get(name):
                yield f"{name}: {_apart(wanted.get(name, 'none'), got.get(name, 'none'))}"


def _apart(expected: str, came: str) -> str:
    """Two texts from shortly before they part."""
    parts = next(
        (n for n, (a, b) in enumerate(zip(expected, came, strict=False)) if a != b),
        min(len(expected), len(came)),
    )
    begins = max(0, parts - _NEAR)
    shown = [
        f"{'…' if begins else ''}{text[begins : begins + _LONGEST]}"
        f"{'…' if len(text) > begins + _LONGEST else ''}"
        for text in (expected, came)
    ]
    return f"expected {shown[0]}, got {shown[1]}"


def _of_samples(expected: dict[str, str], came: dict[str, str]) -> Iterator[str]:
    for series in sorted(expected.keys() | came.keys()):
        wanted, got = expected.get(series, "nothing"), came.get(series, "nothing")
        if wanted != got:
            yield f"{series}: expected {wanted}, got {got}"
