"""Whether alerts say what somebody needs who is woken, and whether they can fire at all."""

from collections.abc import Iterator

from alerts.model import Comparison, Group, Severity, Signal, Threshold, Unit
from alerts.promql import seconds
from alerts.rules import alert_expr, alert_rule
from alerts.semantics import Semantics
from app.core.config import Links


def misshapen_in(all_groups: tuple[Group, ...], evaluation_seconds: float) -> list[str]:
    """Alerts that lack what somebody needs who is woken by them, that flap, or that can't fire."""
    found = [
        f"group {group.name}: alert {threshold.alert}: {problem}"
        for group in all_groups
        for signal in group.signals
        for threshold in signal.thresholds
        for problem in _misshapen(group, signal, threshold, evaluation_seconds)
    ]
    found += [
        f"group {group.name}: alert {threshold.alert}: {problem}"
        for group in all_groups
        for signal in group.signals
        for threshold, problem in _unordered(signal)
    ]
    return found + list(_not_noticed(all_groups))


def colliding_in(all_groups: tuple[Group, ...], semantics: Semantics) -> list[str]:
    """Alerts that set a label which the series they read have already, with another value.

    Prometheus overwrites it; vmalert keeps it beside, as ``exported_severity``.
    """
    return [
        f"group {group.name}: alert {threshold.alert}: sets {label}, which {signal.source} has "
        f"already; record it under another name, such as of_{label}"
        for group in all_groups
        for signal in group.signals
        for threshold in signal.thresholds
        for label in _set_twice(group, signal, threshold, semantics)
    ]


def _set_twice(
    group: Group, signal: Signal, threshold: Threshold, semantics: Semantics
) -> Iterator[str]:
    expr = alert_expr(signal, threshold)
    sets = alert_rule(group, signal, threshold, Links())["labels"]
    for label in sorted(sets.keys() & (semantics.labels(expr) or frozenset())):
        # Where the series can only have the same value, nothing is lost.
        if f'{label}="{sets[label]}"' not in expr:
            yield label


def _not_noticed(all_groups: tuple[Group, ...]) -> Iterator[str]:
    """Alerts whose missing series are left to an alert that would not notice."""
    every = [
        (group, signal, threshold)
        for group in all_groups
        for signal in group.signals
        for threshold in signal.thresholds
    ]
    notice = {t.alert for _, signal, t in every if "absent(" in alert_expr(signal, t)}
    for group, _, threshold in every:
        if threshold.absence and threshold.absence not in notice:
            yield (
                f"group {group.name}: alert {threshold.alert}: absence names {threshold.absence}, "
                f"which has no absent(); those that do are {', '.join(sorted(notice))}"
            )


def _misshapen(
    group: Group, signal: Signal, threshold: Threshold, evaluation_seconds: float
) -> Iterator[str]:
    for name in ("summary", "description", "action"):
        if not getattr(threshold, name).strip():
            yield f"has no {name}; write one"
    if "\n" in threshold.summary:
        yield "its summary is more than one line; move the rest into the description"
    step = seconds(group.interval) if group.interval else evaluation_seconds
    pending = seconds(threshold.pending)
    if threshold.severity is not Severity.INFO and pending < 2 * step:
        yield (
            f"pending {threshold.pending} is over before a second evaluation has agreed; "
            f"make it {2 * step:g}s or more"
        )
    if pending % step or seconds(threshold.keep_firing) % step:
        yield f"pending and keep_firing have to be multiples of the evaluation's {step:g}s"
    yield from _impossible(signal, threshold)
    if threshold.severity is Severity.PAGE and not threshold.absence:
        yield (
            "pages, but says nothing of missing series; name in absence the alert that fires when "
            "they are"
        )


def _impossible(signal: Signal, threshold: Threshold) -> Iterator[str]:
    """Thresholds of another unit, or that no value passes."""
    value, below = threshold.value, threshold.comparison is Comparison.BELOW
    if signal.unit is Unit.RATIO and not 0 <= value <= 1:
        yield f"its threshold {value:g} is not a ratio; write 0.05 for 5%"
    elif below and value <= 0:
        yield f"nothing is below {value:g}, so it never fires; raise the threshold"
    if (unit := _named_unit(str(signal.source))) and unit is not signal.unit:
        yield (
            f"its signal is said to be {signal.unit}, but {signal.source} is {unit} by its name; "
            "fix the unit, or the record's name"
        )


def _named_unit(series: str) -> Unit | None:
    """The unit that a series' name promises; None where it promises none."""
    *_, metric, operation = ("", *series.split(":"))[-2:]
    if "ratio" in operation.split("_"):
        return Unit.RATIO
    if operation.startswith(("p50", "p9", "seconds", "mean")) and metric.endswith("_seconds"):
        return Unit.SECONDS
    return None


def _unordered(signal: Signal) -> Iterator[tuple[Threshold, str]]:
    """Tickets that come after the page they should warn of."""
    for page in signal.thresholds:
        for ticket in signal.thresholds:
            if (page.severity, ticket.severity) != (Severity.PAGE, Severity.TICKET):
                continue
            if (page.comparison, page.matchers) != (ticket.comparison, ticket.matchers):
                continue
            later = {
                Comparison.ABOVE: ticket.value >= page.value,
                Comparison.BELOW: ticket.value <= page.value,
            }
            if later.get(page.comparison):
                yield (
                    ticket,
                    f"its ticket at {signal.unit.text(ticket.value)} comes no sooner than its page "
                    f"at {signal.unit.text(page.value)}; move one of them",
                )
