"""What an operator watches, as panels: its course with its thresholds, and its worst value now."""

import re
from collections.abc import Mapping, Sequence

from alerts.identity import IDENTITY, with_identity
from alerts.model import Dashboard, Record, Severity, Signal
from dashboards.choices import DEPLOYMENT, TARGETS, of
from dashboards.colours import Colour, falls, signal_steps
from dashboards.deployments import BY
from dashboards.grafana import Panel
from dashboards.panels import Query, stat, state_timeline, timeseries

_MATCHER = re.compile(r'((\w+)(?:=~|!~|!=|=)"[^"]*")')

_SHORTENED = {"rule_group": ".*;(.+)", "http_route": "/orchestrate(/.+)"}
"""What a legend shows of a label's value: a group without its file, a route without its head."""


def signal(
    watched: Signal,
    *legend_labels: str,
    empty: str = "",
    among: str = TARGETS,
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """What ``watched`` is over time, with the thresholds of its alerts and when they fire.

    Its series are called by the ``legend_labels``, with values of theirs that have no alert as
    well. ``among`` filters them, where the signal is a series and not an expression of its own.
    """
    legend = " ".join(f"{{{{{label}}}}}" for label in legend_labels) or watched.title
    expr = series_of(watched, matchers_of(watched, legend_labels), among)
    for label in sorted(_SHORTENED.keys() & set(legend_labels)):
        expr = f'label_replace({expr}, "{label}", "$1", "{label}", "{_SHORTENED[label]}")'
    return timeseries(
        watched.title,
        description(watched),
        watched.unit,
        Query(expr, legend),
        signals=(watched,),
        empty=empty,
        links=links,
    )


def signal_stat(
    title: str,
    watched: Signal,
    empty: str = "Not known",
    among: str = TARGETS,
) -> Panel:
    """The worst present value of what ``watched`` is, in the colour of its alerts."""
    return stat(
        title,
        description(watched),
        watched.unit,
        Query(worst(watched, among), title),
        signal_steps(watched, matchers_of(watched)),
        empty=empty,
    )


def never(title: str, lanes: Mapping[str, tuple[Signal, str]]) -> Panel:
    """What is well as long as nothing is wrong: a lane each, in place of a graph each.

    A lane's signal is filtered by the matchers beside it.
    """
    return state_timeline(
        title,
        "A lane for each, coloured while it is beyond the limit of its alert. Good is green "
        "everywhere. Grey: not known.",
        *(Query(beyond(watched, among), name) for name, (watched, among) in lanes.items()),
        states={
            "0": ("well", Colour.GOOD),
            "1": ("ticket", Colour.WARNING),
            "2": ("page", Colour.BAD),
        },
        empty="Not known",
    )


def beyond(watched: Signal, among: str = TARGETS) -> str:
    """PromQL: 2 where an alert of ``watched`` that pages would begin, 1 for a ticket, else 0.

    Of each deployment.
    """
    series = worst_of_each(watched, matchers_of(watched), among)
    parts = [
        f"{weight}({series} {each.comparison.value} bool {each.value:g})"
        for each in watched.thresholds
        for weight in ["2 * " if each.severity is Severity.PAGE else ""]
    ]
    return f"clamp_max({' + '.join(parts)}, 2)"


def worst(watched: Signal, among: str = TARGETS) -> str:
    """PromQL of the worst of the series of ``watched``."""
    series = series_of(watched, matchers_of(watched), among)
    return f"{'min' if falls(watched) else 'max'}({series})"


def worst_of_each(watched: Signal, matchers: str, among: str) -> str:
    """PromQL of the worst of the series of ``watched`` in each deployment."""
    series = series_of(watched, matchers, among)
    return f"{'min' if falls(watched) else 'max'} by ({BY}) ({series})"


def series_of(watched: Signal, matchers: str, among: str) -> str:
    """The query of ``watched``, filtered; an expression of its own by where it runs alone."""
    if isinstance(watched.source, Record) or watched.source.replace(":", "_").isidentifier():
        return of(watched.source, matchers, among)
    return with_identity(watched.source, IDENTITY).replace("}", f",{DEPLOYMENT}}}")


def matchers_of(watched: Signal, named: Sequence[str] = ()) -> str:
    """The matchers that all thresholds of ``watched`` have, save those of the labels ``named``.

    Those tell the series apart in the legend, and what has no alert is worth seeing beside it.
    """
    every = [{*_MATCHER.findall(t.matchers)} for t in watched.thresholds]
    common = set.intersection(*every) if every else set()
    return ",".join(sorted(whole for whole, label in common if label not in named))


def description(watched: Signal) -> str:
    """What ``watched`` is, and its alerts where it has some."""
    return f"{watched.meaning}\n\n{alerts_in_words(watched)}".strip()


def alerts_in_words(watched: Signal) -> str:
    """When the alerts of ``watched`` fire, a line each."""
    return "\n".join(
        f"- {t.alert}{f' ({t.matchers})' if t.matchers else ''}: {t.described(watched.unit)}, "
        f"{t.severity}"
        for t in watched.thresholds
    )
