"""Records and alerts put into the expressions that read them, for a past that lacks them.

A record becomes its own expression in parentheses; where a range of it is read, a subquery with the
interval in which it would have been recorded. Matchers on it become matching with a vector that has
these labels, because PromQL can't select among the results of an expression.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import promql_parser

from prometheus_tools.firing import Firing
from prometheus_tools.rulebook import RecordingRule, Rulebook

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_SELECTOR = re.compile(
    r"(?<![\w:.])(?P<name>[a-zA-Z_:][\w:]*)"
    r"\s*(?P<braces>\{[^{}]*\})?"
    r"\s*(?P<range>\[[^\[\]]*\])?"
    r"(?P<shift>(?:\s*offset\s+-?\w+|\s*@\s*(?:[\d.]+|start\(\)|end\(\)))*)"
)
_MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\")")
_FOUND = "replay_match"
"""A label that only these expressions have."""

Selected = tuple[str, str, str]
"""A matcher: label, operator and value, this in quotes."""


def expanded(expr: str, rulebook: Rulebook, names: Iterable[str]) -> str:
    """``expr`` with the records called ``names`` replaced by what they record.

    Raises ValueError where that is no PromQL.
    """
    wanted = frozenset(names)

    def record(name: str, selected: Sequence[Selected]) -> tuple[str, int] | None:
        if name not in wanted:
            return None
        rules = [rule for rule in rulebook.records[name] if _may_match(rule, selected)]
        parts = [_labelled(expanded(rule.expr, rulebook, wanted), rule.labels) for rule in rules]
        interval = max(rule.interval for rule in rulebook.records[name])
        return _filtered(" or ".join(parts) or _NOTHING, selected), interval

    return _replaced(expr, record)


def with_alerts(
    expr: str,
    fired: Mapping[str, Sequence[tuple[Mapping[str, str], Sequence[Firing]]]],
    interval: int,
) -> str:
    """``expr`` with the series of alerts replaced by the times in which they ``fired``.

    ``fired`` has, by the alert's name, its labels and times. Raises ValueError where ``expr`` reads
    others, or alerts in another way than firing ones by their name.
    """

    def alerts(name: str, selected: Sequence[Selected]) -> tuple[str, int] | None:
        if name != "ALERTS":
            return None
        equal = {label: value.strip('"') for label, op, value in selected if op == "="}
        alert = equal.get("alertname", "")
        if equal.get("alertstate") != "firing" or alert not in fired:
            raise ValueError(
                f'reads ALERTS{_braces(selected)}: a replay needs alertstate="firing" and '
                "the alertname of an alert that is replayed too"
            )
        parts = [
            _labelled(f"vector(1) and on () ({_during(times)})", labels)
            for labels, times in fired[alert]
            if times
        ]
        rest = [each for each in selected if each[0] not in ("alertname", "alertstate")]
        return _filtered(" or ".join(parts) or _NOTHING, rest), interval

    return _replaced(expr, alerts)


def alerts_read(expr: str) -> set[str]:
    """The names of the alerts whose series ``expr`` reads."""
    read: set[str] = set()

    def note(name: str, selected: Sequence[Selected]) -> None:
        if name == "ALERTS":
            read.update(v.strip('"') for label, op, v in selected if (label, op) == _BY_NAME)

    _replaced(expr, note)
    return read


_BY_NAME = ("alertname", "=")
_NOTHING = "vector(1) < 0"


def _replaced(
    expr: str, replacement: Callable[[str, Sequence[Selected]], tuple[str, int] | None]
) -> str:
    """``expr`` with selectors replaced: by name and matchers, expression and interval of it."""
    blanked = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), expr)
    text, done = "", 0
    for match in _SELECTOR.finditer(blanked):
        braces = expr[slice(*match.span("braces"))] if match["braces"] else ""
        found = replacement(match["name"], _MATCHER.findall(braces))
        if found is None:
            continue
        inner, interval = found
        text += expr[done : match.start()] + _read(inner, interval, match["range"], match["shift"])
        # What was matched behind the selector may be white space only.
        done = match.end()
    text += expr[done:]
    try:
        return str(promql_parser.parse(text))
    except ValueError as error:
        raise ValueError(f"can't be expanded: {error}: {text}") from None


def _read(inner: str, interval: int, selected_range: str | None, shift: str) -> str:
    """``inner`` read as its record would be: now, over a range, or at another time."""
    shift = f" {shift.strip()}" if shift.strip() else ""
    if selected_range:
        length = selected_range[1:-1]
        range_ = length if ":" in length else f"{length}:{interval}s"
        return f"({inner})[{range_}]{shift} "
    if shift:
        return f"last_over_time(({inner})[{interval}s:{interval}s]{shift}) "
    return f"({inner}) "


def _may_match(rule: RecordingRule, selected: Sequence[Selected]) -> bool:
    return all(
        rule.labels.get(label, value.strip('"')) == value.strip('"')
        for label, op, value in selected
        if op == "="
    )


def _labelled(expr: str, labels: Mapping[str, str]) -> str:
    for label, value in labels.items():
        expr = f'label_replace({expr}, "{label}", "{value}", "", "")'
    return f"({expr})"


def _filtered(expr: str, selected: Sequence[Selected]) -> str:
    for label, op, value in selected:
        keep = "and" if op in ("=", "=~") else "unless"
        if op in ("=", "!="):
            only = f'label_replace(vector(1), "{label}", {value}, "", "")'
            expr = f"(({expr}) {keep} on ({label}) {only})"
        else:
            marked = f'label_replace(({expr}), "{_FOUND}", "1", "{label}", {value})'
            only = f'label_replace(vector(1), "{_FOUND}", "1", "", "")'
            expr = f"sum without ({_FOUND}) ({marked} {keep} on ({_FOUND}) {only})"
    return expr


def _during(times: Sequence[Firing]) -> str:
    """An expression with a value in these times only."""
    each = [f"(vector(time()) >= {time.start:.0f} <= {time.end:.0f})" for time in times]
    return " or ".join(each)


def _braces(selected: Sequence[Selected]) -> str:
    return "{" + ",".join(f"{label}{op}{value}" for label, op, value in selected) + "}"
