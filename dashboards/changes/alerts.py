"""Alerts compared: whom they call, when they fire, what they say."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from alerts.model import Severity, Unit, number
from alerts.rules import SET_BY_RULES
from dashboards.changes.conditions import Condition, Limit, conditions
from dashboards.changes.excerpts import same_promql, with_names
from dashboards.changes.pairing import paired
from dashboards.changes.reading import section
from dashboards.changes.report import Change, Part, Section, Subject, Weight
from dashboards.changes.rules import (
    Rule,
    Rules,
    common_changes,
    label_changes,
    same_duration,
)
from dashboards.changes.settings import value_change
from dashboards.changes.wording import address_change, expression_change, text_change

_ROUTED_BY = ("severity", "team")
_CALLING = {Severity.PAGE: 0, Severity.TICKET: 1, Severity.INFO: 2}
_LINKS = {"runbook_url": "runbook link", "dashboard_url": "dashboard link"}
_NAMES = {"logs_command": "command for the logs", "logs_query": "query of the logs"}
_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


def calling_section(compared: Rules) -> Section:
    """Whom alerts call that did not, and no longer: page before ticket."""
    alerts = compared.of(alerts=True)

    def only(rule: Rule) -> Subject:
        return Subject("alert", called(rule), (Change(Weight.CALLS, _about(rule)),))

    changed = sorted(alerts.both, key=lambda pair: min(map(_order, pair)))
    parts = (
        ("changed", [Subject("alert", called(b), _calling_changes(a, b)) for a, b in changed]),
        ("added", map(only, sorted(alerts.added, key=_order))),
        ("removed", map(only, sorted(alerts.removed, key=_order))),
    )
    return section("Who is called", (Part(title, tuple(found)) for title, found in parts))


def alert_section(compared: Rules) -> Section:
    """What else changed in alerts that were there before."""
    parts: dict[str, list[Subject]] = {}
    for old, new in sorted(compared.of(alerts=True).both, key=lambda pair: _order(pair[1])):
        changes = tuple(_changes(old, new, compared.renamed))
        parts.setdefault(new.group, []).append(Subject("alert", called(new), changes))
    return section("Alerts", (Part(group, tuple(found)) for group, found in parts.items()))


def called(rule: Rule) -> str:
    """How an alert is called: with its severity, and labels that tell it from its like."""
    labels = [f"{name}={value}" for name, value in rule.labels if name not in SET_BY_RULES]
    about = ", ".join(filter(None, (rule.label("severity"), *labels)))
    return f"{rule.name} ({about})" if about else rule.name


def _order(rule: Rule) -> int:
    severity = rule.label("severity")
    return _CALLING[Severity(severity)] if severity in list(Severity) else len(_CALLING)


def _calling_changes(old: Rule, new: Rule) -> tuple[Change, ...]:
    told = []
    before, after = old.label("severity"), new.label("severity")
    if before != after:
        wakes = {before: ": wakes nobody any more", after: ": wakes people now"}
        effect = wakes.get(Severity.PAGE, "")
        told.append(f"{value_change('severity', before, after)}{effect}")
    if old.label("team") != new.label("team"):
        told.append(value_change("team", old.label("team"), new.label("team")))
    return tuple(Change(Weight.CALLS, each) for each in told)


def _changes(old: Rule, new: Rule, renamed: Mapping[str, str]) -> Iterator[Change]:
    if old.name != new.name:
        yield Change(
            Weight.BEHAVIOUR, f"renamed, was {old.name}: silences and routes by that name miss it"
        )
    yield from _firing_changes(old, new, renamed)
    yield from label_changes(old, new, besides=_ROUTED_BY)
    yield from common_changes(old, new)
    yield from _annotation_changes(old, new)


def _firing_changes(old: Rule, new: Rule, renamed: Mapping[str, str]) -> Iterator[Change]:
    if same_promql(old.expr, new.expr) or same_promql(with_names(old.expr, renamed), new.expr):
        yield from expression_change("expression", old.expr, new.expr, renamed)
    else:
        # Conditions that only changed places are told by the whole.
        yield from list(_condition_changes(old, new, renamed)) or expression_change(
            "expression", old.expr, new.expr, renamed
        )
    for what, was, now in (
        ("for", old.pending, new.pending),
        ("keep_firing_for", old.keep_firing, new.keep_firing),
    ):
        if not same_duration(was, now):
            yield Change(Weight.BEHAVIOUR, f"{what} {was} -> {now}")


def _condition_changes(old: Rule, new: Rule, renamed: Mapping[str, str]) -> Iterator[Change]:
    before, after = conditions(with_names(old.expr, renamed)), conditions(new.expr)
    limits = (before[0].limit, after[0].limit)
    if not (limits[0] and limits[1]):
        yield from expression_change("expression", old.expr, new.expr, renamed)
        return
    if limits[0] != limits[1]:
        yield _threshold_change(limits[0], limits[1], _unit(old), _unit(new))
    yield from expression_change("expression", before[0].series, after[0].series)
    found = paired(
        before[1:],
        after[1:],
        lambda each: each,
        lambda each: (each.joint, each.series),
        lambda each: each.series,
        lambda each: each.limit,
    )
    for was, now in found.both:
        if (was.joint, was.series) != (now.joint, now.series):
            yield from expression_change("condition", _condition(was), _condition(now))
        # An objective's second window has the limit of the first.
        elif was.limit != now.limit and (was.limit, now.limit) != limits:
            told = f"condition {_limit(was.limit)} -> {_limit(now.limit)}: {now.series}"
            yield Change(Weight.BEHAVIOUR, told)
    for word, those in (("added", found.added), ("removed", found.removed)):
        for condition in those:
            yield Change(Weight.BEHAVIOUR, f"condition {word}: {_condition(condition)}")


def _threshold_change(
    old: Limit, new: Limit, old_unit: Unit | None, new_unit: Unit | None
) -> Change:
    later = new.less_sensitive_than(old)
    effect = {None: "", True: ": less sensitive", False: ": more sensitive"}[later]
    words = "" if old.comparison is new.comparison else f"{new.comparison.words} "
    told = f"{_limit(old, old_unit)} -> {words}{_amount(new, new_unit)}"
    return Change(Weight.BEHAVIOUR, f"threshold {told}{effect}")


def _condition(condition: Condition) -> str:
    limit = condition.limit
    compared = f" {limit.comparison} {number(limit.value)}" if limit else ""
    return f"{condition.joint} {condition.series}{compared}"


def _annotation_changes(old: Rule, new: Rule) -> Iterator[Change]:
    before, after = dict(old.annotations), dict(new.annotations)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, ""), after.get(name, "")
        if name in _LINKS:
            # The address follows the alert's name.
            yield from address_change(_LINKS[name], was.replace(old.name, new.name), now)
        else:
            was, now = _without_threshold(was, old), _without_threshold(now, new)
            yield from text_change(_NAMES.get(name, name), was, now)


def _about(rule: Rule) -> str:
    """When it fires, and what it says."""
    limit = conditions(rule.expr)[0].limit
    compared = _limit(limit, _unit(rule)) if limit else "whenever its expression has a result"
    pending = "" if same_duration(rule.pending, "0s") else f" for {rule.pending}"
    summary = _TEMPLATE.sub("…", _LABEL.sub(r"<\1>", dict(rule.annotations).get("summary", "")))
    return f"{compared}{pending}: {summary}" if summary else f"{compared}{pending}"


def _without_threshold(text: str, rule: Rule) -> str:
    """A description without the sentence that repeats the threshold."""
    limit, unit = conditions(rule.expr)[0].limit, _unit(rule)
    return _repeated(limit, unit).sub("", text) if limit and unit else text


def _unit(rule: Rule) -> Unit | None:
    """The unit of the alert's signal, as its description writes the threshold."""
    limit = conditions(rule.expr)[0].limit
    description = dict(rule.annotations).get("description", "")
    fitting = (unit for unit in Unit if limit and _repeated(limit, unit).search(description))
    return next(fitting, None)


@cache
def _repeated(limit: Limit, unit: Unit) -> re.Pattern[str]:
    """The sentence of a description that repeats the threshold."""
    told = re.escape(f" alerts {limit.comparison.words} {unit.text(limit.value)}")
    return re.compile(rf"{told}( for \w+)?\.")


def _limit(limit: Limit | None, unit: Unit | None = None) -> str:
    return f"{limit.comparison.words} {_amount(limit, unit)}" if limit else "no limit"


def _amount(limit: Limit, unit: Unit | None) -> str:
    return unit.text(limit.value) if unit else number(limit.value)
